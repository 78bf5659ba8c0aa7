"""Every bad input is refused: the class of the error and its words."""

import math
import re
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

import cm_collectives as cm

FABRIC = cm.Fabric.preset("cm384", nodes=2)


def simulate(**keywords: object) -> cm.Result:
    given = {"collective": "all_reduce", "size_bytes": 1000, "ranks": 4, **keywords}
    return cm.simulate(FABRIC, **given)  # type: ignore[arg-type]


def check(call: Callable[[], object], kind: type[cm.CmError], *words: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_wrong_arguments_are_value_errors_of_this_package() -> None:
    for kind in (cm.ArgumentError, cm.VerifyError, cm.SpecError, cm.UnsupportedError):
        assert issubclass(kind, cm.CmError)
        assert issubclass(kind, ValueError)
    assert not issubclass(cm.LimitError, ValueError)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cm.Fabric.preset("cm38"), ["cm38", "cm384"]),
        (lambda: simulate(collective="all_reduc"), ["all_reduc", "did you mean all_reduce"]),
        (lambda: simulate(algorithm="rign"), ["rign", "ring"]),
        (lambda: simulate(routing="spry"), ["spry", "spray"]),
        (lambda: simulate(engine="fluit"), ["fluit", "fluid"]),
        (lambda: simulate(sync="barier"), ["barier", "barrier"]),
        (lambda: simulate(split="balancd"), ["balancd", "balanced"]),
        (lambda: simulate(algorithm="chain", collective="broadcast", chunk=4), ["chunk", "chunks"]),
        (lambda: simulate(engine_options={"orbit": True}), ["'orbit'", "orbits"]),
        (lambda: simulate(engine_options={"arithmetic": "pairs"}), ["pairs", "pair"]),
        (lambda: cm.Fabric.preset("cm384", node=3), ["node", "nodes"]),
        (lambda: FABRIC.team(4).groups("nod"), ["'nod'", "node"]),
        (lambda: FABRIC.paths("node00/die0", 3), ["node00/die0"]),
        (lambda: FABRIC.degrade({"l2.9.9": 0.5}), ["l2.9.9"]),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(
    call: Callable[[], object], words: list[str]
) -> None:
    check(call, cm.ArgumentError, *words)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (-1, ["from 0 to 9007199254740992", "got -1"]),
        (math.nan, ["whole number", "nan"]),
        (math.inf, ["whole number", "inf"]),
        (1.5, ["whole number", "1.5"]),
        (-8.0, ["from 0 to", "-8.0"]),
        (2**53 + 1, ["from 0 to 9007199254740992", "9007199254740993"]),
        (1e300, ["2^53", "1e+300"]),
        (10**30, ["from 0 to"]),
        (True, ["True"]),
        (np.bool_(1), ["True"]),
        (np.float32(0.5), ["0.5"]),
        (Decimal(8), ["Decimal"]),
        (b"8", ["b'8'"]),
        ([8], ["[8]"]),
        (np.array([8, 9]), ["[8, 9]"]),
        ("256M", ["'256M'", "256MiB or 256MB"]),
        ("256", ["'256'", "without quotes"]),
        ("1Mb", ["'1Mb'", "MiB"]),
        ("-1MB", ["'-1MB'"]),
        ("0.1B", ["whole number", "'0.1B'"]),
        ("many", ["'many'"]),
        ("", ["got ''"]),
    ],
    ids=repr,
)
def test_a_bad_size_is_refused(value: object, words: list[str]) -> None:
    check(lambda: simulate(size_bytes=value), cm.ArgumentError, "size_bytes", *words)


@pytest.mark.parametrize(
    ("value", "n_bytes"),
    [
        (8, 8),
        (np.int32(8), 8),
        (np.uint64(8), 8),
        (8.0, 8),
        (np.float64(8), 8),
        (2**53, 2**53),
        ("8B", 8),
        ("1KiB", 1024),
        ("1kB", 1000),
        ("256MiB", 2**28),
        ("1.5 GB", 1_500_000_000),
    ],
    ids=repr,
)
def test_a_good_size_is_taken(value: object, n_bytes: int) -> None:
    made = cm.schedule("broadcast", "chain", ranks=2, size_bytes=value)  # type: ignore[arg-type]
    assert made.size_bytes == n_bytes


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"size_bytes": None}, ["exactly one of size_bytes, per_rank_bytes and counts", "none"]),
        ({"per_rank_bytes": 5}, ["exactly one", "size_bytes and per_rank_bytes"]),
        ({"collective": "barrier"}, ["barrier moves no bytes", "size_bytes"]),
        ({"counts": [[0]], "size_bytes": None}, ["counts is for all_to_all"]),
        (
            {"collective": "all_gather", "size_bytes": None, "per_rank_bytes": 2**52},
            ["per_rank_bytes times 4 ranks"],
        ),
    ],
)
def test_a_payload_is_said_in_exactly_one_way(
    keywords: dict[str, object], words: list[str]
) -> None:
    check(lambda: simulate(**keywords), cm.ArgumentError, *words)


