"""The oracle against cases worked out by hand, and against the laws that any run obeys."""

from collections.abc import Sequence
from fractions import Fraction

import pytest

from oracle import (
    Capacities,
    Flow,
    Link,
    Node,
    ceil_ps,
    fair_rates,
    random_case,
    random_system,
    simulate,
    spray,
)

S = 10**12  # one second in picoseconds
HALF = Fraction(1, 2)
THIRD = Fraction(1, 3)
SEEDS = range(60)


def check(capacities: Capacities, flows: Sequence[Flow], served: Sequence[int | Fraction]) -> None:
    """Assert the times, in seconds, at which the flows are served."""
    times = [t.served / S for t in simulate(capacities, flows).times]
    assert times == list(served)


def test_two_flows_share_a_link_and_the_longer_one_speeds_up() -> None:
    # 5 B/s each: 10 B in 2 s; then 20 of 30 B are left at 10 B/s: 2 s more.
    check({"l": 10}, [Flow(10, {"l": 1}), Flow(30, {"l": 1})], [2, 4])


def test_in_a_parking_lot_the_long_flow_gets_the_share_of_its_tightest_link() -> None:
    # Link b: 6/2 = 3 B/s each. Link a: 12 - 3 = 9 B/s remain for its short flow.
    # 18/9 = 2 s and 6/3 = 2 s; the long flow has 12 - 6 = 6 B left, alone at 6 B/s: 1 s more.
    flows = [Flow(12, {"a": 1, "b": 1}), Flow(18, {"a": 1}), Flow(6, {"b": 1})]
    check({"a": 12, "b": 6}, flows, [3, 2, 2])


def test_progressive_filling_goes_on_after_the_first_saturated_resource() -> None:
    # a: 3/3 = 1 for flows 0, 1, 2. b: 10 - 1 = 9 for flows 3, 4: 4.5. c: 20 - 4.5 = 15.5.
    weights = [{"a": 1}, {"a": 1}, {"a": 1, "b": 1}, {"b": 1}, {"b": 1, "c": 1}, {"c": 1}]
    rates = fair_rates({"a": 3, "b": 10, "c": 20}, dict(enumerate(weights)))
    fine = Fraction(9, 2)
    assert rates == {0: 1, 1: 1, 2: 1, 3: fine, 4: fine, 5: Fraction(31, 2)}


def test_a_release_in_the_middle_halves_the_rate() -> None:
    # Alone for 1 s at 10 B/s: 10 of 20 B left; then 5 B/s each: 2 s more for both.
    check({"l": 10}, [Flow(20, {"l": 1}), Flow(10, {"l": 1}, start_ps=S)], [3, 3])


def test_a_degraded_link_slows_the_whole_sprayed_flow() -> None:
    # Half of the flow on each link: x/2 <= 10 and x/2 <= 10, so 20 B/s and 1 s; with one link at
    # half rate x/2 <= 5, so 10 B/s and 2 s.
    flow = Flow(20, {"l": HALF, "m": HALF})
    check({"l": 10, "m": 10}, [flow], [1])
    check({"l": 10, "m": 5}, [flow], [2])


def test_fairness_is_about_the_rate_of_a_flow_not_its_load() -> None:
    # Link l: x/2 + x = 10, so x = 20/3 for both, although the loads are 10/3 and 20/3. 20 B: 3 s.
    flows = [Flow(20, {"l": HALF, "m": HALF}), Flow(20, {"l": 1})]
    check({"l": 10, "m": 5}, flows, [3, 3])


def test_thirds_are_exact() -> None:
    # x/3 + x = 10, so x = 7.5: 15 B in 2 s; then 15 of 30 B are left at 30 B/s: 0.5 s more.
    flows = [Flow(30, {"l": THIRD, "m": THIRD, "n": THIRD}), Flow(15, {"l": 1})]
    check({"l": 10, "m": 10, "n": 10}, flows, [Fraction(5, 2), 2])


def test_a_weight_above_one_loads_a_resource_several_times() -> None:
    # A reduction that reads twice what it writes: 2x = 10, 10 B at 5 B/s.
    check({"memory": 10}, [Flow(10, {"memory": 2})], [2])


def test_data_edges_wait_for_the_arrival_and_add_the_software_cost() -> None:
    # Served after 10 B / 10 B/s = 1 s, arrived 500 ps later, released after 100 ps of software.
    flows = [
        Flow(10, {"l": 1}, latency_ps=500),
        Flow(10, {"l": 1}, software_ps=100, depends_on=[0]),
    ]
    first, second = simulate({"l": 10}, flows).times
    assert [first.released, first.served, first.arrived] == [0, S, S + 500]
    assert [second.released, second.served, second.arrived] == [S + 600, 2 * S + 600, 2 * S + 600]


