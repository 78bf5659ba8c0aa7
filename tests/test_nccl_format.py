"""The text in the layout of nccl-tests, and the sizes of the command line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm_collectives.cli.nccl import (
    RunHeader,
    RunRow,
    element_count,
    format_columns,
    format_footer,
    format_header,
    format_number,
    format_row,
    parse_size,
    size_range,
)
from cm_collectives.errors import ArgumentError


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("8", 8),
        ("8B", 8),
        ("1K", 1024),
        ("1k", 1024),
        ("32M", 32 * 1024**2),
        ("8g", 8 * 1024**3),
        ("1T", 1024**4),
        ("256MiB", 256 * 1024**2),
        ("1 KiB", 1024),
        ("1kB", 1000),
        ("1KB", 1000),
        ("1GB", 10**9),
        ("1.5GB", 1_500_000_000),
        ("0.5K", 512),
        (" 4M ", 4 * 1024**2),
        ("9007199254740992", 2**53),
        ("8192T", 2**53),  # 2^13 * 2^40
    ],
)
def test_sizes_mean_what_nccl_tests_iec_and_si_say(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must be a number"),
        ("M", "must be a number"),
        ("-1", "must be a number"),
        ("1e6", "must be a number"),
        ("nan", "must be a number"),
        ("1Mb", "must be a number"),  # might be bits
        ("1mib", "must be a number"),
        ("1 2", "must be a number"),
        ("1,5M", "must be a number"),
        ("\u0663M", "must be a number"),  # a digit, but not an ASCII one
        ("1.5", "whole number of bytes"),
        ("0.3K", "whole number of bytes"),  # 307.2 bytes
        ("9007199254740993", "at most"),  # 2^53 + 1
        ("8193T", "at most"),
        ("9" * 30, "at most"),
        ("9" * 5000, "must be a number"),  # longer than Python converts
    ],
)
def test_a_wrong_size_is_named_with_what_is_allowed(text: str, rule: str) -> None:
    with pytest.raises(ArgumentError, match=rule) as caught:
        parse_size(text)
    assert repr(text) in str(caught.value)


@given(st.integers(0, 2**53))
def test_plain_digits_are_bytes(size_bytes: int) -> None:
    assert parse_size(str(size_bytes)) == parse_size(f"{size_bytes}B") == size_bytes


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [
        (0.0, 7, "   0.00"),
        (9999.99, 7, "9999.99"),
        (9999.999, 7, "10000.0"),  # two decimals would round up to eight characters
        (10000.0, 7, "10000.0"),
        (99999.96, 7, " 100000"),
        (1e6, 7, "1000000"),
        (9999999.0, 7, "9999999"),
        (1e7, 7, "1.0e+07"),
        (999.99, 6, "999.99"),
        (1000.0, 6, "1000.0"),
        (123456.0, 6, "123456"),
        (1234567.0, 6, " 1e+06"),
    ],
)
def test_numbers_keep_as_many_decimals_as_fit(value: float, width: int, text: str) -> None:
    assert format_number(value, width) == text


@given(st.floats(0, 1e90), st.sampled_from([6, 7]))
def test_numbers_always_fill_their_column(value: float, width: int) -> None:
    assert len(format_number(value, width)) == width


def row(n_wrong: int | None = 0) -> RunRow:
    # 8 ranks, 1 GiB in 5 ms: algbw = 2^30/5e-3 = 214.748 GB/s, busbw = 2*7/8 of it = 375.81.
    return RunRow(
        size_bytes=2**30,
        count=2**28,
        datatype="float",
        redop="sum",
        time_us=5000.0,
        algbw_GBps=214.7483648,
        busbw_GBps=375.8096384,
        n_wrong=n_wrong,
    )


def test_a_row_has_the_widths_of_nccl_tests() -> None:
    # "%12li  %12li  %8s  %6s  %6s", then "  %7s  %6s  %6s  %6g" twice.
    left = "  1073741824     268435456     float     sum      -1"
    half = "  5000.00  214.75  375.81       0"
    assert format_row(row()) == left + half + half


def test_an_unverified_run_says_so_in_its_rows() -> None:
    # The literal "    N/A" of nccl-tests stands for blank, blank and four characters.
    assert format_row(row(n_wrong=None)).endswith("  375.81     N/A")


def test_the_columns_end_where_their_numbers_end() -> None:
    _, names, units = format_columns().splitlines()
    line = format_row(row())
    ends = [match.end() for match in re.finditer(r"\S+", line)]
    assert [match.end() for match in re.finditer(r"[^\s#]\S*|#wrong", names)] == ends
    assert [match.end() for match in re.finditer(r"\(\S+", units)] == [
        end for i, end in enumerate(ends) if i not in {2, 3, 4, 8, 12}
    ]


def test_a_parser_of_nccl_tests_output_reads_the_whole_text() -> None:
    # The way that public parsers go: header comments, rows of 13 words, the average.
    run = RunHeader(
        program="all_reduce_perf",
        version="0.1.0",
        devices="8 ranks of hgx_h20",
        n_gpus=8,
        min_bytes=2**30,
        max_bytes=2**30,
        step=2,
        step_kind="factor",
        validated=True,
    )
    footer = format_footer([375.8096384], program="all_reduce_perf")
    text = "\n".join([format_header(run), format_columns(), format_row(row()), footer])
    lines = text.splitlines()
    half = ["5000.00", "214.75", "375.81", "0"]
    assert [line.split() for line in lines if not line.startswith("#")] == [
        ["1073741824", "268435456", "float", "sum", "-1", *half, *half]
    ]
    assert "# Out of bounds values : 0 OK" in lines
    assert re.findall(r"# Avg bus bandwidth\s+: (\S+)", text) == ["375.81"]
    assert re.findall(r"nGpus (\d+) minBytes (\d+)", text) == [("8", "1073741824")]
    assert "(simulated)" in lines[0]


def test_a_wrong_result_fails_in_the_footer() -> None:
    assert "# Out of bounds values : 3 FAILED" in format_footer(
        [1.0], n_out_of_bounds=3, program="p"
    )


def test_the_average_of_no_rows_is_zero() -> None:
    assert "# Avg bus bandwidth    : 0\n" in format_footer([], program="p")


@pytest.mark.parametrize(
    ("collective", "datatype", "count"),
    [
        # 1 MiB over 8 ranks: the whole vector, or the eighth that one rank passes.
        ("all_reduce", "float", 2**18),
        ("broadcast", "half", 2**19),
        ("send_recv", "double", 2**17),
        ("all_gather", "float", 2**15),
        ("reduce_scatter", "bfloat16", 2**16),
        ("all_to_all", "int8", 2**17),
    ],
)
def test_the_count_is_what_one_rank_passes(collective: str, datatype: str, count: int) -> None:
    assert element_count(collective, 2**20, 8, datatype) == count


def test_an_unknown_datatype_lists_the_known_ones() -> None:
    with pytest.raises(ArgumentError, match=r"float.*got 'float31'"):
        element_count("all_reduce", 1024, 8, "float31")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (size_range(8, 64, factor=2), [8, 16, 32, 64]),
        (size_range(8, 63, factor=2), [8, 16, 32]),
        (size_range(8, 8, factor=2), [8]),
        (size_range(0, 0, factor=2), [0]),
        (size_range(1, 10, step_bytes=4), [1, 5, 9]),
        (size_range(0, 2**21), [0, 2**20, 2**21]),
        (size_range(8, 64, factor=2, step_bytes=1), [8, 16, 32, 64]),
    ],
)
def test_sizes_run_from_first_to_last(sizes: list[int], expected: list[int]) -> None:
    assert list(sizes) == expected


@pytest.mark.parametrize(
    ("kwargs", "name"),
    [
        ({"min_bytes": 8, "max_bytes": 4}, "max_bytes"),
        ({"min_bytes": -1, "max_bytes": 4}, "min_bytes"),
        ({"min_bytes": 0, "max_bytes": 4, "factor": 2}, "min_bytes"),
        ({"min_bytes": 1, "max_bytes": 4, "factor": 1}, "factor"),
        ({"min_bytes": 1, "max_bytes": 4, "step_bytes": 0}, "step_bytes"),
    ],
)
def test_a_run_that_would_not_end_is_refused(kwargs: dict[str, int], name: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{name} must be"):
        size_range(**kwargs)