@pytest.mark.parametrize(
    ("ranks", "words"),
    [
        (0, ["from 1 to 32", "got 0"]),
        (33, ["from 1 to 32", "got 33"]),
        (True, ["True"]),
        (2.0, ["2.0"]),
        ("4", ["'4'"]),
        ([], ["at least one"]),
        ([0, 32], ["ranks[1]", "from 0 to 31", "got 32"]),
        ([0, -1], ["ranks[1]", "got -1"]),
        ([3, 1, 3], ["endpoint 3 twice", "positions 0 and 2"]),
        ([0, 1.0], ["ranks[1]", "1.0"]),
        (np.array([0, 1, 1]), ["endpoint 1 twice"]),
        ({0: 1}, ["sequence"]),
    ],
    ids=repr,
)
def test_bad_ranks_are_refused(ranks: object, words: list[str]) -> None:
    check(lambda: simulate(ranks=ranks), cm.ArgumentError, "ranks", *words)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([[0, 1], [1, 0]], ["shape (3, 3)", "(2, 2)"]),
        ([[0, 1, 2], [1, 0]], ["shape (3, 3)", "different lengths"]),
        ([0, 1, 2], ["shape (3, 3)", "(3,)"]),
        ([[0, 1, 2], [1, 0, -2], [1, 2, 0]], ["counts[1][2]", "-2"]),
        ([[0, 1, 2], [1, 0, 2], [1.5, 2, 0]], ["counts[2][0]", "1.5"]),
        ([[0, 1, 2], [1, 0, math.nan], [1, 2, 0]], ["counts[1][2]", "nan"]),
        ([[0, 1, 2], [1, 7, 2], [1, 2, 0]], ["diagonal", "counts[1][1] = 7"]),
        ([[0, 1, 2], [1, 0, 2], [1, 2**60, 0]], ["counts[2][1]", "9007199254740992"]),
        ([[False, True, True]] * 3, ["counts[0][0]", "False"]),
        ("abc", ["shape (3, 3)"]),
    ],
    ids=repr,
)
def test_bad_counts_are_refused(counts: object, words: list[str]) -> None:
    check(
        lambda: simulate(collective="all_to_all", size_bytes=None, ranks=3, counts=counts),
        cm.ArgumentError,
        "counts",
        *words,
    )


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"root": 4, "collective": "broadcast"}, ["root", "from 0 to 3", "4"]),
        ({"root": -1, "collective": "broadcast"}, ["root", "-1"]),
        ({"root": False, "collective": "broadcast"}, ["root", "False"]),
        ({"start_ps": -1}, ["start_ps", "-1"]),
        ({"start_ps": [0, 1]}, ["start_ps", "4 ranks", "got 2"]),
        ({"start_ps": 0.5}, ["start_ps", "0.5"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"planes": [1, 1], "routing": "plane"}, ["planes", "each once"]),
        ({"planes": 3, "routing": "plane"}, ["planes", "sequence"]),
        ({"barrier_per_step": 1}, ["barrier_per_step", "True or False"]),
        ({"barrier_per_step": True, "sync": "pairwise"}, ["barrier_per_step", "pairwise"]),
        ({"engine_options": 3}, ["engine_options", "mapping"]),
        ({"engine_options": {"orbits": 1}}, ["orbits", "True or False"]),
        ({"engine_options": {"event_limit": 0}}, ["event_limit", "0"]),
        ({"engine_options": {"memory_limit_bytes": -1}}, ["memory_limit_bytes", "-1"]),
        ({"algorithm": 3}, ["algorithm", "3"]),
        ({"collective": 3}, ["collective", "Schedule", "int"]),
        ({"collective": []}, ["at least one Job"]),
        ({"algorithm": "ring", "chunks": 2.5}, ["chunks", "2.5"]),
        ({"moe": "tokens"}, ["moe is for combine and dispatch; all_reduce takes size_bytes"]),
        ({"collective": "dispatch"}, ["dispatch needs moe=cm.moe(...) and no size"]),
    ],
    ids=repr,
)
def test_a_bad_argument_is_named(keywords: dict[str, object], words: list[str]) -> None:
    check(lambda: simulate(**keywords), cm.ArgumentError, *words)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"engine": "packet"}, ["packet", "later"]),
        ({"algorithm": "dissemination"}, ["dissemination", "all_reduce"]),
        ({"collective": "all_to_all", "algorithm": "xor", "ranks": 6}, ["xor", "6"]),
        ({"collective": "send_recv", "ranks": 3}, ["3"]),
    ],
    ids=repr,
)
def test_what_cannot_be_simulated_is_said(keywords: dict[str, object], words: list[str]) -> None:
    check(lambda: simulate(**keywords), cm.CmError, *words)


