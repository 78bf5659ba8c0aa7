"""Text in the layout of nccl-tests, and the sizes that its command line understands.

Scripts that read the output of `all_reduce_perf` read ours too: columns, widths, number formats
and footer are those of NVIDIA/nccl-tests, src/util.cu at commit 0fdb00a3. Comment lines say that
the numbers are simulated, so that nobody takes them for measurements. All functions are pure: they
return text, and a GB is 10^9 bytes as in nccl-tests.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from cm_collectives.errors import ArgumentError

__all__ = [
    "DATATYPE_BYTES",
    "LARGEST_SIZE_BYTES",
    "RunHeader",
    "RunRow",
    "element_count",
    "format_columns",
    "format_footer",
    "format_header",
    "format_number",
    "format_row",
    "parse_size",
    "size_range",
]

LARGEST_SIZE_BYTES = 2**53
"""The largest size that the package accepts: up to here a float holds every integer."""

DATATYPE_BYTES = {
    "int8": 1,
    "uint8": 1,
    "int32": 4,
    "uint32": 4,
    "int64": 8,
    "uint64": 8,
    "half": 2,
    "float": 4,
    "double": 8,
    "bfloat16": 2,
    "f8e4m3": 1,
    "f8e5m2": 1,
}
"""Bytes per element of each `-d` name of nccl-tests."""

# The command line follows nccl-tests: a bare letter is a power of 1024. Longer units are those of
# IEC 80000-13 (binary) and SI (decimal), in their own spelling: "Mb" might mean bits.
_UNITS = {
    "": 1,
    "B": 1,
    "K": 2**10,
    "M": 2**20,
    "G": 2**30,
    "T": 2**40,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}
# Thirty digits are more than any size needs and fewer than Python refuses to convert.
_SIZE = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?)\s*([A-Za-z]*)", re.ASCII)

# The size column is the data of all ranks together; one rank holds or sends a part of it.
_SIZE_OVER_RANKS = frozenset({"all_gather", "reduce_scatter", "all_to_all", "gather", "scatter"})


def parse_size(text: str) -> int:
    """Return the number of bytes that a size on the command line means.

    A bare K, M, G or T, in either case, is binary as in nccl-tests; `MiB` is binary too, and `MB`
    is decimal. A fraction is allowed where it comes to whole bytes.

    Parameters
    ----------
    text : str
        A number, with or without a unit.

    Returns
    -------
    int
        Size in bytes, from 0 to 2^53.

    Raises
    ------
    ArgumentError
        If the text is not a size, is not a whole number of bytes, or is above 2^53 bytes.

    Examples
    --------
    >>> from cm_collectives.cli.nccl import parse_size
    >>> parse_size("32M"), parse_size("256MiB"), parse_size("1GB"), parse_size("1.5k")
    (33554432, 268435456, 1000000000, 1536)
    """
    match = _SIZE.fullmatch(text.strip())
    unit = match[2] if match else ""
    factor = _UNITS.get(unit.upper() if len(unit) == 1 else unit)
    if match is None or factor is None:
        raise ArgumentError(
            f"size must be a number with no unit, B, K, M, G, T (powers of 1024), KiB to TiB, "
            f"or KB to TB (powers of 1000), got {text!r}"
        )
    size = Fraction(match[1]) * factor
    if size.denominator != 1:
        raise ArgumentError(f"size must be a whole number of bytes, got {text!r}")
    if size > LARGEST_SIZE_BYTES:
        raise ArgumentError(f"size must be at most 2^53 bytes (8192 TiB), got {text!r}")
    return int(size)


def size_range(
    min_bytes: int, max_bytes: int, *, factor: int | None = None, step_bytes: int | None = None
) -> Iterator[int]:
    """Return an iterator over the sizes of a run, as the flags `-b`, `-e`, `-f` and `-i` ask.

    A factor has precedence over a step, as in nccl-tests.

    Parameters
    ----------
    min_bytes, max_bytes : int
        First size, and the largest size allowed, in bytes (>= 0).
    factor : int, optional
        Each size is this many times the one before (>= 2).
    step_bytes : int, optional
        Each size is this much above the one before (>= 1). By default 1 MiB.

    Returns
    -------
    iterator of int
        Sizes in bytes, ascending.

    Raises
    ------
    ArgumentError
        If the largest size is below the first, or factor or step does not lead from one to the
        other.

    Examples
    --------
    >>> from cm_collectives.cli.nccl import size_range
    >>> list(size_range(8, 100, factor=3)), list(size_range(0, 10, step_bytes=4))
    ([8, 24, 72], [0, 4, 8])
    """
    if min_bytes < 0:
        raise ArgumentError(f"min_bytes must be at least 0, got {min_bytes}")
    if max_bytes < min_bytes:
        raise ArgumentError(f"max_bytes must be at least min_bytes = {min_bytes}, got {max_bytes}")
    if factor is not None and factor < 2:  # noqa: PLR2004
        raise ArgumentError(f"factor must be at least 2, got {factor}")
    if factor is not None and min_bytes == 0 and max_bytes > 0:
        raise ArgumentError(f"min_bytes must be at least 1 with factor = {factor}, got 0")
    step = 2**20 if step_bytes is None else step_bytes
    if step < 1:
        raise ArgumentError(f"step_bytes must be at least 1, got {step_bytes}")
    if factor is None:
        return iter(range(min_bytes, max_bytes + 1, step))
    return _powers(min_bytes, max_bytes, factor)


def element_count(collective: str, size_bytes: int, n_ranks: int, datatype: str = "float") -> int:
    """Return the count column: the elements that one rank passes to the call.

    For all_gather, reduce_scatter, all_to_all, gather and scatter the size column is `n_ranks`
    times as much. A remainder is left out.

    Parameters
    ----------
    collective : str
        Name of the collective.
    size_bytes : int
        Size in the nccl-tests sense, in bytes.
    n_ranks : int
        Number of ranks (>= 1).
    datatype : str, optional
        A name of nccl-tests, a key of `DATATYPE_BYTES`.

    Returns
    -------
    int
        Number of elements.

    Raises
    ------
    ArgumentError
        If the data type is not known.

    Examples
    --------
    >>> from cm_collectives.cli.nccl import element_count
    >>> element_count("all_reduce", 1024, 8), element_count("all_gather", 1024, 8)
    (256, 32)
    """
    if datatype not in DATATYPE_BYTES:
        raise ArgumentError(
            f"datatype must be one of {', '.join(DATATYPE_BYTES)}, got {datatype!r}"
        )
    n_parts = n_ranks if collective in _SIZE_OVER_RANKS else 1
    return size_bytes // (DATATYPE_BYTES[datatype] * n_parts)


def format_number(value: float, width: int) -> str:
    """Return a number with as many decimals as fit, as in the time and bandwidth columns.

    Two decimals while the integer part leaves room for them, then one, then none, then an
    exponent.

    Parameters
    ----------
    value : float
        A number >= 0.
    width : int
        Characters of the column.

    Returns
    -------
    str
        Exactly `width` characters, if an exponent form fits them.

    Examples
    --------
    >>> from cm_collectives.cli.nccl import format_number
    >>> [format_number(value, 7) for value in (1.234, 9999.99, 12345.67, 123456.7, 12345678.9)]
    ['   1.23', '9999.99', '12345.7', ' 123457', '1.2e+07']
    """
    for decimals in (2, 1, 0):
        text = f"{value:{width}.{decimals}f}"
        if len(text) <= width:
            return text
    return f"{value:{width}.{1 if width >= len('1.2e+07') else 0}e}"


@dataclass(frozen=True, kw_only=True)
class RunHeader:
    """What the lines above the table say about a run.

    Parameters
    ----------
    program : str
        Name after the pattern of nccl-tests, for example "all_reduce_perf".
    version : str
        Version of cm_collectives.
    devices : str
        What the ranks run on, for example "768 ranks of cm384".
    n_threads, n_gpus : int
        Flags `-t` and `-g`; the number of ranks is their product.
    min_bytes, max_bytes : int
        Flags `-b` and `-e`.
    step : int
        Factor or bytes from one size to the next, as `step_kind` says.
    step_kind : str
        "factor" or "bytes".
    validated : bool
        Whether the schedule was verified.
    """

    program: str
    version: str
    devices: str
    n_threads: int = 1
    n_gpus: int
    min_bytes: int
    max_bytes: int
    step: int
    step_kind: str
    validated: bool


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One line of the table.

    Parameters
    ----------
    size_bytes, count : int
        Size in the nccl-tests sense, and elements per rank.
    datatype, redop : str
        Names of the data type and of the reduction ("none" without one).
    root : int
        Root rank, or -1 where there is none.
    time_us, algbw_GBps, busbw_GBps : float
        Time in microseconds, bandwidths in 10^9 bytes per second.
    n_wrong : int or None
        Wrong elements: 0 for a verified schedule, None if it was not verified.
    """

    size_bytes: int
    count: int
    datatype: str
    redop: str
    root: int = -1
    time_us: float
    algbw_GBps: float
    busbw_GBps: float
    n_wrong: int | None


