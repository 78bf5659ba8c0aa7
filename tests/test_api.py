"""What each public function is for, beyond the examples in its documentation."""

import ast
import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import cm_collectives as cm

FABRIC = cm.Fabric.preset("cm384")
LINE_RATE = cm.Fabric.preset("cm384", timing="line_rate")

PACKAGE = Path(cm.__file__).parent


def test_every_public_name_exists_and_is_documented_with_an_example() -> None:
    for name in cm.__all__:
        thing = getattr(cm, name)
        if name != "__version__":
            assert ">>>" in (thing.__doc__ or ""), name


def test_public_methods_are_documented() -> None:
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and method.name != "__init__":
                        hidden = method.name.startswith("_") and not method.name.endswith("__")
                        assert hidden or ast.get_docstring(method), f"{path.name}: {method.name}"


def test_the_version_is_that_of_the_extension() -> None:
    assert cm.__version__.count(".") == 2


def test_presets_and_algorithms_are_listed() -> None:
    assert "cm384" in cm.presets()["name"]
    pairs = cm.algorithms().select("collective", "algorithm")
    assert pairs.is_unique().all()
    assert cm.algorithms().null_count().sum_horizontal().item() == 0


def test_a_preset_is_one_object_however_its_parameters_are_spelled() -> None:
    assert cm.Fabric.preset("cm384", nodes=48) is FABRIC
    assert cm.Fabric.preset("cm384", nodes=np.int64(48)) is FABRIC
    assert cm.Fabric.preset("cm384", rank="die", timing="nominal") is FABRIC
    assert cm.Fabric.preset("cm384", nodes=47) != FABRIC


def test_frames_make_the_same_fabric_again() -> None:
    for fabric in (FABRIC, FABRIC.degrade({"l2.0.*": 0.5, "node01/die03": 0.25})):
        copy = cm.Fabric.from_frames(fabric.nodes, fabric.links, name="copy")
        assert copy == fabric
        assert copy.name == "copy"
        assert copy.nodes.equals(fabric.nodes)
        assert copy.links.equals(fabric.links)


def test_a_frame_may_leave_out_what_is_optional() -> None:
    nodes = pl.DataFrame({"node": ["a", "b", "s"], "kind": ["endpoint", "endpoint", "switch"]})
    ends = {"src": ["a", "s", "b", "s"], "dst": ["s", "a", "s", "b"]}
    links = pl.DataFrame(ends).with_columns(rate_Bps=1000, latency_ps=500)
    fabric = cm.Fabric.from_frames(nodes.lazy(), links)  # type: ignore[arg-type]
    # 3000 B at 1000 B/s and two hops of 500 ps.
    assert fabric.time_ps("send_recv", 3000) == 3 * 10**12 + 1000
    assert fabric.links["plane"].null_count() == 4


def test_degrading_leaves_the_original_alone() -> None:
    before = FABRIC.digest
    half = FABRIC.degrade({"l2.2.11": 0.5})
    assert FABRIC.digest == before != half.digest
    # 48 nodes up and down.
    changed = half.links.filter(pl.col("rate_Bps") != pl.col("nominal_rate_Bps"))
    assert len(changed) == 96
    assert FABRIC.degrade({}) == FABRIC


def test_paths_are_those_of_the_paper() -> None:
    # One per plane inside a node; 7 planes x 16 L2 chips between nodes; siblings have their link.
    for dst, n_paths, n_hops in ((2, 7, 2), (16, 112, 4), (1, 1, 1)):
        paths = FABRIC.paths(0, dst)
        assert paths["path"].n_unique() == n_paths
        assert paths.group_by("path").len()["len"].unique().to_list() == [n_hops]