def test_a_rank_that_was_cut_off_cannot_be_simulated() -> None:
    cut = FABRIC.degrade({"node00/die00->*": 0.0})
    check(
        lambda: cm.simulate(cut, "all_gather", size_bytes=8, ranks=[0, 4]),
        cm.UnsupportedError,
        "node00/die00",
    )


@pytest.mark.parametrize("limit", [{"memory_limit_bytes": 1000}, {"event_limit": 3}])
def test_a_run_above_a_limit_is_refused(limit: dict[str, int]) -> None:
    with pytest.raises(cm.LimitError, match="limit"):
        simulate(ranks=32, algorithm="ring", engine_options=limit)


@pytest.mark.parametrize(
    ("factors", "words"),
    [
        ({"l2.0.0": -0.5}, ["l2.0.0", "-0.5"]),
        ({"l2.0.0": 1.5}, ["l2.0.0", "1.5"]),
        ({"l2.0.0": math.nan}, ["l2.0.0", "NaN"]),
        ({"l2.0.0": True}, ["l2.0.0", "True"]),
        ({3: 0.5}, ["selector", "3"]),
        ("l2.0.0", ["mapping"]),
    ],
    ids=repr,
)
def test_a_bad_degradation_is_refused(factors: object, words: list[str]) -> None:
    check(lambda: FABRIC.degrade(factors), cm.ArgumentError, *words)  # type: ignore[arg-type]


def nodes() -> pl.DataFrame:
    return pl.DataFrame({"node": ["a", "b", "s"], "kind": ["endpoint", "endpoint", "switch"]})


def links() -> pl.DataFrame:
    ends = [("a", "s"), ("s", "a"), ("b", "s"), ("s", "b")]
    return pl.DataFrame(
        {
            "src": [src for src, _ in ends],
            "dst": [dst for _, dst in ends],
            "rate_Bps": [10**9] * 4,
            "latency_ps": [1000] * 4,
        }
    )


def nulled(frame: pl.DataFrame, column: str, row: int) -> pl.DataFrame:
    index = pl.int_range(pl.len())
    return frame.with_columns(pl.when(index != row).then(pl.col(column)).alias(column))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda n, k: (n.drop("kind"), k), ["nodes", "missing column 'kind'"]),
        (lambda n, k: (n, k.drop("rate_Bps")), ["links", "missing column 'rate_Bps'"]),
        (lambda n, k: (n, k.with_columns(rate_Bps=1.5)), ["'rate_Bps'", "integers", "Float64"]),
        (lambda n, k: (n, k.with_columns(src=1)), ["'src'", "text"]),
        (lambda n, k: (n, nulled(k, "latency_ps", 2)), ["'latency_ps'", "null in row 2"]),
        (lambda n, k: (nulled(n, "node", 1), k), ["'node'", "null in row 1"]),
        (lambda n, k: (n, k.with_columns(speed=1)), ["unknown column 'speed'", "rate_Bps"]),
        (lambda n, k: (n.with_columns(kind=pl.lit("robot")), k), ["robot", "endpoint"]),
        (lambda n, k: (n, k.with_columns(dst=pl.lit("x"))), ["x"]),
        (lambda n, k: (n, k.with_columns(rate_Bps=0)), ["0"]),
        (lambda n, k: (n, k.with_columns(latency_ps=-1)), ["-1"]),
        (lambda n, k: (pl.concat([n, n]), k), ["'a'"]),
        (lambda n, k: (n.to_dicts(), k), ["nodes", "polars DataFrame", "list"]),
    ],
)
def test_a_bad_fabric_frame_is_refused(
    change: Callable[[pl.DataFrame, pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]],
    words: list[str],
) -> None:
    check(lambda: cm.Fabric.from_frames(*change(nodes(), links())), cm.ArgumentError, *words)


