# The extension module: everything that simulates. Plain values and NumPy columns cross this border.
#
# Columns are dicts from a name to one value per row: NDArray (int64, float64, bool) or list[str]. A
# list of integers per row named `x` crosses as `x_offsets` (int64, one more than rows) and
# `x_values` (int64). "No value" is -1 in integer columns, "" in text and NaN in float columns;
# Python turns them into nulls. Every function raises the classes of `cm_collectives.errors`.

from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

_Columns: TypeAlias = dict[str, Any]
_Options: TypeAlias = dict[str, int | str]  # options of an algorithm; None values are left out
_Counts: TypeAlias = NDArray[np.int64] | Tokens | None  # what each rank has for each other
# bus, LL and LL128 in GB/s, efficiency of reduction in switches, whether NVLink spans nodes
_Tuning: TypeAlias = tuple[float, float, float, float | None, bool]
_Levels: TypeAlias = list[tuple[str, list[list[int]]]]  # innermost first: name, groups of ranks

__all__ = [
    "Case",
    "Certificate",
    "Fabric",
    "Forms",
    "RankList",
    "RankLists",
    "Run",
    "Schedule",
    "Session",
    "Settings",
    "Tokens",
    "__version__",
    "algorithms",
    "build_info",
    "busbw_factor",
    "collectives",
    "cost_parameters",
    "decide",
    "hccl_algo",
    "presets",
    "routings",
    "simulate",
    "simulate_flows",
    "simulate_jobs",
    "sweep",
    "times_ps",
    "tune",
]

__version__: str

# the library's words, the algorithm and its options
def decide(
    rule: str,
    fabric: Fabric,
    collective: str,
    endpoints: list[int],
    size_bytes: int,
) -> tuple[str, str, dict[str, int | str]] | None: ...
def hccl_algo(collective: str, algorithm: str, options: dict[str, int | str]) -> str | None: ...
def presets() -> _Columns: ...  # name, title, endpoints, parameters, source

# collective, algorithm, summary, constraint, options, steps, bytes_per_rank, source: a row per pair
def algorithms() -> _Columns: ...
def collectives() -> list[str]: ...
def routings() -> _Columns: ...  # routing, description
def busbw_factor(collective: str, n_ranks: int) -> tuple[int, int]: ...  # numerator, denominator
def cost_parameters() -> _Columns: ...  # parameter, quantity (time, rate, size, share), meaning
def build_info() -> dict[str, str]: ...

# Endpoints, switches and directed links; valid once it exists.
@final
class Fabric:
    @staticmethod
    def preset(name: str, params: dict[str, int | str]) -> Fabric: ...
    # nodes: node, kind (list[str]: endpoint, cpu, nic, switch), optionally reduction_rate_Bps, and
    # a text column per container level, innermost first; links: src, dst (list[str]), rate_Bps,
    # latency_ps, and optionally kind (list[str]), plane, nominal_rate_Bps, ordinary (bool)
    @staticmethod
    def from_columns(name: str, nodes: _Columns, links: _Columns) -> Fabric: ...
    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def n_endpoints(self) -> int: ...
    # node, kind, endpoint, reduction_rate_Bps, and a text column per container level
    def nodes(self) -> _Columns: ...
    # link, src, dst, kind, plane, nominal_rate_Bps, rate_Bps, latency_ps, ordinary
    def links(self) -> _Columns: ...
    def degrade(self, factors: list[tuple[str, float]]) -> Fabric: ...
    def weigh(self, factors: list[tuple[str, float]]) -> Fabric: ...
    # library, rule, tuning, parameters by name; takes the place of another calibration
    def calibrated(
        self, library: str, rule: str, tuning: _Tuning | None, parameters: list[tuple[str, float]]
    ) -> Fabric: ...
    def uncalibrated(self) -> Fabric: ...
    def calibration(
        self,
    ) -> tuple[str, str, _Tuning | None, list[tuple[str, float]]] | None: ...
    def regime(
        self, collective: str, endpoints: list[int], algorithm: str | None, size_bytes: int
    ) -> str | None: ...
    def levels(self, endpoints: Sequence[int]) -> _Levels: ...
    # path, hop, link, rate_Bps, latency_ps: a row per path and hop
    def paths(self, src: int, dst: int) -> _Columns: ...
    def assumed(self) -> str: ...
    def chip(self) -> tuple[int, int, int] | None: ...
    def parts(self) -> list[str]: ...
    def summary(self) -> dict[str, Any]: ...
    def endpoint_index(self, name: str) -> int: ...
    def __reduce__(self) -> tuple[Any, ...]: ...  # by content
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

