"""Line-rate closed forms of every preset, to 1e-9 relative."""

import pickle

import polars as pl
import pytest

import cm_collectives as cm

S = 144_000_000_000

# Rate of all links of a GPU, each way: NVLink3 12 x 25, NVLink4 18 x 25 (H800 8 x 25), NVLink5
# 18 x 50 GB/s.
NVLINK = {
    "hgx_a100": 300e9,
    "hgx_h100": 450e9,
    "hgx_h200": 450e9,
    "hgx_h800": 200e9,
    "hgx_h20": 450e9,
    "hgx_b200": 900e9,
    "hgx_b300": 900e9,
    "gb200_nvl72": 900e9,
    "gb300_nvl72": 900e9,
}


def line_rate(name: str, **params: int | str) -> cm.Fabric:
    return cm.Fabric.preset(name, timing="line_rate", **params)


def check(result: cm.Result, seconds: float) -> None:
    assert result.time_s == pytest.approx(seconds, rel=1e-9)
    assert result.bound_ps <= result.route_bound_ps <= result.time_ps


@pytest.mark.parametrize(("name", "rate"), NVLINK.items())
def test_one_flow_uses_every_link_of_a_gpu(name: str, rate: float) -> None:
    # Spray weighs links by rate, so the 5/4/4/5 wiring of an H100 board gives all 450 GB/s.
    flows = pl.DataFrame({"src": [0], "dst": [5], "size_bytes": [S]})
    r = cm.simulate_flows(line_rate(name), flows)
    assert r.time_s == pytest.approx(S / rate, rel=1e-9)


@pytest.mark.parametrize(("name", "rate"), NVLINK.items())
def test_rings_and_direct_exchanges_run_at_line_rate(name: str, rate: float) -> None:
    fabric = line_rate(name)
    n = fabric.n_endpoints
    for collective, algorithm, passes in [
        ("all_reduce", "ring", 2),
        ("all_gather", "ring", 1),
        ("reduce_scatter", "ring", 1),
        ("all_to_all", "direct", 1),
    ]:
        r = cm.simulate(fabric, collective, size_bytes=S, algorithm=algorithm)
        check(r, passes * (n - 1) / n * S / rate)
        assert r.busbw_Bps == pytest.approx(rate, rel=1e-9)


def test_striping_equally_over_unequal_planes_wastes_the_wider_ones() -> None:
    # hash gives each of the four chips a quarter; the narrow two have 4 x 25 GB/s.
    flows = pl.DataFrame({"src": [0], "dst": [5], "size_bytes": [S]})
    r = cm.simulate_flows(line_rate("hgx_h100"), flows, routing="hash")
    assert r.time_s == pytest.approx(S / 4 / 100e9, rel=1e-9)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_all_to_all_over_k_boxes_has_algbw_k_over_k_minus_1_nics(k: int) -> None:
    # Of the whole send buffer, (k-1)/k leaves the box over the NIC (nccl-tests issue 130).
    fabric = line_rate("dgx_superpod", nodes=k)
    r = cm.simulate(fabric, "all_to_all", size_bytes=S, algorithm="direct")
    check(r, (k - 1) / k * S / 50e9)
    assert r.algbw_Bps == pytest.approx(k / (k - 1) * 50e9, rel=1e-9)


def test_a_ring_along_the_rails_is_bound_by_one_nic() -> None:
    # GPU 0 of each of four boxes: every step crosses the leaf of rail 0.
    fabric = line_rate("dgx_superpod", nodes=4)
    r = cm.simulate(fabric, "all_reduce", size_bytes=S, ranks=range(0, 32, 8), algorithm="ring")
    check(r, 2 * 3 / 4 * S / 50e9)


def family(name: str, **params: int) -> cm.Fabric:
    return cm.Fabric.preset(name, rate_Bps=50_000_000_000, latency_ps=0, **params)


def test_a_ring_around_a_torus_runs_at_the_rate_of_its_links() -> None:
    # Each rank sends to its neighbor along the only axis, over one link of 50 GB/s.
    r = cm.simulate(family("torus", x=8, y=1, z=1), "all_reduce", size_bytes=S, algorithm="ring")
    check_of_ring(r, 8, 50e9)


