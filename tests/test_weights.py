"""Weights of routing: classes of links that get another part of the traffic."""

import pickle

import polars as pl
import pytest

import cm_collectives as cm

# A die has seven ports of 28 GB/s, one in each plane, and 270 GB/s to its sibling.
FABRIC = cm.Fabric.preset("cm384", timing="line_rate")
FLOW = pl.DataFrame({"src": [0], "dst": [2], "size_bytes": [196_000_000]})
FAR = FLOW.with_columns(dst=pl.lit(18))


def time_s(
    fabric: cm.Fabric, routing: str = "spray", flow: pl.DataFrame = FLOW, **options: int
) -> float:
    return cm.simulate_flows(fabric, flow, routing=routing, **options).time_s  # type: ignore[arg-type]


@pytest.mark.parametrize("routing", ["spray", "hash", "dest", "adaptive"])
@pytest.mark.parametrize(
    ("weights", "largest"),
    [
        ({}, 1 / 7),
        # Six planes are left.
        ({"plane:0": 0}, 1 / 6),
        # One of eight parts each, and two of them over plane 0.
        ({"plane:0": 2}, 2 / 8),
        # 6 + 1/2 parts.
        ({"plane:5": 0.5}, 2 / 13),
        # What all have alike changes nothing.
        ({"kind:die_up": 3}, 1 / 7),
        # Weights multiply: 3 of 9 parts.
        ({"plane:0": 6, "node00/die00->node00/l1.0": 0.5}, 3 / 9),
    ],
    ids=str,
)
def test_a_flow_takes_the_time_of_the_plane_with_the_largest_part(
    routing: str, weights: dict[str, float], largest: float
) -> None:
    expected = largest * 196e6 / 28e9
    assert time_s(FABRIC.weigh(weights), routing) == pytest.approx(expected, rel=1e-9)


def test_inside_a_plane_spraying_weighs_the_chips() -> None:
    # Of 16 chips of a plane the first gets two of 17 parts, but is no bottleneck: a port has 1/7 of
    # the flow and a chip 2/17 of that, over as fast a link.
    weighed = FABRIC.weigh({"node00/l1.0->l2.0.0": 2})
    assert time_s(weighed, flow=FAR) == time_s(FABRIC, flow=FAR)
    links = cm.simulate_flows(weighed, FAR).links
    carried = dict(links.filter(src="node00/l1.0").select("dst", "bytes").rows())
    assert carried["l2.0.0"] == pytest.approx(2 / 17 * 28e6)
    assert carried["l2.0.1"] == pytest.approx(1 / 17 * 28e6)
    # Without the first chip fifteen are left.
    links = cm.simulate_flows(FABRIC.weigh({"l2.0.0": 0}), FAR).links
    carried = dict(links.filter(src="node00/l1.0").select("dst", "bytes").rows())
    assert (carried["l2.0.0"], carried["l2.0.1"]) == (0, pytest.approx(1 / 15 * 28e6))


def test_a_link_without_weight_is_for_pinned_routes() -> None:
    weighed = FABRIC.weigh({"kind:die_up": 0})
    with pytest.raises(cm.UnsupportedError, match="no live path"):
        time_s(weighed)
    pinned = FLOW.with_columns(via=pl.Series([["node00/l1.3"]]))
    assert time_s(weighed, flow=pinned) == pytest.approx(196e6 / 28e9, rel=1e-9)


def test_weights_hold_in_collectives_and_keep_bounds_and_proofs() -> None:
    weighed = FABRIC.weigh({"plane:2": 0.5})
    r = cm.simulate(weighed, "all_to_all", size_bytes=147_000_000, ranks=64, algorithm="direct")
    # 60 of 63 parts go to other nodes over planes of which six carry 2/13 each.
    same = cm.simulate(FABRIC, "all_to_all", size_bytes=147_000_000, ranks=64, algorithm="direct")
    assert r.time_s == pytest.approx(same.time_s * 7 * 2 / 13, rel=1e-9)
    assert r.bound_ps <= r.route_bound_ps <= r.time_ps
    assert r.certificate().check()


def test_weights_are_content_that_is_kept() -> None:
    weighed = FABRIC.weigh({"plane:2": 0.5, "kind:die_to_die": 0.25}).degrade({"l2.1.*": 0.5})
    assert weighed.digest != FABRIC.degrade({"l2.1.*": 0.5}).digest
    assert FABRIC.weigh({"plane:2": 1}).digest == FABRIC.digest
    for again in (
        pickle.loads(pickle.dumps(weighed)),  # noqa: S301
        cm.Fabric.from_toml(weighed.to_toml()),
        cm.Fabric.from_frames(weighed.nodes, weighed.links),
        FABRIC.degrade({"l2.1.*": 0.5}).weigh({"plane:2": 0.5, "kind:die_to_die": 0.25}),
    ):
        assert again.digest == weighed.digest
    assert weighed.links.filter(plane=2)["weight_ppm"].unique().to_list() == [500_000]


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"plane:0": -1}, "weight -1 of 'plane:0' is not allowed"),
        ({"plane:0": 1001}, "weight 1001 of 'plane:0' is not allowed"),
        ({"plane:0": 1e-7}, "weight 0.0000001 of 'plane:0' is not allowed"),
        ({"plane:0": float("nan")}, "weight NaN"),
        ({"plane:0": 100, "node00/die00": 100}, "weight 100 of 'node00/die00'"),
        ({"kind:rail": 2}, "kinds: "),
        ({"plane:0": "2"}, "must be a number"),
        ([("plane:0", 2)], "factors must be a mapping"),
    ],
    ids=str,
)
def test_a_weight_that_means_nothing_is_refused(weights: object, words: str) -> None:
    with pytest.raises(cm.ArgumentError, match=words):
        FABRIC.weigh(weights)  # type: ignore[arg-type]


def test_a_weight_in_a_file_is_checked() -> None:
    text = cm.Fabric.preset("star", endpoints=2).to_toml()
    heavy = text.replace("[[links]]\n", "[[links]]\nweight_ppm = 2000000000\n", 1)
    with pytest.raises(cm.SpecError, match=r"weight_ppm.*at most 1000000000"):
        cm.Fabric.from_toml(heavy)
