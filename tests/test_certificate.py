"""Certificates prove their runs, and forged ones do not."""

import numpy as np
import polars as pl
import pytest

import cm_collectives as cm

FABRIC = cm.Fabric.preset("cm384", nodes=2)
RESIDUE_MODULUS = 2**61 - 1


def run(**keywords: object) -> cm.Result:
    given = {"collective": "all_reduce", "size_bytes": 10**6, "ranks": 20, "algorithm": "ring"}
    return cm.simulate(FABRIC, **{**given, **keywords})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"algorithm": "double_binary_tree"},
        {"algorithm": "hierarchical", "ranks": 32},
        {"collective": "all_to_all", "algorithm": "direct"},
        {"collective": "all_to_all", "algorithm": "shift", "sync": "pairwise"},
        {"collective": "broadcast", "algorithm": "chain", "chunks": 5},
        {"collective": "scatter", "algorithm": "binomial_tree", "root": 3},
        {"collective": "barrier", "size_bytes": None, "algorithm": "dissemination"},
        {"routing": "hash", "seed": 7},
        {"routing": "dest"},
        {"routing": "plane"},
        {"engine_options": {"arithmetic": "extended"}},
        {"engine_options": {"arithmetic": "rational"}, "ranks": 5},
        {"start_ps": list(range(0, 20_000_000, 1_000_000))},
        {"size_bytes": 0},
        {"ranks": 1},
    ],
    ids=str,
)
def test_the_certificate_of_a_run_checks(keywords: dict[str, object]) -> None:
    certificate = run(**keywords).certificate()
    assert certificate.check()
    assert certificate.time_ps == run(**keywords).time_ps


def test_the_certificate_of_several_jobs_checks() -> None:
    jobs = [cm.Job("all_gather", size_bytes=10**6, ranks=range(i, 32, 4)) for i in range(4)]
    assert cm.simulate(FABRIC, jobs).certificate().check()


def test_the_certificate_of_flows_checks() -> None:
    flows = pl.DataFrame({"src": [2, 4, 17], "dst": [0, 0, 0], "size_bytes": [10, 20, 30]})
    assert cm.simulate_flows(FABRIC, flows).certificate().check()


def test_the_certificate_of_a_degraded_fabric_checks() -> None:
    fabric = FABRIC.degrade({"l2.2.*": 0.25, "l2.3.1": 0.0})
    r = cm.simulate(fabric, "all_to_all", size_bytes=10**6, algorithm="direct")
    assert r.certificate().check()


def scaled(levels: pl.DataFrame, factor: int) -> pl.DataFrame:
    """Multiply the levels, and the residues to match: only the physics is wrong."""
    residues = [value * factor % RESIDUE_MODULUS for value in levels["residue"]]
    return levels.with_columns(
        pl.col("rate_Bps") * factor,
        pl.col("low") * factor,
        pl.Series("residue", residues, dtype=pl.Int64),
    )


@pytest.mark.parametrize("factor", [2, 3])
def test_scaled_rates_do_not_check(factor: int) -> None:
    certificate = run().certificate()
    forged = certificate.replace(levels=scaled(certificate.levels, factor))
    with pytest.raises(cm.VerifyError, match="event"):
        forged.check()


def test_one_scaled_rate_does_not_check() -> None:
    certificate = run().certificate()
    levels = certificate.levels
    forged = pl.concat([scaled(levels[:1], 2), levels[1:]])
    with pytest.raises(cm.VerifyError):
        certificate.replace(levels=forged).check()


def test_a_missing_bottleneck_does_not_check() -> None:
    certificate = run().certificate()
    records = certificate.records.with_row_index()
    first = records.filter(kind="bottleneck")["index"][0]
    forged = records.filter(pl.col("index") != first).drop("index")
    with pytest.raises(cm.VerifyError, match="bottleneck"):
        certificate.replace(records=forged).check()


def test_a_bottleneck_off_the_route_does_not_check() -> None:
    certificate = run().certificate()
    resources = certificate.records["resource"].drop_nulls()
    other = pl.when(pl.col("kind") == "bottleneck").then(
        (pl.col("resource") + 1) % (resources.max() + 1)  # type: ignore[operator]
    )
    forged = certificate.records.with_columns(other.otherwise("resource").alias("resource"))
    with pytest.raises(cm.VerifyError):
        certificate.replace(records=forged).check()


def test_another_route_does_not_check() -> None:
    certificate = run().certificate()
    n_operations = certificate.routes["op"].n_unique()
    with pytest.raises(cm.VerifyError, match="route"):
        certificate.replace(op_routes=np.ones(n_operations, dtype=np.int64)).check()


def test_the_proof_of_a_symmetric_run_is_one_of_its_classes() -> None:
    r = cm.simulate(FABRIC, "all_to_all", size_bytes=10**7, ranks=32, algorithm="direct")
    certificate = r.certificate()
    # Each of 32 dies sends to its sibling, to 14 dies of its node, to 16 of the other: the longest
    # list has an entry for each class, not for each of the 992 transfers.
    n_classes = certificate.classes.group_by("kind").agg(pl.col("class").n_unique())
    assert dict(n_classes.rows())["op"] == certificate.routes["op"].n_unique() == 3
    assert certificate.check()
    # Without classes each transfer has its own records.
    options = {"refine": False}
    each = cm.simulate(
        FABRIC,
        "all_to_all",
        size_bytes=10**7,
        ranks=32,
        algorithm="direct",
        engine_options=options,
    ).certificate()
    assert each.classes.is_empty()
    assert each.routes["op"].n_unique() == 992
    assert (each.check(), each.time_ps) == (True, certificate.time_ps)


@pytest.mark.parametrize("kind", ["op", "resource"])
def test_classes_of_what_differs_do_not_check(kind: str) -> None:
    r = cm.simulate(FABRIC, "all_to_all", size_bytes=10**7, ranks=32, algorithm="direct")
    certificate = r.certificate()
    first = (pl.col("kind") == kind) & (pl.col("member") == 0)
    other = pl.when(first).then((pl.col("class") + 1) % 2).otherwise("class")
    forged = certificate.replace(classes=certificate.classes.with_columns(other.alias("class")))
    with pytest.raises(cm.VerifyError, match="class"):
        forged.check()
    fewer = certificate.classes.filter(pl.col("kind") == kind)
    with pytest.raises(cm.VerifyError, match="class"):
        certificate.replace(classes=fewer).check()


def test_a_frame_of_another_form_is_no_part_of_a_certificate() -> None:
    certificate = run(ranks=2).certificate()
    with pytest.raises(cm.ArgumentError, match="missing column 'residue'"):
        certificate.replace(levels=certificate.levels.drop("residue"))
    with pytest.raises(cm.ArgumentError, match="one-dimensional array of integers"):
        certificate.replace(op_routes=[[0.5]])
