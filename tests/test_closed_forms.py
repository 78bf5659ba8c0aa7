"""Simulated times against closed forms, on CM384 with rates only, to 1e-9 relative.

A die has seven ports of 28 GB/s, B = 196 GB/s each way, and 270 GB/s to its sibling. Even endpoints
are dies of different packages, so that no traffic takes the sibling link. Between nodes a flow is
sprayed over 7 planes x 16 L2 chips; 16 dies and 16 uplinks per plane match, so nodes do not slow
each other down until links fail.
"""

import polars as pl
import pytest

import cm_collectives as cm

B = 196e9
SIBLING = 270e9
PORT = 28e9
S = 147_000_000

FABRIC = cm.Fabric.preset("cm384", timing="line_rate")
NOMINAL = cm.Fabric.preset("cm384")


def check(result: cm.Result, seconds: float) -> None:
    assert result.time_s == pytest.approx(seconds, rel=1e-9)
    assert result.bound_ps <= result.route_bound_ps <= result.time_ps


def apart(n: int) -> list[int]:
    """Return the first n dies of different packages; 8 to a node."""
    return list(range(0, 2 * n, 2))


@pytest.mark.parametrize("n", [3, 5, 16, 17, 64, 768])
def test_ring_all_reduce_sends_2n_minus_2_nths_through_the_ports(n: int) -> None:
    # Every rank sends S/n in each of 2(n-1) steps. Neighbors in a package have the faster sibling
    # link, but every second hop leaves the package and paces the ring.
    r = cm.simulate(FABRIC, "all_reduce", size_bytes=S, ranks=n, algorithm="ring")
    check(r, 2 * (n - 1) / n * S / B)


def test_ring_all_reduce_of_siblings_uses_their_link() -> None:
    # n = 2: two steps of S/2 each.
    r = cm.simulate(FABRIC, "all_reduce", size_bytes=S, ranks=2, algorithm="ring")
    check(r, S / SIBLING)


@pytest.mark.parametrize("collective", ["all_gather", "reduce_scatter"])
@pytest.mark.parametrize("n", [2, 7, 24])
def test_a_ring_gathers_or_scatters_in_n_minus_1_steps(collective: str, n: int) -> None:
    r = cm.simulate(FABRIC, collective, size_bytes=S, ranks=apart(n), algorithm="ring")
    check(r, (n - 1) / n * S / B)


@pytest.mark.parametrize("n", [64, 768])
def test_direct_all_to_all_is_bound_by_the_seven_ports(n: int) -> None:
    # Of the n - 1 messages of S/n, the one to the sibling takes the sibling link; n - 2 share the
    # ports. All ports, in and out, are equally loaded, so all these flows have the same rate.
    r = cm.simulate(FABRIC, "all_to_all", size_bytes=S, ranks=n, algorithm="direct")
    check(r, (n - 2) / n * S / B)


@pytest.mark.parametrize(("algorithm", "n"), [("direct", 9), ("shift", 9), ("xor", 16)])
def test_every_all_to_all_moves_n_minus_1_nths(algorithm: str, n: int) -> None:
    r = cm.simulate(FABRIC, "all_to_all", size_bytes=S, ranks=apart(n), algorithm=algorithm)
    check(r, (n - 1) / n * S / B)


@pytest.mark.parametrize("k", [1, 2, 7, 100])
def test_incast_of_k_dies_shares_the_ports_of_the_receiver(k: int) -> None:
    flows = pl.DataFrame({"src": apart(k + 1)[1:], "dst": 0, "size_bytes": S})
    r = cm.simulate_flows(FABRIC, flows)
    assert r.time_s == pytest.approx(k * S / B, rel=1e-9)


@pytest.mark.parametrize(("n", "chunks"), [(2, 1), (5, 1), (5, 8), (12, 16)])
@pytest.mark.parametrize("collective", ["broadcast", "reduce"])
def test_a_chain_pipelines_its_chunks(collective: str, n: int, chunks: int) -> None:
    # n - 1 hops, and the last chunk starts K - 1 steps after the first: n - 2 + K steps of S/K.
    r = cm.simulate(
        FABRIC, collective, size_bytes=S, ranks=apart(n), algorithm="chain", chunks=chunks
    )
    check(r, (n - 2 + chunks) * S / chunks / B)


@pytest.mark.parametrize("collective", ["broadcast", "reduce"])
@pytest.mark.parametrize(("n", "rounds"), [(2, 1), (8, 3), (11, 4), (32, 5)])
def test_a_binomial_tree_takes_log2_n_rounds_of_the_whole_vector(
    collective: str, n: int, rounds: int
) -> None:
    r = cm.simulate(
        FABRIC, collective, size_bytes=S, ranks=apart(n), algorithm="binomial_tree", root=n - 1
    )
    check(r, rounds * S / B)


