"""Names and dtypes of every frame: what other programs rely on."""

import polars as pl
import pytest

import cm_collectives as cm

FABRIC = cm.Fabric.preset("cm384", nodes=1)

INT = pl.Int64
FLOAT = pl.Float64
TEXT = pl.String
LIST = pl.List(pl.Int64)

TRANSFERS: dict[str, object] = {
    "transfer": INT,
    "step": INT,
    "src": INT,
    "dst": INT,
    "chunk": INT,
    "n_chunks": INT,
    "chunk_stride": INT,
    "chunk_window": INT,
    "offset": INT,
    "size_bytes": INT,
    "op": TEXT,
    "depends_on": LIST,
    "follows": LIST,
}
TIMES: dict[str, object] = {"released_ps": INT, "served_ps": INT, "arrived_ps": INT}
ANSWERS: dict[str, object] = {
    "time_ps": INT,
    "time_s": FLOAT,
    "algbw_Bps": FLOAT,
    "busbw_Bps": FLOAT,
    "bound_ps": INT,
    "efficiency": FLOAT,
    "algorithm_used": TEXT,
    "bottleneck": TEXT,
    "max_utilisation": FLOAT,
    "error": TEXT,
}


def flows() -> pl.DataFrame:
    return pl.DataFrame({"src": [0, 2], "dst": [4, 6], "size_bytes": [10, 20], "tag": ["x", None]})


def scenarios() -> pl.DataFrame:
    return cm.grid(fabric="cm384", collective="all_gather", ranks=[4, 5000], size_bytes=1000)


def result() -> cm.Result:
    return cm.simulate(FABRIC, "all_reduce", size_bytes=1000, ranks=4, algorithm="ring")


