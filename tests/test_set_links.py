"""Links that fail, slow down and recover while a run is under way."""

import pickle
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

import cm_collectives as cm
from oracle import ceil_ps, random_case, random_changes

FABRIC = cm.Fabric.preset("cm384", timing="line_rate")
US = 10**6

# A die has seven ports of 28 GB/s. Five dies of other packages send 196 kB each into one: 5 us.
INCAST = pl.DataFrame({"src": [2, 4, 6, 8, 10], "dst": 0, "size_bytes": 196_000})
ENTRY = "node00/l1.*->node00/die00"


def incast(*set_links: tuple[str, float, int], **keywords: object) -> cm.Result:
    return cm.simulate_flows(FABRIC, INCAST, set_links=set_links, **keywords)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "time_us"),
    [
        # Half of the rate from half-way on: the other half takes twice as long.
        ([(0.5, 2.5)], 7.5),
        # 2 us in full, 2 us at half rate are 3 us of work; 2 us are left after the recovery.
        ([(0.5, 2), (1.0, 4)], 6),
        # 1 us of work each, at full, half and a quarter of the rate; then 2 us at full rate.
        ([(0.5, 1), (0.25, 3), (1.0, 7)], 9),
        # From the start on: as a degraded fabric.
        ([(0.5, 0)], 10),
        # When all is served, and after: nothing changes.
        ([(0.5, 5)], 5),
        ([(0.5, 50)], 5),
        # Of two changes at one time, the last holds.
        ([(0.5, 2.5), (1.0, 2.5)], 5),
    ],
    ids=str,
)
def test_an_incast_takes_the_time_that_its_last_link_leaves(
    changes: list[tuple[float, float]], time_us: float
) -> None:
    set_links = [(ENTRY, factor, round(at_us * US)) for factor, at_us in changes]
    r = incast(*set_links)
    assert r.time_ps == round(time_us * US)
    assert r.exactness == "exact"
    assert r.route_bound_ps <= r.time_ps
    assert r.certificate().check()


def test_a_change_at_the_start_is_a_degraded_fabric() -> None:
    changed = incast(("plane:3", 0.0, 0))
    degraded = cm.simulate_flows(FABRIC.degrade({"plane:3": 0.0}), INCAST)
    assert changed.time_ps == degraded.time_ps
    assert changed.digest == degraded.digest


def test_a_failed_plane_leaves_the_work_to_the_others() -> None:
    # Half of the ring's 1.5 ms at 7 planes, then the rest on 6: 0.75 + 0.75 * 7/6 ms.
    r = cm.simulate(
        FABRIC,
        "all_gather",
        per_rank_bytes="49MB",
        ranks=range(0, 14, 2),
        algorithm="ring",
        set_links=[("plane:3", 0.0, 750 * US)],
    )
    assert r.time_ps == 1625 * US
    # Equally loaded links, of which those of the failed plane carried half of a seventh.
    ports = r.links.filter(pl.col("src") == "node00/die00", pl.col("kind") == "die_up")
    in_plane = ports.filter(pl.col("plane") == 3)
    assert in_plane["bytes"].sum() == pytest.approx(6 * 49e6 / 7 / 2, rel=1e-9)
    assert ports["bytes"].sum() == pytest.approx(6 * 49e6, rel=1e-9)
    # They carried all that they could while they were there.
    assert ports["utilisation"].to_list() == pytest.approx([1.0] * len(ports), rel=1e-9)
    assert in_plane["busy_ps"].item() == 750 * US
    assert "changes" in r.explain()


def two_ways() -> cm.Fabric:
    """Two ends on a short way of 1 GB/s and 10 ps a link, and a longer one of 2 GB/s, 100 ps."""
    names = ["a", "b", "s", "t", "u"]
    nodes = pl.DataFrame({"node": names, "kind": ["endpoint"] * 2 + ["switch"] * 3})
    short, long = [("a", "s"), ("s", "b")], [("a", "t"), ("t", "u"), ("u", "b")]
    rows = [(src, dst, 10**9, 10) for src, dst in short]
    rows += [(src, dst, 2 * 10**9, 100) for src, dst in long]
    links = pl.DataFrame(rows, schema=["src", "dst", "rate_Bps", "latency_ps"], orient="row")
    return cm.Fabric.from_frames(nodes, links)


