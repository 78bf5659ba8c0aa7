"""Logs of nccl-tests: the text that its programs print, and the JSON that `-J` writes.

Columns and keys are those of NVIDIA/nccl-tests, src/util.cu at commit 0fdb00a3; its sizes have the
meaning that this package uses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cm_collectives.arguments import flag, integer
from cm_collectives.asked import known_collective
from cm_collectives.errors import SpecError

from .logs import Log, content

if TYPE_CHECKING:
    from os import PathLike

    import polars as pl

_PROGRAMS = {
    "all_reduce_perf": "all_reduce",
    "all_gather_perf": "all_gather",
    "reduce_scatter_perf": "reduce_scatter",
    "alltoall_perf": "all_to_all",
    "broadcast_perf": "broadcast",
    "reduce_perf": "reduce",
    "gather_perf": "gather",
    "scatter_perf": "scatter",
    "sendrecv_perf": "send_recv",
}
_PROGRAM = re.compile(r"\b(\w+_perf)\b")
_RANK = re.compile(r"#\s+Rank\s+\d+\s+Group\s+(\d+)\b")
_TIMES = ("time", "cputime")
_KEY_OF_PLACE = {False: "out_of_place", True: "in_place"}


def read_nccl_tests(
    source: str | PathLike[str],
    *,
    collective: str | None = None,
    ranks: int | None = None,
    in_place: bool = False,
) -> pl.DataFrame:
    """Return the measurements of a log of nccl-tests.

    Parameters
    ----------
    source : str or path
        A path, or the text itself if it has a line break: what a program printed, or its JSON.
    collective : str, optional
        Name of the collective, where the log does not name the program.
    ranks : int, optional
        How many ranks there were, where the log does not list them.
    in_place : bool
        Which of the two times.

    Returns
    -------
    polars.DataFrame
        One row per size: `collective` (String), `ranks`, `size_bytes` (Int64), `time_us` (Float64),
        `library` (String, "NCCL" with its version where the log has it), `source` (String, file and
        line). Rows of 0 bytes are left out: they move nothing.

    Raises
    ------
    SpecError
        If the log is malformed; the message names the line.

    Examples
    --------
    >>> log = '''# Collective test starting: all_reduce_perf
    ... #  Rank  0 Group  0 Pid 1 on node device  0 [0000:04:00] NVIDIA H100
    ... #  Rank  1 Group  0 Pid 1 on node device  1 [0000:05:00] NVIDIA H100
    ... #    size    count   type redop root  time algbw busbw #wrong  time algbw busbw #wrong
    ... #     (B) (elements)                  (us) (GB/s) (GB/s)       (us) (GB/s) (GB/s)
    ...   1048576   262144  float  sum   -1 22.50 46.60 46.60      0 22.40 46.81 46.81      0
    ... '''
    >>> cm.read_nccl_tests(log).drop("source").row(0)
    ('all_reduce', 2, 1048576, 22.5, 'NCCL')
    """
    text, origin = content(source)
    told = Log(
        origin,
        None if collective is None else known_collective(collective),
        None if ranks is None else integer(ranks, "ranks", 1, 2**31),
    )
    place = flag(in_place, "in_place")
    if text.lstrip().startswith("{"):
        _read_json(told, text, _KEY_OF_PLACE[place])
    else:
        _read_text(told, text, in_place=place)
    return told.frame()


def _read_text(log: Log, text: str, *, in_place: bool) -> None:
    columns: list[str] | None = None
    listed = 0
    log.library = "NCCL"
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if words[0].startswith("#"):
            listed += bool(_RANK.match(line))
            _read_program(log, line)
            _read_version(log, line)
            if "size" in words and any(time in words for time in _TIMES):
                columns = _columns(log, number, words)
            elif "(B)" in words:
                _check_units(log, number, words)
        elif columns is not None:
            log.n_ranks = log.n_ranks or listed or None
            _read_row(log, number, columns, words, in_place=in_place)
    if columns is None:
        raise SpecError(f"{log.origin}: has no line of columns (# size count type ... time ...)")


def _read_program(log: Log, line: str) -> None:
    found = _PROGRAM.search(line)
    if found and log.collective is None and "concluded" not in line:
        log.collective = _PROGRAMS.get(found[1])


def _read_version(log: Log, line: str) -> None:
    found = re.search(r"\bnccl-library=(\d+)", line)
    if found:
        log.library = _library(int(found[1]))


def _library(code: int) -> str:
    """Return the library with its version, from 10000 major + 100 minor + patch."""
    major, rest = divmod(code, 10_000)
    return f"NCCL {major}.{rest // 100}.{rest % 100}"


def _columns(log: Log, number: int, words: list[str]) -> list[str]:
    if "cputime" in words:
        raise SpecError(f"{log.at(number)}: CPU times (-C) are no times of a collective")
    return words[1:] if words[0] == "#" else [words[0].removeprefix("#"), *words[1:]]


def _check_units(log: Log, number: int, words: list[str]) -> None:
    unknown = [each for each in words if each.startswith("(") and each not in _UNITS]
    if unknown:
        raise SpecError(f"{log.at(number)}: unknown unit {unknown[0]}; known: {', '.join(_UNITS)}")


_UNITS = ("(B)", "(elements)", "(us)", "(GB/s)", "(%)")


def _read_row(
    log: Log, number: int, columns: list[str], words: list[str], *, in_place: bool
) -> None:
    stamped = len(columns) + 1 if columns[-1] == "timestamp" else len(columns)
    if len(words) != stamped:
        raise SpecError(
            f"{log.at(number)}: {len(words)} values for {len(columns)} columns: {' '.join(words)!r}"
        )
    places = [i for i, name in enumerate(columns) if name == "time"]
    if len(places) <= in_place:
        raise SpecError(f"{log.at(number)}: has no in-place time")
    size_bytes = log.whole(number, "size", words[columns.index("size")])
    log.add(number, size_bytes, log.positive(number, "time", words[places[in_place]]))


def _read_json(log: Log, text: str, key: str) -> None:
    import json

    try:
        report = json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError(f"{log.origin}, line {error.lineno}: {error.msg}") from None
    for argument in report.get("args", [])[:1]:
        _read_program(log, str(argument))
    version = report.get("nccl_version")
    log.library = _library(version) if isinstance(version, int) else "NCCL"
    config = report.get("config")
    if log.n_ranks is None and isinstance(config, dict):
        # One device is listed per process.
        threads, gpus = (config.get(name) for name in ("nthreads", "ngpus"))
        if isinstance(threads, int) and isinstance(gpus, int):
            log.n_ranks = threads * gpus * len(config.get("devices", [])) or None
    results = report.get("results")
    if not isinstance(results, list):
        raise SpecError(f"{log.origin}: results must be a list, got {results!r}")
    for index, result in enumerate(results):
        _read_result(log, index, result, key)


def _read_result(log: Log, index: int, result: Any, key: str) -> None:  # noqa: ANN401
    place = f"results[{index}]"
    measured = result.get(key) if isinstance(result, dict) else None
    if not isinstance(measured, dict) or "time" not in measured:
        raise SpecError(f"{log.origin}: {place}.{key}.time is missing")
    size_bytes = log.whole(place, "size", result.get("size"))
    log.add(place, size_bytes, log.positive(place, "time", measured["time"]))
