"""Routings by load and by chance, and jobs that share a fabric."""

import polars as pl
import pytest

import cm_collectives as cm

S = 147_000_000

FABRIC = cm.Fabric.preset("cm384", timing="line_rate", nodes=4)


def node_to_node(n: int = 16) -> pl.DataFrame:
    """Return a flow from each of the first n dies of node 0 to its namesake in node 1."""
    return pl.DataFrame({"src": range(n), "dst": range(16, 16 + n), "size_bytes": S})


def test_adaptive_gives_each_of_sixteen_flows_an_uplink_of_its_own() -> None:
    # In each plane 16 stripes find 16 L2 chips: all seven ports of every die run at 28 GB/s.
    r = cm.simulate_flows(FABRIC, node_to_node(), routing="adaptive")
    assert r.time_s == pytest.approx(S / 196e9, rel=1e-9)
    used = r.links.filter(pl.col("link").str.contains(r"^node00/l1\.\d->l2"))
    assert used["utilisation"].to_list() == pytest.approx([1.0] * 112)
    # The same by hash makes stripes meet on an uplink.
    assert cm.simulate_flows(FABRIC, node_to_node(), routing="hash").time_ps > r.time_ps


def test_adaptive_avoids_what_is_loaded_already_and_what_has_failed() -> None:
    # Seventeen flows: the last one, from a CPU-less die of node 2, shares downlinks of node 1 and
    # nothing else, wherever it goes: the 16 downlinks of a plane carry 17 stripes.
    ends = {"src": [*range(16), 32], "dst": [*range(16, 32), 17]}
    flows = pl.DataFrame({**ends, "size_bytes": S})
    r = cm.simulate_flows(FABRIC, flows, routing="adaptive")
    assert r.time_s == pytest.approx(2 * S / 196e9, rel=1e-9)  # die 17 receives two flows
    failed = FABRIC.degrade({"l2.*.3": 0.0})
    r = cm.simulate_flows(failed, node_to_node(15), routing="adaptive")
    assert r.time_s == pytest.approx(S / 196e9, rel=1e-9)


def test_adaptive_is_the_same_every_time_and_is_proved() -> None:
    def run() -> cm.Result:
        return cm.simulate(
            FABRIC, "all_to_all", size_bytes=S, algorithm="direct", routing="adaptive"
        )

    first = run()
    assert first.transfers.equals(run().transfers)
    assert first.certificate().check()
    # Never better than ideal spraying, and better than the mean of hashing.
    sprayed = cm.simulate(FABRIC, "all_to_all", size_bytes=S, algorithm="direct").time_ps
    hashed = cm.over_seeds(FABRIC, "all_to_all", S, seeds=4, algorithm="direct")["time_ps"].mean()
    assert sprayed <= first.time_ps < hashed  # type: ignore[operator]


def test_the_distribution_over_seeds_is_that_of_single_runs() -> None:
    times = cm.over_seeds(FABRIC, "all_to_all", S, 32, seeds=3, algorithm="shift")
    sprayed = cm.simulate(FABRIC, "all_to_all", size_bytes=S, ranks=32, algorithm="shift").time_ps
    for row in times.iter_rows(named=True):
        r = cm.simulate(
            FABRIC, "all_to_all", size_bytes=S, ranks=32, algorithm="shift", routing="hash",
            seed=row["seed"],
        )  # fmt: skip
        assert row["time_ps"] == r.time_ps
        assert row["slowdown"] == pytest.approx(r.time_ps / sprayed, rel=1e-12)
    assert times["time_ps"].n_unique() > 1
    with pytest.raises(cm.ArgumentError, match="seeds must be from 1 to 1000000, got 0"):
        cm.over_seeds(FABRIC, "all_to_all", S, seeds=0)


def test_tensor_and_data_parallel_groups_slow_each_other_down() -> None:
    # Rings of tp=2 and dp=4 on 8 GPUs of one box: each port serves one of each. A tensor ring sends
    # S, a data ring 3/2 S. Sharing evenly, the first ends at 2 S/C, the second, with S/2 left and
    # the port to itself, at 5/2 S/C; alone they take S/C and 3/2 S/C.
    fabric = cm.Fabric.preset("hgx_h100", timing="line_rate")
    team = fabric.team().grid(tp=2, dp=4)
    jobs = [
        cm.Job("all_reduce", size_bytes=450_000_000, ranks=group, algorithm="ring")
        for axis in ("tp", "dp")
        for group in team.groups(axis)
    ]
    r = cm.simulate(fabric, jobs)
    slowdowns = r.jobs["slowdown"].to_list()
    assert slowdowns == pytest.approx([2.0] * 4 + [5 / 3] * 2, rel=1e-9)
    assert r.time_s == pytest.approx(2.5 * 450e6 / 450e9, rel=1e-9)
