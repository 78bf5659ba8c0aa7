"""Machines side by side: what is equal, who wins, and what they are made of."""

from pathlib import Path

import polars as pl
import pytest

import cm_collectives as cm
from cm_collectives.cli import main

S = 144_000_000

FAST = cm.Fabric.preset("hgx_b200", timing="line_rate")
SLOW = cm.Fabric.preset("hgx_h100", timing="line_rate")
WIDE = cm.Fabric.preset("gb200_nvl72", timing="line_rate")


def test_what_is_equal_is_what_the_basis_says() -> None:
    frame = cm.compare(
        {"rack": WIDE, "box": FAST},
        "all_reduce",
        [S],
        basis=("ranks", "machine", "total"),
        algorithm="ring",
    )
    got = {(basis, name): (n, used) for basis, name, n, used in frame.select(
        "basis", "fabric", "ranks", "used_bytes").rows()}  # fmt: skip
    # The smallest machine has 8 ranks; the total over all ranks is S: S/72 and S/8 per rank.
    assert got == {
        ("ranks", "rack"): (8, S),
        ("ranks", "box"): (8, S),
        ("machine", "rack"): (72, S),
        ("machine", "box"): (8, S),
        ("total", "rack"): (72, S // 72),
        ("total", "box"): (8, S // 8),
    }
    # A ring of n ranks takes 2 (n-1)/n S / 900 GB/s on both, so the rack's is the longer one.
    machine = frame.filter(basis="machine")
    assert machine["time_s"].to_list() == pytest.approx(
        [2 * 71 / 72 * S / 900e9, 2 * 7 / 8 * S / 900e9], rel=1e-8
    )
    assert machine["winner"].to_list() == [False, True]
    assert machine["slowdown"].to_list() == pytest.approx([71 / 72 / (7 / 8), 1], rel=1e-8)


def test_a_gathered_total_is_a_total_already() -> None:
    frame = cm.compare([WIDE, FAST], ["all_gather", "broadcast"], [S], basis="total")
    assert frame["used_bytes"].unique().to_list() == [S]


def test_every_row_is_the_answer_of_simulate() -> None:
    frame = cm.compare([WIDE, SLOW], "all_to_all", ["1MiB", "8MiB"], ranks=4)
    for row in frame.iter_rows(named=True):
        fabric = WIDE if row["fabric"] == "gb200_nvl72" else SLOW
        r = cm.simulate(fabric, "all_to_all", size_bytes=row["size_bytes"], ranks=4)
        assert (row["time_ps"], row["algorithm"]) == (r.time_ps, r.algorithm)
        assert (row["busbw_Bps"], row["efficiency"]) == (r.busbw_Bps, r.efficiency)


def test_machines_are_compared_while_links_change() -> None:
    # Half-way the first switch leaves its part to the others.
    machines = {"healthy": SLOW, "failing": SLOW, "faded": SLOW}
    late = {
        "failing": [("nvswitch0", 0.0, 500_000_000)],
        "faded": [("nvswitch0", 0.5, 500_000_000), ("nvswitch0", 1.0, 600_000_000)],
    }
    frame = cm.compare(machines, "send_recv", ["450MB"], ranks=2, set_links=late)
    times = dict(frame.select("fabric", "time_ps").rows())
    # 5 of 18 links of 25 GB/s lead to that switch (5/4/4/5).
    lost = 18 / (18 - 5)
    assert times["healthy"] == 10**9
    assert times["failing"] == pytest.approx(5e8 + 5e8 * lost, rel=1e-9)
    # 0.1 ms at half the pace.
    assert times["faded"] == 1_050_000_000
    assert frame["winner"].to_list() == [True, False, False]
    # The same for all.
    both = cm.compare(machines, "send_recv", ["450MB"], ranks=2, set_links=late["faded"])
    assert both["time_ps"].to_list() == [1_050_000_000] * 3


def comparison(times: list[tuple[int, str, int]]) -> pl.DataFrame:
    frame = pl.DataFrame(times, schema=["size_bytes", "fabric", "time_ps"], orient="row")
    best = pl.col("time_ps").min().over("size_bytes")
    return frame.with_columns(
        collective=pl.lit("all_reduce"),
        basis=pl.lit("ranks"),
        slowdown=pl.col("time_ps") / best,
        winner=pl.col("time_ps") == best,
    )


def test_winners_are_runs_of_sizes() -> None:
    frame = comparison([
        (1, "a", 10), (1, "b", 20),
        (2, "a", 10), (2, "b", 15),
        (4, "a", 30), (4, "b", 20),
        (8, "a", 40), (8, "b", 40),
    ])  # fmt: skip
    assert cm.winners(frame).select("from_bytes", "to_bytes", "fabric", "lead").rows() == [
        (1, 2, "a", 1.5),
        (4, 4, "b", 1.5),
        (8, 8, "a = b", None),
    ]
    with pytest.raises(cm.ArgumentError, match="a frame that compare returned"):
        cm.winners(frame.drop("winner"))


def test_the_data_sheets_are_the_published_totals() -> None:
    # hardware.md 4.4 and 1.1: endpoints, PFLOPS, TB, TB/s, GB/s per endpoint one way, TB/s in all,
    # and half of that between the halves.
    sheet = cm.specs(["cm384", "gb200_nvl72", "hgx_h20"])
    scaled = sheet.select(
        "endpoints",
        pl.col("bf16_flops") / 1e15,
        pl.col("memory_bytes") / 1e12,
        pl.col("memory_Bps") / 1e12,
        pl.col("scale_up_Bps") / 1e9,
        pl.col("scale_up_total_Bps") / 1e12,
        pl.col("bisection_Bps") / 1e12,
        "hops",
    )
    assert scaled.rows() == [
        pytest.approx((768, 288.768, 49.152, 1228.8, 196, 150.528, 75.264, 4)),
        pytest.approx((72, 180, 13.392, 576, 900, 64.8, 32.4, 2)),
        pytest.approx((8, 1.184, 0.768, 32, 450, 3.6, 1.8, 2)),
    ]


def test_a_machine_of_ones_own_has_no_chip() -> None:
    nodes = pl.DataFrame({"node": ["a", "b"], "kind": "endpoint"})
    links = pl.DataFrame({"src": ["a"], "dst": ["b"], "rate_Bps": [7], "latency_ps": [0]})
    row = cm.specs({"own": cm.Fabric.from_frames(nodes, links)}).row(0, named=True)
    assert (row["bf16_flops"], row["assumed"]) == (None, "")
    # One direction only: nothing comes back, and b sends nothing.
    assert (row["bisection_Bps"], row["scale_up_Bps"], row["hops"]) == (7.0, 0, None)


@pytest.mark.parametrize(
    ("fabrics", "keywords", "message"),
    [
        ("cm384", {}, "fabrics must be a mapping or a list of machines, got 'cm384'"),
        ([], {}, "at least one machine"),
        ([3], {}, "must be a Fabric, got 3"),
        ([SLOW, SLOW], {}, "two fabrics are named 'hgx_h100'; give a mapping"),
        ([SLOW, FAST], {"basis": "size"}, "basis must be of ranks, total, machine, got 'size'"),
        ([SLOW, WIDE], {"ranks": 9}, "ranks must be from 1 to 8, got 9"),
        (["hgx_h10"], {}, "did you mean hgx_h100"),
        ([SLOW], {"set_links": {"hgx_h10": []}}, "did you mean hgx_h100"),
        ([SLOW], {"set_links": ["gpu0"]}, r"set_links\[0\] must be \(selector, factor, t_ps\)"),
        ([SLOW], {"set_links": [("gpu9", 0.0, 1)]}, "'gpu9' matches no"),
    ],
)
def test_wrong_arguments_are_named(
    fabrics: object, keywords: dict[str, object], message: str
) -> None:
    with pytest.raises(cm.ArgumentError, match=message):
        cm.compare(fabrics, "all_reduce", [S], **keywords)  # type: ignore[arg-type]


def test_the_command_prints_what_compare_returns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("compare", "hgx_h100", "hgx_h20", "hgx_b200", "--collective", "all_reduce")
    assert main([*common, "-b", "1M", "-e", "32M", "--basis", "ranks"]) == 0
    text = capsys.readouterr().out
    assert "hgx_h100 = hgx_h20" not in text
    assert "hgx_b200" in text.splitlines()[-1]
    path = tmp_path / "rows.parquet"
    assert main([*common, "-b", "1M", "-e", "1M", "-o", str(path)]) == 0
    expected = cm.compare(
        ["hgx_h100", "hgx_h20", "hgx_b200"], "all_reduce", [2**20],
        basis=("ranks", "machine", "total"),
    )  # fmt: skip
    assert pl.read_parquet(path).equals(expected)
    path = tmp_path / "page.md"
    assert main([*common, "-b", "1M", "-e", "1M", "-o", str(path)]) == 0
    assert "| endpoints | 8 | 8 | 8 |" in path.read_text()
    assert main([*common, "-b", "2M", "-e", "1M"]) == 2