def flows() -> pl.DataFrame:
    return pl.DataFrame({"src": [0, 2, 4], "dst": [6, 6, 6], "size_bytes": [10, 20, 30]})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop("dst"), ["flows", "missing column 'dst'"]),
        (lambda f: f.with_columns(size_bytes=0.5), ["'size_bytes'", "integers"]),
        (lambda f: nulled(f, "src", 1), ["'src'", "null in row 1"]),
        (lambda f: f.with_columns(rate=1), ["unknown column 'rate'"]),
        (lambda f: f.with_columns(size_bytes=-1), ["size_bytes", "-1"]),
        (lambda f: f.with_columns(start_ps=-5), ["start_ps", "-5", "row 0"]),
        (lambda f: f.with_columns(src=99), ["src", "99"]),
        (lambda f: f.with_columns(src=pl.lit("node09/die00")), ["node09/die00"]),
        (lambda f: f.with_columns(depends_on=[7]), ["7"]),
        (lambda f: f.with_columns(depends_on=pl.lit("x")), ["'depends_on'", "lists of integers"]),
        (lambda f: f.with_columns(via=["nowhere"]), ["nowhere"]),
    ],
)
def test_a_bad_flow_frame_is_refused(
    change: Callable[[pl.DataFrame], pl.DataFrame], words: list[str]
) -> None:
    check(lambda: cm.simulate_flows(FABRIC, change(flows())), cm.ArgumentError, *words)


def test_flows_that_wait_for_each_other_are_refused() -> None:
    cycle = flows().with_columns(pl.Series("depends_on", [[1], [2], [0]]))
    check(lambda: cm.simulate_flows(FABRIC, cycle), cm.SpecError, "cycle")


def transfers() -> pl.DataFrame:
    made = cm.schedule("all_reduce", "ring", ranks=4, size_bytes=400)
    return made.transfers.select("step", "src", "dst", "chunk", "op")


def from_frame(frame: pl.DataFrame, **keywords: object) -> cm.Schedule:
    given = {"collective": "all_reduce", "ranks": 4, "size_bytes": 400, **keywords}
    return cm.Schedule.from_frame(frame, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda t: t.drop("op"), cm.ArgumentError, ["missing column 'op'"]),
        (lambda t: t.drop("step"), cm.SpecError, ["step", "depends_on"]),
        (lambda t: t.with_columns(op=pl.lit("move")), cm.ArgumentError, ["op", "move"]),
        (lambda t: t.with_columns(dst=9), cm.SpecError, ["dst", "9"]),
        (lambda t: t.with_columns(chunk=-1), cm.ArgumentError, ["chunk", "-1"]),
        (lambda t: t.with_columns(depend_on=1), cm.ArgumentError, ["unknown column 'depend_on'"]),
        (lambda t: t.with_columns(transfer=3), cm.ArgumentError, ["'transfer'", "row 0"]),
        (lambda t: nulled(t, "src", 5), cm.ArgumentError, ["'src'", "null in row 5"]),
        # One deleted, redirected or repeated.
        (lambda t: t[1:], cm.VerifyError, ["transfer", "rank", "chunk"]),
        (lambda t: t.with_columns(dst=(pl.col("src") + 2) % 4), cm.VerifyError, ["rank"]),
        (lambda t: pl.concat([t, t[:1]]), cm.VerifyError, ["transfer", "chunk"]),
    ],
)
def test_a_bad_schedule_is_refused(
    change: Callable[[pl.DataFrame], pl.DataFrame], kind: type[cm.CmError], words: list[str]
) -> None:
    check(lambda: from_frame(change(transfers())), kind, *words)


def test_a_cyclic_schedule_is_refused() -> None:
    n = len(transfers())
    cycle = (
        transfers()
        .drop("step")
        .with_columns(pl.Series("depends_on", [[(i + 1) % n] for i in range(n)]))
    )
    check(lambda: from_frame(cycle), cm.SpecError, "cycle")