def test_a_team_names_its_groups() -> None:
    team = FABRIC.team([0, 1, 16, 17])
    assert team.groups("package") == [[0, 1], [16, 17]]
    assert team.levels["node"] == ((0, 1), (2, 3))
    placed = team.grid(tp=2, dp=2)
    assert placed.groups("dp") == [[0, 16], [1, 17]]
    assert placed != team
    # A team is accepted wherever ranks are.
    r = cm.simulate(FABRIC, "all_gather", size_bytes=8, ranks=team)
    assert r.ranks["endpoint"].to_list() == [0, 1, 16, 17]
    assert cm.schedule("all_reduce", "hierarchical", ranks=team, size_bytes=8).n_ranks == 4


def test_three_axes_partition_the_ranks() -> None:
    placed = FABRIC.team(24).grid(tp=2, pp=3, dp=4)
    for axis, length in (("tp", 2), ("pp", 3), ("dp", 4)):
        groups = placed.groups(axis)
        assert {len(group) for group in groups} == {length}
        assert sorted(rank for group in groups for rank in group) == list(range(24))
    # pp has stride 2, dp stride 6.
    assert placed.groups("pp")[0] == [0, 2, 4]
    assert placed.groups("dp")[0] == [0, 6, 12, 18]


def test_per_rank_bytes_counts_one_rank() -> None:
    def size(collective: str) -> int | None:
        return cm.schedule(collective, "ring", ranks=4, per_rank_bytes=100).size_bytes

    assert (size("all_gather"), size("reduce_scatter"), size("all_reduce")) == (400, 400, 100)


def test_a_schedule_survives_its_frame() -> None:
    for collective, algorithm in (("all_reduce", "ring"), ("all_to_all", "shift")):
        made = cm.schedule(collective, algorithm, ranks=5, size_bytes=1000)
        copy = cm.Schedule.from_frame(
            made.transfers, collective=collective, ranks=5, size_bytes=1000, algorithm=algorithm
        )
        assert copy.verify()
        assert copy == made


def test_the_levels_of_a_schedule_may_be_named_or_not() -> None:
    groups = [[0, 1], [2, 3]]
    plain = cm.schedule("all_reduce", "hierarchical", ranks=4, size_bytes=8, levels=groups)
    named = cm.schedule(
        "all_reduce", "hierarchical", ranks=4, size_bytes=8, levels={"node": groups}
    )
    assert plain == named


def test_a_schedule_and_its_name_give_the_same_time() -> None:
    made = cm.schedule("all_reduce", "ring", ranks=6, size_bytes=10**6)
    by_name = cm.simulate(FABRIC, "all_reduce", size_bytes=10**6, ranks=6, algorithm="ring")
    by_schedule = cm.simulate(FABRIC, made)
    written, planned = by_schedule.to_dict(), by_name.to_dict()
    # The name shows a symmetry, so that fewer events answer.
    assert planned.pop("events") < written.pop("events")
    assert planned == written


def test_auto_is_the_fastest_of_all() -> None:
    sizes = [1000, 10**7]
    full = cm.tune(FABRIC, "all_reduce", sizes, ranks=8, exhaustive=True)
    pruned = cm.tune(FABRIC, "all_reduce", sizes, ranks=8)
    for size_bytes in sizes:
        r = cm.simulate(FABRIC, "all_reduce", size_bytes=size_bytes, ranks=8)
        for table in (full, pruned):
            best = table.filter(size_bytes=size_bytes, place=1)
            row = best.select("algorithm", "options", "time_ps").row(0)
            assert row == (r.algorithm, json.dumps(r.options), r.time_ps)
    assert full["time_ps"].null_count() == 0
    assert (full["slowdown"] >= 1).all()
    assert (full["time_ps"] == full["at_least_ps"]).all()
    assert full.filter(size_bytes=1000)["time_ps"].is_sorted()
    # What a rival was left out for is true.
    both = pruned.join(full, on=["size_bytes", "algorithm"])
    assert len(both) == len(full)
    assert (both["at_least_ps"] <= both["at_least_ps_right"]).all()


