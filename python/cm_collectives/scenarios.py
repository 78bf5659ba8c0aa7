"""Scenarios: a caller's frame, checked, as distinct questions and a size per row.

A table of a million rows asks a few questions at many sizes. A question is checked and handed to
the extension once; what is left per row are two integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .arguments import MAX_SIZE_BYTES, link_changes, size
from .asked import KEYWORDS, WITHOUT_SIZE, ask, payload
from .errors import ArgumentError, CmError
from .fabric import Fabric
from .frames import Column, from_frame

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from . import _core
    from .asked import Asked

RESULT_COLUMNS = (
    "time_ps",
    "time_s",
    "algbw_Bps",
    "busbw_Bps",
    "bound_ps",
    "efficiency",
    "algorithm_used",
    "bottleneck",
    "max_utilisation",
    "error",
)

NO_SIZE = -1

_QUESTION_COLUMNS = ("fabric", "collective", "ranks")
# Columns that scenarios may have; null means the default.
_DEFAULTED = ("algorithm", "routing", "engine", "seed", "root")
_RAW = ("degrade", "set_links", "options")
OPTIONAL_COLUMNS = (*_DEFAULTED, *_RAW)


class Question(NamedTuple):
    """One question, checked; or the reason why it is none. The size is open."""

    fabric: Fabric | None
    asked: Asked | None
    case: _core.Case | None
    error: CmError | None

    def at(self, size_bytes: int) -> Asked:
        """Return the question at a size, `NO_SIZE` for none."""
        if self.asked is None:
            raise self.error or CmError("no question")
        known = None if size_bytes == NO_SIZE else size_bytes
        question = self.asked.question
        return self.asked._replace(
            question=question._replace(payload=question.payload._replace(size_bytes=known))
        )


class Scenarios(NamedTuple):
    """The rows of a batch."""

    questions: list[Question]
    which: NDArray[np.int64]
    sizes: NDArray[np.int64]
    errors: dict[int, CmError]  # of rows whose size is wrong

    @classmethod
    def of(
        cls, frame: pl.DataFrame, fabrics: Mapping[str, Fabric], first_row: int = 0
    ) -> Scenarios:
        """Check a caller's frame; errors count its rows from `first_row`."""
        check_columns(frame, first_row)
        keys = [name for name in (*_QUESTION_COLUMNS, *_DEFAULTED, *_RAW) if name in frame.columns]
        which, distinct = _distinct(frame.select(keys))
        columns = [column for column in _scenario_columns(frame) if column.name != "size_bytes"]
        try:
            values = from_frame(distinct, "scenarios", columns, others=True)
        except ArgumentError:
            # The same error with the row where the caller sees it.
            from_frame(frame, "scenarios", columns, others=True, first_row=first_row)
            raise
        lists = {
            name: column if isinstance(column, list) else column.tolist()
            for name, column in values.items()
            if name in keys
        }
        lists |= {name: distinct[name].to_list() for name in ("ranks", *_RAW) if name in keys}
        machines = _Machines(fabrics)
        questions = [
            _question(machines, {name: column[i] for name, column in lists.items()})
            for i in range(len(distinct))
        ]
        sizes, errors = _sizes(frame)
        return cls(questions, which, sizes, errors)


def _distinct(keys: pl.DataFrame) -> tuple[NDArray[np.int64], pl.DataFrame]:
    """Return the distinct rows of a frame in their order, and which of them each row is."""
    import numpy as np

    grouped = keys.with_row_index("").group_by(keys.columns, maintain_order=True).agg("")
    members = grouped[""]
    which = np.empty(len(keys), dtype=np.int64)
    each = np.arange(len(grouped), dtype=np.int64)
    which[members.explode().to_numpy()] = np.repeat(each, members.list.len().to_numpy())
    return which, grouped.drop("")


