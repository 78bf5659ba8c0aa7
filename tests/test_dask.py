"""Sweeps by a cluster of Dask worker processes, one of which is killed in the middle."""

from __future__ import annotations

import hashlib
import os
import signal
from typing import TYPE_CHECKING

import pytest

import cm_collectives as cm

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

N_PARTS = 24


def scenarios() -> pl.DataFrame:
    """Return questions that take a worker a moment each: each seed routes in another way."""
    return cm.grid(
        fabric="mine",
        collective="all_to_all",
        algorithm=["direct", "shift"],
        ranks=[32, 769],
        routing="hash",
        seed=range(2 * N_PARTS),
        size_bytes=1_000_003,
    ).sample(fraction=1, shuffle=True, seed=3)


def contents(directory: Path) -> dict[str, str]:
    """Return the digest of each file."""
    files = sorted(directory.iterdir())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_a_killed_dask_worker_changes_no_bit(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    frame = scenarios()
    fabrics = {"mine": cm.Fabric.preset("cm384").degrade({"l2.2.11": 0.5})}
    part_rows = len(frame) // N_PARTS
    killed: list[int] = []
    cluster = LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    )
    with cluster, Client(cluster) as client:  # type: ignore[no-untyped-call]
        pids = sorted(client.run(os.getpid).values())
        assert len(pids) == 2
        assert os.getpid() not in pids

        def kill_one(done: int, total: int) -> None:
            if 0 < done < total and not killed:
                os.kill(pids[0], signal.SIGKILL)
                killed.append(done)

        answered = cm.sweep(
            frame,
            fabrics,
            out=tmp_path / "cluster",
            executor=client.get_executor(),
            part_rows=part_rows,
            progress=kill_one,
        ).collect()
        client.wait_for_workers(2)
        assert pids[0] not in client.run(os.getpid).values()
    assert killed[0] < len(frame) // 2
    cm.sweep(frame, fabrics, out=tmp_path / "here", part_rows=part_rows)
    assert answered.equals(cm.sweep(frame, fabrics))
    assert contents(tmp_path / "cluster") == contents(tmp_path / "here")
    assert len(contents(tmp_path / "here")) == N_PARTS + 1