def test_tune_gives_the_times_of_the_algorithms_by_name() -> None:
    table = cm.tune(FABRIC, "broadcast", [10**6], ranks=8, root=3, exhaustive=True)
    assert len(table) > 1
    for algorithm, options, time_ps in table.select("algorithm", "options", "time_ps").rows():
        r = cm.simulate(
            FABRIC,
            "broadcast",
            size_bytes=10**6,
            ranks=8,
            root=3,
            algorithm=algorithm,
            **json.loads(options),
        )
        assert r.time_ps == time_ps
        plain = cm.simulate(
            FABRIC, "broadcast", size_bytes=10**6, ranks=8, root=3, algorithm=algorithm
        )
        assert time_ps <= plain.time_ps


def test_the_winner_of_tune_is_one_that_could_be_run() -> None:
    # A tree in one chunk has 15 transfers; in 4 chunks, 60 transfers do not fit.
    limit = {"memory_limit_bytes": 20 * 700}
    table = cm.tune(FABRIC, "broadcast", ["1GiB"], ranks=16, engine_options=limit)
    best = table.filter(place=1)
    assert json.loads(best["options"][0]) == {"chunks": 1}
    assert best["time_ps"].null_count() == 0


def test_a_rule_is_compared_with_the_best() -> None:
    # One node of 8 dies: NCCL's model takes the ring with LL for small and Simple for large sizes.
    table = cm.tune(FABRIC, "all_reduce", [64, "64MiB"], ranks=8, rule="nccl")
    assert table["choice"].to_list() == ["ring, LL", "ring, Simple"]
    best = cm.tune(FABRIC, "all_reduce", [64, "64MiB"], ranks=8).filter(place=1)
    assert table["best_ps"].to_list() == best["time_ps"].to_list()
    assert (table["slowdown"] >= 1).all()
    for size_bytes, time_ps in table.select("size_bytes", "time_ps").rows():
        ring = cm.simulate(FABRIC, "all_reduce", size_bytes=size_bytes, ranks=8, algorithm="ring")
        assert ring.time_ps == time_ps
    with pytest.raises(cm.ArgumentError, match="did you mean hccl-a2, hccl-a3"):
        cm.tune(FABRIC, "all_reduce", [64], ranks=8, rule="hccl-a9")


def test_hccl_is_told_by_its_variable() -> None:
    r = cm.simulate(FABRIC, "all_gather", size_bytes=64, ranks=32, algorithm="hierarchical")
    assert r.to_hccl_algo() == "allgather=level0:NA;level1:ring"
    direct = cm.simulate(FABRIC, "all_to_all", size_bytes=64, ranks=4, algorithm="direct")
    with pytest.raises(cm.UnsupportedError, match="all_to_all by direct"):
        direct.to_hccl_algo()


def test_bandwidths_follow_nccl_tests() -> None:
    # busbw = algbw * 2(n-1)/n for all_reduce, (n-1)/n for all_gather, 1 for broadcast.
    for collective, factor in (("all_reduce", 1.75), ("all_gather", 0.875), ("broadcast", 1.0)):
        r = cm.simulate(FABRIC, collective, size_bytes=10**6, ranks=8)
        assert r.algbw_Bps == 10**6 / r.time_s
        assert r.busbw_Bps == r.algbw_Bps * factor


def test_what_has_no_value_is_none() -> None:
    barrier = cm.simulate(FABRIC, "barrier", ranks=4)
    assert (barrier.algbw_Bps, barrier.busbw_Bps) == (None, None)
    nothing = cm.simulate(FABRIC, "all_gather", size_bytes=0, ranks=4)
    assert (nothing.time_ps, nothing.algbw_Bps, nothing.efficiency) == (0, None, None)
    jobs = cm.simulate(FABRIC, [cm.Job("all_gather", size_bytes=8, ranks=2)] * 2)
    assert (jobs.algorithm, jobs.algbw_Bps, jobs.busbw_Bps) == (None, None, None)
    flows = pl.DataFrame({"src": [0], "dst": [2], "size_bytes": [8]})
    assert cm.simulate_flows(FABRIC, flows).algorithm is None