def _sizes(frame: pl.DataFrame) -> tuple[NDArray[np.int64], dict[int, CmError]]:
    """Return the size of each row, and the errors of those that are none."""
    import polars as pl

    given = frame["size_bytes"]
    if given.dtype == pl.Null:
        given = given.cast(pl.Int64)
    if given.dtype in (pl.String, pl.Categorical, pl.Enum):
        sizes = _parsed(given.cast(pl.String))
    else:
        # In one wide type: a narrow one has no room for the limits.
        wide = pl.Float64 if given.dtype.is_float() else pl.Int64
        numbers = given.cast(wide, strict=False)
        fits = (numbers >= 0) & (numbers <= MAX_SIZE_BYTES)
        if wide == pl.Float64:
            fits &= numbers == numbers.floor()
        sizes = numbers.zip_with(fits.fill_null(value=False), numbers.clear(1)).cast(pl.Int64)
    errors = {}
    for row in (sizes.is_null() & given.is_not_null()).arg_true():
        try:
            size(given[row])
        except CmError as error:
            errors[row] = error
    is_silent = frame["collective"].cast(pl.String) == WITHOUT_SIZE
    for row in (is_silent & (sizes > 0)).arg_true():
        try:
            payload(WITHOUT_SIZE, 1, sizes[row])
        except CmError as error:
            errors[row] = error
    # A size of 0 may stand for "none", which a grid over collectives cannot say otherwise.
    sizes = sizes.zip_with(~is_silent, sizes.clear(1))
    return sizes.fill_null(NO_SIZE).rechunk().to_numpy(), errors


def _parsed(words: pl.Series) -> pl.Series:
    """Return the sizes that words with units mean, null where they mean none."""
    import polars as pl

    known = {}
    for word in words.unique().drop_nulls():
        try:
            known[word] = size(word)
        except CmError:
            continue
    old, new = pl.Series(known.keys(), dtype=pl.String), pl.Series(known.values(), dtype=pl.Int64)
    return words.replace_strict(old, new, default=None, return_dtype=pl.Int64)


def check_columns(frame: pl.DataFrame, first_row: int = 0) -> None:
    """Refuse scenarios with a wrong or missing column, or a null where none may be."""
    import polars as pl

    taken = [name for name in frame.columns if name in RESULT_COLUMNS]
    if taken:
        raise ArgumentError(f"scenarios already have the result column {taken[0]!r}; drop it first")
    columns = _scenario_columns(frame)
    from_frame(frame.clear(), "scenarios", columns, others=True)
    holes = {column.name: pl.col(column.name).is_null() for column in columns if column.required}
    holes["size_bytes"] &= pl.col("collective") != WITHOUT_SIZE
    for name, is_null in holes.items():
        rows = frame.select(is_null).to_series().arg_true()
        if len(rows) > 0:
            row = first_row + rows[0]
            raise ArgumentError(f"scenarios: column {name!r} is null in row {row}")


def _question(machines: _Machines, scenario: Mapping[str, Any]) -> Question:
    keywords = {name: scenario[name] for name in _DEFAULTED if scenario.get(name) is not None}
    keywords["ranks"] = scenario["ranks"]
    if scenario["collective"] != WITHOUT_SIZE:
        keywords["size_bytes"] = 0
    try:
        keywords["set_links"] = _changes(scenario.get("set_links"))
        machine = machines.get(scenario["fabric"], _factors(scenario.get("degrade")))
        options = _options(scenario.get("options"))
        asked = ask(machine.n_endpoints, scenario["collective"], keywords | options)
        case = asked.case(machine.core)
    except CmError as error:
        return Question(None, None, None, error)
    return Question(machine, asked, case, None)