def sends(*size_bytes: int, **columns: object) -> pl.DataFrame:
    size = pl.Series(size_bytes, dtype=pl.Int64)
    return pl.DataFrame({"src": "a", "dst": "b", "size_bytes": size, **columns})


def test_what_is_left_goes_another_way_and_arrives_by_it() -> None:
    # 1,000 B: 400 of them in 400 ns at 1 GB/s, 600 in 300 ns at 2 GB/s, and then 3 links of 100 ps.
    r = cm.simulate_flows(two_ways(), sends(1000), set_links=[("s", 0.0, 400_000)])
    assert r.transfers.select("served_ps", "arrived_ps").row(0) == (700_000, 700_300)
    carried = dict(r.links.select("link", "bytes").rows())
    assert carried["a->s"] == pytest.approx(400)
    assert carried["t->u"] == pytest.approx(600)


def test_a_recovery_brings_the_short_way_back() -> None:
    # 400 B, then 200 B in 100 ns on the long way, then 400 B in 400 ns and 2 links of 10 ps.
    changes = [("s", 0.0, 400_000), ("s", 1.0, 500_000)]
    r = cm.simulate_flows(two_ways(), sends(1000), set_links=changes)
    assert r.transfers.select("served_ps", "arrived_ps").row(0) == (900_000, 900_020)


def test_who_is_through_at_the_change_took_the_old_way_and_who_starts_takes_the_new() -> None:
    flows = sends(1000, 1000, follows=[[], [0]])
    r = cm.simulate_flows(two_ways(), flows, set_links=[("s", 0.0, 1_000_000)])
    times = r.transfers.select("released_ps", "served_ps", "arrived_ps").rows()
    assert times == [(0, 1_000_000, 1_000_020), (1_000_000, 1_500_000, 1_500_300)]
    assert r.certificate().check()


def test_a_pinned_route_does_not_move() -> None:
    flows = sends(1000, via=[["s"]])
    # Slower, it stays; failed, it is an error.
    slower = cm.simulate_flows(two_ways(), flows, set_links=[("s", 0.5, 400_000)])
    assert slower.transfers["served_ps"].item() == 1_600_000
    with pytest.raises(cm.UnsupportedError, match="from 400000 ps on"):
        cm.simulate_flows(two_ways(), flows, set_links=[("s", 0.0, 400_000)])


def test_a_rank_that_is_cut_off_is_an_error_only_if_something_is_to_be_sent() -> None:
    cut = ("b", 0.0, 400_000)
    with pytest.raises(cm.UnsupportedError, match=r"transfer 0 from 'a' to 'b'.*from 400000 ps on"):
        cm.simulate_flows(two_ways(), sends(1000), set_links=[cut])
    # Through before; and released after the recovery.
    assert cm.simulate_flows(two_ways(), sends(400), set_links=[cut]).time_ps == 400_020
    later = sends(1000, start_ps=[600_000])
    mended = [cut, ("b", 1.0, 500_000)]
    assert cm.simulate_flows(two_ways(), later, set_links=mended).time_ps == 1_600_020
    with pytest.raises(cm.UnsupportedError, match="from 400000 ps on"):
        cm.simulate_flows(two_ways(), sends(1, start_ps=[450_000]), set_links=mended)


def test_a_cut_of_a_symmetric_collective_names_one_of_its_transfers() -> None:
    fabric = cm.Fabric.preset("hgx_h100", timing="line_rate")
    with pytest.raises(cm.UnsupportedError, match=r"'gpu.' to 'gpu.'"):
        cm.simulate(
            fabric,
            "all_to_all",
            size_bytes=10**9,
            algorithm="direct",
            set_links=[("nvswitch*", 0.0, US)],
        )