def test_order_edges_wait_for_the_service_only() -> None:
    # Software of 100 ps from time 0 is over long before the predecessor is served at 1 s.
    flows = [Flow(10, {"l": 1}, latency_ps=500), Flow(10, {"l": 1}, software_ps=100, follows=[0])]
    assert simulate({"l": 10}, flows).times[1].released == S


def test_the_start_time_and_the_software_cost_hold_without_predecessors() -> None:
    # Release at 300 + 100 ps; 10 B at 10 B/s.
    times = simulate({"l": 10}, [Flow(10, {"l": 1}, start_ps=300, software_ps=100)]).times
    assert [times[0].released, times[0].served] == [400, S + 400]


def test_zero_bytes_are_served_when_released_but_pay_latency() -> None:
    # 0: released and served at 7, arrives at 12; 1 waits for that; 2 follows 1 at the same moment.
    flows = [
        Flow(0, {"l": 1}, latency_ps=5, start_ps=7),
        Flow(0, {"l": 1}, latency_ps=5, depends_on=[0]),
        Flow(10, {"l": 1}, follows=[1]),
    ]
    times = simulate({"l": 10}, flows).times
    assert [t.served for t in times] == [7, 12, S + 12]
    assert [t.arrived for t in times] == [12, 17, S + 12]


def test_a_cycle_of_predecessors_is_an_error() -> None:
    flows = [Flow(1, {"l": 1}, follows=[1]), Flow(1, {"l": 1}, depends_on=[0])]
    with pytest.raises(ValueError, match="cycle"):
        simulate({"l": 10}, flows)


def test_a_flow_over_a_dead_resource_is_an_error() -> None:
    with pytest.raises(ValueError, match="without capacity"):
        simulate({"l": 0}, [Flow(1, {"l": 1})])


def test_times_round_up_to_the_picosecond() -> None:
    # 1 B at 3 B/s: S/3 = 333333333333.33 ps.
    served = simulate({"l": 3}, [Flow(1, {"l": 1})]).times[0].served
    assert served == Fraction(S, 3)
    assert ceil_ps(served) == 333_333_333_334


def two_tiers(*, nominal: int = 10, live: int = 10) -> tuple[list[Node], list[Link]]:
    """Endpoints a and b below leaves p and q, which two spines u and v join."""
    nodes = [Node(n, "endpoint") for n in "ab"] + [Node(n, "switch") for n in "pquv"]
    links = [
        Link("a", "p", 40, 1, 40),
        Link("p", "u", 30, 10, 30),
        Link("p", "v", nominal, 20, live),
        Link("u", "q", 30, 100, 30),
        Link("v", "q", 10, 200, 10),
        Link("q", "b", 40, 1000, 40),
    ]
    return nodes, links


def test_spray_divides_by_nominal_rates_and_takes_the_largest_latency() -> None:
    # At p: 30 to 10. Paths a-p-u-q-b: 1 + 10 + 100 + 1000; a-p-v-q-b: 1 + 20 + 200 + 1000.
    nodes, links = two_tiers()
    shares, latency_ps = spray(nodes, links, "a", "b")
    assert spray(nodes, links[::-1], "a", "b") == (shares, latency_ps)
    three, one = Fraction(3, 4), Fraction(1, 4)
    assert shares == {"a->p": 1, "p->u": three, "p->v": one, "u->q": three, "v->q": one, "q->b": 1}
    assert latency_ps == 1221


def test_spray_keeps_the_share_of_a_degraded_link() -> None:
    assert spray(*two_tiers(live=5), "a", "b") == spray(*two_tiers(), "a", "b")


def test_spray_routes_around_a_failed_link() -> None:
    shares, latency_ps = spray(*two_tiers(live=0), "a", "b")
    assert shares == {"a->p": 1, "p->u": 1, "u->q": 1, "q->b": 1}
    assert latency_ps == 1111


def test_spray_takes_a_longer_way_when_the_short_one_failed() -> None:
    # The direct cable fails: two hops over s remain.
    nodes = [Node("a", "endpoint"), Node("b", "endpoint"), Node("s", "switch")]
    ways = [Link("a", "s", 8, 1, 8), Link("s", "b", 8, 1, 8)]
    assert spray(nodes, [*ways, Link("a", "b", 8, 1, 8)], "a", "b")[0] == {"a->b": 1}
    assert spray(nodes, [*ways, Link("a", "b", 8, 1, 0)], "a", "b")[0] == {"a->s": 1, "s->b": 1}


def test_endpoints_do_not_forward() -> None:
    nodes = [Node(n, "endpoint") for n in "abc"]
    links = [Link("a", "c", 8, 1, 8), Link("c", "b", 8, 1, 8)]
    with pytest.raises(ValueError, match="no live path"):
        spray(nodes, links, "a", "b")


