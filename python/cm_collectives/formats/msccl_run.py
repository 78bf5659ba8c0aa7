"""MSCCL programs as schedules: a program is executed symbolically, chunk by chunk.

Threadblocks run their steps in order; a receive waits for its message (messages of one channel stay
in order, and buffers are as deep as they need to be), a dependency for its step. Each place of a
buffer holds a chunk as it is *at home* on its rank, or messages that were put *aside*. What is put
aside becomes a reduction where a step adds it at home, and a copy where it is used as it is.

Edges are those of the program: a transfer depends on what wrote its chunk and on the receives that
its threadblock has waited for, and follows the previous send. A step that uses what another
threadblock wrote without waiting for it is a race, and refused. Local copies cost nothing, as in
the built-in algorithms.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cm_collectives.errors import SpecError, UnsupportedError

from .msccl_xml import RECEIVES, SENDS, Block, Gpu, Program, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

Place = tuple[str, int]

COLUMNS = (
    "step",
    "src",
    "dst",
    "chunk",
    "n_chunks",
    "chunk_stride",
    "op",
    "depends_on",
    "follows",
)


@dataclass(slots=True, eq=False)
class Piece:
    """One chunk of a message: what a transfer is made of."""

    src: int
    dst: int
    chunk: int
    message: int
    depends_on: list[Piece]
    follows: list[Piece]
    reduces: bool = False
    # Pieces that must come this many steps earlier.
    after: list[tuple[Piece, int]] = field(default_factory=list)
    step: int = 0
    row: int = -1


@dataclass(slots=True, eq=False)
class Home:
    """The one copy of a chunk that a rank has in a schedule."""

    chunk: int
    holds: bool = False
    version: int = 0
    writers: list[Piece] = field(default_factory=list)
    readers: list[Piece] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Aside:
    """Messages that were put aside, added up; settled once they have reached home."""

    pieces: list[Piece]
    # The version of the home that they became; -1 where they were added to it.
    version: int | None = None


@dataclass(slots=True)
class Cell:
    """What a place holds, and the step that wrote it."""

    home: Home
    version: int
    aside: Aside | None
    writer: tuple[int, int] | None  # threadblock, step


@dataclass(slots=True, eq=False)
class Thread:
    """A threadblock at work."""

    gpu: Gpu
    block: Block
    next: int = 0
    # Per threadblock of the gpu, how many of its steps this one has waited for.
    clock: dict[int, int] = field(default_factory=dict)
    received: list[Piece] = field(default_factory=list)
    sent: list[Piece] = field(default_factory=list)
    # The three as they were after each step.
    history: list[tuple[dict[int, int], list[Piece], list[Piece]]] = field(default_factory=list)


class Run:
    """Executes a program; `pieces` are its transfers."""

    def __init__(self, program: Program, root: int) -> None:
        self.pieces: list[Piece] = []
        self._program = program
        self._layout = Layout(program, root)
        self._homes: list[dict[int, Home]] = [{} for _ in program.gpus]
        self._cells: list[dict[Place, Cell]] = [{} for _ in program.gpus]
        for rank in range(program.n_ranks):
            for place, chunk in self._layout.start(rank):
                home = self._home(rank, chunk)
                home.holds = True
                self._cells[rank][place] = Cell(home, 0, None, None)
        self._threads = [Thread(gpu, block) for gpu in program.gpus for block in gpu.blocks]
        first = 0
        self._first_thread = []
        for gpu in program.gpus:
            self._first_thread.append(first)
            first += len(gpu.blocks)
        self._wires: dict[tuple[int, int, int], deque[list[Piece]]] = {}
        self._n_messages = 0
        self._run()

    @property
    def n_chunks(self) -> int:
        """Chunks of the schedule."""
        return self._layout.n_chunks

    def _home(self, rank: int, chunk: int) -> Home:
        return self._homes[rank].setdefault(chunk, Home(chunk))

    def _run(self) -> None:
        open_threads = self._threads
        while open_threads:
            has_moved = False
            for thread in open_threads:
                while thread.next < len(thread.block.steps) and self._execute(thread):
                    has_moved = True
            still_open = [t for t in open_threads if t.next < len(t.block.steps)]
            if still_open and not has_moved:
                self._deadlock(still_open)
            open_threads = still_open
        for (src, dst, channel), messages in self._wires.items():
            if messages:
                raise SpecError(
                    f"{self._program.where}: gpu {dst} does not receive {len(messages)} messages "
                    f"that gpu {src} sends it on channel {channel}"
                )
        self._finish()

    def _deadlock(self, threads: list[Thread]) -> None:
        thread = threads[0]
        step = thread.block.steps[thread.next]
        what = f"a message from gpu {thread.block.recv}"
        if step.depends_on is not None and not self._is_ended(thread, step.depends_on):
            what = f"step {step.depends_on[1]} of threadblock {step.depends_on[0]}"
        self._program.fail(
            step.line,
            f"deadlock: {len(threads)} threadblocks wait for each other; step {thread.next} of "
            f"threadblock {thread.block.number} of gpu {thread.gpu.number} waits for {what}",
        )

    def _is_ended(self, thread: Thread, other: tuple[int, int]) -> bool:
        return self._threads[self._first_thread[thread.gpu.number] + other[0]].next > other[1]

    def _execute(self, thread: Thread) -> bool:
        """Run the next step of a threadblock, if it need not wait."""
        step, block, rank = thread.block.steps[thread.next], thread.block, thread.gpu.number
        if step.depends_on is not None and not self._is_ended(thread, step.depends_on):
            return False
        wire = self._wires.get((block.recv, rank, block.channel))
        if step.kind in RECEIVES and not wire:
            return False
        if step.depends_on is not None:
            self._wait(thread, *step.depends_on)
        message: list[Piece] = []
        if step.kind in RECEIVES and wire:
            message = wire.popleft()
            if len(message) != step.count:
                self._program.fail(
                    step.line,
                    f"receives {step.count} chunks where gpu {block.recv} sends {len(message)}",
                )
            thread.received = message
        outgoing = [self._chunk_of(thread, step, message, index) for index in range(step.count)]
        if step.kind in SENDS:
            self._send(thread, outgoing)
        thread.next += 1
        thread.history.append((thread.clock, thread.received, thread.sent))
        return True

    def _wait(self, thread: Thread, other: int, index: int) -> None:
        """Know what another threadblock of the gpu knew after a step."""
        awaited = self._threads[self._first_thread[thread.gpu.number] + other]
        clock, received, sent = awaited.history[index]
        merged = dict(thread.clock)
        for number, count in (*clock.items(), (other, index + 1)):
            merged[number] = max(merged.get(number, 0), count)
        thread.clock = merged
        thread.received = [*thread.received, *received]
        thread.sent = [*thread.sent, *sent]

    def _chunk_of(
        self, thread: Thread, step: Step, message: list[Piece], index: int
    ) -> tuple[Home, Cell | None]:
        """Do what a step does to one of its chunks; the chunk that it would send."""
        piece = message[index] if message else None
        kind = step.kind
        if kind == "s":
            cell = self._read(thread, step, step.src, index)
            return cell.home, cell
        if piece is not None and kind in ("r", "rcs"):
            return self._store(thread, step, index, piece)
        if piece is not None:
            cell = self._read(thread, step, step.src, index)
            self._match(step, cell.home.chunk, piece.chunk)
            cell = self._added(thread, step, cell, Aside([piece]))
            # A sum that is sent and not stored counts as that of the rank, too.
            if kind != "rrs":
                self._write(thread, step, index, cell)
            return cell.home, cell
        source = self._read(thread, step, step.src, index)
        if kind == "re":
            target = self._read(thread, step, step.dst, index)
            self._match(step, target.home.chunk, source.home.chunk)
            source = self._sum(thread, step, target, source)
        self._write(thread, step, index, source)
        return source.home, source

    def _match(self, step: Step, held: int, arriving: int) -> None:
        if held != arriving:
            self._program.fail(step.line, f"adds chunk {arriving} to chunk {held}")

    def _place(self, thread: Thread, place: Place, index: int) -> Place:
        return self._layout.normal(thread.gpu.number, (place[0], place[1] + index))

    def _read(self, thread: Thread, step: Step, place: Place, index: int) -> Cell:
        """Return what a place holds, which must be there for certain."""
        buffer, offset = place
        where = f"{buffer}[{offset + index}] of gpu {thread.gpu.number}"
        cell = self._cells[thread.gpu.number].get(self._place(thread, place, index))
        if cell is None:
            self._program.fail(step.line, f"uses {where}, which holds nothing yet")
        self._check_waited(thread, step, cell, f"uses {where}")
        return cell

    def _check_waited(self, thread: Thread, step: Step, cell: Cell, what: str) -> None:
        if cell.writer is None or cell.writer[0] == thread.block.number:
            return
        block, index = cell.writer
        if thread.clock.get(block, 0) <= index:
            self._program.fail(
                step.line,
                f"race: {what} without waiting for step {index} of threadblock {block}, which "
                "writes it",
            )

    def _write(self, thread: Thread, step: Step, index: int, cell: Cell) -> None:
        place = self._place(thread, step.dst, index)
        before = self._cells[thread.gpu.number].get(place)
        if before is not None:
            where = f"{step.dst[0]}[{step.dst[1] + index}] of gpu {thread.gpu.number}"
            self._check_waited(thread, step, before, f"overwrites {where}")
        writer = (thread.block.number, thread.next)
        self._cells[thread.gpu.number][place] = Cell(cell.home, cell.version, cell.aside, writer)

    def _store(
        self, thread: Thread, step: Step, index: int, piece: Piece
    ) -> tuple[Home, Cell | None]:
        """Receive a chunk: at home if it is not there yet or takes its very place, else aside."""
        home = self._home(thread.gpu.number, piece.chunk)
        before = self._cells[thread.gpu.number].get(self._place(thread, step.dst, index))
        is_at_home = before is not None and before.home is home and before.aside is None
        cell = Cell(home, home.version, Aside([piece]), None)
        if is_at_home or not home.holds:
            cell = self._settled(cell)
        self._write(thread, step, index, cell)
        return home, cell

    def _settled(self, cell: Cell) -> Cell:
        """Bring home what was put aside, in the place of what is there."""
        home, aside = cell.home, cell.aside
        if aside is None:
            return cell
        if aside.version is None:
            for number, piece in enumerate(aside.pieces):
                self._arrive(home, piece, reduces=number > 0)
            aside.version = home.version
        return Cell(home, aside.version, None, cell.writer)

    def _arrive(self, home: Home, piece: Piece, *, reduces: bool) -> None:
        piece.reduces = reduces
        if home.writers:
            last = home.writers[-1]
            piece.after.append((last, 0 if reduces and last.reduces else 1))
        piece.after.extend((reader, 0) for reader in home.readers if reader is not piece)
        home.readers = []
        home.writers.append(piece)
        home.version += 1
        home.holds = True

    def _added(self, thread: Thread, step: Step, held: Cell, aside: Aside) -> Cell:
        """Add what was put aside to what a place holds."""
        if held.aside is not None and held.aside.version is None:
            both = Aside([*held.aside.pieces, *aside.pieces])
            held.aside.version = aside.version = -1
            return Cell(held.home, held.version, both, None)
        held = self._settled(held)
        self._check_current(thread, step, held)
        for piece in aside.pieces:
            self._arrive(held.home, piece, reduces=True)
        aside.version = -1
        return Cell(held.home, held.home.version, None, None)

    def _sum(self, thread: Thread, step: Step, target: Cell, source: Cell) -> Cell:
        for held, other in ((target, source), (source, target)):
            if other.aside is not None and other.aside.version is None:
                return self._added(thread, step, held, other.aside)
        return self._program.fail(step.line, f"adds chunk {target.home.chunk} to itself")

    def _check_current(self, thread: Thread, step: Step, cell: Cell) -> None:
        if cell.version != cell.home.version:
            raise UnsupportedError(
                f"{self._program.where}, line {step.line}: gpu {thread.gpu.number} uses chunk "
                f"{cell.home.chunk} as it was before a newer one came; a schedule has one copy of "
                "a chunk per rank"
            )

    def _send(self, thread: Thread, outgoing: list[tuple[Home, Cell | None]]) -> None:
        step, block, rank = thread.block.steps[thread.next], thread.block, thread.gpu.number
        message = []
        for home, given in outgoing:
            cell = given
            if cell is not None:
                cell = self._settled(cell)
                self._check_current(thread, step, cell)
            piece = Piece(
                rank,
                block.send,
                home.chunk,
                self._n_messages,
                depends_on=[*home.writers, *thread.received],
                follows=list(thread.sent),
            )
            piece.after.extend((writer, 1) for writer in home.writers[-1:])
            piece.after.extend((other, 1) for other in (*thread.received, *thread.sent))
            home.readers.append(piece)
            message.append(piece)
        self._n_messages += 1
        self.pieces.extend(message)
        thread.sent, thread.received = message, []
        self._wires.setdefault((rank, block.send, block.channel), deque()).append(message)

    def _finish(self) -> None:
        """Check that every result lies where the collective wants it, and set the steps."""
        for rank in range(self._program.n_ranks):
            for place, chunk in self._layout.end(rank):
                cell = self._cells[rank].get(place)
                if cell is None or cell.home.chunk != chunk:
                    held = "nothing" if cell is None else f"chunk {cell.home.chunk}"
                    raise SpecError(
                        f"{self._program.where}: gpu {rank} must end with chunk {chunk} in "
                        f"{place[0]}[{place[1]}], which holds {held}"
                    )
                settled = self._settled(cell)
                if settled.version != settled.home.version:
                    raise SpecError(
                        f"{self._program.where}: gpu {rank} ends with an old chunk {chunk} in "
                        f"{place[0]}[{place[1]}]"
                    )
        arrived = {
            piece for homes in self._homes for home in homes.values() for piece in home.writers
        }
        for piece in self.pieces:
            if piece not in arrived:
                raise UnsupportedError(
                    f"{self._program.where}: gpu {piece.dst} never uses chunk {piece.chunk} that "
                    f"gpu {piece.src} sends it"
                )
        self._layer()

    def _layer(self) -> None:
        """Give each piece the first step that its order allows."""
        for _ in range(len(self.pieces) + 1):
            is_stable = True
            for piece in self.pieces:
                least = max((other.step + gap for other, gap in piece.after), default=0)
                if least > piece.step:
                    piece.step = least
                    is_stable = False
            if is_stable:
                return
        raise UnsupportedError(
            f"{self._program.where}: chunks are exchanged in an order that no steps can have; a "
            "place is written before it was read"
        )


class Layout:
    """Which chunks lie where, before and after."""

    def __init__(self, program: Program, root: int) -> None:
        self._collective = program.collective
        self._n_ranks = program.n_ranks
        self._n_chunks = program.n_chunks
        self._is_in_place = program.is_in_place
        self._root = root
        self._part, rest = divmod(program.n_chunks, program.n_ranks)
        if rest and program.collective in ("all_gather", "reduce_scatter", "all_to_all"):
            raise SpecError(
                f"{program.where}: nchunksperloop={program.n_chunks} of {program.collective} must "
                f"be a multiple of ngpus={program.n_ranks}"
            )
        if program.is_in_place and program.collective == "all_to_all":
            raise UnsupportedError(f"{program.where}: an alltoall in place is not read")

    @property
    def n_chunks(self) -> int:
        """Chunks of the schedule: of an all-to-all, those of all ranks."""
        return self._n_chunks * (self._n_ranks if self._collective == "all_to_all" else 1)

    def normal(self, rank: int, place: Place) -> Place:
        """Return the one name of a place; in place, input and output overlap."""
        buffer, offset = place
        if not self._is_in_place or buffer == "s":
            return place
        if self._collective == "all_gather":
            return ("o", offset + rank * self._part) if buffer == "i" else place
        if buffer == "o":
            shift = rank * self._part if self._collective == "reduce_scatter" else 0
            return "i", offset + shift
        return place

    def _block(self, src: int, dst: int) -> Iterator[int]:
        first = (src * self._n_ranks + dst) * self._part
        return iter(range(first, first + self._part))

    def start(self, rank: int) -> Iterator[tuple[Place, int]]:
        """Return the places with data, and their chunks."""
        chunks: Iterator[int] = iter(range(self._n_chunks))
        if self._collective == "broadcast" and rank != self._root:
            return
        if self._collective == "all_gather":
            chunks = iter(range(rank * self._part, (rank + 1) * self._part))
        elif self._collective == "all_to_all":
            ranks = range(self._n_ranks)
            chunks = (chunk for dst in ranks for chunk in self._block(rank, dst))
        for offset, chunk in enumerate(chunks):
            yield self.normal(rank, ("i", offset)), chunk

    def end(self, rank: int) -> Iterator[tuple[Place, int]]:
        """Return the places of the result, and the chunks that must be there."""
        chunks: Iterator[int] = iter(range(self._n_chunks))
        if self._collective == "reduce" and rank != self._root:
            return
        if self._collective == "reduce_scatter":
            chunks = iter(range(rank * self._part, (rank + 1) * self._part))
        elif self._collective == "all_to_all":
            ranks = range(self._n_ranks)
            chunks = (chunk for src in ranks for chunk in self._block(src, rank))
        for offset, chunk in enumerate(chunks):
            yield self.normal(rank, ("o", offset)), chunk


def transfers(run: Run) -> dict[str, list[object]]:
    """Return the columns of a schedule: the pieces of a message that belong together in a row."""
    pieces = sorted(run.pieces, key=lambda p: (p.step, p.src, p.message, p.reduces, p.chunk))
    rows: list[list[Piece]] = []
    for piece in pieces:
        last = rows[-1] if rows else []
        if last and _continues(last, piece):
            last.append(piece)
        else:
            rows.append([piece])
        piece.row = len(rows) - 1

    def edges(row: list[Piece], name: str) -> list[int]:
        return sorted({other.row for piece in row for other in getattr(piece, name)})

    return {
        "step": [row[0].step for row in rows],
        "src": [row[0].src for row in rows],
        "dst": [row[0].dst for row in rows],
        "chunk": [row[0].chunk for row in rows],
        "n_chunks": [len(row) for row in rows],
        "chunk_stride": [row[1].chunk - row[0].chunk if len(row) > 1 else 1 for row in rows],
        "op": ["reduce" if row[0].reduces else "copy" for row in rows],
        "depends_on": [edges(row, "depends_on") for row in rows],
        "follows": [edges(row, "follows") for row in rows],
    }


def _continues(row: list[Piece], piece: Piece) -> bool:
    first, last = row[0], row[-1]
    if (first.message, first.step, first.reduces) != (piece.message, piece.step, piece.reduces):
        return False
    stride = row[1].chunk - first.chunk if len(row) > 1 else piece.chunk - last.chunk
    return piece.chunk - last.chunk == stride > 0
