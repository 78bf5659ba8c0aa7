"""MSCCL XML: the file of a program, checked element by element, and written again.

Facts of the schema: msccl `src/graph/topo.cc`, msccl-tools `language/ir.py`. A program is untrusted
input: a document type (and with it every entity) is refused, so are more than `MAX_BYTES`, and what
is wrong is named with its line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cm_collectives.errors import SpecError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike

MAX_BYTES = 64 * 2**20
# Larger than any machine, small enough for 32-bit columns.
MAX_NUMBER = 2**20
MAX_DIGITS = 8

COLLECTIVES = {
    "allreduce": "all_reduce",
    "allgather": "all_gather",
    "reduce_scatter": "reduce_scatter",
    "alltoall": "all_to_all",
    "broadcast": "broadcast",
    "reduce": "reduce",
}
BUFFERS = ("i", "o", "s")
RECEIVES = frozenset(("r", "rcs", "rrs", "rrc", "rrcs"))
SENDS = frozenset(("s", "rcs", "rrs", "rrcs"))
REDUCES = frozenset(("rrs", "rrc", "rrcs", "re"))
LOCALS = frozenset(("nop", "cpy", "re"))
TYPES = RECEIVES | SENDS | LOCALS

_NESTING = ("algo", "gpu", "tb", "step")


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of a threadblock."""

    line: int
    kind: str
    src: tuple[str, int]
    dst: tuple[str, int]
    count: int
    depends_on: tuple[int, int] | None  # threadblock, step


@dataclass(slots=True)
class Block:
    """A threadblock: at most one peer to send to and one to receive from."""

    line: int
    number: int
    send: int
    recv: int
    channel: int
    steps: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class Gpu:
    """What one rank does."""

    line: int
    number: int
    chunks: dict[str, int]  # per buffer
    blocks: list[Block] = field(default_factory=list)


@dataclass(slots=True)
class Program:
    """A whole file."""

    where: str
    name: str
    collective: str
    n_chunks: int
    n_ranks: int
    is_in_place: bool
    gpus: list[Gpu] = field(default_factory=list)

    def fail(self, line: int, message: str) -> NoReturn:
        """Raise the error of a line."""
        raise SpecError(f"{self.where}, line {line}: {message}")


