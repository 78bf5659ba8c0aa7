"""Sweeps into a directory: whole parts, whatever happens."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cm_collectives as cm
from cm_collectives.content import frame_digest


def scenarios(n: int = 40) -> pl.DataFrame:
    """Return a few questions at many sizes, some of which fail, and a column of the caller's."""
    questions = cm.grid(
        fabric=["cm384", "hgx_h20"],
        collective=["all_reduce", "all_gather"],
        algorithm="ring",
        ranks=[2, 4, 1000],
    )
    rows = [i % len(questions) for i in range(n)]
    return questions[rows].with_columns(
        size_bytes=pl.Series([1000 + 7 * (i // 2) for i in range(n)]),
        mine=pl.Series([None if i % 5 == 0 else f"tag {i}" for i in range(n)], dtype=pl.String),
    )


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def sweep_out(frame: pl.DataFrame | pl.LazyFrame, directory: Path, **keywords: Any) -> pl.DataFrame:  # noqa: ANN401
    return cm.sweep(frame, out=directory, **{"part_rows": 7, **keywords}).collect()


@pytest.mark.parametrize("n", [0, 1, 7, 40])
def test_the_parts_hold_what_a_frame_would(tmp_path: Path, n: int) -> None:
    frame = scenarios(n)
    assert sweep_out(frame, tmp_path / "new" / "one").equals(cm.sweep(frame))
    parts = [f"part-{i:06}.parquet" for i in range(max(1, -(-n // 7)))]
    assert names(tmp_path / "new" / "one") == ["manifest.json", *parts]


def test_a_lazy_frame_gives_the_same_files(tmp_path: Path) -> None:
    frame = scenarios()
    frame.write_parquet(tmp_path / "in.parquet")
    sweep_out(frame, tmp_path / "eager")
    sweep_out(pl.scan_parquet(tmp_path / "in.parquet"), tmp_path / "lazy")
    for name in names(tmp_path / "eager"):
        assert (tmp_path / "eager" / name).read_bytes() == (tmp_path / "lazy" / name).read_bytes()


def test_a_finished_sweep_is_not_computed_again(tmp_path: Path) -> None:
    expected = sweep_out(scenarios(), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    seen: list[tuple[int, int]] = []
    again = sweep_out(scenarios(), tmp_path, progress=lambda *done: seen.append(done))
    assert again.equals(expected)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert seen == [(40, 40)]


def test_only_what_is_missing_is_computed(tmp_path: Path) -> None:
    expected = sweep_out(scenarios(), tmp_path)
    (tmp_path / "part-000001.parquet").unlink()
    (tmp_path / "part-000004.parquet").unlink()
    seen: list[tuple[int, int]] = []
    again = sweep_out(scenarios().lazy(), tmp_path, progress=lambda *done: seen.append(done))
    assert again.equals(expected)
    assert (seen[0], seen[-1]) == ((26, 40), (40, 40))
    assert seen == sorted(seen)


def test_the_manifest_says_what_the_directory_answers(tmp_path: Path) -> None:
    fabric = cm.Fabric.preset("hgx_h20")
    frame = scenarios().with_columns(fabric=pl.lit("mine"))
    sweep_out(frame, tmp_path, fabrics={"mine": fabric, "unused": fabric})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["version"] == cm.__version__
    assert manifest["rows"] == 40
    assert manifest["fabrics"] == {"mine": fabric.digest}
    assert list(manifest["schema"]) == frame.columns
    assert len(manifest["scenarios"]) == 64


# What may not change between a sweep and its continuation, and the words that say so.


def changed_value(frame: pl.DataFrame) -> pl.DataFrame:
    last = pl.int_range(pl.len()) == pl.len() - 1
    return frame.with_columns(size_bytes=pl.col("size_bytes") + last.cast(pl.Int64))


@pytest.mark.parametrize(
    "change",
    [
        changed_value,
        lambda frame: frame[:-1],
        lambda frame: frame.reverse(),
        lambda frame: frame.rename({"mine": "yours"}),
        lambda frame: frame.with_columns(pl.col("size_bytes").cast(pl.Float64)),
        lambda frame: frame.with_columns(mine=pl.col("mine").fill_null("")),
    ],
)
def test_other_scenarios_are_refused(
    tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    sweep_out(scenarios(), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(cm.ArgumentError, match="other scenarios"):
        sweep_out(change(scenarios()), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_another_version_is_refused(tmp_path: Path) -> None:
    sweep_out(scenarios(), tmp_path)
    file = tmp_path / "manifest.json"
    file.write_text(file.read_text().replace(f'"{cm.__version__}"', '"0.0.1"'))
    with pytest.raises(cm.ArgumentError, match=re.escape("version 0.0.1")):
        sweep_out(scenarios(), tmp_path)


def test_another_fabric_under_the_same_name_is_refused(tmp_path: Path) -> None:
    frame = scenarios().with_columns(fabric=pl.lit("mine"))
    fabric = cm.Fabric.preset("hgx_h20")
    sweep_out(frame, tmp_path, fabrics={"mine": fabric})
    slower = fabric.degrade({fabric.links["link"][0]: 0.5})
    with pytest.raises(cm.ArgumentError, match="another fabric under the name 'mine'"):
        sweep_out(frame, tmp_path, fabrics={"mine": slower})


def test_other_part_sizes_a_used_directory_and_a_strange_one_are_refused(tmp_path: Path) -> None:
    sweep_out(scenarios(), tmp_path)
    with pytest.raises(cm.ArgumentError, match="part_rows=7, got part_rows=8"):
        sweep_out(scenarios(), tmp_path, part_rows=8)
    with pytest.raises(cm.ArgumentError, match="resume=True"):
        sweep_out(scenarios(), tmp_path, resume=False)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(cm.ArgumentError, match=r"no manifest\.json"):
        sweep_out(scenarios(), tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "cm.sweep/0"}'])
def test_a_damaged_manifest_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(cm.SpecError, match=r"manifest\.json is no"):
        sweep_out(scenarios(), tmp_path)


@pytest.mark.parametrize("keep", [0, 3, 100, -1])
def test_a_part_cut_short_is_an_error_that_says_what_to_do(tmp_path: Path, keep: int) -> None:
    expected = sweep_out(scenarios(), tmp_path)
    part = tmp_path / "part-000002.parquet"
    part.write_bytes(part.read_bytes()[:keep])
    with pytest.raises(cm.SpecError, match=r"part-000002\.parquet is cut short.*delete it"):
        sweep_out(scenarios(), tmp_path)
    part.unlink()
    assert sweep_out(scenarios(), tmp_path).equals(expected)


def test_a_part_of_another_place_is_an_error(tmp_path: Path) -> None:
    sweep_out(scenarios(), tmp_path)
    (tmp_path / "part-000001.parquet").replace(tmp_path / "part-000002.parquet")
    with pytest.raises(cm.SpecError, match=r"part-000002\.parquet does not answer this part"):
        sweep_out(scenarios(), tmp_path)


def test_a_query_that_changes_between_two_readings_is_refused(tmp_path: Path) -> None:
    readings = iter([0, 1])

    def unstable(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(size_bytes=pl.col("size_bytes") + next(readings))

    query = scenarios(5).lazy().map_batches(unstable)
    with pytest.raises(cm.ArgumentError, match="differ when the LazyFrame is read again"):
        sweep_out(query, tmp_path)


def test_errors_name_the_row_of_the_whole_sweep(tmp_path: Path) -> None:
    frame = scenarios(24).filter(pl.col("ranks") < 1000)
    row = pl.int_range(pl.len())
    wrong = frame.with_columns(ranks=pl.when(row == 11).then(5000).otherwise("ranks"))
    with pytest.raises(cm.ArgumentError, match="row 11: ranks must be from 1 to"):
        sweep_out(wrong, tmp_path / "a", on_error="raise")
    assert names(tmp_path / "a") == ["manifest.json", "part-000000.parquet"]
    # Parts of a run that went on after errors are no excuse for the next one.
    sweep_out(wrong, tmp_path / "a")
    with pytest.raises(cm.CmError, match="row 11: ranks must be from 1 to"):
        sweep_out(wrong, tmp_path / "a", on_error="raise")
    holed = frame.with_columns(size_bytes=pl.when(row != 13).then("size_bytes"))
    with pytest.raises(cm.ArgumentError, match="'size_bytes' is null in row 13"):
        sweep_out(holed, tmp_path / "b")
    assert not (tmp_path / "b").exists()


# A full disk.


def full_disk(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let every sync after some fail as on a full disk."""
    left = iter(range(after))
    sync = os.fsync

    def fsync(handle: int) -> None:
        if next(left, None) is None:
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("after", range(10))
def test_a_full_disk_leaves_whole_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    with monkeypatch.context() as patch:
        full_disk(patch, after)
        with pytest.raises(cm.SweepError, match="cannot be written: No space left on device"):
            sweep_out(scenarios(), tmp_path)
    assert not list(tmp_path.glob("*.unfinished")) + list(tmp_path.glob(".*"))
    for part in tmp_path.glob("*.parquet"):
        assert len(pl.read_parquet(part)) == 7
    assert sweep_out(scenarios(), tmp_path).equals(cm.sweep(scenarios()))


def test_a_file_gets_its_name_after_its_bytes_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def fsync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    sweep_out(scenarios(), tmp_path)
    written = [name for name in synced if name != tmp_path.name]
    assert len(written) == len(names(tmp_path))
    assert not set(written) & set(names(tmp_path))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 64 KiB, where the test may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["/bin/umount", str(disk)], check=True)


def test_a_disk_that_is_really_full_leaves_whole_parts(small_disk: Path) -> None:
    frame = scenarios(400)
    with pytest.raises(cm.SweepError, match="No space left on device"):
        sweep_out(frame, small_disk)
    parts = sorted(small_disk.glob("part-*.parquet"))
    assert parts
    expected = cm.sweep(frame)
    for i, part in enumerate(parts):
        assert pl.read_parquet(part).equals(expected[7 * i : 7 * i + 7])
    assert names(small_disk) == ["manifest.json", *(part.name for part in parts)]


# Kills.

CHILD = """
import sys
sys.path[:0] = {path!r}
import test_sweep_out as tests
from pathlib import Path
print("begin", flush=True)
tests.sweep_out(tests.scenarios({n}), Path({directory!r}))
"""


def killed_sweep(directory: Path, n: int, after_s: float) -> float:
    """Sweep in another process, kill it so long after it has begun; how long it lived."""
    code = CHILD.format(path=[str(Path(__file__).parent)], n=n, directory=str(directory))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begin\n"
        begin = time.monotonic()
        try:
            assert child.wait(after_s) == 0
        except subprocess.TimeoutExpired:
            child.kill()
        return time.monotonic() - begin


def check_kills(directory: Path, n: int, kills: int, seed: int) -> None:
    """Kill sweeps at random moments: what is there is right, and stays when they go on."""
    expected = cm.sweep(scenarios(n))
    whole_s = killed_sweep(directory / "whole", n, 600)
    chance = random.Random(seed)
    for i in range(kills):
        target = directory / f"{i}"
        killed_sweep(target, n, chance.random() * whole_s)
        parts = {path: path.read_bytes() for path in target.glob("part-*.parquet")}
        for path in parts:
            first = 7 * int(path.stem.removeprefix("part-"))
            assert pl.read_parquet(path).equals(expected[first : first + 7])
        assert sweep_out(scenarios(n), target).equals(expected)
        assert {path: path.read_bytes() for path in parts} == parts
        assert len(names(target)) == 1 + -(-n // 7)


def test_kill_9_loses_no_part(tmp_path: Path) -> None:
    check_kills(tmp_path, n=70, kills=3, seed=0)


@pytest.mark.slow
def test_kill_9_at_20_moments_loses_no_part(tmp_path: Path) -> None:
    check_kills(tmp_path, n=1200, kills=20, seed=1)


def test_ctrl_c_leaves_a_directory_that_goes_on(tmp_path: Path) -> None:
    def interrupt(done: int, _total: int) -> None:
        if done >= 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep_out(scenarios(), tmp_path, progress=interrupt)
    assert "part-000000.parquet" in names(tmp_path)
    assert len(names(tmp_path)) < 7
    assert sweep_out(scenarios(), tmp_path).equals(cm.sweep(scenarios()))


# Executors.


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_give_the_same_answers(tmp_path: Path, workers: int) -> None:
    with ThreadPoolExecutor(workers) as executor:
        answered = sweep_out(scenarios(), tmp_path, executor=executor)
    assert answered.equals(cm.sweep(scenarios()))


def test_processes_give_the_same_answers(tmp_path: Path) -> None:
    fabrics = {"mine": cm.Fabric.preset("hgx_h20").degrade({"gpu0*": 0.5})}
    frame = scenarios().with_columns(fabric=pl.lit("mine"))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        answered = sweep_out(frame, tmp_path, fabrics=fabrics, executor=executor)
    assert answered.equals(cm.sweep(frame, fabrics))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_an_executor_that_dies_is_a_clear_error(tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        executor.submit(die)
        with pytest.raises(cm.SweepError, match=r"executor did not finish part.*BrokenProcessPool"):
            sweep_out(scenarios(), tmp_path, executor=executor)
    assert sweep_out(scenarios(), tmp_path).equals(cm.sweep(scenarios()))


class Forgetful(Executor):
    """Says that it is done and has done nothing: a machine with another disk."""

    def submit(self, fn: Callable[..., Any], /, *args: object, **keywords: object) -> Future[Any]:
        del fn, args, keywords
        future: Future[Any] = Future()
        future.set_result(7)
        return future


def test_workers_that_do_not_see_the_directory_are_noticed(tmp_path: Path) -> None:
    with pytest.raises(cm.SweepError, match="must see the directory under the same path"):
        sweep_out(scenarios(), tmp_path, executor=Forgetful())


def test_a_closed_executor_and_what_is_none_are_refused(tmp_path: Path) -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(cm.SweepError, match="shutdown"):
        sweep_out(scenarios(), tmp_path, executor=executor)
    with pytest.raises(cm.ArgumentError, match="executor must be a concurrent"):
        sweep_out(scenarios(), tmp_path, executor=3)
    with pytest.raises(cm.ArgumentError, match="executor= needs out="):
        cm.sweep(scenarios(), executor=executor)  # type: ignore[call-overload]


# Digests.

VALUES = st.one_of(st.none(), st.integers(-5, 5))
FRAMES = st.lists(
    st.fixed_dictionaries(
        {
            "i": VALUES,
            "s": st.one_of(st.none(), st.text(max_size=20)),
            "l": st.one_of(st.none(), st.lists(VALUES, max_size=3)),
            "d": st.one_of(st.none(), st.fixed_dictionaries({"a": VALUES, "b": st.booleans()})),
        }
    ),
    max_size=6,
)
DTYPES: dict[str, pl.DataType] = {
    "i": pl.Int64(),
    "s": pl.String(),
    "l": pl.List(pl.Int64),
    "d": pl.Struct({"a": pl.Int64, "b": pl.Boolean}),
}


@given(FRAMES, FRAMES)
def test_digests_are_equal_for_equal_frames_only(
    one: list[dict[str, Any]], two: list[dict[str, Any]]
) -> None:
    a, b = pl.DataFrame(one, schema=DTYPES), pl.DataFrame(two, schema=DTYPES)
    assert (frame_digest(a) == frame_digest(b)) == a.equals(b)
    in_chunks = pl.concat([b, a[: len(a) // 2], a[len(a) // 2 :]], rechunk=False)[len(b) :]
    assert frame_digest(in_chunks) == frame_digest(a)
    assert frame_digest(pl.concat([a, b])[: len(a)]) == frame_digest(a)