@pytest.mark.parametrize("routing", ["spray", "hash", "dest", "plane", "adaptive"])
def test_every_routing_has_its_proof_in_every_phase(routing: str) -> None:
    fabric = cm.Fabric.preset("cm384", nodes=2)
    changes = [("l2.2.*", 0.25, 40 * US), ("l2.3.1", 0.0, 60 * US), ("l2.*", 1.0, 90 * US)]
    given = {"size_bytes": 10**7, "ranks": 24, "algorithm": "direct", "routing": routing}
    r = cm.simulate(fabric, "all_to_all", **given, set_links=changes)  # type: ignore[arg-type]
    certificate = r.certificate()
    assert certificate.check()
    assert certificate.time_ps == r.time_ps
    steady = cm.simulate(fabric, "all_to_all", **given)  # type: ignore[arg-type]
    assert r.bound_ps <= r.route_bound_ps <= r.time_ps
    assert r.time_ps >= steady.time_ps or routing == "adaptive"


def test_symmetric_work_is_simulated_by_classes_with_the_same_times() -> None:
    given = {"size_bytes": 10**8, "ranks": 128, "algorithm": "direct"}
    changes = [("plane:2", 0.5, 100 * US), ("plane:5", 0.0, 300 * US)]
    runs = [
        cm.simulate(FABRIC, "all_to_all", set_links=changes, engine_options=options, **given)  # type: ignore[arg-type]
        for options in ({}, {"refine": False})
    ]
    assert runs[0].transfers.equals(runs[1].transfers)
    assert runs[0].n_events == runs[1].n_events
    certificate = runs[0].certificate()
    # To the sibling, within the node, to other nodes: a class each.
    assert certificate.routes["op"].n_unique() == 3
    assert certificate.check()


def test_forged_rates_after_a_change_do_not_check() -> None:
    certificate = incast((ENTRY, 0.5, 2_500_000)).certificate()
    # The rates of the first phase are claimed for the second.
    levels = certificate.levels
    assert len(levels) == 2
    forged = pl.concat([levels[:1], levels[:1].with_columns(level=pl.lit(1, pl.Int64))])
    with pytest.raises(cm.VerifyError, match="capacity"):
        certificate.replace(levels=forged).check()


def test_a_switch_that_fails_takes_its_part_of_an_in_network_reduction() -> None:
    # (2 + 63 (1 + 1/n)) / 64 S through each port of 18 x 50 GB/s; a switch of 18 fails half-way.
    fabric = cm.Fabric.preset("gb200_nvl72", timing="line_rate")
    given = {"size_bytes": 72 * 10**7, "algorithm": "nvls", "ranks": 8}
    steady_ps = cm.simulate(fabric, "all_reduce", **given).time_ps  # type: ignore[arg-type]
    assert steady_ps == 910_937_500
    half_ps = steady_ps // 2
    r = cm.simulate(fabric, "all_reduce", set_links=[("nvswitch00", 0.0, half_ps)], **given)  # type: ignore[arg-type]
    assert r.time_ps == pytest.approx(half_ps + half_ps * 18 / 17, rel=1e-9)
    assert r.certificate().check()


def test_jobs_share_the_changes_and_know_their_time_alone() -> None:
    jobs = [cm.Job("send_recv", size_bytes=196 * 10**6, ranks=[src, 0]) for src in (2, 4)]
    r = cm.simulate(FABRIC, jobs, set_links=[(ENTRY, 0.5, 500 * US)])
    # Alone each needs 1 ms: half of it in time, the other at half rate. Together they share: 98 MB
    # in the first 0.5 ms, the other 294 MB at 98 GB/s.
    assert r.jobs["alone_ps"].to_list() == [1500 * US] * 2
    assert r.time_ps == 3500 * US


def triangle() -> cm.Fabric:
    """Three ends, each joined with each by 1 GB/s both ways."""
    nodes = pl.DataFrame({"node": ["a", "b", "c"], "kind": "endpoint"})
    pairs = [(src, dst) for src in "abc" for dst in "abc" if src != dst]
    links = pl.DataFrame(pairs, schema=["src", "dst"], orient="row")
    return cm.Fabric.from_frames(nodes, links.with_columns(rate_Bps=10**9, latency_ps=0))


