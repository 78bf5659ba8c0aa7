"""Side by side with SimGrid: the same flows on one plane of a CM384, in one run.

`make peers` calls it. It installs Debian's libsimgrid-dev if that is missing (as root),
compiles simgrid.cpp, runs both programs on each case one after the other, each in a process
of its own, and prints a table that is also written to target/peers.md. Times are those of
the simulation without reading the flows and building the fabric; for the product they include
the frame of all transfers, and its peak memory the interpreter and polars. Processor time tells
more than wall time where others use the machine. Last, a ring over the whole machine, which users
ask for as a collective and not flow by flow.
"""

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl

import cm_collectives as cm

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "target" / "peers"
DIES_PER_NODE = 16
CHIPS = 16
LIMIT_S = 1800
MESSAGE_BYTES = 65_536
WHOLE = 768

COLUMNS = [
    "case",
    "dies",
    "flows",
    "SimGrid s",
    "product s",
    "SimGrid CPU s",
    "product CPU s",
    "SimGrid MB",
    "product MB",
    "makespan us",
    "largest relative difference of a flow's end",
    "wall ratio",
    "CPU ratio",
    "memory ratio",
]

Flow = tuple[int, int, int, int, list[int]]
"""src, dst, bytes, L2 chip, predecessors."""


def balanced(src: int, dst: int) -> int:
    """Return the L2 chip that spreads an all-to-all evenly."""
    return (src + dst) % CHIPS


def all_to_all(ranks: int) -> Iterator[Flow]:
    """Equal messages, balanced over the chips."""
    for src in range(ranks):
        for dst in range(ranks):
            if src != dst:
                yield src, dst, MESSAGE_BYTES, balanced(src, dst), []


def hashed(ranks: int) -> Iterator[Flow]:
    """Equal messages, each pair's chip by chance."""
    chance = random.Random(ranks)
    for src, dst, size_bytes, _, preds in all_to_all(ranks):
        yield src, dst, size_bytes, chance.randrange(CHIPS), preds


def skewed(ranks: int) -> Iterator[Flow]:
    """Popular destinations and hardly two sizes alike."""
    chance = random.Random(ranks)
    popularity = [1 / (1 + chance.randrange(97)) ** 0.5 for _ in range(ranks)]
    for src, dst, _, chip, preds in all_to_all(ranks):
        yield (
            src,
            dst,
            int(MESSAGE_BYTES * popularity[dst] * chance.uniform(0.5, 1.5)) + 1,
            chip,
            preds,
        )


def ring(ranks: int) -> Iterator[Flow]:
    """All-reduce: each message goes on when it has arrived and the previous one is sent."""
    for step in range(2 * (ranks - 1)):
        first = (step - 1) * ranks
        for src in range(ranks):
            dst = (src + 1) % ranks
            preds = sorted({first + src, first + (src - 1) % ranks}) if step else []
            yield src, dst, MESSAGE_BYTES, balanced(src, dst), preds


CASES = [
    ("all_to_all", 64, all_to_all),
    ("all_to_all", 128, all_to_all),
    ("all_to_all, hashed", 64, hashed),
    ("all_to_all, hashed", 128, hashed),
    ("all_to_all, skewed", 64, skewed),
    ("ring all_reduce", 64, ring),
    ("ring all_reduce", 128, ring),
]


def path(src: int, dst: int, chip: int) -> list[str]:
    """Return the nodes from one die to another on plane 0."""
    nodes = [f"node{die // DIES_PER_NODE:02}" for die in (src, dst)]
    dies = [f"die{die % DIES_PER_NODE:02}" for die in (src, dst)]
    ends = [f"{node}/{die}" for node, die in zip(nodes, dies, strict=True)]
    first, last = (f"{node}/l1.0" for node in nodes)
    return [ends[0], *([first] if first == last else [first, f"l2.0.{chip}", last]), ends[1]]


def write(flows: list[Flow], rates: dict[tuple[str, str], int], name: str) -> tuple[Path, Path]:
    """Write the flows for both programs."""
    links: dict[tuple[str, str], int] = {}
    lines: list[str] = []
    vias: list[list[str]] = []
    for src, dst, size_bytes, chip, preds in flows:
        nodes = path(src, dst, chip)
        hops = itertools.pairwise(nodes)
        used = ",".join(str(links.setdefault(hop, len(links))) for hop in hops)
        before = ",".join(map(str, preds)) or "-"
        lines.append(f"flow {src} {dst} {size_bytes} {used} {before}\n")
        vias.append(nodes[1:-1])
    text = TARGET / f"{name}.txt"
    text.write_text("".join(f"link {rates[link]}\n" for link in links) + "".join(lines))
    columns = {
        "src": [flow[0] for flow in flows],
        "dst": [flow[1] for flow in flows],
        "size_bytes": [flow[2] for flow in flows],
        "via": vias,
        "depends_on": pl.Series([flow[4] for flow in flows], dtype=pl.List(pl.Int64)),
    }
    table = TARGET / f"{name}.parquet"
    pl.DataFrame(columns).write_parquet(table)
    return text, table