def format_header(run: RunHeader) -> str:
    """Return the comment lines above the table.

    One run of each size is enough for a deterministic simulator; the header says so in the fields
    of nccl-tests.

    Parameters
    ----------
    run : RunHeader
        The run.

    Returns
    -------
    str
        Lines that begin with `#`, without a line end after the last.

    Examples
    --------
    >>> from cm_collectives.cli.nccl import RunHeader, format_header
    >>> print(format_header(RunHeader(
    ...     program="all_reduce_perf", version="0.1.0", devices="8 ranks of hgx_h20", n_gpus=8,
    ...     min_bytes=8, max_bytes=128, step=2, step_kind="factor", validated=True)))
    # cm_collectives version 0.1.0 (simulated)
    # Collective test starting: all_reduce_perf
    # nThread 1 nGpus 8 minBytes 8 maxBytes 128 step: 2(factor) warmup iters: 0 iters: 1 agg iters: 1 validation: 1 graph: 0
    #
    # Using devices
    #  8 ranks of hgx_h20
    #
    """  # noqa: E501
    settings = (
        f"# nThread {run.n_threads} nGpus {run.n_gpus} minBytes {run.min_bytes} "
        f"maxBytes {run.max_bytes} step: {run.step}({run.step_kind}) warmup iters: 0 "
        f"iters: 1 agg iters: 1 validation: {run.validated:d} graph: 0"
    )
    return "\n".join(
        [
            f"# cm_collectives version {run.version} (simulated)",
            f"# Collective test starting: {run.program}",
            settings,
            "#",
            "# Using devices",
            f"#  {run.devices}",
            "#",
        ]
    )