# Costs of collectives before the parameters are known; values in the order of cost_parameters().
@final
class Forms:
    # of a calibrated fabric; rows: collective, endpoints, size_bytes
    @staticmethod
    def of_collectives(fabric: Fabric, rows: list[tuple[str, list[int], int]]) -> Forms: ...
    # rows: is a combine, ranks, tokens per rank, hidden, copies, bytes per token, incast
    @staticmethod
    def of_moe(
        rows: list[tuple[bool, float, float, float, float, float, float]],
    ) -> Forms: ...
    def __len__(self) -> int: ...
    @property
    def regimes(self) -> list[str]: ...
    @property
    def choices(self) -> list[str]: ...
    @property
    def algorithms(self) -> list[str]: ...
    def times_us(self, parameters: list[float | None]) -> NDArray[np.float64]: ...
    def terms(self, parameters: list[float | None]) -> list[list[tuple[str, float]]]: ...

# Tokens of each rank and the experts that they are sent to.
@final
class Tokens:
    # routing: balanced, uniform, loads, shuffled, counts, chosen; groups (0, 0): no limit
    def __new__(
        cls,
        tokens_of: list[int],
        top_k: int,
        n_experts: int,
        placement: list[list[int]] | None,
        routing: str,
        seed: int,
        groups: tuple[int, int],
        values: NDArray[np.int64],
        hidden: int,
        bytes_per_token: int,
    ) -> Tokens: ...
    def with_bytes(self, bytes_per_token: int) -> Tokens: ...
    @property
    def digest(self) -> str: ...
    def columns(self) -> _Columns: ...
    def counts(self) -> NDArray[np.int64]: ...
    def loads(self) -> NDArray[np.int64]: ...
    def busiest(self) -> tuple[int, int, int, int]: ...

# A DAG of transfers that computes its collective.
@final
class Schedule:
    @staticmethod
    def build(
        collective: str,
        algorithm: str,
        n_ranks: int,
        levels: _Levels,
        root: int,
        size_bytes: int | None,
        counts: _Counts,
        options: _Options,
        split: str,
    ) -> Schedule: ...
    # columns: src, dst, chunk, op; optionally step, n_chunks, chunk_stride, chunk_window,
    # depends_on_*, follows_*
    # n_chunks 0: the fewest chunks that cover the columns and divide the collective's blocks evenly
    @staticmethod
    def from_columns(
        columns: _Columns,
        collective: str,
        n_ranks: int,
        root: int,
        size_bytes: int | None,
        counts: _Counts,
        n_chunks: int,
        algorithm: str,
        verify: bool,
    ) -> Schedule: ...
    def resized(self, size_bytes: int) -> Schedule: ...
    @property
    def collective(self) -> str: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def n_ranks(self) -> int: ...
    @property
    def n_chunks(self) -> int: ...
    @property
    def n_transfers(self) -> int: ...
    @property
    def n_steps(self) -> int: ...
    @property
    def root(self) -> int: ...
    @property
    def digest(self) -> str: ...
    def verify(self) -> None: ...
    # transfer, step, src, dst, chunk, n_chunks, chunk_stride, chunk_window, offset, size_bytes, op,
    # depends_on_offsets, depends_on_values, follows_offsets, follows_values
    def transfers(self) -> _Columns: ...
    # steps, transfers, bytes_sent, bytes_received (NDArray, one value per rank), critical_path
    def stats(self) -> dict[str, Any]: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

# How to run: routing, synchronization, engine and limits.
@final
class Settings:
    # sync: none, pairwise, barrier; engine: fluid, bound; arithmetic: pair, extended, rational;
    # layers: whether orbits, refine and fast_forward may be used; bracket: no events, both ends
    def __new__(
        cls,
        routing: str,
        seed: int,
        planes: list[int] | None,
        sync: str,
        engine: str,
        arithmetic: str,
        layers: tuple[bool, bool, bool],
        bracket: bool,
        memory_limit_bytes: int,
        event_limit: int,
    ) -> Self: ...

