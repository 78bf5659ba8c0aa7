"""Logs of hccl_test: the table that its programs print.

`data_size` is one NPU's data and the algorithm bandwidth is size over time in the sense of
nccl-tests, which tells for all-gather and reduce-scatter whether a size is a rank's part or the
whole (CANN 8.5, "HCCL Performance Tester", Result Description; oam-tools, src/hccl_test).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cm_collectives.arguments import integer
from cm_collectives.asked import known_collective
from cm_collectives.errors import SpecError

from .logs import Log, content

if TYPE_CHECKING:
    from os import PathLike

    import polars as pl

_PROGRAMS = {
    "all_reduce_test": "all_reduce",
    "all_gather_test": "all_gather",
    "reduce_scatter_test": "reduce_scatter",
    "alltoall_test": "all_to_all",
    "broadcast_test": "broadcast",
    "reduce_test": "reduce",
    "scatter_test": "scatter",
}
_PROGRAM = re.compile(r"\b(\w+_test)\b")
_RANKS = re.compile(r"\bmpirun\b.*?\s-(?:n|np)\s+(\d+)\b")
_SIZE, _BANDWIDTH = "data_size(Bytes)", "alg_bandwidth(GB/s)"
# The program spells it so; its manual writes avg_time.
_TIMES = ("aveg_time(us)", "avg_time(us)")
_CHECK = "check_result"
_DIVIDED = ("all_gather", "reduce_scatter")
# Bandwidths are printed with few digits.
_CLOSE = 0.2


def read_hccl_test(
    source: str | PathLike[str], *, collective: str | None = None, ranks: int | None = None
) -> pl.DataFrame:
    """Return the measurements of a log of hccl_test.

    Parameters
    ----------
    source : str or path
        A path, or the text itself if it has a line break.
    collective : str, optional
        Name of the collective, where the log has no command line with the program.
    ranks : int, optional
        How many ranks there were, where the log has no command line of mpirun.

    Returns
    -------
    polars.DataFrame
        As `read_nccl_tests`; `library` is "HCCL", `size_bytes` has the meaning of nccl-tests.

    Raises
    ------
    SpecError
        If the log is malformed, or the check of a result failed; the message names the line.

    Examples
    --------
    >>> log = '''mpirun -n 16 ./bin/all_gather_test -b 64M -e 64M -d fp16
    ... data_size(Bytes): | aveg_time(us): | alg_bandwidth(GB/s): | check_result:
    ... 67108864 | 370.20 | 181.27742 | success
    ... '''
    >>> cm.read_hccl_test(log).drop("source").row(0)
    ('all_gather', 16, 67108864, 370.2, 'HCCL')
    """
    text, origin = content(source)
    log = Log(
        origin,
        None if collective is None else known_collective(collective),
        None if ranks is None else integer(ranks, "ranks", 1, 2**31),
    )
    log.library = "HCCL"
    columns: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if "|" not in line:
            _read_command(log, line)
            continue
        cells = [cell.strip().removesuffix(":") for cell in line.strip().strip("|").split("|")]
        if any(cell.startswith("data_size") for cell in cells):
            columns = _columns(log, number, cells)
        elif columns is not None:
            _read_row(log, number, columns, cells)
    if columns is None:
        raise SpecError(f"{origin}: has no line of columns ({_SIZE}: | {_TIMES[0]}: | ...)")
    return log.frame()


def _read_command(log: Log, line: str) -> None:
    program, ranks = _PROGRAM.search(line), _RANKS.search(line)
    if program and log.collective is None:
        log.collective = _PROGRAMS.get(program[1])
    if ranks and log.n_ranks is None:
        log.n_ranks = int(ranks[1])


def _columns(log: Log, number: int, cells: list[str]) -> list[str]:
    time = next((each for each in _TIMES if each in cells), None)
    if time is None or _SIZE not in cells or _BANDWIDTH not in cells:
        raise SpecError(
            f"{log.at(number)}: columns must be {_SIZE}, {_TIMES[0]}, {_BANDWIDTH}, {_CHECK}, got "
            f"{', '.join(cells)}"
        )
    return [_TIMES[0] if each == time else each for each in cells]


def _read_row(log: Log, number: int, columns: list[str], cells: list[str]) -> None:
    if len(cells) != len(columns):
        raise SpecError(f"{log.at(number)}: {len(cells)} values for {len(columns)} columns")
    row = dict(zip(columns, cells, strict=True))
    if row.get(_CHECK) == "failed":
        raise SpecError(f"{log.at(number)}: the check of the result failed")
    size_bytes = log.whole(number, _SIZE, row[_SIZE])
    time_us = log.positive(number, _TIMES[0], row[_TIMES[0]])
    try:
        bandwidth = float(row[_BANDWIDTH])
    except ValueError:
        raise SpecError(f"{log.at(number)}: {_BANDWIDTH} is {row[_BANDWIDTH]!r}") from None
    log.add(number, _whole_size(log, number, size_bytes, bandwidth * 1e3 * time_us), time_us)


def _whole_size(log: Log, number: int, size_bytes: int, moved_bytes: float) -> int:
    """Return the size in the sense of nccl-tests, of which bandwidth times time is the measure."""
    factors = [1]
    if log.collective in _DIVIDED and log.n_ranks is not None:
        factors.append(log.n_ranks)
    for factor in factors:
        if abs(moved_bytes - factor * size_bytes) <= _CLOSE * factor * size_bytes:
            return factor * size_bytes
    raise SpecError(
        f"{log.at(number)}: {_BANDWIDTH} times time is {moved_bytes:.0f} bytes, which fits neither "
        f"{_SIZE} = {size_bytes} nor that times the ranks"
    )