def test_an_unproved_schedule_is_proved_before_it_runs() -> None:
    wrong = from_frame(transfers()[1:], verify=False)
    check(wrong.verify, cm.VerifyError, "rank")
    check(lambda: cm.simulate(FABRIC, wrong), cm.VerifyError, "rank")


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"ranks": [0, 1]}, ["number or a Team", "list"]),
        ({"ranks": 0}, ["ranks", "0"]),
        ({"levels": "node"}, ["levels", "'node'"]),
        ({"levels": [0, 1]}, ["levels", "group"]),
        ({"levels": [[0, 1], [2]]}, ["level 'node'", "rank 3 is missing"]),
        ({"levels": {"a": [[0, 1], [2, 3]], "b": [[0], [1, 2, 3]]}}, ["'a'", "nest", "'b'"]),
    ],
    ids=repr,
)
def test_a_bad_question_for_a_schedule_is_refused(
    keywords: dict[str, object], words: list[str]
) -> None:
    given = {"ranks": 4, "size_bytes": 8, **keywords}
    call = lambda: cm.schedule("all_reduce", "hierarchical", **given)  # type: ignore[arg-type]  # noqa: E731
    check(call, cm.ArgumentError, *words)


def scenarios() -> pl.DataFrame:
    return cm.grid(fabric="cm384", collective="all_gather", ranks=[4] * 9, size_bytes=1000)


def with_row_7(column: str, value: object) -> pl.DataFrame:
    index = pl.int_range(pl.len())
    changed = pl.when(index == 7).then(pl.lit(value)).otherwise(pl.col(column))
    return scenarios().with_columns(changed.alias(column))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.drop("ranks"), ["missing column 'ranks'"]),
        (lambda s: s.with_columns(ranks=1.5), ["'ranks'", "integers", "Float64"]),
        (lambda s: s.with_columns(fabric=1), ["'fabric'", "text"]),
        (lambda s: nulled(s, "collective", 7), ["'collective'", "null in row 7"]),
        (lambda s: nulled(s, "size_bytes", 7), ["'size_bytes'", "null in row 7"]),
        (lambda s: s.with_columns(time_ps=1), ["'time_ps'", "drop it"]),
    ],
)
def test_a_bad_scenario_frame_is_refused(
    change: Callable[[pl.DataFrame], pl.DataFrame], words: list[str]
) -> None:
    check(lambda: cm.sweep(change(scenarios())), cm.ArgumentError, "scenarios", *words)


@pytest.mark.parametrize(
    ("frame", "kind", "words"),
    [
        (with_row_7("ranks", 769), cm.ArgumentError, "from 1 to 768"),
        (with_row_7("fabric", "cm38"), cm.ArgumentError, "cm384"),
        (with_row_7("collective", "all_gathr"), cm.ArgumentError, "all_gather"),
        (with_row_7("size_bytes", -3), cm.ArgumentError, "-3"),
        (
            with_row_7("size_bytes", 8).with_columns(
                algorithm=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("chain"))
            ),
            cm.UnsupportedError,
            "chain",
        ),
        (
            scenarios().with_columns(
                degrade=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("node00/die00=0"))
            ),
            cm.UnsupportedError,
            "node00/die00",
        ),
        (
            scenarios().with_columns(
                options=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("{chunks}"))
            ),
            cm.ArgumentError,
            "JSON",
        ),
    ],
)
def test_a_wrong_row_carries_its_error_and_the_others_their_answers(
    frame: pl.DataFrame, kind: type[cm.CmError], words: str
) -> None:
    answered = cm.sweep(frame)
    assert answered["error"].is_not_null().arg_true().to_list() == [7]
    assert words in answered["error"][7]
    assert answered["time_ps"].null_count() == 1
    with pytest.raises(kind, match="row 7: .*" + re.escape(words)):
        cm.sweep(frame, on_error="raise")