def format_columns() -> str:
    """Return the three lines that name the columns.

    Returns
    -------
    str
        Lines that begin with `#`, without a line end after the last.

    Examples
    --------
    >>> from cm_collectives.cli.nccl import format_columns
    >>> format_columns().splitlines()[1].split()[:7]
    ['#', 'size', 'count', 'type', 'redop', 'root', 'time']
    """
    empty = ("", "", "", "", "")
    names = ("size", "count", "type", "redop", "root")
    units = ("(B)", "(elements)", "", "", "")
    result_names = f"{'time':>7}  {'algbw':>6}  {'busbw':>6}  {'#wrong':>6}"
    result_units = f"{'(us)':>7}  {'(GB/s)':>6}  {'(GB/s)':>6}  {'':>6}"
    return "\n".join(
        [
            f"{_left(empty)}           out-of-place                       in-place          ",
            # nccl-tests ends these lines with a blank, where its time stamps may follow.
            f"{_left(names)}  {result_names}  {result_names} ",
            f"{_left(units)}  {result_units}  {result_units} ",
        ]
    )


def format_row(row: RunRow) -> str:
    """Return one line of the table.

    The simulator does not tell in-place from out-of-place, so both halves are the same.

    Parameters
    ----------
    row : RunRow
        The numbers.

    Returns
    -------
    str
        One line, without its end.

    Examples
    --------
    >>> from cm_collectives.cli.nccl import RunRow, format_row
    >>> line = format_row(RunRow(
    ...     size_bytes=1024, count=256, datatype="float", redop="sum", time_us=10.0,
    ...     algbw_GBps=0.1024, busbw_GBps=0.1792, n_wrong=0))
    >>> line.split()[:9]
    ['1024', '256', 'float', 'sum', '-1', '10.00', '0.10', '0.18', '0']
    """
    left = f"{row.size_bytes:12}  {row.count:12}  {row.datatype:>8}  {row.redop:>6}  {row.root:6}"
    time = format_number(row.time_us, 7)
    algbw = format_number(row.algbw_GBps, 6)
    busbw = format_number(row.busbw_GBps, 6)
    wrong = "   N/A" if row.n_wrong is None else f"{row.n_wrong:6g}"
    return left + 2 * f"  {time}  {algbw}  {busbw}  {wrong}"


def format_footer(busbw_GBps: list[float], *, n_out_of_bounds: int = 0, program: str) -> str:
    """Return the comment lines below the table.

    Parameters
    ----------
    busbw_GBps : list of float
        Bus bandwidth of each row; the footer gives their mean.
    n_out_of_bounds : int, optional
        Number of wrong results.
    program : str
        Name after the pattern of nccl-tests.

    Returns
    -------
    str
        Lines that begin with `#`, without a line end after the last.

    Examples
    --------
    >>> from cm_collectives.cli.nccl import format_footer
    >>> print(format_footer([100.0, 300.5], program="all_reduce_perf"))
    # Out of bounds values : 0 OK
    # Avg bus bandwidth    : 200.25
    #
    # Collective test concluded: all_reduce_perf
    #
    """
    mean = sum(busbw_GBps) / len(busbw_GBps) if busbw_GBps else 0.0
    verdict = "FAILED" if n_out_of_bounds else "OK"
    return "\n".join(
        [
            f"# {'Out of bounds values':<20} : {n_out_of_bounds} {verdict}",
            f"# {'Avg bus bandwidth':<20} : {mean:g}",
            "#",
            f"# Collective test concluded: {program}",
            "#",
        ]
    )


def _left(cells: tuple[str, str, str, str, str]) -> str:
    size, count, datatype, redop, root = cells
    return f"# {size:>10}  {count:>12}  {datatype:>8}  {redop:>6}  {root:>6}"


def _powers(size: int, max_bytes: int, factor: int) -> Iterator[int]:
    while size <= max_bytes:
        yield size
        if size == 0:
            return
        size *= factor