def run(command: list[str | Path], out: Path) -> tuple[dict[str, float], list[float]]:
    """Run a program; return what it says of itself and the end of each flow in seconds."""
    done = subprocess.run(
        [*command, out], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stderr}")
    return json.loads(done.stdout), [float(line) for line in out.read_text().split()]


def harness() -> Path:
    """Return the compiled SimGrid program, after installing what it needs."""
    if not Path("/usr/include/simgrid/s4u.hpp").exists():
        if os.geteuid() or not shutil.which("apt-get"):
            sys.exit("peers need SimGrid: install Debian's libsimgrid-dev and a C++ compiler")
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        packages = ["libsimgrid-dev", "g++"]
        subprocess.run(
            ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages], check=True
        )
    program = TARGET / "simgrid"
    flags = ["-std=c++17", "-O2", "-Wall", "-Wextra"]
    source = HERE / "simgrid.cpp"
    subprocess.run(["g++", *flags, source, "-o", program, "-lsimgrid"], check=True)
    return program


def compare_ring(program: Path, rates: dict[tuple[str, str], int]) -> str:
    """Compare a ring over the whole machine, which the product is asked for as a collective."""
    text, _ = write(list(ring(WHOLE)), rates, "ring")
    theirs, ends = run([program, text], TARGET / "simgrid.out")
    command = [sys.executable, HERE / "product.py", "ring", str(WHOLE), str(MESSAGE_BYTES)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ours = json.loads(done.stdout)
    difference = abs(ours["time_s"] / max(ends) - 1)
    return (
        f"ring all_reduce over {WHOLE} dies: SimGrid {theirs['wall_s']:.3g} s"
        f" ({theirs['cpu_s']:.3g} s of processor time, {theirs['memory_bytes'] / 1e6:.0f} MB); the"
        f" product as users call it {ours['wall_s'] * 1e6:.3g} us for a further size,"
        f" {ours['first_s'] * 1e3:.3g} ms for the first one; makespans differ by {difference:.1e};"
        f" ratio {theirs['wall_s'] / ours['wall_s']:.3g}, of the first"
        f" {theirs['wall_s'] / ours['first_s']:.3g}"
    )


def main() -> None:
    """Compare on all cases."""
    TARGET.mkdir(parents=True, exist_ok=True)
    program = harness()
    fabric = cm.Fabric.preset("cm384", timing="line_rate")
    ends = fabric.links.select("src", "dst", "rate_Bps").rows()
    rates = {(src, dst): rate for src, dst, rate in ends}
    table = [f"| {' | '.join(COLUMNS)} |", "|" + " --- |" * len(COLUMNS)]
    print("\n".join(table), flush=True)
    for number, (case, ranks, generate) in enumerate(CASES):
        flows = list(generate(ranks))
        text, parquet = write(flows, rates, f"case{number}")
        product: list[str | Path] = [sys.executable, HERE / "product.py", parquet]
        (theirs, their_ends) = run([program, text], TARGET / "simgrid.out")
        (ours, our_ends) = run(product, TARGET / "product.out")
        pairs = zip(our_ends, their_ends, strict=True)
        difference = max(abs(our - their) / their for our, their in pairs)
        table.append(
            f"| {case} | {ranks} | {len(flows)} | {theirs['wall_s']:.3g} | {ours['wall_s']:.3g}"
            f" | {theirs['cpu_s']:.3g} | {ours['cpu_s']:.3g}"
            f" | {theirs['memory_bytes'] / 1e6:.0f} | {ours['memory_bytes'] / 1e6:.0f}"
            f" | {max(our_ends) * 1e6:.4f} | {difference:.1e}"
            f" | {theirs['wall_s'] / ours['wall_s']:.3g} | {theirs['cpu_s'] / ours['cpu_s']:.3g}"
            f" | {theirs['memory_bytes'] / ours['memory_bytes']:.2g} |"
        )
        print(table[-1], flush=True)
    table += ["", compare_ring(program, rates)]
    print("\n".join(table[-2:]))
    TARGET.with_suffix(".md").write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
