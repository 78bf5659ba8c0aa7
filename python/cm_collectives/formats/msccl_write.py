"""Schedules as MSCCL programs: a threadblock per peer and direction, one channel.

All is done in place except for an all-to-all, whose relayed chunks pass through scratch. Within a
step of the schedule all sends come before all receives. A step waits for what wrote its chunk, and
a receive also for the sends that still read what it overwrites; where that is more than one step of
other threadblocks, `nop` steps wait for the others.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from cm_collectives.errors import UnsupportedError

from .msccl_xml import COLLECTIVES, Block, Gpu, Program, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .msccl_run import Place

_LINE = 0  # What is written has no lines yet.


class Writer:
    """Collects the steps of every gpu."""

    def __init__(self, collective: str, name: str, n_ranks: int, n_chunks: int) -> None:
        if collective not in COLLECTIVES.values():
            raise UnsupportedError(
                f"MSCCL XML has no {collective}; it has {', '.join(COLLECTIVES.values())}"
            )
        self._is_exchange = collective == "all_to_all"
        self._n_ranks = n_ranks
        per_loop = n_chunks // n_ranks if self._is_exchange else n_chunks
        self._part = per_loop // n_ranks
        empty = {"i": per_loop, "o": per_loop, "s": 0}
        self.program = Program(
            where=name,
            name=name,
            collective=collective,
            n_chunks=per_loop,
            n_ranks=n_ranks,
            is_in_place=not self._is_exchange,
            gpus=[Gpu(_LINE, rank, dict(empty)) for rank in range(n_ranks)],
        )
        self._home = "o" if collective == "all_gather" else "i"
        self._blocks: dict[tuple[int, int, int], Block] = {}
        self._scratch: dict[tuple[int, int], int] = {}
        self._written: dict[tuple[int, int], tuple[int, int]] = {}
        self._read: defaultdict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        # Per gpu, threadblock and other threadblock, the last step that was waited for.
        self._known: dict[tuple[int, int, int], int] = {}
        if self._is_exchange:
            self._keep_own()

    def _keep_own(self) -> None:
        """Copy what a rank sends itself."""
        for gpu in self.program.gpus if self._part else ():
            block = self._block(gpu.number, -1, -1)
            first = gpu.number * self._part
            block.steps.append(Step(_LINE, "cpy", ("i", first), ("o", first), self._part, None))

    def _block(self, rank: int, send: int, recv: int) -> Block:
        key = (rank, send, recv)
        if key not in self._blocks:
            blocks = self.program.gpus[rank].blocks
            self._blocks[key] = Block(_LINE, len(blocks), send, recv, 0)
            blocks.append(self._blocks[key])
        return self._blocks[key]

    def place(self, rank: int, chunk: int) -> Place:
        """Return where a rank keeps a chunk."""
        if not self._is_exchange:
            return self._home, chunk
        block, within = divmod(chunk, self._part)
        src, dst = divmod(block, self._n_ranks)
        if rank == src:
            return "i", dst * self._part + within
        if rank == dst:
            return "o", src * self._part + within
        if (rank, chunk) not in self._scratch:
            chunks = self.program.gpus[rank].chunks
            self._scratch[rank, chunk] = chunks["s"]
            chunks["s"] += 1
        return "s", self._scratch[rank, chunk]

    def _runs(self, src: int, dst: int, chunks: Sequence[int]) -> Iterator[list[int]]:
        """Cut a message where its chunks do not lie side by side at both ends."""
        run: list[int] = []
        for chunk in chunks:
            if run and not all(
                self.place(rank, chunk) == (buffer, offset + 1)
                for rank in (src, dst)
                for buffer, offset in (self.place(rank, run[-1]),)
            ):
                yield run
                run = []
            run.append(chunk)
        yield run

    def add_step(self, rows: Sequence[tuple[int, int, Sequence[int], str]]) -> None:
        """Add the transfers of one step: source, destination, chunks, operation."""
        messages = []
        for src, dst, chunks, op in rows:
            if op == "local":
                raise UnsupportedError(f"{self.program.name}: local operations are not written")
            messages += [(src, dst, run, op) for run in self._runs(src, dst, chunks)]
        for src, dst, chunks, _ in messages:
            waits = [self._written[src, c] for c in chunks if (src, c) in self._written]
            action = ("s", self.place(src, chunks[0]), self.place(dst, chunks[0]))
            step = self._add(src, self._block(src, dst, -1), action, len(chunks), waits)
            for chunk in chunks:
                self._read[src, chunk].append(step)
        for src, dst, chunks, op in messages:
            waits = [self._written[dst, c] for c in chunks if (dst, c) in self._written]
            waits += [each for c in chunks for each in self._read[dst, c]]
            place = self.place(dst, chunks[0])
            action = ("rrc" if op == "reduce" else "r", place, place)
            step = self._add(dst, self._block(dst, -1, src), action, len(chunks), waits)
            for chunk in chunks:
                self._written[dst, chunk] = step
                self._read[dst, chunk] = []

    def _add(
        self,
        rank: int,
        block: Block,
        action: tuple[str, Place, Place],
        count: int,
        waits: Sequence[tuple[int, int]],
    ) -> tuple[int, int]:
        """Add a step that waits for others, and return where it is."""
        last: dict[int, int] = {}
        for other, index in waits:
            last[other] = max(last.get(other, -1), index)
        needed = []
        for other, index in sorted(last.items()):
            key = (rank, block.number, other)
            if other != block.number and self._known.get(key, -1) < index:
                self._known[key] = index
                needed.append((other, index))
        for wait in needed[:-1]:
            block.steps.append(Step(_LINE, "nop", ("i", 0), ("i", 0), 0, wait))
        wait_for = needed[-1] if needed else None
        kind, source, target = action
        block.steps.append(Step(_LINE, kind, source, target, count, wait_for))
        return block.number, len(block.steps) - 1


def program(
    collective: str, name: str, n_ranks: int, n_chunks: int, columns: dict[str, list[Any]]
) -> Program:
    """Return the program of a schedule's columns."""
    writer = Writer(collective, name, n_ranks, n_chunks)
    rows: list[tuple[int, int, Sequence[int], str]] = []
    names = ("step", "src", "dst", "chunk", "n_chunks", "chunk_stride", "chunk_window", "op")
    before = None
    for step, src, dst, first, count, stride, window, op in zip(
        *(columns[n] for n in names), strict=True
    ):
        if step != before and rows:
            writer.add_step(rows)
            rows = []
        before = step
        offset = first % window if window else first
        chunks: Sequence[int] = range(offset, offset + count * stride, stride)
        if window:
            chunks = [first - offset + chunk % window for chunk in chunks]
        rows.append((src, dst, chunks, op))
    if rows:
        writer.add_step(rows)
    return writer.program
