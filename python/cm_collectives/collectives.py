"""Collectives, the algorithms that compute them, and their schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex

from . import _core
from .arguments import algorithm_options, integer, level_list, n_ranks_of, text
from .asked import WITH_TOKENS, WITHOUT_SIZE, Payload, known_collective, payload
from .errors import ArgumentError, UnsupportedError
from .frames import Column, Columns, from_frame, to_frame

if TYPE_CHECKING:
    from os import PathLike

    import polars as pl

    from .arguments import Counts, Levels, Size
    from .moe import Moe
    from .team import Team

_TRANSFER_COLUMNS = (
    Column("src", "integer"),
    Column("dst", "integer"),
    Column("chunk", "integer"),
    Column("op", "text"),
    Column("step", "integer", required=False),
    Column("n_chunks", "integer", required=False),
    Column("chunk_stride", "integer", required=False),
    Column("chunk_window", "integer", required=False),
    Column("depends_on", "integers", required=False),
    Column("follows", "integers", required=False),
)
# What `Schedule.transfers` adds, so that its frames can be fed back.
_DERIVED_TRANSFER_COLUMNS = (
    Column("transfer", "integer", required=False),
    Column("offset", "integer", required=False),
    Column("size_bytes", "integer", required=False),
)

MAX_CHUNKS = 2**31 - 1


def algorithms() -> pl.DataFrame:
    """Return every algorithm for every collective that it computes.

    Returns
    -------
    polars.DataFrame
        One row per pair: `collective`, `algorithm`, `summary`, `constraint` (on the number of ranks
        and the levels), `options` (a line each: name, allowed values, meaning), `steps`,
        `bytes_per_rank` (formulas in n ranks, size S), `source` (String).

    Examples
    --------
    >>> cm.algorithms().filter(collective="all_reduce", algorithm="ring")["steps"].item()
    '2(n-1)'
    """
    return to_frame(_core.algorithms())


def schedule(
    collective: str,
    algorithm: str,
    *,
    ranks: SupportsIndex | Team | None = None,
    size_bytes: Size | None = None,
    per_rank_bytes: Size | None = None,
    counts: Counts | None = None,
    moe: Moe | None = None,
    root: SupportsIndex = 0,
    levels: Levels | None = None,
    split: str = "exact",
    **options: int | str | None,
) -> Schedule:
    """Return who sends what to whom, for a collective on a number of ranks.

    No fabric is needed; `cm.simulate(fabric, schedule)` places it on one. The schedule is proved to
    compute its collective before it is returned.

    Parameters
    ----------
    collective, algorithm : str
        A pair from `cm.algorithms()`.
    ranks : int or Team
        Number of ranks, or a team, which brings its levels; by default those of `moe`.
    size_bytes, per_rank_bytes, counts, moe
        The payload, as for `cm.simulate`; exactly one, none for a barrier.
    root : int
        Root rank of a rooted collective, the sender of a send_recv.
    levels : mapping of str to groups, or list of groups, optional
        Groups of ranks for hierarchical algorithms, innermost level first; a lone list of groups is
        the level "node".
    split : str
        How chunks get their sizes: "exact" fractions, or whole bytes by "balanced" or "hccl".
    **options
        Options of the algorithm, see `cm.algorithms()`; None means the default.

    Returns
    -------
    Schedule

    Raises
    ------
    ArgumentError
        If a name is unknown or a value is outside its range.
    UnsupportedError
        If the algorithm does not compute the collective on that many ranks or these levels.

    Examples
    --------
    >>> s = cm.schedule("all_reduce", "ring", ranks=4, size_bytes="1MiB")
    >>> s.n_steps, s.n_transfers  # 2(n-1) steps of n transfers
    (6, 24)
    """
    name = known_collective(collective)
    if ranks is None and moe is not None:
        ranks = moe.n_ranks
    n_ranks, team_levels = n_ranks_of(ranks)
    what = payload(name, n_ranks, size_bytes, per_rank_bytes, counts, moe=moe)
    core = _core.Schedule.build(
        name,
        text(algorithm, "algorithm"),
        n_ranks,
        level_list(team_levels if levels is None else levels),
        integer(root, "root", 0, n_ranks - 1),
        what.size_bytes,
        what.table,
        algorithm_options(options),
        text(split, "split"),
    )
    return Schedule(core, what, verified=True)


class Schedule:
    """Transfers between ranks, and which of them wait for which.

    Get one from `cm.schedule` or `Schedule.from_frame`. A schedule is immutable, compares and
    hashes by content (`digest`) and can be pickled.

    Examples
    --------
    >>> cm.schedule("broadcast", "binomial_tree", ranks=6, root=2, size_bytes=60).n_steps
    3
    """

    __slots__ = ("_frame", "_payload", "core", "verified")

    core: _core.Schedule
    verified: bool

    def __init__(self, core: _core.Schedule, payload: Payload, *, verified: bool) -> None:
        self.core = core
        self.verified = verified
        self._payload = payload
        self._frame: pl.DataFrame | None = None

    @staticmethod
    def from_frame(
        frame: pl.DataFrame,
        *,
        collective: str,
        ranks: SupportsIndex | Team,
        size_bytes: Size | None = None,
        per_rank_bytes: Size | None = None,
        counts: Counts | None = None,
        root: SupportsIndex = 0,
        chunks: SupportsIndex | None = None,
        algorithm: str = "custom",
        verify: bool = True,
    ) -> Schedule:
        """Return a schedule of your own making.

        Parameters
        ----------
        frame : polars.DataFrame
            One row per transfer: `src`, `dst` (ranks), `chunk` (integers), `op` ("copy", "reduce"
            or "local"). Optional: `step` (integer), `n_chunks` and `chunk_stride` (a transfer of
            `chunk`, `chunk + chunk_stride`, ...), `chunk_window` (past the end of the window of so
            many chunks that `chunk` lies in, they go on at its start; 0: they pass none),
            `depends_on` and `follows` (lists of row numbers: what must have arrived, what must
            have been served). Either `step` or
            `depends_on` says what comes first. The derived columns of `Schedule.transfers` may be
            there and are ignored.
        collective : str
            What the transfers compute.
        ranks : int or Team
            Number of ranks.
        size_bytes, per_rank_bytes, counts
            The payload, as for `cm.simulate`. Without any the schedule has no size yet: `simulate`
            takes it, or `with_size`; its frame and statistics are those of chunks of one byte.
        root : int
            Root rank of a rooted collective.
        chunks : int, optional
            Chunks that the data is cut into; by default the fewest that the frame speaks of.
        algorithm : str
            What `Schedule.algorithm` says.
        verify : bool
            Whether to prove at once that the transfers compute the collective. A schedule that was
            not verified can be inspected; `simulate` refuses it unless it passes.

        Returns
        -------
        Schedule

        Raises
        ------
        ArgumentError
            If a column is missing, unknown, of the wrong dtype or null.
        SpecError
            If the rows are no schedule: a rank or chunk that does not exist, a cycle, no order.
        VerifyError
            If the transfers do not compute the collective; names transfer, rank, chunk and rule.

        Examples
        --------
        >>> columns = {"step": [0], "src": [0], "dst": [1], "chunk": [0], "op": ["copy"]}
        >>> frame = pl.DataFrame(columns)
        >>> s = cm.Schedule.from_frame(frame, collective="broadcast", ranks=2, size_bytes=100)
        >>> s.verify()
        True
        """
        name = known_collective(collective)
        if name in WITH_TOKENS:
            raise UnsupportedError(f"a {name} of one's own making comes in a later version")
        n_ranks, _ = n_ranks_of(ranks)
        is_sizeless = size_bytes is None and per_rank_bytes is None and counts is None
        what = (
            Payload(None, None)
            if is_sizeless
            else payload(name, n_ranks, size_bytes, per_rank_bytes, counts)
        )
        columns = from_frame(frame, "schedule", [*_TRANSFER_COLUMNS, *_DERIVED_TRANSFER_COLUMNS])
        _check_numbering(columns)
        core = _core.Schedule.from_columns(
            _crossing(columns),
            name,
            n_ranks,
            integer(root, "root", 0, n_ranks - 1),
            what.size_bytes,
            what.counts,
            0 if chunks is None else integer(chunks, "chunks", 1, MAX_CHUNKS),
            text(algorithm, "algorithm"),
            verify,
        )
        return Schedule(core, what, verified=verify)

    @staticmethod
    def from_msccl_xml(
        path: str | PathLike[str],
        *,
        size_bytes: Size | None = None,
        root: SupportsIndex = 0,
        algorithm: str | None = None,
        verify: bool = True,
    ) -> Schedule:
        """Return the schedule of an MSCCL program.

        The program is executed symbolically: messages become transfers, waits become edges. Local
        copies cost nothing, as in the built-in algorithms; thread counts and protocols are left
        out.

        Parameters
        ----------
        path : str or path-like
            A file, or the text of one.
        size_bytes : int or str, optional
            Size in the nccl-tests sense; without it the schedule has no size yet (see
            `Schedule.with_size`).
        root : int
            Root rank of a broadcast or reduce: the file does not tell it.
        algorithm : str, optional
            What `Schedule.algorithm` says; by default the name in the file.
        verify : bool
            Whether to prove at once that the program computes its collective.

        Returns
        -------
        Schedule

        Raises
        ------
        SpecError
            If the file is malformed, too large, has a document type, or is no program: a deadlock,
            a race, a place that does not exist or holds nothing. Names the line.
        UnsupportedError
            If it is of a kind that a schedule cannot express.
        VerifyError
            If it does not compute its collective; names transfer, rank, chunk and rule.

        Examples
        --------
        >>> ring = cm.schedule("all_gather", "ring", ranks=4, size_bytes=400)
        >>> again = cm.Schedule.from_msccl_xml(ring.to_msccl_xml(), size_bytes=400)
        >>> again.transfers.equals(ring.transfers)
        True
        """
        import polars as pl

        from .formats import msccl_run, msccl_xml

        program = msccl_xml.read(path)
        run = msccl_run.Run(program, integer(root, "root", 0, program.n_ranks - 1))
        schema: dict[str, Any] = dict.fromkeys(msccl_run.COLUMNS, pl.Int64)
        schema |= {"op": pl.String, "depends_on": pl.List(pl.Int64), "follows": pl.List(pl.Int64)}
        frame = pl.DataFrame(msccl_run.transfers(run), schema=schema)
        return Schedule.from_frame(
            frame,
            collective=program.collective,
            ranks=program.n_ranks,
            size_bytes=size_bytes,
            root=root,
            chunks=run.n_chunks,
            algorithm=program.name if algorithm is None else algorithm,
            verify=verify,
        )

    def to_msccl_xml(self) -> str:
        """Return the schedule as an MSCCL program.

        Returns
        -------
        str
            The text of the file: in place save for an all_to_all, one threadblock per peer and
            direction, one channel.

        Raises
        ------
        UnsupportedError
            If MSCCL has no such collective, or the schedule has local operations.

        Examples
        --------
        >>> ring = cm.schedule("all_gather", "ring", ranks=4, size_bytes=400)
        >>> ring.to_msccl_xml().splitlines()[2]
        '    <tb id="0" send="1" recv="-1" chan="0">'
        """
        from .formats import msccl_write, msccl_xml

        columns = self.transfers.to_dict(as_series=False)
        program = msccl_write.program(
            self.collective, self.algorithm, self.n_ranks, self.n_chunks, columns
        )
        return msccl_xml.written(program)

    def with_size(
        self, size_bytes: Size | None = None, *, per_rank_bytes: Size | None = None
    ) -> Schedule:
        """Return the same transfers of the same parts of another size.

        Parameters
        ----------
        size_bytes, per_rank_bytes : int or str
            One of them, as for `cm.simulate`.

        Returns
        -------
        Schedule

        Raises
        ------
        ArgumentError
            If the size is none, or the schedule has counts or tokens or is a barrier.

        Examples
        --------
        >>> ring = cm.schedule("all_gather", "ring", ranks=4, size_bytes=400)
        >>> ring.with_size("4kB") == cm.schedule("all_gather", "ring", ranks=4, size_bytes="4kB")
        True
        """
        if self._payload.table is not None:
            raise ArgumentError("a schedule with counts or tokens has no other size")
        what = payload(self.collective, self.n_ranks, size_bytes, per_rank_bytes)
        if what.size_bytes is None:
            raise ArgumentError(f"a {self.collective} has no size")
        # Chunks without bytes need not move, so what was proved for them says nothing of others.
        verified = self.verified and bool(self._payload.size_bytes or self.is_sizeless)
        return Schedule(self.core.resized(what.size_bytes), what, verified=verified)

    @property
    def is_sizeless(self) -> bool:
        """Whether the size of the chunks is open.

        Examples
        --------
        >>> columns = {"step": [0], "src": [0], "dst": [1], "chunk": [0], "op": ["copy"]}
        >>> s = cm.Schedule.from_frame(pl.DataFrame(columns), collective="broadcast", ranks=2)
        >>> s.is_sizeless, s.with_size("1MiB").is_sizeless
        (True, False)
        """
        return self._payload == Payload(None, None) and self.collective != WITHOUT_SIZE

    @property
    def collective(self) -> str:
        """Name of the collective that the schedule computes.

        Examples
        --------
        >>> cm.schedule("barrier", "dissemination", ranks=4).collective
        'barrier'
        """
        return self.core.collective

    @property
    def algorithm(self) -> str:
        """Name of the algorithm; of a schedule from a frame, what was given there.

        Examples
        --------
        >>> cm.schedule("barrier", "dissemination", ranks=4).algorithm
        'dissemination'
        """
        return self.core.algorithm

    @property
    def n_ranks(self) -> int:
        """Number of ranks.

        Examples
        --------
        >>> cm.schedule("barrier", "dissemination", ranks=4).n_ranks
        4
        """
        return self.core.n_ranks

    @property
    def n_chunks(self) -> int:
        """Number of chunks that the data is cut into.

        Examples
        --------
        >>> cm.schedule("all_gather", "ring", ranks=4, size_bytes=400).n_chunks
        4
        """
        return self.core.n_chunks

    @property
    def n_transfers(self) -> int:
        """Number of transfers.

        Examples
        --------
        >>> cm.schedule("all_gather", "ring", ranks=4, size_bytes=400).n_transfers  # n(n-1)
        12
        """
        return self.core.n_transfers

    @property
    def n_steps(self) -> int:
        """Number of steps.

        Examples
        --------
        >>> cm.schedule("all_gather", "ring", ranks=4, size_bytes=400).n_steps  # n-1
        3
        """
        return self.core.n_steps

    @property
    def root(self) -> int:
        """Root rank; 0 where the collective has none.

        Examples
        --------
        >>> cm.schedule("scatter", "binomial_tree", ranks=4, root=3, size_bytes=4).root
        3
        """
        return self.core.root

    @property
    def size_bytes(self) -> int | None:
        """Size in the nccl-tests sense; None with counts, for a barrier and where it is open.

        Examples
        --------
        >>> cm.schedule("all_gather", "ring", ranks=4, per_rank_bytes=100).size_bytes
        400
        """
        return self._payload.size_bytes

    @property
    def volume_bytes(self) -> int | None:
        """The bytes that algbw divides by the time; None for a barrier.

        The size, or with counts the largest number that one rank sends or receives.

        Examples
        --------
        >>> cm.schedule("all_to_all", "direct", ranks=2, counts=[[0, 5], [9, 0]]).volume_bytes
        9
        """
        return self._payload.volume_bytes

    @property
    def digest(self) -> str:
        """Hexadecimal digest of the content, equal on every machine and in every process.

        Examples
        --------
        >>> a, b = (cm.schedule("all_gather", "ring", ranks=2, size_bytes=s) for s in (2, 4))
        >>> a.digest == b.digest
        False
        """
        return self.core.digest

    @property
    def transfers(self) -> pl.DataFrame:
        """The transfers, in schedule order.

        One row per transfer: `transfer` (its number), `step`, `src`, `dst` (ranks), `chunk` (the
        first), `n_chunks`, `chunk_stride`, `chunk_window` (see `from_frame`), `offset` (of the
        first chunk, bytes), `size_bytes` (Int64; balanced integers where the exact size is a
        fraction), `op` (String), `depends_on`,
        `follows` (List(Int64): transfers that must have arrived; that must have been served).

        Examples
        --------
        >>> s = cm.schedule("all_to_all", "direct", ranks=2, size_bytes=200)
        >>> s.transfers.filter(pl.col("op") == "copy").select("src", "dst", "size_bytes").rows()
        [(0, 1, 100), (1, 0, 100)]
        """
        if self._frame is None:
            self._frame = to_frame(self.core.transfers(), ["step"])
        return self._frame.clone()

    @property
    def stats(self) -> dict[str, Any]:
        """Counts that need no fabric.

        `steps`, `transfers`, `critical_path` (transfers one behind the other; int), `bytes_sent`
        and `bytes_received` (float64 arrays with one value per rank; chunks are fractions). For
        collectives that add (None for others): `bitwise_equal_across_ranks`, whether all ranks add
        with the same brackets and so get the same bits (floating-point addition commutes and does
        not associate), and `order_preserving`, whether sums only join neighboring runs of ranks,
        as an operation needs that does not commute.

        Examples
        --------
        >>> s = cm.schedule("all_reduce", "ring", ranks=4, size_bytes=400)
        >>> s.stats["bytes_sent"].tolist()  # 2(n-1)/n * 400 each
        [600.0, 600.0, 600.0, 600.0]
        >>> s.stats["bitwise_equal_across_ranks"], s.stats["order_preserving"]
        (True, False)
        """
        return self.core.stats()

    def verify(self) -> bool:
        """Prove that the transfers compute the collective.

        Every rank's contributions are followed symbolically through all transfers.

        Returns
        -------
        bool
            True.

        Raises
        ------
        VerifyError
            If they do not; names transfer, rank, chunk and the broken rule.

        Examples
        --------
        >>> cm.schedule("reduce_scatter", "ring", ranks=5, size_bytes=5).verify()
        True
        """
        if not self.verified:
            self.core.verify()
            self.verified = True
        return True

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        return isinstance(other, Schedule) and self.digest == other.digest

    def __hash__(self) -> int:
        """Hash by content."""
        return hash(self.digest)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by content."""
        return _unpickled, (self.core, self._payload, self.verified)

    def __repr__(self) -> str:
        """Name the collective, the algorithm and the numbers of ranks, steps and transfers."""
        return (
            f"Schedule({self.collective} {self.algorithm}: {self.n_ranks} ranks, "
            f"{self.n_steps} steps, {self.n_transfers} transfers, digest {self.digest[:12]})"
        )


def _unpickled(core: _core.Schedule, payload: Payload, verified: bool) -> Schedule:  # noqa: FBT001
    return Schedule(core, payload, verified=verified)


def _check_numbering(columns: Columns) -> None:
    """Refuse a column `transfer` that does not number the rows: the edges speak of rows."""
    for row, number in enumerate(columns.get("transfer", ())):
        if number != row:
            raise ArgumentError(
                f"schedule: column 'transfer' must number the rows, got {number} in row {row}"
            )


def _crossing(columns: Columns) -> Columns:
    """Leave the derived columns out."""
    derived = {column.name for column in _DERIVED_TRANSFER_COLUMNS}
    return {name: values for name, values in columns.items() if name not in derived}