@pytest.mark.parametrize(
    ("keywords", "kind", "words"),
    [
        ({"on_error": "ignore"}, cm.ArgumentError, ["on_error", "'ignore'"]),
        ({"threads": 0}, cm.ArgumentError, ["threads", "0"]),
        ({"progress": 3}, cm.ArgumentError, ["progress", "3"]),
        ({"fabrics": {"cm384": 3}}, cm.ArgumentError, ["fabrics['cm384']", "3"]),
        ({"fabrics": [FABRIC]}, cm.ArgumentError, ["fabrics", "mapping"]),
        ({"out": 3}, cm.ArgumentError, ["out", "path", "3"]),
        ({"out": "results", "part_rows": 0}, cm.ArgumentError, ["part_rows", "0"]),
        ({"out": "results", "resume": 1}, cm.ArgumentError, ["resume", "1"]),
        ({"out": __file__}, cm.ArgumentError, ["out", "no directory"]),
    ],
)
def test_a_bad_argument_of_a_batch_is_named(
    keywords: dict[str, object], kind: type[cm.CmError], words: list[str]
) -> None:
    check(lambda: cm.sweep(scenarios(), **keywords), kind, *words)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: cm.grid(ranks=[]), cm.ArgumentError, ["ranks", "at least one"]),
        (lambda: cm.grid(ranks=[1, "a"]), cm.ArgumentError, ["ranks", "one type"]),
        (lambda: cm.grid(size_bytes=["256M"]), cm.ArgumentError, ["256MiB"]),
        (lambda: cm.simulate("cm384", "barrier"), cm.ArgumentError, ["Fabric", "'cm384'"]),  # type: ignore[arg-type]
        (lambda: cm.simulate_flows(3, flows()), cm.ArgumentError, ["Fabric", "3"]),  # type: ignore[arg-type]
        (lambda: cm.tune(FABRIC, "barrier", [8]), cm.ArgumentError, ["barrier"]),
        (lambda: cm.tune(FABRIC, "all_reduce", [-8]), cm.ArgumentError, ["sizes[0]", "-8"]),
        (lambda: FABRIC.team(4).grid(tp=3), cm.ArgumentError, ["4 ranks", "tp=3"]),
        (lambda: FABRIC.team(4).grid(node=4), cm.ArgumentError, ["'node'", "level"]),
        (lambda: FABRIC.paths(0, 32), cm.ArgumentError, ["dst", "32"]),
        (lambda: FABRIC.times_s("barrier", [8]), cm.ArgumentError, ["barrier"]),
        (lambda: FABRIC.times_s("all_gather", [8, -8]), cm.ArgumentError, ["sizes_bytes[1]"]),
        (lambda: FABRIC.times_s("all_gather", [8], start_ps=1), cm.ArgumentError, ["start_ps"]),
        (lambda: FABRIC.time_s("all_gather", size_bytes=True, ranks=2), cm.ArgumentError, ["True"]),
        (lambda: cm.Fabric.preset("cm384", nodes=True), cm.ArgumentError, ["True"]),
        (lambda: cm.Fabric.preset("cm384", nodes=[2]), cm.ArgumentError, ["[2]"]),  # type: ignore[arg-type]
        (lambda: cm.Fabric.preset("cm384", nodes=49), cm.ArgumentError, ["nodes", "49", "48"]),
        (lambda: cm.Fabric.preset("cm384", rank="core"), cm.ArgumentError, ["core", "die"]),
        (lambda: cm.Job(3), cm.ArgumentError, ["job", "3"]),  # type: ignore[arg-type]
    ],
)
def test_other_bad_arguments_are_named(
    call: Callable[[], object], kind: type[cm.CmError], words: list[str]
) -> None:
    check(call, kind, *words)


def test_jobs_and_schedules_bring_their_own_arguments() -> None:
    made = cm.schedule("all_gather", "ring", ranks=4, size_bytes=8)
    jobs = [cm.Job("barrier", ranks=2)]
    check(lambda: cm.simulate(FABRIC, made, size_bytes=8), cm.ArgumentError, "size_bytes")
    check(lambda: cm.simulate(FABRIC, made, ranks=5), cm.ArgumentError, "4 endpoints", "5")
    check(lambda: cm.simulate(FABRIC, jobs, size_bytes=8), cm.ArgumentError, "each Job")
    check(lambda: cm.simulate(FABRIC, [3]), cm.ArgumentError, "jobs[0]")  # type: ignore[list-item]


def test_a_valid_query_does_not_open_the_door_to_an_invalid_one() -> None:
    # True == 1 and 1.0 == 1 as keys of a cache; the memory must tell them apart.
    fabric = FABRIC.degrade({})
    for one in (1, 1.0):
        assert fabric.time_ps("all_gather", size_bytes=one, ranks=2) > 0
    check(lambda: fabric.time_ps("all_gather", size_bytes=True, ranks=2), cm.ArgumentError, "True")
