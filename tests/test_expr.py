"""Answers inside polars queries are those of a sweep, wherever the query runs."""

import pickle

import polars as pl
import pytest

import cm_collectives as cm

FABRIC = cm.Fabric.preset("hgx_h20")


def frame(n: int = 500) -> pl.DataFrame:
    """Return questions at many sizes, some of them without an answer."""
    row = pl.int_range(n)
    return pl.select(
        row=row,
        collective=pl.when(row % 3 == 0).then(pl.lit("all_reduce")).otherwise(pl.lit("all_gather")),
        ranks=2 + row % 7,
        size_bytes=pl.when(row % 11 != 0).then(row * 1000),
    )


def asked(on_error: str = "raise") -> pl.Expr:
    return cm.expr.answer(
        pl.col("size_bytes"),
        collective=pl.col("collective"),
        fabric=FABRIC,
        ranks=pl.col("ranks"),
        algorithm="ring",
        on_error=on_error,
    )


def test_every_engine_gives_the_answers_of_a_sweep() -> None:
    full = frame().filter(pl.col("size_bytes").is_not_null())
    scenarios = full.with_columns(fabric=pl.lit("mine"), algorithm=pl.lit("ring"))
    expected = cm.sweep(scenarios, {"mine": FABRIC}).drop("fabric", "algorithm")
    unnested = asked().struct.unnest()
    assert full.with_columns(unnested).equals(expected)
    for engine in ("in-memory", "streaming"):
        lazy = full.lazy().with_columns(unnested)
        assert lazy.collect_schema() == expected.schema
        assert lazy.collect(engine=engine).sort("row").equals(expected)


def test_a_null_argument_has_no_answer() -> None:
    answered = frame().with_columns(asked().struct.unnest())
    holes = answered["size_bytes"].is_null()
    assert holes.any()
    for name in ("time_ps", "time_s", "bound_ps", "algorithm_used", "error"):
        missing = answered[name].is_null() if name != "error" else holes
        assert missing.equals(holes, check_names=False)
    assert frame(0).with_columns(asked().struct.unnest()).is_empty()


def test_it_composes_with_filters_joins_and_groups() -> None:
    time_ps = cm.expr.time_ps(
        pl.col("size_bytes") * 2, collective="broadcast", fabric="hgx_h20", ranks=4, root=1
    )
    machines = pl.LazyFrame({"ranks": [2, 4], "weight": [1, 3]})
    got = (
        frame()
        .lazy()
        .filter(pl.col("size_bytes") > 100_000)
        .join(machines, on="ranks")
        .group_by("weight")
        .agg(time_ps.max())
        .sort("weight")
        .collect()
    )
    largest = frame().filter(pl.col("size_bytes").is_not_null()).group_by("ranks").max()
    sizes = dict(largest.select("ranks", "size_bytes").iter_rows())
    expected = [FABRIC.time_ps("broadcast", 2 * sizes[n], ranks=4, root=1) for n in (2, 4)]
    assert got["time_ps"].to_list() == expected


def test_values_take_every_form_of_a_scenario() -> None:
    sizes = pl.DataFrame({"size_bytes": ["1KiB", "1MiB"]})
    link = FABRIC.links["link"][0]
    time_ps = cm.expr.time_ps(
        pl.col("size_bytes"),
        collective="all_gather",
        fabric="hgx_h20",
        ranks=[3, 0, 1],
        degrade={link: 0.5},
        algorithm="ring",
    )
    slower = FABRIC.degrade({link: 0.5})
    expected = [
        slower.time_ps("all_gather", size, ranks=[3, 0, 1], algorithm="ring")
        for size in sizes[:, 0]
    ]
    assert sizes.select(time_ps).to_series().to_list() == expected
    chain = cm.expr.time_ps(
        4096, collective="broadcast", fabric="hgx_h20", ranks=pl.col("ranks"), algorithm="chain",
        options={"chunks": 4},
    )  # fmt: skip
    expected = [FABRIC.time_ps("broadcast", 4096, ranks=3, algorithm="chain", chunks=4)]
    assert pl.DataFrame({"ranks": [3]}).select(chain).to_series().to_list() == expected
    barrier = cm.expr.time_s(
        None, collective="barrier", fabric=pl.col("name"), ranks=4, fabrics={"mine": FABRIC}
    )
    expected_s = [FABRIC.time_s("barrier", ranks=4)]
    assert pl.DataFrame({"name": ["mine"]}).select(barrier).to_series().to_list() == expected_s


def test_errors_are_raised_or_said() -> None:
    wrong = frame(8).with_columns(ranks=pl.lit(9))
    with pytest.raises(cm.ArgumentError, match=r"^ranks must be from 1 to 8, got 9"):
        wrong.select(asked())
    said = wrong.with_columns(asked("column").struct.unnest())
    assert said["error"].is_not_null().equals(said["size_bytes"].is_not_null(), check_names=False)
    assert said["time_ps"].is_null().all()
    with pytest.raises(cm.ArgumentError, match="'ranks' must hold integers"):
        frame(3).select(cm.expr.time_ps(1, collective="barrier", fabric="cm384", ranks=pl.lit("a")))


def test_bad_arguments_are_refused_at_once() -> None:
    common = {"collective": "all_gather", "fabric": "cm384", "ranks": 4}
    with pytest.raises(cm.ArgumentError, match="no argument is a polars expression"):
        cm.expr.time_ps(8, **common)
    with pytest.raises(cm.ArgumentError, match=r"unknown argument 'chunks'.*options"):
        cm.expr.time_ps(pl.col("a"), **common, chunks=4)
    with pytest.raises(cm.ArgumentError, match="on_error must be"):
        cm.expr.time_ps(pl.col("a"), **common, on_error="ignore")


def test_the_function_of_an_expression_can_be_pickled() -> None:
    kernel = cm.expr._Kernel({"ranks": 4}, {"mine": FABRIC}, "raise")  # noqa: SLF001
    again = pickle.loads(pickle.dumps(kernel))  # noqa: S301
    batch = pl.select(
        pl.struct(fabric=pl.lit("mine"), collective=pl.lit("all_gather"), size_bytes=pl.lit(4096))
    ).to_series()
    assert again(batch).struct.field("time_ps").item() == FABRIC.time_ps(
        "all_gather", 4096, ranks=4
    )