@pytest.mark.parametrize("collective", ["scatter", "gather"])
@pytest.mark.parametrize("n", [2, 8, 32])
def test_a_binomial_tree_halves_what_it_scatters(collective: str, n: int) -> None:
    # The root sends S/2, S/4, ..., S/n one behind the other.
    r = cm.simulate(FABRIC, collective, size_bytes=S, ranks=apart(n), algorithm="binomial_tree")
    check(r, (n - 1) / n * S / B)


@pytest.mark.parametrize("chunks", [1, 16])
def test_a_double_binary_tree_of_two_sends_each_half_up_and_down(chunks: int) -> None:
    # Each rank is the root of one tree: S/2 goes up, S/2 comes down, either way; S per direction.
    r = cm.simulate(
        FABRIC, "all_reduce", size_bytes=S, ranks=apart(2), algorithm="double_binary_tree",
        chunks=chunks,
    )  # fmt: skip
    check(r, S / B)


@pytest.mark.parametrize(("n", "depth"), [(5, 2), (8, 2), (24, 4), (48, 5)])
def test_a_double_binary_tree_sends_the_vector_twice(n: int, depth: int) -> None:
    # An inner rank sends half of the vector to its parent and to two children in one tree, and to
    # its parent in the other: 2 S. In a step it sends at most these four chunks of S/2K, so the
    # 2 depth + K + 1 steps, depth = floor(log2(n-1)), of the pipeline take at most 2 S/K each.
    chunks = 64
    r = cm.simulate(
        FABRIC, "all_reduce", size_bytes=S, ranks=apart(n), algorithm="double_binary_tree",
        chunks=chunks,
    )  # fmt: skip
    assert 2 * S / B <= r.time_s <= 2 * S / B * (2 * depth + chunks + 1) / chunks


@pytest.mark.parametrize("order", ["intra_first", "inter_first"])
@pytest.mark.parametrize(("m", "nodes"), [(4, 2), (8, 3)])
def test_hierarchical_all_reduce_moves_no_more_than_the_ring(
    order: str, m: int, nodes: int
) -> None:
    # Inside 2(m-1)/m S, between 2(N-1)/N S/m (or the other way around): 2(n-1)/n S in all.
    ranks = [16 * node + 2 * i for node in range(nodes) for i in range(m)]
    n = len(ranks)
    r = cm.simulate(
        FABRIC, "all_reduce", size_bytes=S, ranks=ranks, algorithm="hierarchical", order=order
    )
    check(r, 2 * (n - 1) / n * S / B)


@pytest.mark.parametrize(
    ("collective", "phases"), [("all_gather", 1), ("reduce_scatter", 1), ("all_reduce", 2)]
)
def test_a_pipeline_over_packages_fills_every_port_of_the_supernode(
    collective: str, phases: int
) -> None:
    # One ring per die side: 383 steps of S/768 through the ports; what arrives crosses to the
    # sibling while the next block comes, and only the last block is not hidden behind another.
    def pipelined(fabric: cm.Fabric) -> cm.Result:
        return cm.simulate(
            fabric, collective, size_bytes="4GiB", algorithm="pipeline", level="package"
        )

    block = 2**32 / 768
    r = pipelined(FABRIC)
    check(r, phases * (383 * block / B + block / SIBLING))
    # A package takes in (383/384) S through 2 B, twice in an all_reduce: 383 blocks per port.
    assert r.bound_ps == pytest.approx(phases * 383 * block / B * 1e12, rel=1e-9)
    # With latencies every hop adds 1.2 or 1.9 us to the 28.5 us of a block.
    nominal = pipelined(NOMINAL)
    assert nominal.bound_ps >= 0.95 * nominal.time_ps


def test_send_recv_takes_the_message_over_the_ports() -> None:
    check(cm.simulate(FABRIC, "send_recv", size_bytes=S, ranks=[0, 2]), S / B)
    check(cm.simulate(FABRIC, "send_recv", size_bytes=S, ranks=[0, 1]), S / SIBLING)


def node_to_node() -> pl.DataFrame:
    """Return flows from each die of node 0 to the die of the same place in node 1."""
    return pl.DataFrame({"src": range(16), "dst": range(16, 32), "size_bytes": S})


def test_sixteen_dies_fill_the_uplinks_of_a_node_exactly() -> None:
    assert cm.simulate_flows(FABRIC, node_to_node()).time_s == pytest.approx(S / B, rel=1e-9)


def test_a_failed_l2_chip_leaves_fifteen_uplinks_to_its_plane() -> None:
    # Each flow puts 1/7 of its rate x on plane 2: 16 x / 7 = 15 * 28 GB/s.
    failed = FABRIC.degrade({"l2.2.11": 0.0})
    rate = 15 * PORT * 7 / 16
    assert cm.simulate_flows(failed, node_to_node()).time_s == pytest.approx(S / rate, rel=1e-9)


