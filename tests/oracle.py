"""An independent simulator of flows on shared resources: slow, exact and plain.

It follows the text of the model word for word with `fractions.Fraction`, and shares no line and no
idea for speed with the engine it judges. Rates are the max-min fair ones, found again from nothing
at each event by progressive filling (Bertsekas and Gallager, "Data Networks", section 6.5.2).
Times are in picoseconds, sizes in bytes, capacities and rates in bytes per second.

The second half makes random fabrics and random flows on them, as plain rows that a caller can turn
into the frames of `Fabric.from_frames` and `simulate_flows`.
"""

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import permutations

PS_PER_S = 10**12

Exact = int | Fraction
Capacities = Mapping[str, Exact]
Weights = Mapping[str, Exact]


@dataclass(frozen=True)
class Flow:
    """Bytes to serve; `weights[r]` is the share of the flow that crosses resource `r`."""

    size: Exact
    weights: Weights
    latency_ps: Exact = 0
    start_ps: Exact = 0
    software_ps: Exact = 0
    depends_on: Sequence[int] = ()  # their bytes must have arrived
    follows: Sequence[int] = ()  # they must have been served


@dataclass(frozen=True)
class Times:
    """When one flow was released, served and arrived, in picoseconds."""

    released: Fraction
    served: Fraction
    arrived: Fraction


@dataclass(frozen=True)
class Interval:
    """The rates (B/s) of all flows in service from `begin` to `end`; no event is in between."""

    begin: Fraction
    end: Fraction
    rates: Mapping[int, Fraction]


@dataclass(frozen=True)
class Run:
    """The outcome of a simulation: times per flow, the rates between the events, who left."""

    times: list[Times]
    intervals: list[Interval]
    left: frozenset[int] = frozenset()