def test_auto_takes_what_is_fastest_with_the_changes() -> None:
    # 1 MB to two ends. Beforehand a serves both; with a hundredth of the rate from a to c, almost
    # all goes to b at 1 GB/s and on to c: at least 0.99 ms, and 2 ms where b has all before.
    def run(set_links: list[tuple[str, float, int]], **asked: object) -> cm.Result:
        fabric, size = triangle(), {"size_bytes": 10**6, "ranks": 3}
        return cm.simulate(fabric, "broadcast", set_links=set_links, **size, **asked)  # type: ignore[arg-type]

    steady, slow = run([]), [("a->c", 0.01, 1)]
    r = run(slow)
    assert 990 * US < r.time_ps <= 2000 * US
    assert r.time_ps == run(slow, algorithm=r.algorithm, **r.options).time_ps
    for name in ("direct", "chain", "binomial_tree", "double_binary_tree", "kary_tree"):
        assert r.time_ps <= run(slow, algorithm=name).time_ps, name
    # Direct: all but a byte at 0.01 GB/s.
    assert run(slow, algorithm="direct").time_ps == pytest.approx(100_000 * US, rel=1e-6)
    # What is fastest beforehand sends at least a third over that link.
    assert run(slow, algorithm=steady.algorithm, **steady.options).time_ps > 10 * r.time_ps


def test_auto_leaves_out_what_a_failure_cuts_off() -> None:
    # From 1 ps on a sends nothing to b and c.
    cut = [("a->b", 0.0, 1), ("a->c", 0.0, 1)]
    with pytest.raises(cm.UnsupportedError, match="no live path"):
        cm.simulate(triangle(), "broadcast", size_bytes=10**6, ranks=3, set_links=cut)
    # Without a->c alone, b passes it on.
    r = cm.simulate(triangle(), "broadcast", size_bytes=10**6, ranks=3, set_links=cut[1:])
    assert 1000 * US < r.time_ps <= 2000 * US


def test_a_library_does_not_know_of_failures_to_come() -> None:
    fabric = cm.Fabric.preset("hgx_h100", library="nccl")
    steady = cm.simulate(fabric, "all_reduce", size_bytes="1MiB")
    r = cm.simulate(fabric, "all_reduce", size_bytes="1MiB", set_links=[("gpu0", 0.01, US)])
    assert (r.algorithm, r.options) == (steady.algorithm, steady.options)
    assert r.time_ps > steady.time_ps


CHANGES = [
    None,
    "plane:3=0@500000000",
    "plane:3=0@500000000,plane:3=1.0@600000000",
    # From the start on: a degraded fabric.
    "plane:3=0@0",
    # After the end.
    "plane:3=0@9000000000",
]


def scenarios(set_links: Sequence[object]) -> pl.DataFrame:
    """Return 196 MB from node to node: 1 ms over seven planes of 28 GB/s, with these changes."""
    changes = pl.Series("set_links", set_links)
    asked = {"fabric": "mine", "collective": "send_recv", "size_bytes": 196 * 10**6}
    one = pl.DataFrame(asked | {"ranks": [[0, 16]]})
    return one.join(changes.to_frame(), how="cross")