def test_rings_along_all_axes_of_a_torus_do_not_meet() -> None:
    # A ring per line of each of three axes: every link of one direction is in one ring.
    fabric = family("torus", x=4, y=4, z=4)
    for stride in (1, 4, 16):
        starts = [p for p in range(64) if p // stride % 4 == 0]
        lines = [[start + i * stride for i in range(4)] for start in starts]
        jobs = [cm.Job("all_gather", size_bytes=S, ranks=line, algorithm="ring") for line in lines]
        r = cm.simulate(fabric, jobs)
        assert r.time_s == pytest.approx(3 / 4 * S / 50e9, rel=1e-9)


def test_a_full_mesh_exchanges_over_all_links_at_once() -> None:
    # Each of 7 links carries its own S/8.
    r = cm.simulate(family("full_mesh", x=8), "all_to_all", size_bytes=S, algorithm="direct")
    check(r, S / 8 / 50e9)


@pytest.mark.parametrize(
    ("name", "params", "n"),
    [
        ("star", {"endpoints": 9}, 9),
        ("fat_tree", {"radix": 4, "tiers": 3}, 16),
        ("fat_tree", {"radix": 8, "tiers": 2}, 32),
    ],
)
def test_a_fabric_without_oversubscription_exchanges_at_the_host_rate(
    name: str, params: dict[str, int], n: int
) -> None:
    r = cm.simulate(family(name, **params), "all_to_all", size_bytes=S, algorithm="direct")
    check(r, (n - 1) / n * S / 50e9)


def test_an_atlas_950_exchanges_at_one_terabyte_per_second() -> None:
    fabric = line_rate("atlas_950", cabinets=2)
    r = cm.simulate(fabric, "all_gather", size_bytes=S, algorithm="ring")
    check_of_ring(r, 128, 1e12, passes=1)


@pytest.mark.parametrize("k", [2, 3])
def test_all_to_all_over_k_supernodes_is_bound_by_the_rdma_plane(k: int) -> None:
    # (k-1)/k of the send buffer leaves over a die's 25 GB/s.
    fabric = line_rate("cm384", supernodes=k, nodes=2)
    r = cm.simulate(fabric, "all_to_all", size_bytes=S, algorithm="direct")
    check(r, (k - 1) / k * S / 25e9)


def check_of_ring(result: cm.Result, n: int, rate: float, passes: int = 2) -> None:
    check(result, passes * (n - 1) / n * S / rate)


@pytest.mark.parametrize(
    ("name", "rate"), [(name, rate) for name, rate in NVLINK.items() if name != "hgx_a100"]
)
def test_nvls_loads_each_port_once_and_one_nth(name: str, rate: float) -> None:
    # Each rank sends its S to be added up, and its nth to be multicast; it receives as much. Of K
    # chunks the first is only added up and the last only multicast: 2 S/K, and (1 + 1/n) S/K for
    # each step between.
    fabric = line_rate(name)
    n, chunks = fabric.n_endpoints, 4
    r = cm.simulate(fabric, "all_reduce", size_bytes=S, algorithm="nvls", chunks=chunks)
    check(r, (2 + (chunks - 1) * (1 + 1 / n)) * S / chunks / rate)
    ports = r.links.filter(pl.col("src").str.contains("gpu"))
    assert ports.group_by("src").agg(pl.col("bytes").sum())["bytes"].to_list() == pytest.approx(
        [(1 + 1 / n) * S] * n
    )
    assert "reduced in the network, busiest link" in repr(r)
    assert "busbw may pass the rate of the links" in r.explain()
    assert r.certificate().check()


def test_nvls_passes_the_rate_of_the_links() -> None:
    # 64 chunks, the default, on 18 GPUs: busbw = 2 (n-1)/n / ((2 + 63 * 19/18) / 64) = 1.7648 of
    # 900 GB/s; a ring has 1. The busiest link carries (1 + 1/n) S in that time: 0.9862 of what it
    # could.
    fabric = line_rate("gb200_nvl72")
    r = cm.simulate(fabric, "all_reduce", size_bytes=S, ranks=18, algorithm="nvls")
    assert r.busbw_Bps == pytest.approx(2 * 17 / 18 * 64 / (2 + 63 * 19 / 18) * 900e9, rel=1e-9)
    assert r.busbw_Bps is not None
    assert r.busbw_Bps > 900e9
    assert r.links["utilisation"].max() == pytest.approx(19 / 18 * 64 / (2 + 63 * 19 / 18))


@pytest.mark.parametrize(("collective", "passes"), [("all_gather", 1), ("reduce_scatter", 1)])
def test_half_an_nvls_all_reduce_fills_one_direction(collective: str, passes: int) -> None:
    # All parts come down every port once: S; one nth goes up. The other way round to scatter.
    r = cm.simulate(line_rate("hgx_b200"), collective, size_bytes=S, algorithm="nvls")
    check(r, passes * S / 900e9)


def test_nvls_works_on_some_ranks_and_through_two_tiers() -> None:
    # In one chunk the two halves do not overlap.
    ranks = [1, 4, 6]
    r = cm.simulate(
        line_rate("hgx_h100"), "all_reduce", size_bytes=S, ranks=ranks, algorithm="nvls", chunks=1
    )
    check(r, 2 * S / 450e9)
    # One GPU of each of four boxes and two rails, so leaves and spines add up: 50 GB/s a NIC.
    fabric = line_rate("dgx_superpod", nodes=4)
    r = cm.simulate(fabric, "all_reduce", size_bytes=S, ranks=[0, 9, 16, 25], algorithm="nvls")
    check(r, (2 + 63 * 5 / 4) / 64 * S / 50e9)
    up = r.links.filter(pl.col("link") == "unit0/leaf0->spine00")["bytes"].item()
    # Two ranks' parts go up to the other rail, reduced to one stream: 2/4 S; then the two parts
    # of this rail are multicast: 2/4 S more; a quarter of it over each of four spines.
    assert up == pytest.approx(S / 4)


def test_auto_finds_nvls_where_switches_can_and_names_the_switch_where_not() -> None:
    r = cm.simulate(line_rate("hgx_h100"), "all_reduce", size_bytes=S)
    assert r.algorithm == "nvls"
    for fabric in (line_rate("hgx_a100"), cm.Fabric.preset("cm384", nodes=1)):
        with pytest.raises(cm.UnsupportedError, match=r"switch '.*' does not reduce and multicast"):
            cm.simulate(fabric, "all_reduce", size_bytes=S, algorithm="nvls")
        assert cm.simulate(fabric, "all_reduce", size_bytes=S).algorithm != "nvls"
        schedule = cm.schedule("all_reduce", "nvls", ranks=4, size_bytes=S)
        with pytest.raises(cm.UnsupportedError, match="does not reduce and multicast"):
            cm.simulate(fabric, schedule, ranks=4)
    with pytest.raises(cm.UnsupportedError, match="need routing 'spray'"):
        cm.simulate(
            line_rate("hgx_h100"), "all_reduce", size_bytes=S, algorithm="nvls", routing="hash"
        )


BOXES = {"ranks": 32, "algorithm": "hierarchical", "intra": "nvls"}


@pytest.mark.parametrize(
    ("collective", "ports"),
    [
        # S into the switches of a box, S/8 round a ring of 4 boxes, and S back to everybody.
        ("all_reduce", (2 / 450e9, 2 * 3 / 4 / 8 / 50e9)),
        # Half of either, in one direction.
        ("reduce_scatter", (1 / 450e9, 3 / 4 / 8 / 50e9)),
        ("all_gather", (1 / 450e9, 3 / 4 / 8 / 50e9)),
    ],
)
def test_nvls_inside_boxes_and_rings_between_them_add_up(
    collective: str, ports: tuple[float, float]
) -> None:
    fabric = line_rate("dgx_superpod", nodes=4)
    # A gather starts between boxes, so that its last phase multicasts.
    order = "inter_first" if collective == "all_gather" else "intra_first"
    r = cm.simulate(fabric, collective, size_bytes=S, order=order, **BOXES)  # type: ignore[arg-type]
    check(r, sum(ports) * S)
    assert "reduced in the network" in repr(r)
    assert r.certificate().check()


def test_a_hierarchy_with_switches_keeps_them_when_pickled_and_drawn_on_another_fabric() -> None:
    fabric = line_rate("dgx_superpod", nodes=4)
    boxes = [[box * 8 + gpu for gpu in range(8)] for box in range(4)]
    schedule = cm.schedule(
        "all_reduce",
        "hierarchical",
        ranks=32,
        size_bytes=S,
        levels={"node": boxes},
        intra="nvls",
    )
    again = pickle.loads(pickle.dumps(schedule))  # noqa: S301
    assert again.digest == schedule.digest
    times = [cm.simulate(fabric, each, ranks=32).time_ps for each in (schedule, again)]
    assert times[0] == times[1]
    # The same transfers between ranks are another schedule, and slower.
    between = cm.Schedule.from_frame(
        schedule.transfers, collective="all_reduce", ranks=32, size_bytes=S
    )
    assert between.digest != schedule.digest
    # A rank then sends 7/8 of its vector within its box instead of all of it.
    r = cm.simulate(fabric, between, ranks=32)
    check(r, (2 * 7 / 8 / 450e9 + 2 * 3 / 4 / 8 / 50e9) * S)
    with pytest.raises(cm.UnsupportedError, match="does not reduce and multicast"):
        cm.simulate(line_rate("cm384", nodes=4), schedule, ranks=32)


def test_a_degraded_chip_slows_nvls_by_its_share() -> None:
    # One of two chips at half its rate keeps its half of every stream, and takes twice as long.
    fabric = line_rate("hgx_b200").degrade({"nvswitch1": 0.5})
    r = cm.simulate(fabric, "all_reduce", size_bytes=S, algorithm="nvls")
    assert r.time_s == pytest.approx(2 * (2 + 63 * 9 / 8) / 64 * S / 900e9, rel=1e-9)
