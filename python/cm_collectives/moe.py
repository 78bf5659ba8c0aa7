"""Mixtures of experts: which tokens go to which experts, and where these are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, SupportsIndex

from . import _core
from .arguments import MAX_SEED, integer, size, unknown_name
from .errors import ArgumentError
from .frames import to_frame

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from .arguments import Ranks, Size

    Routing = str | Sequence[Any] | NDArray[Any]

MAX_TOKENS = 2**24
MAX_EXPERTS = 2**20
MAX_LOAD = 2**53

_BALANCED, _UNIFORM, _ZIPF = "balanced", "uniform", "zipf"
_NAMES = (_BALANCED, _UNIFORM, _ZIPF)

# Loads of a Zipf law are whole numbers on this scale, far finer than any count of tokens.
_SCALE = 2**40
# Decimal arithmetic is the same on every machine; binary powers are not.
_DIGITS = 30
# The exponent for a ratio is halved out of this interval so often: to within 2e-9.
_MAX_EXPONENT, _HALVINGS = 64, 35


class Moe:
    """Tokens of every rank and the experts that each is sent to.

    Get one from `cm.moe`; it is immutable, compares and hashes by content and can be pickled.

    Examples
    --------
    >>> moe = cm.moe(128, 7168, 8, 256, bytes_per_token=7680, ranks=32)
    >>> moe.n_ranks, moe.n_copies  # 32 ranks * 128 tokens * 8 experts
    (32, 32768)
    """

    def __init__(self, core: _core.Tokens, n_ranks: int, ranks: int | tuple[int, ...]) -> None:
        self.core = core
        self.n_ranks = n_ranks
        self.ranks = ranks

    def with_bytes(self, bytes_per_token: Size) -> Moe:
        """Return the same tokens at the same experts, of another size.

        Parameters
        ----------
        bytes_per_token : int or str
            Bytes of one copy of a token, scales and metadata included.

        Returns
        -------
        Moe

        Examples
        --------
        >>> moe = cm.moe(4, 64, 2, 8, bytes_per_token=64, ranks=4, routing="uniform")
        >>> (moe.with_bytes(128).counts == moe.counts).all()
        np.True_
        """
        return Moe(
            self.core.with_bytes(size(bytes_per_token, "bytes_per_token")), self.n_ranks, self.ranks
        )

    @cached_property
    def tokens(self) -> pl.DataFrame:
        """One row per token.

        `rank`, `token` (counted in its rank), `experts` and `ranks` (lists: the experts of the
        token, and the ranks that serve it for them).

        Examples
        --------
        >>> moe = cm.moe(2, 64, 2, 4, bytes_per_token=64, ranks=2)  # experts 0, 1 on rank 0
        >>> moe.tokens.filter(rank=0)["experts"].to_list()  # dealt across the ranks: 0 2 1 3
        [[0, 2], [1, 3]]
        """
        return to_frame(self.core.columns())

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Copies from each rank (row) to each rank (column), one per token and expert.

        Examples
        --------
        >>> cm.moe(2, 64, 2, 4, bytes_per_token=64, ranks=2).counts.tolist()
        [[2, 2], [2, 2]]
        """
        return self.core.counts().reshape(self.n_ranks, self.n_ranks)

    @cached_property
    def loads(self) -> NDArray[np.int64]:
        """Copies per expert.

        Examples
        --------
        >>> cm.moe(2, 64, 2, 4, bytes_per_token=64, ranks=2).loads.tolist()
        [2, 2, 2, 2]
        """
        return self.core.loads()

    @property
    def n_copies(self) -> int:
        """Number of pairs of a token and one of its experts.

        Examples
        --------
        >>> cm.moe(2, 64, 2, 4, bytes_per_token=64, ranks=2).n_copies
        8
        """
        return int(self.loads.sum())

    @property
    def volume_bytes(self) -> int:
        """The bytes that algbw divides by the time: the most that one rank sends or receives.

        A copy counts for each token and expert, those for experts on the own rank too.

        Examples
        --------
        >>> cm.moe(2, 64, 2, 4, bytes_per_token=64, ranks=2).volume_bytes  # 4 copies
        256
        """
        return max(self.core.busiest()[:2])

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        return isinstance(other, Moe) and self._content == other._content

    def __hash__(self) -> int:
        """Hash by content."""
        return hash(self._content)

    @cached_property
    def _content(self) -> tuple[object, ...]:
        return self.core.digest, self.ranks

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by content."""
        return Moe, (self.core, self.n_ranks, self.ranks)

    def __repr__(self) -> str:
        """Name the numbers of ranks, experts and copies."""
        return f"Moe({self.n_ranks} ranks, {len(self.loads)} experts, {self.n_copies} copies)"


def moe(  # noqa: PLR0917
    tokens_per_rank: SupportsIndex | Sequence[SupportsIndex],
    hidden: SupportsIndex,
    top_k: SupportsIndex,
    experts: SupportsIndex,
    bytes_per_token: Size,
    ranks: Ranks,
    routing: Routing = _BALANCED,
    seed: SupportsIndex = 0,
    *,
    exponent: float | None = None,
    max_over_mean: float | None = None,
    groups: SupportsIndex | None = None,
    groups_per_token: SupportsIndex | None = None,
    placement: Sequence[Any] | None = None,
) -> Moe:
    """Return the tokens of a mixture of experts, for "dispatch" and "combine".

    Parameters
    ----------
    tokens_per_rank : int or sequence of int
        Tokens of every rank, or of each.
    hidden : int
        Elements of a token.
    top_k : int
        Experts of a token.
    experts : int
        Experts in all. By default expert e of E is on rank floor(e n / E) of n.
    bytes_per_token : int or str
        Bytes of one copy of a token on the wire, scales and metadata included.
    ranks : int, sequence of int or Team
        The ranks that have tokens and experts, as for `cm.simulate`.
    routing : str or array_like
        "balanced": copy j of a rank's token i goes to the (i top_k + j)-th expert, modulo their
        number, counted across the ranks; every rank sends its i-th token to the same ranks.
        "uniform": top_k different experts at random, all sets equally likely. "zipf": at random
        with loads of 1/i^exponent for the i-th hottest expert, the order drawn from the seed; none
        serves more than every token. Or numbers: a list with the load of each expert (at random in
        proportion to it); a matrix of the copies from each rank (row) to each expert (column),
        whose rows add up to tokens times top_k; or an array (ranks, tokens, top_k) of the experts
        of each token.
    seed : int
        Seed of what is drawn. Every token has a stream of splitmix64 of its own, from the seed, its
        rank and its number there, so that all machines draw the same.
    exponent : float, optional
        Of "zipf"; 1 by default.
    max_over_mean : float, optional
        Of "zipf" instead of it: the load of the hottest expert over the mean, from 1 to
        experts/top_k.
    groups, groups_per_token : int, optional
        Of "uniform": the experts are in so many groups of equal size, and a token uses those of so
        many groups only (group-limited gating).
    placement : sequence, optional
        The rank of each expert, or a list of ranks where it has replicas. Replicas take turns:
        token t of rank r goes to replica (r + t) modulo their number.

    Returns
    -------
    Moe

    Raises
    ------
    ArgumentError
        If a value is outside its range, an expert would have to serve a token twice, or counts do
        not add up.

    References
    ----------
    .. [1] DeepSeek-AI, "DeepSeek-V3 technical report", arXiv 2412.19437, 2024.
    .. [2] W. G. Madow, "On the theory of systematic sampling, II", Ann. Math. Stat. 20, 1949.
    .. [3] G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators",
       OOPSLA 2014.

    Examples
    --------
    >>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
    >>> moe = cm.moe(16, 7168, 2, 8, bytes_per_token=9800, ranks=range(0, 16, 2))
    >>> # 7/8 of 16 * 2 copies of 9.8 kB through ports of 196 GB/s: 1.4 us
    >>> cm.simulate(fabric, "dispatch", moe=moe, messages="peer").time_ps
    1400000
    """
    n_ranks, chosen = _ranks(ranks)
    tokens_of = _tokens_of(tokens_per_rank, n_ranks)
    k = integer(top_k, "top_k", 1, MAX_EXPERTS)
    n_experts = integer(experts, "experts", 1, MAX_EXPERTS)
    name, values = _routing(routing, (n_ranks, tokens_of, k, n_experts), exponent, max_over_mean)
    core = _core.Tokens(
        tokens_of,
        k,
        n_experts,
        None if placement is None else _placement(placement, n_experts, n_ranks),
        name,
        integer(seed, "seed", 0, MAX_SEED),
        _groups(name, groups, groups_per_token),
        values,
        integer(hidden, "hidden", 1, 2**31 - 1),
        size(bytes_per_token, "bytes_per_token"),
    )
    return Moe(core, n_ranks, chosen)


def _ranks(ranks: Any) -> tuple[int, int | tuple[int, ...]]:  # noqa: ANN401
    """Return the number of ranks, and what says which they are."""
    if hasattr(ranks, "__index__") and not hasattr(ranks, "__len__"):
        n_ranks = integer(ranks, "ranks", 1, 2**24)
        return n_ranks, n_ranks
    members = getattr(ranks, "ranks", ranks)
    if isinstance(members, (str, bytes, Mapping)) or not hasattr(members, "__len__"):
        raise ArgumentError(
            f"ranks must be a number, a sequence of endpoints or a Team, got {ranks!r}"
        )
    if len(members) == 0:
        raise ArgumentError("ranks must name at least one endpoint, got an empty sequence")
    return len(members), tuple(integer(rank, "ranks", 0, 2**31 - 1) for rank in members)


def _tokens_of(tokens_per_rank: object, n_ranks: int) -> list[int]:
    name = "tokens_per_rank"
    if hasattr(tokens_per_rank, "__index__") and not hasattr(tokens_per_rank, "__len__"):
        return [integer(tokens_per_rank, name, 0, MAX_TOKENS)] * n_ranks
    if isinstance(tokens_per_rank, (str, bytes)) or not isinstance(tokens_per_rank, Sequence):
        raise ArgumentError(f"{name} must be an integer or one per rank, got {tokens_per_rank!r}")
    if len(tokens_per_rank) != n_ranks:
        raise ArgumentError(
            f"{name} must have one entry for each of the {n_ranks} ranks, got "
            f"{len(tokens_per_rank)}"
        )
    return [integer(n, f"{name}[{i}]", 0, MAX_TOKENS) for i, n in enumerate(tokens_per_rank)]


def _placement(placement: Any, n_experts: int, n_ranks: int) -> list[list[int]]:  # noqa: ANN401
    if isinstance(placement, (str, bytes, Mapping)) or not hasattr(placement, "__len__"):
        raise ArgumentError(
            f"placement must be a list with the ranks of each expert, got {placement!r}"
        )
    if len(placement) != n_experts:
        raise ArgumentError(
            f"placement must have one entry for each of the {n_experts} experts, got "
            f"{len(placement)}"
        )
    each = [own if hasattr(own, "__len__") else [own] for own in placement]
    return [
        [integer(rank, f"placement[{i}]", 0, n_ranks - 1) for rank in own]
        for i, own in enumerate(each)
    ]


def _groups(name: str, groups: object, per_token: object) -> tuple[int, int]:
    if groups is None and per_token is None:
        return 0, 0
    if name != _UNIFORM:
        raise ArgumentError('groups and groups_per_token are for routing="uniform"')
    if groups is None or per_token is None:
        raise ArgumentError("groups and groups_per_token go together; got only one of them")
    return (
        integer(groups, "groups", 1, MAX_EXPERTS),
        integer(per_token, "groups_per_token", 1, MAX_EXPERTS),
    )


def _routing(
    routing: object,
    shape: tuple[int, list[int], int, int],
    exponent: float | None,
    max_over_mean: float | None,
) -> tuple[str, NDArray[np.int64]]:
    """Return how the extension calls a routing, and its numbers."""
    import numpy as np

    if isinstance(routing, str) and routing == _ZIPF:
        _, _, top_k, n_experts = shape
        loads = _zipf(n_experts, top_k, exponent, max_over_mean)
        return "shuffled", np.array(loads, dtype=np.int64)
    for name, value in (("exponent", exponent), ("max_over_mean", max_over_mean)):
        if value is not None:
            raise ArgumentError(f'{name} is for routing="zipf"')
    if not isinstance(routing, str):
        return _numbers(routing, shape)
    if routing not in _NAMES:
        raise unknown_name("routing of tokens", routing, _NAMES)
    return routing, np.zeros(0, dtype=np.int64)


def _numbers(
    routing: object, shape: tuple[int, list[int], int, int]
) -> tuple[str, NDArray[np.int64]]:
    """Return what an array of a user's own means, and its entries."""
    import numpy as np

    n_ranks, tokens_of, top_k, n_experts = shape
    try:
        array = np.asarray(routing)
    except ValueError:
        raise ArgumentError("routing must be an array, got rows of different lengths") from None
    shapes: dict[tuple[int, ...], str] = {(n_experts,): "loads"}
    shapes[n_ranks, n_experts] = "counts"
    if len(set(tokens_of)) == 1:
        shapes[n_ranks, tokens_of[0], top_k] = "chosen"
    if array.shape not in shapes:
        allowed = ", ".join(str(each) for each in shapes)
        raise ArgumentError(
            f"routing must be one of {', '.join(_NAMES)} or an array of shape {allowed} (loads of "
            f"experts, counts per rank and expert, experts per token), got shape {array.shape}"
        )
    if array.dtype.kind not in "iu":
        raise ArgumentError(f"routing must hold integers, got dtype {array.dtype}")
    if array.size and not 0 <= int(array.min()) <= int(array.max()) <= MAX_LOAD:
        raise ArgumentError(f"routing must hold integers from 0 to {MAX_LOAD}")
    return shapes[array.shape], array.astype(np.int64).ravel()