def ceil_ps(time_ps: Fraction) -> int:
    """Round a time up to the next whole picosecond.

    >>> ceil_ps(Fraction(7, 2)), ceil_ps(Fraction(4))
    (4, 4)
    """
    return -(-time_ps.numerator // time_ps.denominator)


def fair_rates(capacities: Capacities, weights: Mapping[int, Weights]) -> dict[int, Fraction]:
    """Max-min fair rates by progressive filling.

    All rates rise together. When a resource is full, the flows that cross it stop, and the others
    rise on. A flow of rate x loads a resource with weight * x; what is shared fairly is x.

    >>> fair_rates({"a": 12, "b": 10}, {0: {"a": 1}, 1: {"a": 1, "b": 1}, 2: {"b": 1}})
    {1: Fraction(5, 1), 2: Fraction(5, 1), 0: Fraction(7, 1)}
    """
    rates: dict[int, Fraction] = {}
    while len(rates) < len(weights):
        rising = [flow for flow in weights if flow not in rates]
        fills_at: dict[str, Fraction] = {}
        for resource, capacity in capacities.items():
            demand = sum((Fraction(weights[flow].get(resource, 0)) for flow in rising), Fraction(0))
            used = sum(
                (Fraction(weights[flow].get(resource, 0)) * rate for flow, rate in rates.items()),
                Fraction(0),
            )
            if demand > 0:
                fills_at[resource] = (Fraction(capacity) - used) / demand
        if not fills_at:
            raise ValueError(f"flows {rising} cross no resource, their rate has no bound")
        level = min(fills_at.values())
        full = {resource for resource, filled in fills_at.items() if filled == level}
        for flow in rising:
            if any(weights[flow].get(resource, 0) > 0 for resource in full):
                rates[flow] = level
    return rates


@dataclass
class _State:
    """What is known at one moment of a run."""

    flows: Sequence[Flow]
    left: dict[int, Fraction] = field(default_factory=dict)  # bytes left of the flows in service
    released: dict[int, Fraction] = field(default_factory=dict)
    served: dict[int, Fraction] = field(default_factory=dict)
    arrived: dict[int, Fraction] = field(default_factory=dict)

    def serve(self, index: int, now: Fraction) -> None:
        """Let the last byte of flow `index` be served, and arrive on the path of now."""
        self.served[index] = now
        self.arrived[index] = now + Fraction(self.flows[index].latency_ps)

    def release_time(self, index: int) -> Fraction | None:
        """When flow `index` is released, or None while one of its predecessors is unserved."""
        flow = self.flows[index]
        if not all(p in self.served for p in (*flow.depends_on, *flow.follows)):
            return None
        arrivals = [self.arrived[p] for p in flow.depends_on]
        ready = max([Fraction(flow.start_ps), *arrivals]) + Fraction(flow.software_ps)
        return max([ready, *(self.served[p] for p in flow.follows)])

    def waiting(self) -> dict[int, Fraction]:
        """Unreleased flows whose release time is known."""
        known = {}
        for index in range(len(self.flows)):
            if index not in self.released:
                time = self.release_time(index)
                if time is not None:
                    known[index] = time
        return known

    def leave(self, index: int, now: Fraction) -> None:
        """Take flow `index` out."""
        self.released.setdefault(index, now)
        self.left.pop(index, None)
        self.serve(index, now)

    def settle(self, now: Fraction) -> None:
        """Do all that happens at `now`; a completion may release flows at the same moment."""
        changed = True
        while changed:
            changed = False
            for index, time in self.waiting().items():
                if time <= now:
                    self.released[index] = time
                    self.left[index] = Fraction(self.flows[index].size)
                    changed = True
            for index in [index for index, left in self.left.items() if left == 0]:
                self.serve(index, now)
                del self.left[index]
                changed = True


def simulate(
    capacities: Capacities,
    flows: Sequence[Flow],
    leaves_ps: Mapping[int, Exact] | None = None,
    changes: Sequence[tuple[Exact, Capacities, Sequence[Flow]]] = (),
) -> Run:
    """Serve all flows and return when each was released, served and arrived.

    A flow in `leaves_ps` goes away at that time if it is not served by then: it is in `left`, and
    that time stands for its service. `changes` are times with the capacities, and the weights and
    latencies of all flows, that hold from then on.

    Two flows of 10 B share 10 B/s: 5 B/s each, so both are served after 2 s.

    >>> run = simulate({"link": 10}, [Flow(10, {"link": 1}), Flow(10, {"link": 1}, latency_ps=7)])
    >>> [int(times.arrived) for times in run.times]
    [2000000000000, 2000000000007]
    """
    state = _State(flows)
    leaves = {index: Fraction(time) for index, time in (leaves_ps or {}).items()}
    left = set()
    changes = sorted(changes, key=lambda change: change[0])
    intervals = []
    now = Fraction(0)
    state.settle(now)
    while len(state.served) < len(flows):
        weights = {index: state.flows[index].weights for index in state.left}
        rates = fair_rates(capacities, weights)
        if any(rate <= 0 for rate in rates.values()):
            raise ValueError("a flow crosses a resource without capacity")
        ends = [now + state.left[index] / rate * PS_PER_S for index, rate in rates.items()]
        staying = [time for index, time in leaves.items() if index not in state.served]
        upcoming = [*ends, *state.waiting().values(), *staying]
        upcoming += [Fraction(time) for time, _, _ in changes[:1]]
        if not upcoming:
            raise ValueError("the predecessors form a cycle")
        then = min(upcoming)
        for index, rate in rates.items():
            state.left[index] -= rate * (then - now) / PS_PER_S
        intervals.append(Interval(now, then, rates))
        now = then
        state.settle(now)
        for index, time in leaves.items():
            if time == now and index not in state.served:
                state.leave(index, now)
                left.add(index)
        while changes and changes[0][0] <= now:
            _, capacities, state.flows = changes.pop(0)
    times = [Times(state.released[i], state.served[i], state.arrived[i]) for i in range(len(flows))]
    return Run(times, intervals, frozenset(left))


@dataclass(frozen=True)
class Node:
    """A row of the nodes frame."""

    node: str
    kind: str  # "endpoint" or "switch"


@dataclass(frozen=True)
class Link:
    """A row of the links frame, and the rate that a degradation leaves."""

    src: str
    dst: str
    rate_Bps: int
    latency_ps: int
    live_Bps: int

    @property
    def name(self) -> str:
        return f"{self.src}->{self.dst}"


def spray(
    nodes: Sequence[Node], links: Sequence[Link], src: str, dst: str
) -> tuple[dict[str, Fraction], int]:
    """Return the share of a flow on each link, and the largest latency of its paths.

    At each node the flow divides over the live links that lie on shortest paths by hops to `dst`,
    in proportion to their nominal rates. Only switches forward.

    >>> nodes = [Node("a", "endpoint"), Node("s", "switch"), Node("t", "switch"),
    ...          Node("b", "endpoint")]
    >>> links = [Link("a", "s", 20, 5, 20), Link("a", "t", 10, 5, 10),
    ...          Link("s", "b", 10, 1, 10), Link("t", "b", 10, 2, 10)]
    >>> shares, latency_ps = spray(nodes, links, "a", "b")
    >>> {link: str(share) for link, share in shares.items()}, latency_ps
    ({'a->s': '2/3', 'a->t': '1/3', 's->b': '2/3', 't->b': '1/3'}, 7)
    """
    live = [link for link in links if link.live_Bps > 0]
    switches = {node.node for node in nodes if node.kind == "switch"}
    hops = {dst: 0}
    queue = deque([dst])
    while queue:
        here = queue.popleft()
        for link in live:
            forwards = link.src == src or link.src in switches
            if link.dst == here and link.src not in hops and forwards:
                hops[link.src] = hops[here] + 1
                # The source itself is not passed through either, unless it is a switch.
                if link.src in switches:
                    queue.append(link.src)
    if src not in hops:
        raise ValueError(f"no live path from {src} to {dst}")
    reach = {src: Fraction(1)}
    latest = {src: 0}
    shares: dict[str, Fraction] = {}
    for left in range(hops[src], 0, -1):
        for here in [node for node in reach if hops[node] == left]:
            out = [link for link in live if link.src == here and hops.get(link.dst) == left - 1]
            total = sum(link.rate_Bps for link in out)
            for link in out:
                share = reach[here] * Fraction(link.rate_Bps, total)
                shares[link.name] = share
                reach[link.dst] = reach.get(link.dst, Fraction(0)) + share
                latest[link.dst] = max(latest.get(link.dst, 0), latest[here] + link.latency_ps)
    return shares, latest[dst]


@dataclass(frozen=True)
class Row:
    """A row of the flows frame; `src` and `dst` are endpoint indices, predecessors row numbers."""

    src: int
    dst: int
    size_bytes: int
    start_ps: int
    depends_on: list[int]
    follows: list[int]


@dataclass(frozen=True)
class Case:
    """A random fabric and random flows on it, as rows of plain integers and names."""

    nodes: list[Node]
    links: list[Link]
    degrade: dict[str, float]  # link name -> factor, as `Fabric.degrade` takes it
    flows: list[Row]

    def node_columns(self) -> dict[str, list[str]]:
        """Return the columns of the nodes frame."""
        return {
            "node": [node.node for node in self.nodes],
            "kind": [node.kind for node in self.nodes],
        }

    def link_columns(self) -> dict[str, list[str] | list[int]]:
        """Return the columns of the links frame, with nominal rates."""
        return {
            "src": [link.src for link in self.links],
            "dst": [link.dst for link in self.links],
            "rate_Bps": [link.rate_Bps for link in self.links],
            "latency_ps": [link.latency_ps for link in self.links],
        }

    def flow_columns(self) -> dict[str, list[int] | list[list[int]]]:
        """Return the columns of the flows frame."""
        return {
            "src": [row.src for row in self.flows],
            "dst": [row.dst for row in self.flows],
            "size_bytes": [row.size_bytes for row in self.flows],
            "start_ps": [row.start_ps for row in self.flows],
            "depends_on": [row.depends_on for row in self.flows],
            "follows": [row.follows for row in self.flows],
        }

    def routed(self) -> tuple[dict[str, Exact], list[Flow]]:
        """Spray each flow over the fabric: the input of `simulate`."""
        endpoints = [node.node for node in self.nodes if node.kind == "endpoint"]
        flows = []
        for row in self.flows:
            shares, latency_ps = spray(
                self.nodes, self.links, endpoints[row.src], endpoints[row.dst]
            )
            flows.append(
                Flow(
                    size=row.size_bytes,
                    weights=shares,
                    latency_ps=latency_ps,
                    start_ps=row.start_ps,
                    depends_on=row.depends_on,
                    follows=row.follows,
                )
            )
        return {link.name: link.live_Bps for link in self.links}, flows

    def expected(self) -> list[Times]:
        """Return the exact times of each flow, in row order."""
        return simulate(*self.routed()).times


def random_case(seed: int, max_flows: int = 24) -> Case:
    """Return a random fabric of one to three tiers with random flows; the same for the same seed.

    Half of the cases draw rates, sizes and times from small sets, so that simultaneous events and
    several saturated resources are common; the other half draw them from wide ranges. A live path
    joins every pair of endpoints, with the failed links removed too.
    """
    rng = random.Random(seed)
    ties = rng.random() < 0.5
    nodes: list[Node] = []
    links: list[Link] = []
    while not _all_joined(nodes, links):
        nodes, pairs = _random_graph(rng)
        links = [_random_link(rng, src, dst, ties=ties) for src, dst in pairs]
    degrade: dict[str, float] = {}
    for index, link in enumerate(links):
        if rng.random() < 0.15:
            quarters = rng.choice([0, 1, 2])
            for attempt in (quarters, 2):  # a failure that cuts an endpoint off becomes one half
                links[index] = replace(link, live_Bps=link.rate_Bps * attempt // 4)
                degrade[link.name] = attempt / 4
                if attempt > 0 or _all_joined(nodes, links):
                    break
    count = rng.randint(1, max_flows)
    return Case(
        nodes, links, degrade, [_random_row(rng, nodes, i, ties=ties) for i in range(count)]
    )


def _random_graph(rng: random.Random) -> tuple[list[Node], list[tuple[str, str]]]:
    """Endpoints below one to three tiers of switches; each cable is a link in each direction."""
    endpoints = [f"ep{i:02}" for i in range(rng.randint(2, 7))]
    tiers = [
        [f"sw{tier}.{i}" for i in range(rng.randint(1, 4))] for tier in range(rng.randint(1, 3))
    ]
    pairs = []
    for lower, upper in zip([endpoints, *tiers], tiers, strict=False):
        for node in lower:
            for switch in rng.sample(upper, rng.randint(1, len(upper))):
                pairs += [(node, switch), (switch, node)]
    if rng.random() < 0.3:  # a direct cable, as between the two dies of a package
        first, second = rng.sample(endpoints, 2)
        pairs += [(first, second), (second, first)]
    nodes = [Node(name, "endpoint") for name in endpoints]
    nodes += [Node(name, "switch") for tier in tiers for name in tier]
    return nodes, pairs


def _random_link(rng: random.Random, src: str, dst: str, *, ties: bool) -> Link:
    # Divisible by 4, so that the rate left by a factor 0.25 is an integer.
    rate = 4 * (rng.choice([250, 500, 750]) if ties else rng.randint(1000, 10**6))
    latency = rng.choice([0, 1000, 2000]) if ties else rng.choice([0, rng.randint(1, 10**7)])
    return Link(src, dst, rate, latency, rate)


def _random_row(rng: random.Random, nodes: list[Node], row: int, *, ties: bool) -> Row:
    """Return a flow between two endpoints; its predecessors come from earlier rows."""
    n_endpoints = sum(node.kind == "endpoint" for node in nodes)
    src, dst = rng.sample(range(n_endpoints), 2)
    return Row(
        src=src,
        dst=dst,
        size_bytes=rng.choice([0, 1000, 1000, 2000, 3000] if ties else [0, *_wide(rng, 6)]),
        start_ps=rng.choice([0, 0, 10**12] if ties else [0, 0, *_wide(rng, 12)]),
        depends_on=_some_of(rng, row),
        follows=_some_of(rng, row),
    )


def _all_joined(nodes: list[Node], links: list[Link]) -> bool:
    """Whether there are endpoints, and each reaches each other one over live links."""
    endpoints = [node.node for node in nodes if node.kind == "endpoint"]
    try:
        for src, dst in permutations(endpoints, 2):
            spray(nodes, links, src, dst)
    except ValueError:
        return False
    return bool(endpoints)


def _wide(rng: random.Random, digits: int) -> list[int]:
    return [rng.randint(1, 10**k) for k in range(1, digits + 1)]


def _some_of(rng: random.Random, count: int) -> list[int]:
    """Up to three distinct numbers below `count`; none about half of the time."""
    if count == 0 or rng.random() < 0.5:
        return []
    return sorted(rng.sample(range(count), rng.randint(1, min(3, count))))


def random_system(
    seed: int, n_resources: int = 5, n_flows: int = 12
) -> tuple[dict[str, Exact], list[Flow]]:
    """Return random resources and flows without a fabric: odd weights, latency, software cost."""
    rng = random.Random(seed)
    capacities: dict[str, Exact] = {
        f"r{i}": rng.choice([60, 120, rng.randint(1, 1000)]) for i in range(n_resources)
    }
    shares = [Fraction(1), Fraction(1, 2), Fraction(1, 3), Fraction(2, 3), Fraction(3, 7)]
    sizes: list[Exact] = [0, 60, 60, Fraction(100, 3), rng.randint(1, 500)]
    flows = []
    for index in range(n_flows):
        crossed = rng.sample(sorted(capacities), rng.randint(1, n_resources))
        flows.append(
            Flow(
                size=rng.choice(sizes),
                weights={resource: rng.choice(shares) for resource in crossed},
                latency_ps=rng.choice([0, 10**11, rng.randint(0, 10**12)]),
                start_ps=rng.choice([0, 0, 10**12, rng.randint(0, 10**12)]),
                software_ps=rng.choice([0, 0, 10**11]),
                depends_on=_some_of(rng, index),
                follows=_some_of(rng, index),
            )
        )
    return capacities, flows