# A finished simulation.
@final
class Run:
    @property
    def time_ps(self) -> int: ...
    @property
    def time_low_ps(self) -> int: ...  # below time_ps only for a bracket
    @property
    def bound_ps(self) -> int: ...
    @property
    def route_bound_ps(self) -> int: ...
    @property
    def exactness(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def n_events(self) -> int: ...
    @property
    def algorithms(self) -> list[str]: ...  # one per job
    @property
    def options(self) -> dict[str, int | str]: ...  # of the algorithm of one collective
    @property
    def is_in_network(self) -> bool: ...  # whether switches reduced or multicast
    def max_utilisation(self) -> float: ...  # of the busiest link
    @property
    def charged(self) -> list[tuple[str, str, int, int]]: ...  # collective, regime, ranks, size
    # job, the schedule's columns (src and dst are ranks), src_endpoint, dst_endpoint, released_ps,
    # served_ps, arrived_ps; of flows: row, src, dst, size_bytes, released_ps, served_ps, arrived_ps
    def transfers(self) -> _Columns: ...
    def links(self) -> _Columns: ...  # link, src, dst, kind, plane, rate_Bps, bytes, busy_ps, ...
    def ranks(self) -> _Columns: ...  # job, rank, endpoint, finish_ps
    # job, collective, algorithm, ranks, start_ps, finish_ps, time_ps, alone_ps, slowdown
    def jobs(self) -> _Columns: ...
    def bottlenecks(self) -> _Columns: ...  # resource, links, rate_Bps, bytes, utilisation
    def explain(self) -> str: ...
    def certificate(self) -> Certificate: ...

# Ranks that a fabric was asked about; equal to itself only.
@final
class RankList:
    @property
    def ranks(self) -> list[int]: ...

# The one RankList for all lists and tuples of the same ranks; none if an item is no plain integer.
@final
class RankLists:
    def __new__(cls) -> Self: ...
    def find(self, ranks: object) -> RankList | None: ...

# Flows that join and leave while time goes by; ends are endpoint numbers or names of nodes.
@final
class Session:
    def __new__(
        cls, fabric: Fabric, routing: str, seed: int, planes: Sequence[int] | None
    ) -> Self: ...
    def inject(
        self, t_ps: int, src: int | str, dst: int | str, size_bytes: int, via: Sequence[str]
    ) -> int: ...
    def inject_collective(
        self, schedule: Schedule, endpoints: Sequence[int], starts_ps: Sequence[int]
    ) -> int: ...
    def cancel(self, flow: int) -> None: ...
    def set_link(self, selector: str, factor: float, t_ps: int) -> None: ...
    def next_event_ps(self) -> int | None: ...
    def advance_to(self, t_ps: int) -> list[tuple[int, int]]: ...  # (id, time in ps)
    def fork(self) -> Session: ...
    @property
    def now_ps(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def n_live(self) -> int: ...
    @property
    def exactness(self) -> str: ...

# The proof that the rates of a run are max-min fair at all times.
@final
class Certificate:
    @property
    def time_ps(self) -> int: ...
    @property
    def n_events(self) -> int: ...
    def check(self) -> None: ...
    def events(self) -> _Columns: ...  # event, time_ps (float64), low, error, residue
    def records(self) -> _Columns: ...  # event, kind, op, resource, level
    def levels(self) -> _Columns: ...  # level, rate_Bps (float64), low, error, residue
    def routes(self) -> _Columns: ...  # op, resource, weight
    def classes(self) -> _Columns: ...  # kind, member, class
    def replaced(
        self,
        levels: _Columns | None = None,
        records: _Columns | None = None,
        op_routes: NDArray[np.int64] | None = None,
        classes: _Columns | None = None,
    ) -> Certificate: ...

# algorithm may be "auto"; start_ps has one entry, or one per rank
def simulate(
    fabric: Fabric,
    collective: str,
    algorithm: str,
    endpoints: list[int],
    root: int,
    size_bytes: int | None,
    counts: _Counts,
    options: _Options,
    split: str,
    start_ps: list[int],
    settings: Settings,
    set_links: list[tuple[str, float, int]],  # selector, share of the nominal rate, at_ps
) -> Run: ...

# a job: schedule, endpoints, start_ps
def simulate_jobs(
    fabric: Fabric,
    jobs: list[tuple[Schedule, list[int], list[int]]],
    settings: Settings,
    set_links: list[tuple[str, float, int]],
) -> Run: ...
def simulate_flows(
    fabric: Fabric,
    flows: _Columns,
    settings: Settings,
    set_links: list[tuple[str, float, int]],
) -> Run: ...

# One scenario of a batch; valid once it exists.
@final
class Case:
    def __new__(
        cls,
        fabric: Fabric,
        collective: str,
        algorithm: str,
        endpoints: list[int],
        root: int,
        size_bytes: int | None,
        counts: _Counts,
        options: _Options,
        split: str,
        settings: Settings,
        set_links: list[tuple[str, float, int]],
    ) -> Self: ...
    @property
    def n_ranks(self) -> int: ...
    def time_ps(self, size_bytes: int | None) -> int: ...  # whatever size it was made with

# which: the case of each row; sizes_bytes: -1 for none. Returns time_ps, bound_ps (-1 for none),
# max_utilisation, and words as numbers (algorithm_used, bottleneck, error) into lists ..._words
def sweep(
    cases: list[Case],
    which: NDArray[np.int64],
    sizes_bytes: NDArray[np.int64],
    threads: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> _Columns: ...

# case, algorithm, at_least_ps, is_timed (0 or 1): the rivals of all cases; and the options of each
def tune(
    cases: list[Case],
    exhaustive: bool,
    threads: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[_Columns, list[dict[str, int | str]]]: ...
def times_ps(
    case: Case, sizes_bytes: NDArray[np.int64], threads: int | None = None
) -> NDArray[np.int64]: ...