FRAMES = {
    "presets": (
        cm.presets,
        {
            "name": TEXT,
            "title": TEXT,
            "endpoints": INT,
            "parameters": TEXT,
            "source": TEXT,
            "assumed": TEXT,
        },
    ),
    "algorithms": (
        cm.algorithms,
        dict.fromkeys(
            (
                "collective",
                "algorithm",
                "summary",
                "constraint",
                "options",
                "steps",
                "bytes_per_rank",
                "source",
            ),
            TEXT,
        ),
    ),
    "routings": (cm.routings, {"routing": TEXT, "description": TEXT}),
    "Fabric.nodes": (
        lambda: FABRIC.nodes,
        {
            "node": TEXT,
            "kind": TEXT,
            "endpoint": INT,
            "reduction_rate_Bps": INT,
            "in_network": pl.Boolean,
            "package": TEXT,
            "node_group": TEXT,
            "supernode": TEXT,
        },
    ),
    "Fabric.links": (
        lambda: FABRIC.links,
        {
            "link": TEXT,
            "src": TEXT,
            "dst": TEXT,
            "kind": TEXT,
            "plane": INT,
            "rate_Bps": INT,
            "latency_ps": INT,
            "nominal_rate_Bps": INT,
            "ordinary": pl.Boolean,
            "weight_ppm": INT,
        },
    ),
    "Fabric.paths": (
        lambda: FABRIC.paths(0, 2),
        {"path": INT, "hop": INT, "link": TEXT, "rate_Bps": INT, "latency_ps": INT},
    ),
    "Schedule.transfers": (
        lambda: cm.schedule("all_reduce", "ring", ranks=4, size_bytes=10).transfers,
        TRANSFERS,
    ),
    "Result.transfers": (
        lambda: result().transfers,
        {"job": INT, **TRANSFERS, "src_endpoint": INT, "dst_endpoint": INT, **TIMES},
    ),
    "Result.transfers of jobs": (
        lambda: (
            cm.simulate(
                FABRIC, [cm.Job("all_gather", size_bytes=8, ranks=[i, i + 2]) for i in (0, 1)]
            ).transfers
        ),
        {"job": INT, **TRANSFERS, "src_endpoint": INT, "dst_endpoint": INT, **TIMES},
    ),
    "Result.transfers of flows": (
        lambda: cm.simulate_flows(FABRIC, flows()).transfers,
        {"src": INT, "dst": INT, "size_bytes": INT, "tag": TEXT, **TIMES},
    ),
    "Result.links": (
        lambda: result().links,
        {
            "link": TEXT,
            "src": TEXT,
            "dst": TEXT,
            "kind": TEXT,
            "plane": INT,
            "rate_Bps": INT,
            "bytes": FLOAT,
            "busy_ps": INT,
            "utilisation": FLOAT,
        },
    ),
    "Result.ranks": (
        lambda: result().ranks,
        {"job": INT, "rank": INT, "endpoint": INT, "finish_ps": INT},
    ),
    "Result.jobs": (
        lambda: result().jobs,
        {
            "job": INT,
            "collective": TEXT,
            "algorithm": TEXT,
            "ranks": INT,
            "start_ps": INT,
            "finish_ps": INT,
            "time_ps": INT,
            "alone_ps": INT,
            "slowdown": FLOAT,
        },
    ),
    "Result.bottlenecks": (
        lambda: result().bottlenecks,
        {"resource": TEXT, "links": INT, "rate_Bps": INT, "bytes": FLOAT, "utilisation": FLOAT},
    ),
    "Certificate.events": (
        lambda: result().certificate().events,
        {"event": INT, "time_ps": FLOAT, "low": FLOAT, "error": FLOAT, "residue": INT},
    ),
    "Certificate.records": (
        lambda: result().certificate().records,
        {"event": INT, "kind": TEXT, "op": INT, "resource": INT, "level": INT},
    ),
    "Certificate.levels": (
        lambda: result().certificate().levels,
        {"level": INT, "rate_Bps": FLOAT, "low": FLOAT, "error": FLOAT, "residue": INT},
    ),
    "Certificate.routes": (
        lambda: result().certificate().routes,
        {"op": INT, "resource": INT, "weight": INT},
    ),
    "sweep": (
        lambda: cm.sweep(scenarios()),
        {"fabric": TEXT, "collective": TEXT, "ranks": INT, "size_bytes": INT, **ANSWERS},
    ),
    "sweep of nothing": (
        lambda: cm.sweep(scenarios()[:0]),
        {"fabric": TEXT, "collective": TEXT, "ranks": INT, "size_bytes": INT, **ANSWERS},
    ),
    "tune": (
        lambda: cm.tune(FABRIC, "all_gather", [10], ranks=4),
        {
            "size_bytes": INT,
            "place": INT,
            "algorithm": TEXT,
            "options": TEXT,
            "time_ps": INT,
            "time_s": FLOAT,
            "slowdown": FLOAT,
            "at_least_ps": INT,
        },
    ),
    "tune by rule": (
        lambda: cm.tune(FABRIC, "all_gather", [10], ranks=4, rule="nccl"),
        {
            "size_bytes": INT,
            "rule": TEXT,
            "choice": TEXT,
            "algorithm": TEXT,
            "options": TEXT,
            "time_ps": INT,
            "time_s": FLOAT,
            "best_algorithm": TEXT,
            "best_options": TEXT,
            "best_ps": INT,
            "slowdown": FLOAT,
        },
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_has_its_columns(name: str) -> None:
    make, schema = FRAMES[name]
    assert dict(make().schema) == schema


def test_what_a_frame_lacks_is_null_and_not_a_sentinel() -> None:
    nodes = FABRIC.nodes.filter(kind="switch")
    assert nodes["endpoint"].null_count() == len(nodes)
    links = FABRIC.links.filter(kind="die_to_die")
    assert links["plane"].null_count() == len(links) > 0
    failed = cm.sweep(scenarios())[1]
    assert failed.select(*ANSWERS).null_count().row(0) == (1,) * (len(ANSWERS) - 1) + (0,)


def test_a_frame_belongs_to_its_caller() -> None:
    # polars frames can be changed in place; the object must not notice.
    first = FABRIC.links
    first.insert_column(0, pl.Series("more", [0] * len(first)))
    assert FABRIC.links.columns[0] == "link"
