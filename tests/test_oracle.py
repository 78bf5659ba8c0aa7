"""The engine against an independent, slow simulator: each transfer, to the picosecond."""

import polars as pl
import pytest

import cm_collectives as cm
from oracle import Case, ceil_ps, random_case

# Every case but a few is compared, 200 at least; see `simulated`.
N_CASES = 260
PER_TEST = 20
COMPARED_PER_TEST = 16
N_SLOW_CASES = 5000


def simulated(case: Case, options: dict[str, bool] | None = None) -> cm.Result | None:
    """Simulate a case; None if its fabric is refused.

    The shares of a sprayed flow are exact fractions of 64 bits. Random rates of parallel links over
    a wide range may have no common factor and not fit; real machines do not come near.
    """
    fabric = cm.Fabric.from_frames(
        pl.DataFrame(case.node_columns()), pl.DataFrame(case.link_columns())
    )
    lists = {"depends_on": pl.List(pl.Int64), "follows": pl.List(pl.Int64)}
    flows = pl.DataFrame(case.flow_columns(), schema_overrides=lists)
    try:
        return cm.simulate_flows(fabric.degrade(case.degrade), flows, engine_options=options)
    except (cm.ArgumentError, cm.SpecError) as error:
        if "denominator above 2^" in str(error):
            return None
        raise


def check(seed: int) -> bool:
    """Compare one case; False if the fabric is refused."""
    case = random_case(seed)
    r = simulated(case)
    if r is None:
        return False
    expected = [
        (ceil_ps(times.released), ceil_ps(times.served), ceil_ps(times.arrived))
        for times in case.expected()
    ]
    found = r.transfers.select("released_ps", "served_ps", "arrived_ps").rows()
    assert found == expected, f"seed {seed}"
    assert r.time_ps == max(arrived for _, _, arrived in expected), f"seed {seed}"
    assert r.exactness.startswith("exact"), f"seed {seed}"
    assert r.certificate().check(), f"seed {seed}"
    return True


@pytest.mark.parametrize("first", range(0, N_CASES, PER_TEST))
def test_random_flows_take_the_times_of_the_oracle_and_their_certificates_check(first: int) -> None:
    compared = sum(check(seed) for seed in range(first, first + PER_TEST))
    assert compared >= COMPARED_PER_TEST


@pytest.mark.slow
def test_thousands_of_random_flows_take_the_times_of_the_oracle() -> None:
    for seed in range(N_CASES, N_SLOW_CASES):
        check(seed)