def test_an_empty_frame_of_flows_takes_no_time() -> None:
    empty = pl.DataFrame(schema={"src": pl.Int64, "dst": pl.Int64, "size_bytes": pl.Int64})
    assert cm.simulate_flows(FABRIC, empty).time_ps == 0


def test_flows_may_name_nodes_and_carry_tags() -> None:
    flows = pl.DataFrame(
        {
            "src": ["node00/die00", "node00/cpu1"],
            "dst": ["node00/die02", "node01/die00"],
            "size_bytes": [512, 512],
            "tag": ["a", "b"],
        }
    )
    times = cm.simulate_flows(FABRIC, flows).transfers
    assert times["tag"].to_list() == ["a", "b"]
    # Within a node 1.2 us, then 512 B at 196 GB/s: 2612.2 ps, rounded up.
    assert times["arrived_ps"][0] == 1_202_613


def test_edges_between_flows_wait_for_arrival_or_for_service() -> None:
    flows = pl.DataFrame(
        {"src": [0] * 3, "dst": [2] * 3, "size_bytes": [196_000] * 3, "start_ps": [5, 0, 0]}
    ).with_columns(
        pl.Series("depends_on", [[], [0], []], dtype=pl.List(pl.Int64)),
        pl.Series("follows", [[], [], [1]], dtype=pl.List(pl.Int64)),
    )
    # 1 us of serialization each, 1.2 us of latency before the second.
    times = cm.simulate_flows(FABRIC, flows).transfers
    assert times["released_ps"].to_list() == [5, 2_200_005, 3_200_005]
    assert times["served_ps"].to_list() == [1_000_005, 3_200_005, 4_200_005]


def test_jobs_report_who_slowed_whom() -> None:
    jobs = [
        cm.Job("send_recv", size_bytes=10**9, ranks=[2, 0]),
        cm.Job("send_recv", size_bytes=10**9, ranks=[4, 0], start_ps=10**12),
    ]
    r = cm.simulate(LINE_RATE, jobs)
    # The first is over long before the second starts.
    assert r.jobs["slowdown"].to_list() == [1.0, 1.0]
    assert r.time_ps == r.jobs["finish_ps"].max()
    assert r.transfers["job"].to_list() == [0, 1]


def test_a_job_is_immutable_and_compares_by_content() -> None:
    job = cm.Job("all_gather", size_bytes=8, ranks=[0, 1])
    assert job == cm.Job("all_gather", ranks=(0, 1), size_bytes=8)
    assert len({job, cm.Job("all_gather", ranks=np.array([0, 1]), size_bytes=8)}) == 1
    assert job != cm.Job("all_gather", size_bytes=9, ranks=[0, 1])
    with pytest.raises(AttributeError, match="immutable"):
        job.collective = "barrier"
    assert repr(job) == "Job('all_gather', size_bytes=8, ranks=(0, 1))"


def test_the_engine_bound_answers_with_the_bound() -> None:
    r = cm.simulate(FABRIC, "all_reduce", size_bytes=10**6, ranks=8, engine="bound")
    assert r.engine == "bound"
    assert r.bound_ps <= r.time_ps == r.route_bound_ps


def test_short_cuts_may_be_switched_off() -> None:
    off = {"orbits": False, "refine": False, "fast_forward": False}
    plain = cm.simulate(FABRIC, "all_gather", size_bytes=100, ranks=8)
    checked = cm.simulate(FABRIC, "all_gather", size_bytes=100, ranks=8, engine_options=off)
    assert checked.time_ps == plain.time_ps


def test_every_rung_of_the_arithmetic_gives_the_same_time() -> None:
    times = {
        cm.simulate(
            FABRIC,
            "all_gather",
            size_bytes=12_345,
            ranks=7,
            engine_options={"arithmetic": rung},
        ).time_ps
        for rung in ("pair", "extended", "rational")
    }
    assert len(times) == 1


