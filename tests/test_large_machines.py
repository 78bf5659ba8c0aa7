"""Supernodes joined by the RDMA plane: small ones by every transfer, 130,560 dies by orbits.

Each of k supernodes has m nodes of 16 dies (hardware.md 1); a die has seven UB ports of 28 GB/s,
and a NIC of 25 GB/s, over which alone the supernodes are joined.
"""

from __future__ import annotations

import polars as pl
import pytest

import cm_collectives as cm

UB = 7 * 28 * 10**9
NIC = 25 * 10**9
US = 10**6

ALL = {"supernodes": 170, "nodes": 48}
N_ALL = 130_560


def machine(**params: int) -> cm.Fabric:
    return cm.Fabric.preset("cm384", timing="line_rate", **params)


def exchange_ps(supernodes: int, nodes: int, block_bytes: int) -> int:
    """Return how long a uniform all_to_all takes in which every die sends every die a block.

    The blocks for other supernodes leave a die by its NIC and enter one by its NIC, in equal shares
    all the time; those that stay have the UB plane for themselves, and are through long before.
    """
    away = 16 * nodes * (supernodes - 1)
    time_ps, rest = divmod(away * block_bytes * 10**12, NIC)
    assert rest == 0
    return time_ps


def all_reduce_ps(supernodes: int, nodes: int, size_bytes: int) -> int:
    """Return how long rings in nodes, in supernodes and between these take, one after the other.

    Twice 15/16 of the size in a node and (m-1)/m of a sixteenth of it between nodes, at the pace of
    the dies that send over the UB plane; and twice (k-1)/k of what is left between supernodes.
    """
    places = 16 * nodes
    in_supernode, rest = divmod(2 * (places - 1) * size_bytes * 10**12, places * UB)
    assert rest == 0
    between, rest = divmod(2 * (supernodes - 1) * size_bytes * 10**12, supernodes * places * NIC)
    assert rest == 0
    return in_supernode + between


def rings(fabric: cm.Fabric, size_bytes: int, *, orbits: bool = True) -> cm.Result:
    return cm.simulate(
        fabric,
        "all_reduce",
        size_bytes=size_bytes,
        algorithm="hierarchical",
        level="node+supernode",
        engine_options={"orbits": orbits},
    )


def exchange(fabric: cm.Fabric, block_bytes: int, *, orbits: bool = True) -> cm.Result:
    return cm.simulate(
        fabric,
        "all_to_all",
        size_bytes=fabric.n_endpoints * block_bytes,
        algorithm="direct",
        engine_options={"orbits": orbits},
    )


@pytest.mark.parametrize(("supernodes", "nodes"), [(2, 2), (3, 2), (2, 3)])
def test_an_exchange_takes_what_the_nics_take(supernodes: int, nodes: int) -> None:
    fabric = machine(supernodes=supernodes, nodes=nodes)
    n, block = fabric.n_endpoints, 25_000
    r = exchange(fabric, block)
    assert r.time_ps == r.bound_ps == exchange_ps(supernodes, nodes, block)
    explicit = exchange(fabric, block, orbits=False)
    assert explicit.transfers.equals(r.transfers)
    assert explicit.digest == r.digest
    # Each NIC sends and receives what goes to and comes from other supernodes, and nothing else.
    away_bytes = 16 * nodes * (supernodes - 1) * block
    for result in (r, explicit):
        rdma = result.links.filter(pl.col("kind") == "rdma")
        nics = rdma.filter(pl.col("src").str.contains("/die") | pl.col("dst").str.contains("/die"))
        assert nics["bytes"].to_list() == pytest.approx([away_bytes] * 2 * n)
        assert nics["utilisation"].to_list() == pytest.approx([1.0] * 2 * n)


@pytest.mark.parametrize(("supernodes", "nodes"), [(2, 2), (3, 2), (2, 3)])
def test_a_hierarchy_takes_the_sum_of_its_rings(supernodes: int, nodes: int) -> None:
    fabric = machine(supernodes=supernodes, nodes=nodes)
    size = supernodes * 16 * nodes * 196_000
    r = rings(fabric, size)
    assert r.time_ps == all_reduce_ps(supernodes, nodes, size)
    explicit = rings(fabric, size, orbits=False)
    assert explicit.transfers.equals(r.transfers)
    assert r.bound_ps <= r.route_bound_ps <= r.time_ps
    # Twice (k-1)/k of the die's part of the supernode's sum through each NIC, each way.
    rdma = r.links.filter(pl.col("kind") == "rdma", pl.col("src").str.contains("/die"))
    part = 2 * (supernodes - 1) * size // (supernodes * 16 * nodes)
    assert rdma["bytes"].to_list() == pytest.approx([part] * fabric.n_endpoints)


@pytest.mark.slow
def test_130560_dies_take_the_same_closed_forms() -> None:
    fabric = machine(**ALL)
    assert fabric.n_endpoints == N_ALL
    r = exchange(fabric, 25_000)
    # 129,792 blocks of 25 kB at 25 GB/s, a microsecond each.
    assert r.time_ps == exchange_ps(170, 48, 25_000) == 129_792 * US
    assert r.bound_ps == r.route_bound_ps == r.time_ps
    assert r.busbw_Bps == pytest.approx(N_ALL * 25_000 * (N_ALL - 1) / N_ALL / r.time_s)
    size = N_ALL * 196_000
    r = rings(fabric, size)
    # 2 x 767 x 170 us in the supernodes, and 2 x 169 x 196 kB / 25 GB/s between them.
    assert r.time_ps == all_reduce_ps(170, 48, size) == 2 * 767 * 170 * US + 338 * 7_840_000
    assert r.bound_ps <= r.route_bound_ps <= r.time_ps


@pytest.mark.slow
def test_what_130560_dies_cannot_do_is_refused_before_it_is_begun() -> None:
    fabric = machine(**ALL)
    # 1.7e10 transfers; and n-1 steps of as many ranks as the machine tells apart.
    with pytest.raises(cm.LimitError, match="memory"):
        exchange(fabric, 1, orbits=False)
    with pytest.raises(cm.LimitError):
        cm.simulate(fabric, "all_to_all", size_bytes=N_ALL, algorithm="shift")
