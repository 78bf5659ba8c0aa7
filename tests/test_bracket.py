"""A bracket holds the exact time, and is the exact time where one phase is uniform."""

import pytest

import cm_collectives as cm
from oracle import ceil_ps, random_case
from test_oracle import simulated

BRACKET = {"bracket": True}
FABRIC = cm.Fabric.preset("cm384")


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_a_bracket_of_random_flows_holds_the_time_of_the_oracle(first: int) -> None:
    for seed in range(first, first + 20):
        case = random_case(seed)
        r = simulated(case, BRACKET)
        if r is not None:
            last = max(ceil_ps(times.arrived) for times in case.expected())
            assert r.time_ps_low <= last <= r.time_ps_high, f"seed {seed}"


@pytest.mark.parametrize("routing", ["spray", "hash", "dest", "plane"])
@pytest.mark.parametrize("algorithm", ["direct", "shift"])
def test_a_bracket_holds_the_time_of_an_all_to_all(routing: str, algorithm: str) -> None:
    def run(options: dict[str, bool] | None) -> cm.Result:
        return cm.simulate(
            FABRIC,
            "all_to_all",
            size_bytes="3MB",
            ranks=40,
            algorithm=algorithm,
            routing=routing,
            engine_options=options,
        )

    exact, bracket = run(None), run(BRACKET)
    assert bracket.time_ps_low <= exact.time_ps <= bracket.time_ps_high
    if algorithm == "direct":
        # All is sent at once with equal sizes: what is left open is which latency the last one has,
        # 0.2 us to the die beside it or 1.9 us to another node.
        assert bracket.time_ps_high - bracket.time_ps_low <= 1_700_000


def test_a_uniform_phase_takes_the_time_of_its_heaviest_resource() -> None:
    # Eight dies of eight packages of one node: each sends 7 of 8 blocks of 1 MB through its seven
    # ports of 28 GB/s, and the last arrives 1.2 us later.
    r = cm.simulate(
        FABRIC,
        "all_to_all",
        size_bytes="8MB",
        ranks=range(0, 16, 2),
        algorithm="direct",
        engine_options=BRACKET,
    )
    # 7e6 B / 196e9 B/s = 35.714285.. us; rounded up to the picosecond.
    assert r.time_ps_low == r.time_ps_high == r.time_ps == 35_714_286 + 1_200_000
    assert (r.exactness, r.engine, r.n_events) == ("exact", "fluid", 0)


def test_a_bracket_has_no_transfers_and_is_no_bound() -> None:
    r = cm.simulate(
        FABRIC,
        "all_reduce",
        size_bytes=1000,
        ranks=8,
        algorithm="ring",
        engine_options=BRACKET,
    )
    assert r.exactness == "bracket"
    assert r.bound_ps <= r.route_bound_ps <= r.time_ps_low < r.time_ps_high
    with pytest.raises(cm.CmError, match="bracket"):
        _ = r.transfers
    with pytest.raises(cm.ArgumentError, match="bracket"):
        cm.simulate(FABRIC, "barrier", ranks=8, engine="bound", engine_options=BRACKET)


def test_without_a_bracket_both_ends_are_the_time() -> None:
    r = cm.simulate(FABRIC, "barrier", ranks=8)
    assert r.time_ps_low == r.time_ps == r.time_ps_high