def terms(r: cm.Result) -> dict[str, float]:
    """Return the terms of `explain()` by name, in seconds."""
    units = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12}
    line = re.compile(r"^  (\w+) +([0-9.]+) (\w+) +[0-9.]+ %", re.MULTILINE)
    return {name: float(value) * units[unit] for name, value, unit in line.findall(r.explain())}


def test_an_explanation_splits_a_ring_into_latency_and_serialization() -> None:
    # 4 dies of different packages: 6 steps of 1.2 us and of S/4 over 196 GB/s.
    r = cm.simulate(FABRIC, "all_reduce", size_bytes=10**6, ranks=[0, 2, 4, 6], algorithm="ring")
    expected = {"latency": 6 * 1.2e-6, "serialization": 6 * 250e3 / 196e9}
    assert terms(r) == pytest.approx(expected, rel=1e-4)
    assert "along the critical chain of 6 transfers" in r.explain()


def test_an_explanation_calls_sharing_congestion() -> None:
    # Three senders into one die: each alone would need S/B, together 3 S/B.
    flows = pl.DataFrame({"src": [2, 4, 6], "dst": 0, "size_bytes": 196_000_000})
    r = cm.simulate_flows(FABRIC, flows)
    expected = {"latency": 1.2e-6, "serialization": 1e-3, "congestion": 2e-3}
    assert terms(r) == pytest.approx(expected, rel=1e-4)
    assert "busiest     node00/l1.0->node00/die00 (+6): 588.000 MB at 196 GB/s" in r.explain()


def test_an_explanation_names_the_wait_for_a_late_rank() -> None:
    late = {"size_bytes": 196_000, "ranks": [0, 2], "start_ps": [5_000_000, 0]}
    r = cm.simulate(FABRIC, "send_recv", **late)  # type: ignore[arg-type]
    expected = {"start": 5e-6, "latency": 1.2e-6, "serialization": 1e-6}
    assert terms(r) == pytest.approx(expected, rel=1e-4)


def test_an_explanation_says_what_could_be_faster() -> None:
    # A lone message takes its latency after its bytes; the bound takes the larger of the two.
    fabric = cm.Fabric.preset("cm384", timing="line_rate")
    lone = cm.simulate(fabric, "send_recv", size_bytes=10**6, ranks=[0, 2])
    assert "nothing is faster on this fabric" in lone.explain()
    ring = cm.simulate(fabric, "all_reduce", size_bytes=10**6, ranks=[0, 1, 2, 3], algorithm="ring")
    assert "only another schedule or other routes can be faster" in ring.explain()


def test_a_result_has_frames_and_plain_values() -> None:
    r = cm.simulate(FABRIC, "all_reduce", size_bytes=10**6, ranks=8, algorithm="ring")
    assert json.loads(json.dumps(r.to_dict()))["time_ps"] == r.time_ps
    assert "all_reduce ring, 8 ranks on cm384" in repr(r)
    assert r.links["bytes"].sum() > 0
    assert r.ranks["finish_ps"].max() == r.time_ps
    assert r.bottlenecks["utilisation"].is_sorted(descending=True)


def test_queries_are_remembered() -> None:
    fabric = FABRIC.degrade({})
    asked = {"size_bytes": 1000, "ranks": [0, 2, 5], "algorithm": "ring"}
    times = {fabric.time_s("all_reduce", **asked) for _ in range(3)}  # type: ignore[arg-type]
    assert len(times) == 1
    assert fabric.cache_info()[:2] == (2, 1)
    fabric.cache_clear()
    assert fabric.cache_info().currsize == 0


def test_a_query_takes_what_simulate_takes() -> None:
    counts = np.array([[0, 5], [9, 0]])
    asked = {"counts": counts, "ranks": np.array([0, 2]), "start_ps": [3, 4], "routing": "dest"}
    expected = cm.simulate(FABRIC, "all_to_all", **asked).time_ps  # type: ignore[arg-type]
    assert FABRIC.time_ps("all_to_all", **asked) == expected  # type: ignore[arg-type]