@pytest.mark.parametrize("seed", SEEDS)
def test_every_byte_is_served_within_capacity_and_every_flow_has_a_bottleneck(seed: int) -> None:
    for capacities, flows in (random_system(seed), random_case(seed).routed()):
        run = simulate(capacities, flows)
        served = dict.fromkeys(range(len(flows)), Fraction(0))
        for interval in run.intervals:
            assert interval.end > interval.begin
            rates = interval.rates
            loads = {
                r: sum(flows[f].weights.get(r, 0) * rate for f, rate in rates.items())
                for r in capacities
            }
            assert all(loads[r] <= capacities[r] for r in capacities)
            for flow, rate in rates.items():
                served[flow] += rate * (interval.end - interval.begin) / S
                # A saturated resource of the flow on which no flow is faster.
                assert any(
                    loads[r] == capacities[r]
                    and all(rates[f] <= rate for f in rates if flows[f].weights.get(r, 0) > 0)
                    for r in flows[flow].weights
                )
        assert [served[f] for f in served] == [flow.size for flow in flows]


@pytest.mark.parametrize("seed", SEEDS)
def test_releases_respect_every_predecessor_and_one_of_them_binds(seed: int) -> None:
    capacities, flows = random_system(seed)
    times = simulate(capacities, flows).times
    for flow, own in zip(flows, times, strict=True):
        data = [times[p].arrived for p in flow.depends_on]
        order = [times[p].served for p in flow.follows]
        causes = [t + flow.software_ps for t in [Fraction(flow.start_ps), *data]] + order
        assert own.released == max(causes)
        assert own.arrived == own.served + flow.latency_ps
        assert own.served > own.released or flow.size == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_numbering_of_the_flows_does_not_matter(seed: int) -> None:
    capacities, flows = random_system(seed)
    last = len(flows) - 1
    mirrored = [
        Flow(
            flow.size,
            flow.weights,
            flow.latency_ps,
            flow.start_ps,
            flow.software_ps,
            [last - p for p in flow.depends_on],
            [last - p for p in flow.follows],
        )
        for flow in reversed(flows)
    ]
    assert simulate(capacities, mirrored).times == simulate(capacities, flows).times[::-1]


@pytest.mark.parametrize("seed", SEEDS)
def test_twice_the_capacity_halves_all_times_where_nothing_else_takes_time(seed: int) -> None:
    capacities, flows = random_system(seed)
    pure = [Flow(f.size, f.weights, depends_on=f.depends_on, follows=f.follows) for f in flows]
    slow = simulate(capacities, pure).times
    fast = simulate({r: 2 * c for r, c in capacities.items()}, pure).times
    assert [t.served for t in slow] == [2 * t.served for t in fast]


@pytest.mark.parametrize("seed", SEEDS)
def test_spray_conserves_the_flow_at_every_node(seed: int) -> None:
    case = random_case(seed)
    endpoints = [node.node for node in case.nodes if node.kind == "endpoint"]
    for row in case.flows:
        src, dst = endpoints[row.src], endpoints[row.dst]
        shares, _ = spray(case.nodes, case.links, src, dst)
        balance = {node.node: Fraction(0) for node in case.nodes}
        for link in case.links:
            balance[link.src] += shares.get(link.name, Fraction(0))
            balance[link.dst] -= shares.get(link.name, Fraction(0))
            assert link.live_Bps > 0 or link.name not in shares
        assert {node: b for node, b in balance.items() if b} == {src: 1, dst: -1}


def test_random_cases_cover_what_they_are_meant_to_cover() -> None:
    # Of 200 seeds, each kind of trouble must appear in at least 20, or the comparison is blind.
    cases = [random_case(seed) for seed in range(200)]
    assert cases == [random_case(seed) for seed in range(200)]
    n_failed = sum(0.0 in case.degrade.values() for case in cases)
    n_slowed = sum({0.25, 0.5} & set(case.degrade.values()) != set() for case in cases)
    n_zero = sum(any(row.size_bytes == 0 for row in case.flows) for case in cases)
    n_split = sum(
        any(0 < share < 1 for flow in case.routed()[1] for share in flow.weights.values())
        for case in cases
    )
    n_data = sum(any(row.depends_on for row in case.flows) for case in cases)
    n_order = sum(any(row.follows for row in case.flows) for case in cases)
    assert min(n_failed, n_slowed, n_zero, n_split, n_data, n_order) >= 20
    for case in cases:
        for link in case.links:
            assert link.live_Bps == link.rate_Bps * case.degrade.get(link.name, 1.0)