def _zipf(
    n_experts: int, top_k: int, exponent: float | None, max_over_mean: float | None
) -> list[int]:
    """Return the loads of a Zipf law, the hottest expert first."""
    if top_k > n_experts:
        raise ArgumentError(f"top_k must be from 1 to the {n_experts} experts, got {top_k}")
    if exponent is not None and max_over_mean is not None:
        raise ArgumentError("exponent and max_over_mean exclude each other")
    if max_over_mean is None:
        chosen = _number(1.0 if exponent is None else exponent, "exponent", 0, _MAX_EXPONENT)
        return _capped(_powers(n_experts, chosen), top_k)
    ratio = _number(max_over_mean, "max_over_mean", 1, n_experts / top_k)
    low, high = 0.0, float(_MAX_EXPONENT)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        loads = _capped(_powers(n_experts, middle), top_k)
        if loads[0] * n_experts < ratio * sum(loads):
            low = middle
        else:
            high = middle
    return _capped(_powers(n_experts, high), top_k)


def _number(value: object, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not hasattr(value, "__float__") or not low <= value <= high:  # type: ignore[operator]
        raise ArgumentError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}")
    return float(value)


def _powers(n_experts: int, exponent: float) -> list[int]:
    from decimal import Context, Decimal

    context = Context(prec=_DIGITS)
    power = -Decimal(exponent)
    return [
        max(1, int(context.multiply(context.power(Decimal(i), power), _SCALE)))
        for i in range(1, n_experts + 1)
    ]


def _capped(loads: list[int], top_k: int) -> list[int]:
    """Lower the loads of the hottest experts to one copy of every token."""
    for n_full in range(top_k):
        rest = sum(loads[n_full:])
        # With m experts at every token, the others share k - m copies.
        if loads[n_full] * (top_k - n_full) <= rest:
            full = rest // (top_k - n_full)
            return [full] * n_full + loads[n_full:]
    return [1] * top_k + [0] * (len(loads) - top_k)
