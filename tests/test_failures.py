"""What failures cost, from the counts of ports and links."""

import pytest

import cm_collectives as cm

NODES = 16
DIES = 16 * NODES
S = DIES * 147_000_000

FABRIC = cm.Fabric.preset("cm384", timing="line_rate", nodes=NODES)


# An all_to_all over all n dies sends (n-2)/n of S through the seven ports of a die, 28 GB/s each
# (its sibling has a link of its own), and (n-16)/n of it to other nodes, over 16 uplinks per plane.
# A ring sends S/n per step, and every second hop takes the ports.
def ports(n: int) -> float:
    return (n - 2) / n * S / 196e9


def uplinks(n: int) -> float:
    return (n - 16) / n * S / 196e9


def ring(n: int) -> float:
    return 2 * (n - 1) / n * S / 196e9


# What fails, the slowdown of the ports, of the uplinks and of the ring, and where the time goes.
FAILURES = [
    # Healthy: the ports bind.
    ({}, (1, 1, 1), "die"),
    # An L2 chip or one uplink: of plane 2's 16 uplinks of a node 15 are left, which carry what 16
    # dies send to other nodes in that plane. A ring sends one flow out of a node, which 15 links
    # carry as well as 16.
    ({"l2.2.11": 0.0}, (1, 16 / 15, 1), "l1.2"),
    (
        {"node00/l1.2->l2.2.11": 0.0, "l2.2.11->node00/l1.2": 0.0},
        (1, 16 / 15, 1), "node00/l1.2",
    ),
    # A plane: six of seven ports and uplinks are left to everybody.
    ({"plane:3": 0.0}, (7 / 6, 7 / 6, 7 / 6), "die"),
    # A port of one die: six are left to it, and everybody waits for it.
    (
        {"node05/die04->node05/l1.0": 0.0, "node05/l1.0->node05/die04": 0.0},
        (7 / 6, 1, 7 / 6), "node05/die04",
    ),
]  # fmt: skip


@pytest.mark.parametrize("nodes", [NODES, pytest.param(48, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("failed", "costs", "binding"), FAILURES)
def test_one_failure_on_cm384_costs_what_its_links_carried(
    nodes: int, failed: dict[str, float], costs: tuple[float, float, float], binding: str
) -> None:
    at_ports, at_uplinks, at_ring = costs
    fabric = cm.Fabric.preset("cm384", timing="line_rate", nodes=nodes).degrade(failed)
    n = fabric.n_endpoints
    r = cm.simulate(fabric, "all_to_all", size_bytes=S, algorithm="direct")
    expected = max(at_ports * ports(n), at_uplinks * uplinks(n))
    assert r.time_s == pytest.approx(expected, rel=1e-9)
    assert binding in r.bottlenecks["resource"][0]
    r = cm.simulate(fabric, "all_reduce", size_bytes=S, algorithm="ring")
    assert r.time_s == pytest.approx(at_ring * ring(n), rel=1e-9)


def test_a_plane_is_selected_by_its_number() -> None:
    links = FABRIC.degrade({"plane:3": 0.0}).links
    # Die and CPU links, 20 to a node, and 16 uplinks, both ways.
    assert links.filter(rate_Bps=0)["plane"].to_list() == [3] * (2 * NODES * (20 + 16))
    with pytest.raises(cm.ArgumentError, match=r"selector 'plane:7' matches no link; planes: 0, 1"):
        FABRIC.degrade({"plane:7": 0.0})


def test_a_container_is_selected_by_its_level_and_number() -> None:
    by_level = FABRIC.degrade({"node:7": 0.0})
    assert by_level == FABRIC.degrade({"node07/*": 0.0})
    with pytest.raises(cm.ArgumentError, match=r"'node:16' matches no node; node: 0 to 15"):
        FABRIC.degrade({"node:16": 0.0})


def test_a_rank_that_is_cut_off_is_named() -> None:
    fabric = cm.Fabric.preset("hgx_h100").degrade({"gpu3": 0.0})
    with pytest.raises(cm.UnsupportedError, match=r"no live path leads from .*gpu3"):
        cm.simulate(fabric, "all_to_all", size_bytes=8, algorithm="direct")
    # The others do without it.
    assert cm.simulate(fabric, "all_reduce", size_bytes=8, ranks=[0, 1, 2, 4]).time_ps > 0


def test_the_report_fails_one_of_each_class() -> None:
    report = cm.failures(FABRIC, "all_to_all", S, algorithm="direct")
    found = {row["component"]: row for row in report.iter_rows(named=True)}
    members = {
        "node*/die*": DIES, "node*/cpu*": 4 * NODES, "node*/l*.*": 7 * NODES, "l*.*.*": 112,
        "node*/die* - node*/die*": DIES // 2, "node*/die* - node*/l*.*": 7 * DIES,
        "node*/cpu* - node*/l*.*": 7 * 4 * NODES, "node*/l*.* - l*.*.*": 112 * NODES, "plane": 7,
    }  # fmt: skip
    assert {name: row["members"] for name, row in found.items()} == members
    assert found["plane"]["slowdown"] == pytest.approx(7 / 6, rel=1e-9)
    assert found["l*.*.*"]["slowdown"] == pytest.approx(16 / 15 * 240 / 254, rel=1e-9)
    assert found["node*/cpu*"]["slowdown"] == 1
    assert found["node*/l*.* - l*.*.*"]["failed"] == "node00/l1.0->l2.0.0"
    assert "no live path leads" in found["node*/die*"]["error"]
    # An L1 chip: the dies of its node have six ports left, everybody else seven.
    assert found["node*/l*.*"]["slowdown"] == pytest.approx(7 / 6, rel=1e-9)
    # Siblings without their link use the ports: 255 messages instead of 254.
    assert found["node*/die* - node*/die*"]["slowdown"] == pytest.approx(255 / 254, rel=1e-9)


def test_sweeps_and_comparisons_take_failures() -> None:
    scenarios = cm.grid(
        fabric="cm384", collective="all_gather", ranks=32, size_bytes=2**20,
        degrade=["", "plane:0=0", "l2.0.*=0.5"],
    )  # fmt: skip
    times = cm.sweep(scenarios)["time_ps"].to_list()
    assert times[0] < times[1]
    frame = cm.compare(
        {"whole": FABRIC, "without a plane": FABRIC.degrade({"plane:0": 0.0})},
        "all_to_all", [S], algorithm="direct",
    )  # fmt: skip
    assert frame["slowdown"].to_list() == pytest.approx([1, 7 / 6], rel=1e-9)