def test_many_sizes_keep_their_shape() -> None:
    times = FABRIC.times_s("all_gather", np.array([[1, 2], [3, 4]]), ranks=2)
    assert times.shape == (2, 2)
    assert FABRIC.times_s("all_gather", [], ranks=2).shape == (0,)


def test_a_grid_varies_its_last_column_fastest() -> None:
    grid = cm.grid(a=[1, 2], b=np.array([3, 4]), c="x", d=range(2))
    assert grid.select("a", "b", "d").rows()[:3] == [(1, 3, 0), (1, 3, 1), (1, 4, 0)]
    assert len(grid) == 8


def test_a_batch_takes_lists_degradations_and_options() -> None:
    scenarios = pl.DataFrame(
        {
            "fabric": ["mine"] * 3,
            "collective": ["broadcast"] * 3,
            "algorithm": ["chain"] * 3,
            "ranks": [[0, 2, 4]] * 3,
            "size_bytes": ["1MB"] * 3,
            "degrade": ["", "node00/l1.*=0.5", None],
            "options": ['{"chunks": 1}', None, '{"chunks": 1}'],
            "note": ["kept"] * 3,
        }
    )
    answered = cm.sweep(scenarios, {"mine": LINE_RATE})
    assert answered["error"].null_count() == 3
    # Two hops of 1 MB at 196 GB/s, unpipelined; 1 MB is 2 chunks by default: 3 steps of half.
    assert answered["time_s"][0] == pytest.approx(2e6 / 196e9, abs=1e-12)
    assert answered["time_s"][1] == pytest.approx(1.5e6 / 98e9, abs=1e-12)
    assert answered["time_ps"][2] == answered["time_ps"][0]
    assert answered["note"].to_list() == ["kept"] * 3


def test_structs_say_degradations_and_options_too() -> None:
    text = cm.grid(
        fabric="cm384", collective="broadcast", algorithm="chain", ranks=4, size_bytes=10**6,
        degrade="l2.0.0=0.5,node00/die00=0.25", options='{"chunks": 3}',
    )  # fmt: skip
    structs = text.with_columns(
        degrade=pl.Series(
            [[{"selector": "l2.0.0", "factor": 0.5}, {"selector": "node00/die00", "factor": 0.25}]]
        ),
        options=pl.struct(chunks=pl.lit(3), other=pl.lit(None)),
    )
    assert cm.sweep(structs)["time_ps"].equals(cm.sweep(text)["time_ps"])


def test_a_barrier_has_no_size_in_a_batch() -> None:
    scenarios = pl.DataFrame(
        {
            "fabric": ["cm384"] * 3,
            "collective": ["barrier", "barrier", "all_gather"],
            "ranks": [8] * 3,
            "size_bytes": [None, 0, 8],
        }
    )
    answered = cm.sweep(scenarios.lazy())
    assert answered["error"].null_count() == 3
    assert answered["algbw_Bps"].null_count() == 2


def test_progress_ends_with_everything_done() -> None:
    seen: list[tuple[int, int]] = []
    scenarios = cm.grid(fabric="cm384", collective="all_gather", ranks=[2, 3, 4], size_bytes=8)
    cm.sweep(scenarios, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (3, 3)


def test_progress_is_a_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    scenarios = cm.grid(fabric="cm384", collective="all_gather", ranks=[2, 3], size_bytes=8)
    cm.sweep(scenarios)
    assert capsys.readouterr().err == ""  # no terminal
    cm.sweep(scenarios, progress=True)
    assert "2 of 2 scenarios" in capsys.readouterr().err


def test_versions_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    cm.show_versions()
    out = capsys.readouterr().out
    for name in ("cm_collectives", "numpy", "polars", "python", "platform"):
        assert f"{name}: " in out