def test_a_degraded_link_keeps_its_share_and_slows_the_flow() -> None:
    # One of a die's seven ports at half rate still carries a seventh: x / 7 = 14 GB/s.
    slow = FABRIC.degrade({"node00/die00->node00/l1.3": 0.5})
    flows = pl.DataFrame({"src": [0], "dst": [2], "size_bytes": [S]})
    assert cm.simulate_flows(slow, flows).time_s == pytest.approx(S / (7 * PORT / 2), rel=1e-9)


def test_a_pinned_route_has_one_port() -> None:
    flows = pl.DataFrame(
        {"src": [0], "dst": [2], "size_bytes": [S], "via": [["node00/l1.4"]]},
        schema_overrides={"via": pl.List(pl.String)},
    )
    assert cm.simulate_flows(FABRIC, flows).time_s == pytest.approx(S / PORT, rel=1e-9)


def test_the_routing_plane_uses_one_port() -> None:
    flows = pl.DataFrame({"src": [0], "dst": [2], "size_bytes": [S]})
    r = cm.simulate_flows(FABRIC, flows, routing="plane")
    assert r.time_s == pytest.approx(S / PORT, rel=1e-9)


def test_striped_routings_fill_all_seven_ports_of_a_pair_in_a_node() -> None:
    flows = pl.DataFrame({"src": [0], "dst": [2], "size_bytes": [S]})
    for routing in ("hash", "dest"):
        r = cm.simulate_flows(FABRIC, flows, routing=routing)
        assert r.time_s == pytest.approx(S / B, rel=1e-9)


@pytest.mark.parametrize(
    ("ranks", "latency_ps", "rate"),
    [
        ([0, 2], 1_200_000, B),  # within a node [CM-v2, Table 1]
        ([0, 16], 1_900_000, B),  # between nodes [CM-v2, Table 1]
        ([0, 1], 200_000, SIBLING),  # sibling dies [SCL]
    ],
)
def test_512_bytes_take_the_published_latency_and_their_serialization(
    ranks: list[int], latency_ps: int, rate: float
) -> None:
    r = cm.simulate(NOMINAL, "send_recv", size_bytes=512, ranks=ranks)
    check(r, latency_ps / 1e12 + 512 / rate)


def test_a_barrier_pays_one_latency_per_round() -> None:
    # 8 ranks in a node: log2(8) = 3 signals of 1.2 us.
    r = cm.simulate(NOMINAL, "barrier", ranks=apart(8), algorithm="dissemination")
    assert r.time_ps == 3 * 1_200_000


def test_nothing_takes_no_time_but_a_signal_pays_latency() -> None:
    for collective in ("all_reduce", "all_gather", "broadcast", "all_to_all"):
        assert cm.simulate(NOMINAL, collective, size_bytes=0, ranks=8).time_ps == 0
        assert cm.simulate(NOMINAL, collective, size_bytes=S, ranks=1).time_ps == 0
    assert cm.simulate(NOMINAL, "barrier", ranks=1).time_ps == 0


def test_two_jobs_into_one_die_halve_each_others_rate() -> None:
    jobs = [cm.Job("send_recv", size_bytes=S, ranks=[src, 0]) for src in (2, 4)]
    r = cm.simulate(FABRIC, jobs)
    check(r, 2 * S / B)
    assert r.jobs["slowdown"].to_list() == pytest.approx([2, 2], rel=1e-9)


def test_a_later_start_moves_the_finish() -> None:
    early = cm.simulate(FABRIC, "all_gather", size_bytes=S, ranks=apart(4))
    late = cm.simulate(FABRIC, "all_gather", size_bytes=S, ranks=apart(4), start_ps=12_345)
    assert late.time_ps == early.time_ps + 12_345


@pytest.mark.parametrize("sync", ["none", "pairwise", "barrier"])
def test_the_step_rules_agree_where_all_ranks_are_alike(sync: str) -> None:
    # Six dies of different packages: every step of the ring takes the same time on every rank.
    r = cm.simulate(FABRIC, "all_reduce", size_bytes=S, ranks=apart(6), algorithm="ring", sync=sync)
    check(r, 2 * 5 / 6 * S / B)


def test_a_barrier_per_step_waits_for_the_slowest_pair() -> None:
    # 4 ranks, two siblings each: every step lasts as long as the hop between packages, S/4 / B.
    # Without the barrier the same, as the ring is paced by that hop anyway.
    r = cm.simulate(
        FABRIC, "all_reduce", size_bytes=S, ranks=4, algorithm="ring", barrier_per_step=True
    )
    check(r, 6 * S / 4 / B)


def test_counts_are_bound_by_the_busiest_port() -> None:
    # Rank 1 receives 3 + 5 GB, more than anybody sends.
    counts = [[0, 3 * 10**9, 10**9], [0, 0, 0], [0, 5 * 10**9, 0]]
    r = cm.simulate(FABRIC, "all_to_all", counts=counts, ranks=apart(3), algorithm="direct")
    check(r, 8e9 / B)
    assert r.algbw_Bps == pytest.approx(B, rel=1e-9)