def test_changes_are_a_column_of_a_sweep() -> None:
    frame = scenarios(CHANGES)
    answers = cm.sweep(frame, {"mine": FABRIC})
    assert answers["error"].null_count() == len(CHANGES)
    # 1 ms of work; half of it, or 0.1 ms x 6/7 of it, with six planes of seven.
    expected = [1000, 500 + 500 * 7 / 6, 1000 + 100 / 7, 1000 * 7 / 6, 1000]
    assert answers["time_ps"].to_list() == [-int(-each * US // 1) for each in expected]
    for text, row in zip(CHANGES, answers.iter_rows(named=True), strict=True):
        changes = [] if text is None else [parsed(word) for word in text.split(",")]
        r = cm.simulate(
            FABRIC, "send_recv", size_bytes=196 * 10**6, ranks=[0, 16], set_links=changes
        )
        asked = (r.time_ps, r.bound_ps, r.algorithm)
        assert (row["time_ps"], row["bound_ps"], row["algorithm_used"]) == asked
    structs = [
        [dict(zip(("selector", "factor", "t_ps"), parsed(word), strict=True)) for word in words]
        for words in (text.split(",") if text else [] for text in CHANGES)
    ]
    same = frame.with_columns(set_links=pl.Series(structs))
    assert cm.sweep(same, {"mine": FABRIC}).drop("set_links").equals(answers.drop("set_links"))


def parsed(word: str) -> tuple[str, float, int]:
    selector, change = word.split("=")
    factor, t_ps = change.split("@")
    return selector, float(factor), int(t_ps)


def test_a_sweep_says_which_change_is_none_and_goes_on() -> None:
    cut = "node00/die00=0@1"
    frame = scenarios(["plane:3=0@1", "plane:9=0@1", "plane:3=2@1", "plane:3=0", cut])
    answers = cm.sweep(frame, {"mine": FABRIC})
    errors = answers["error"].to_list()
    assert errors[0] is None
    assert "'plane:9'" in errors[1]
    assert "factor must be a number from 0 to 1, got 2.0" in errors[2]
    assert 'must be text like "plane:3=0@' in errors[3]
    assert "no live path joins them, from 1 ps on" in errors[4]
    with pytest.raises(cm.UnsupportedError, match=r"row 0: .*no live path"):
        cm.sweep(frame[4:], {"mine": FABRIC}, on_error="raise")


def test_a_sweep_into_a_directory_tells_changes_apart(tmp_path: Path) -> None:
    frame = scenarios(CHANGES[:3])
    plain = cm.sweep(frame, {"mine": FABRIC})
    for _ in range(2):  # done, and found done
        assert cm.sweep(frame, {"mine": FABRIC}, out=tmp_path).collect().equals(plain)
    other = frame.with_columns(pl.col("set_links").str.replace("500000000", "500000001"))
    with pytest.raises(cm.ArgumentError, match="other scenarios"):
        cm.sweep(other, {"mine": FABRIC}, out=tmp_path)


def test_queries_tunes_and_expressions_take_changes() -> None:
    asked = {"ranks": [0, 16], "algorithm": "direct", "set_links": [("plane:3", 0.0, 500 * US)]}
    half_slow_ps = -int(-(500 + 500 * 7 / 6) * US // 1)
    size = 196 * 10**6
    assert FABRIC.time_ps("send_recv", size, **asked) == half_slow_ps  # type: ignore[arg-type]
    expr = cm.expr.time_ps(pl.col("size"), collective="send_recv", fabric=FABRIC, **asked)
    assert pl.DataFrame({"size": [size]}).select(expr).item() == half_slow_ps
    del asked["algorithm"]
    best = cm.tune(FABRIC, "send_recv", [size], **asked)  # type: ignore[arg-type]
    assert best["time_ps"][0] == half_slow_ps


def test_a_calibrated_fabric_charges_the_library_as_before() -> None:
    fabric = cm.Fabric.preset("hgx_h100", library="nccl")
    steady = cm.simulate(fabric, "all_gather", size_bytes="1GiB")
    unchanged = cm.simulate(fabric, "all_gather", size_bytes="1GiB", set_links=[("gpu0", 1.0, US)])
    assert unchanged.time_ps == steady.time_ps
    # A hundredth of the rate is slower than anything that the library adds.
    slow = cm.simulate(fabric, "all_gather", size_bytes="1GiB", set_links=[("gpu0", 0.01, US)])
    assert slow.time_ps > 10 * steady.time_ps


def test_results_with_changes_are_told_apart_and_can_be_pickled() -> None:
    r = incast((ENTRY, 0.5, 2_500_000))
    again = pickle.loads(pickle.dumps(r))  # noqa: S301
    assert again.digest == r.digest == incast((ENTRY, 0.5, 2_500_000)).digest
    others = [incast(), incast((ENTRY, 0.5, 2_500_001)), incast((ENTRY, 0.25, 2_500_000))]
    assert len({r.digest, *(other.digest for other in others)}) == 4
    assert again.transfers.equals(r.transfers)


def test_bounds_know_the_best_of_all_phases_and_brackets_refuse_them() -> None:
    keywords = {"size_bytes": 147_000_000, "ranks": [0, 2, 4], "algorithm": "ring"}
    faded = FABRIC.degrade({"node00/*": 0.5})
    healthy = cm.simulate(FABRIC, "all_reduce", **keywords)  # type: ignore[arg-type]
    mended = [("node00/*", 1.0, US)]
    r = cm.simulate(faded, "all_reduce", engine="bound", set_links=mended, **keywords)  # type: ignore[arg-type]
    assert (r.bound_ps, r.exactness) == (healthy.bound_ps, "lower bound")
    assert "changes" in r.explain()
    with pytest.raises(cm.UnsupportedError, match="bracket"):
        incast((ENTRY, 0.5, 1), engine_options={"bracket": True})


@pytest.mark.parametrize(
    ("set_links", "words"),
    [
        ([("l9.*", 0.5, 1)], r"selector 'l9\.\*' matches no node"),
        ([("l2.0.0", 1.5, 1)], r"set_links\[0\]: factor must be a number from 0 to 1, got 1.5"),
        ([("l2.0.0", float("nan"), 1)], "factor must be a number from 0 to 1, got nan"),
        ([("l2.0.0", 0.5, -1)], r"set_links\[0\]: t_ps must be .*, got -1"),
        ([("l2.0.0", 0.5, 1.5)], r"set_links\[0\]: t_ps"),
        ([("l2.0.0", 0.5)], r"set_links\[0\] must be \(selector, factor, t_ps\)"),
        ({"l2.0.0": 0.5}, r"set_links must be a sequence of \(selector, factor, t_ps\)"),
        ("l2.0.0", "set_links must be a sequence"),
        ([(3, 0.5, 1)], r"set_links\[0\]: selector"),
        ([("l2.0.0", 1e-12, 1)], "0 B/s"),
    ],
    ids=str,
)
def test_a_change_that_means_nothing_is_refused(set_links: object, words: str) -> None:
    with pytest.raises(cm.ArgumentError, match=words):
        cm.simulate_flows(FABRIC, INCAST, set_links=set_links)  # type: ignore[arg-type]


def check_random(seed: int) -> bool:
    """Compare a random case with the oracle; False where its fabric or its shares are refused."""
    case = random_case(seed, max_flows=12)
    set_links = random_changes(case, seed)
    fabric = cm.Fabric.from_frames(
        pl.DataFrame(case.node_columns()), pl.DataFrame(case.link_columns())
    ).degrade(case.degrade)
    lists = {"depends_on": pl.List(pl.Int64), "follows": pl.List(pl.Int64)}
    flows = pl.DataFrame(case.flow_columns(), schema_overrides=lists)
    try:
        r = cm.simulate_flows(fabric, flows, set_links=set_links)
    except (cm.ArgumentError, cm.SpecError) as error:
        if "denominator above 2^" in str(error):
            return False
        raise
    expected = [
        (ceil_ps(times.released), ceil_ps(times.served), ceil_ps(times.arrived))
        for times in case.expected_changing(set_links)
    ]
    found = r.transfers.select("released_ps", "served_ps", "arrived_ps").rows()
    assert found == expected, f"seed {seed}"
    assert r.route_bound_ps <= r.time_ps, f"seed {seed}"
    assert r.certificate().check(), f"seed {seed}"
    return True


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_random_changes_give_the_times_of_the_oracle(first: int) -> None:
    assert sum(check_random(seed) for seed in range(first, first + 20)) >= 13


@pytest.mark.slow
def test_thousands_of_random_changes_give_the_times_of_the_oracle() -> None:
    for seed in range(120, 3000):
        check_random(seed)