def read(source: str | PathLike[str]) -> Program:
    """Return the program of a file, or of the text of one."""
    is_text = isinstance(source, str) and source.lstrip()[:1] == "<"
    if is_text:
        data, where = str(source).encode(), "MSCCL XML"
    else:
        where = str(source)
        try:
            with Path(source).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise SpecError(f"cannot read {where}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise SpecError(f"{where}: an MSCCL XML file may have {MAX_BYTES} bytes, this one has more")
    return _Reader(where).parsed(data)


class _Reader:
    """Builds a program from the events of the parser."""

    def __init__(self, where: str) -> None:
        # No document type gets past `_refuse`, so there are no entities to expand or to fetch.
        from xml.parsers import expat

        self._where = where
        self._expat = expat
        self._program: Program | None = None
        self._depth = 0
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def parsed(self, data: bytes) -> Program:
        try:
            self._parser.Parse(data, True)  # noqa: FBT003
        except self._expat.ExpatError as error:
            reason = self._expat.errors.messages[error.code]
            raise SpecError(
                f"{self._where}, line {error.lineno}: malformed XML ({reason})"
            ) from None
        program = self._program
        if program is None:
            self._fail("there is no element <algo>")
        _check(program)
        return program

    def _fail(self, message: str) -> NoReturn:
        raise SpecError(f"{self._where}, line {self._parser.CurrentLineNumber}: {message}")

    def _refuse(self, *_: object) -> None:
        self._fail("a document type is not allowed: no entities are expanded")

    def _text(self, data: str) -> None:
        if data.strip():
            self._fail(f"text between elements: {data.strip()[:40]!r}")

    def _end(self, _: str) -> None:
        self._depth -= 1

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._depth >= len(_NESTING) or name != _NESTING[self._depth]:
            inside = f"inside <{_NESTING[self._depth - 1]}>" if self._depth else "as the root"
            hint = " (the dialect with <op> is not read)" if name == "op" else ""
            expected = f"<{_NESTING[self._depth]}>" if self._depth < len(_NESTING) else "nothing"
            self._fail(f"<{name}> {inside}; expected {expected}{hint}")
        self._depth += 1
        line = self._parser.CurrentLineNumber
        number = _Attributes(self, name, attributes)
        if name == "algo":
            self._program = self._algo(number, attributes)
            return
        program = self._program
        assert program is not None  # noqa: S101  # <algo> encloses all others
        if name == "gpu":
            chunks = {buffer: number.get(f"{buffer}_chunks") for buffer in BUFFERS}
            program.gpus.append(Gpu(line, number.get("id"), chunks))
        elif name == "tb":
            block = Block(
                line,
                number.get("id"),
                number.get("send", -1),
                number.get("recv", -1),
                number.get("chan"),
            )
            program.gpus[-1].blocks.append(block)
        else:
            steps = program.gpus[-1].blocks[-1].steps
            if number.get("s") != len(steps):
                self._fail(
                    f"s={attributes['s']} of <step> must be {len(steps)}: steps count from 0"
                )
            steps.append(self._step(line, number, attributes))

    def _algo(self, number: _Attributes, attributes: Mapping[str, str]) -> Program:
        collective = number.word("coll")
        if collective not in COLLECTIVES:
            raise UnsupportedError(
                f"{self._where}: coll={collective!r} is not read; known: {', '.join(COLLECTIVES)}"
            )
        return Program(
            where=self._where,
            name=attributes.get("name", "msccl"),
            collective=COLLECTIVES[collective],
            n_chunks=number.get("nchunksperloop", 1),
            n_ranks=number.get("ngpus", 1),
            is_in_place=number.get("inplace") == 1,
        )

    def _step(self, line: int, number: _Attributes, attributes: Mapping[str, str]) -> Step:
        kind = number.word("type")
        if kind not in TYPES:
            self._fail(f"type={kind!r} of <step> must be one of {', '.join(sorted(TYPES))}")
        block, step = number.get("depid", -1), number.get("deps", -1)
        if (block < 0) != (step < 0):
            self._fail("depid and deps of <step> must both be -1 or both name a step")
        if kind == "nop":
            return Step(line, kind, ("i", 0), ("i", 0), 0, None if block < 0 else (block, step))
        places = []
        for end in ("src", "dst"):
            buffer = attributes.get(f"{end}buf", "")
            if buffer not in BUFFERS:
                self._fail(f"{end}buf={buffer!r} of <step> must be one of {', '.join(BUFFERS)}")
            # The end that a step does not use may be -1.
            places.append((buffer, number.get(f"{end}off", -1)))
        return Step(
            line,
            kind,
            places[0],
            places[1],
            number.get("cnt", 1),
            None if block < 0 else (block, step),
        )


class _Attributes:
    """The attributes of one element, as numbers."""

    def __init__(self, reader: _Reader, element: str, values: Mapping[str, str]) -> None:
        self._reader = reader
        self._element = element
        self._values = values

    def word(self, name: str) -> str:
        if name not in self._values:
            self._reader._fail(f"<{self._element}> lacks the attribute {name}")  # noqa: SLF001
        return self._values[name]

    def get(self, name: str, low: int = 0) -> int:
        word = self.word(name)
        digits = word.removeprefix("-")
        number = (
            int(word) if digits.isascii() and digits.isdigit() and len(word) <= MAX_DIGITS else None
        )
        if number is None or not low <= number <= MAX_NUMBER:
            self._reader._fail(  # noqa: SLF001
                f"{name}={word!r} of <{self._element}> must be a whole number from {low} to "
                f"{MAX_NUMBER}"
            )
        return number


def _check(program: Program) -> None:
    """Refuse what no runtime would load: numbering, peers, places, dependencies."""
    numbers = [gpu.number for gpu in program.gpus]
    if sorted(numbers) != list(range(program.n_ranks)):
        line = program.gpus[0].line if program.gpus else 1
        program.fail(line, f"the ids of <gpu> must be 0..{program.n_ranks - 1}, each once")
    program.gpus.sort(key=lambda gpu: gpu.number)
    for gpu in program.gpus:
        gpu.blocks.sort(key=lambda block: block.number)
        if [block.number for block in gpu.blocks] != list(range(len(gpu.blocks))):
            program.fail(gpu.line, f"the ids of <tb> of gpu {gpu.number} must count from 0")
        _check_peers(program, gpu)
        for block in gpu.blocks:
            for step in block.steps:
                _check_step(program, gpu, block, step)


def _check_peers(program: Program, gpu: Gpu) -> None:
    seen: dict[tuple[str, int, int], int] = {}
    for block in gpu.blocks:
        for way, peer in (("send", block.send), ("recv", block.recv)):
            if peer == gpu.number or peer >= program.n_ranks:
                program.fail(
                    block.line, f"{way}={peer} of gpu {gpu.number} must be another gpu, or -1"
                )
            if peer >= 0 and seen.setdefault((way, peer, block.channel), block.line) != block.line:
                program.fail(
                    block.line,
                    f"two threadblocks of gpu {gpu.number} share {way}={peer} on channel "
                    f"{block.channel}",
                )


def _check_step(program: Program, gpu: Gpu, block: Block, step: Step) -> None:
    if step.depends_on is not None:
        other, index = step.depends_on
        if other >= len(gpu.blocks) or index >= len(gpu.blocks[other].steps):
            program.fail(step.line, f"depid={other} deps={index} names no step of gpu {gpu.number}")
    for kinds, way, peer in ((SENDS, "send", block.send), (RECEIVES, "recv", block.recv)):
        if step.kind in kinds and peer < 0:
            program.fail(step.line, f"type={step.kind} in a threadblock with {way}=-1")
    for end, (buffer, offset), is_used in (
        ("src", step.src, step.kind in ("s", "cpy") or step.kind in REDUCES),
        ("dst", step.dst, step.kind in ("r", "rcs", "rrc", "rrcs", "cpy", "re")),
    ):
        size = gpu.chunks[buffer]
        if is_used and not 0 <= offset <= size - step.count:
            program.fail(
                step.line,
                f"{end}off={offset} cnt={step.count} leaves the buffer {buffer} of gpu "
                f"{gpu.number}, which has {size} chunks",
            )


def written(program: Program) -> str:
    """Return the text of a program."""
    from xml.sax.saxutils import quoteattr

    names = {ours: theirs for theirs, ours in COLLECTIVES.items()}
    channels = [block.channel for gpu in program.gpus for block in gpu.blocks]

    def tag(name: str, attributes: Mapping[str, object], end: str = ">") -> str:
        return (
            f"<{name} " + " ".join(f"{k}={quoteattr(str(v))}" for k, v in attributes.items()) + end
        )

    def lines() -> Iterable[str]:
        about = {
            "name": program.name,
            "proto": "Simple",
            "nchannels": max(channels, default=0) + 1,
            "nchunksperloop": program.n_chunks,
            "ngpus": program.n_ranks,
            "coll": names[program.collective],
            "inplace": int(program.is_in_place),
            "outofplace": int(not program.is_in_place),
        }
        yield tag("algo", about)
        for gpu in program.gpus:
            sizes = {f"{buffer}_chunks": gpu.chunks[buffer] for buffer in BUFFERS}
            yield "  " + tag("gpu", {"id": gpu.number, **sizes})
            awaited = {step.depends_on for block in gpu.blocks for step in block.steps}
            for block in gpu.blocks:
                peers = {"send": block.send, "recv": block.recv, "chan": block.channel}
                yield "    " + tag("tb", {"id": block.number, **peers})
                for index, step in enumerate(block.steps):
                    is_awaited = (block.number, index) in awaited
                    attributes = _attributes_of(index, step, is_awaited=is_awaited)
                    yield "      " + tag("step", attributes, "/>")
                yield "    </tb>"
            yield "  </gpu>"
        yield "</algo>"

    return "\n".join(lines()) + "\n"


def _attributes_of(index: int, step: Step, *, is_awaited: bool) -> dict[str, object]:
    depid, deps = step.depends_on or (-1, -1)
    return {
        "s": index,
        "type": step.kind,
        "srcbuf": step.src[0],
        "srcoff": step.src[1],
        "dstbuf": step.dst[0],
        "dstoff": step.dst[1],
        "cnt": step.count,
        "depid": depid,
        "deps": deps,
        "hasdep": int(is_awaited),
    }