def _scenario_columns(frame: pl.DataFrame) -> list[Column]:
    """Return what the scenarios must and may have; some columns have more than one form."""
    import polars as pl

    def dtype(name: str) -> pl.DataType | None:
        return frame.schema.get(name)

    lists = isinstance(dtype("ranks"), (pl.List, pl.Array))
    size_dtype = dtype("size_bytes")
    if size_dtype is not None and size_dtype.is_float():
        size_kind = "number"
    else:
        size_kind = "text" if size_dtype == pl.String else "integer"
    return [
        Column("fabric", "text"),
        Column("collective", "text"),
        Column("ranks", "integers" if lists else "integer"),
        Column("size_bytes", size_kind, nullable=True),
        Column("algorithm", "text", required=False, nullable=True),
        Column("routing", "text", required=False, nullable=True),
        Column("engine", "text", required=False, nullable=True),
        Column("seed", "integer", required=False, nullable=True),
        Column("root", "integer", required=False, nullable=True),
    ]


def _factors(value: object) -> dict[str, float]:
    """Return the selectors and factors of one cell of the column `degrade`."""
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        pairs = [part.rpartition("=") for part in value.split(",")]
        try:
            return {selector.strip(): float(factor) for selector, _, factor in pairs}
        except ValueError:
            raise ArgumentError(
                f'degrade must be text like "l2.2.11=0.5,l2.3.*=0", got {value!r}'
            ) from None
    try:
        return {each["selector"]: each["factor"] for each in value}  # type: ignore[attr-defined]
    except (TypeError, KeyError):
        raise ArgumentError(
            f"degrade must be text or a list of structs with selector and factor, got {value!r}"
        ) from None


def _changes(value: object) -> list[tuple[Any, Any, Any]]:
    """Return selector, share and time of each change in one cell of the column `set_links`."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        try:
            return [_change(part) for part in value.split(",")]
        except ValueError:
            raise ArgumentError(
                'set_links must be text like "plane:3=0@500000000,plane:3=1@900000000" (links, '
                f"share of their nominal rate, picoseconds), got {value!r}"
            ) from None
    try:
        return [(each["selector"], each["factor"], each["t_ps"]) for each in value]  # type: ignore[attr-defined]
    except (TypeError, KeyError):
        raise ArgumentError(
            "set_links must be text or a list of structs with selector, factor and t_ps, got "
            f"{value!r}"
        ) from None


def changes_cell(set_links: object) -> list[dict[str, object]]:
    """Return changes of links in the form of `simulate` as a cell of the column `set_links`."""
    names = ("selector", "factor", "t_ps")
    return [dict(zip(names, change, strict=True)) for change in link_changes(set_links)]


def _change(word: str) -> tuple[str, float, int]:
    """Return the change that "selector=factor@t_ps" says."""
    selector, _, change = word.rpartition("=")
    factor, _, t_ps = change.partition("@")
    return selector.strip(), float(factor), int(t_ps)


def _options(value: object) -> dict[str, Any]:
    """Return one cell of the column `options`."""
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        import json

        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise ArgumentError(f"options must be a JSON object: {error}, got {value!r}") from None
    if not isinstance(value, dict):
        raise ArgumentError(f"options must be a struct or a JSON object, got {value!r}")
    for name in value:
        if name in KEYWORDS:
            raise ArgumentError(f"{name!r} is no option of an algorithm; allowed as a column only")
    return {name: option for name, option in value.items() if option is not None}


class _Machines:
    """Fabrics of a batch by name and degradation, each made once."""

    def __init__(self, fabrics: Mapping[str, Fabric]) -> None:
        if not isinstance(fabrics, Mapping):
            raise ArgumentError(f"fabrics must be a mapping from name to Fabric, got {fabrics!r}")
        for name, fabric in fabrics.items():
            if not isinstance(fabric, Fabric):
                raise ArgumentError(f"fabrics[{name!r}] must be a Fabric, got {fabric!r}")
        self._fabrics = fabrics
        self._made: dict[tuple[object, ...], Fabric] = {}

    def get(self, name: str, factors: Mapping[str, float]) -> Fabric:
        """Return the fabric of that name with these degradations."""
        key = (name, *factors.items())
        if key not in self._made:
            plain = self._fabrics.get(name)
            fabric = Fabric.preset(name) if plain is None else plain
            self._made[key] = fabric.degrade(factors) if factors else fabric
        return self._made[key]
