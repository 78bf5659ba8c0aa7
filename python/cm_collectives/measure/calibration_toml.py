"""The file of a calibration, schema cm.calibration/1: TOML with the provenance of each number.

Numbers are written with all their digits, so that a file gives the same bits as the fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cm_collectives import _core
from cm_collectives.errors import SpecError

if TYPE_CHECKING:
    from .calibration import Calibration, Errors

SCHEMA = "cm.calibration/1"


def render(calibration: Calibration) -> str:
    """Return the text of a calibration."""
    told = calibration.provenance
    lines = [
        f"schema = {_text(SCHEMA)}",
        f"fabric = {_text(calibration.fabric)}",
        f"library = {_text(calibration.library)}",
        f"rule = {_text(calibration.rule)}",
    ]
    if calibration.transferred_from is not None:
        lines.append(f"transferred_from = {_text(calibration.transferred_from)}")
    lines += ["", "# Value in the unit of the name; sd is relative; information is 0 (prior) to 1."]
    lines.append("[parameters]")
    lines += [
        f"{name} = {{ {', '.join(f'{key} = {value!r}' for key, value in each._asdict().items())} }}"
        for name, each in calibration.parameters.items()
    ]
    if calibration.tuning is not None:
        lines += ["", "# What the library's tuner believes: it chooses and does not predict."]
        lines.append("[tuning]")
        values = calibration.tuning._asdict().items()
        lines += [f"{name} = {_value(value)}" for name, value in values if value is not None]
    for seen in calibration.seen:
        lines += ["", "[[seen]]", f"regime = {_text(seen.regime)}", f"rows = {seen.rows}"]
        lines += [f"ranks = {list(seen.ranks)}", f"size_bytes = {list(seen.size_bytes)}"]
    lines += ["", "[provenance]", f"rows = {told.rows}", f"version = {_text(told.version)}"]
    lines += [f"libraries = {_texts(told.libraries)}", f"sources = {_texts(told.sources)}"]
    lines.append(f"fitted = {_errors(told.fitted)}")
    if told.left_out is not None:
        lines.append(f"left_out = {_errors(told.left_out)}")
    return "\n".join([*lines, f"note = {_text(told.note)}", ""])


def parse(text: str, origin: str) -> Calibration:
    """Return the calibration of a text."""
    import tomllib

    from .calibration import Calibration, Errors, Fitted, Provenance, Seen
    from .libraries import Tuning

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{origin}: {error}") from None
    if table.get("schema") != SCHEMA:
        raise SpecError(f"{origin}: schema must be {SCHEMA!r}, got {table.get('schema')!r}")
    take = _Taker(origin)
    take.only(table, _TOP, "the file")
    told = take.table(table, "provenance")
    take.only(told, Provenance._fields, "provenance")
    known = _core.cost_parameters()["parameter"]
    parameters = take.table(table, "parameters")
    take.only(parameters, known, "parameters")
    tuning = None
    if "tuning" in table:
        values = take.table(table, "tuning")
        take.only(values, Tuning._fields, "tuning")
        tuning = Tuning(
            take.number(values, "bus_GBs"),
            take.number(values, "ll_max_GBs"),
            take.number(values, "mid_max_GBs"),
            take.number(values, "switch_share") if "switch_share" in values else None,
            spans_nodes=take.of(values, "spans_nodes", bool),
        )

    def errors(name: str) -> Errors:
        each = take.table(told, name)
        return Errors(*(take.number(each, field) for field in Errors._fields))

    return Calibration(
        fabric=take.of(table, "fabric", str),
        library=take.of(table, "library", str),
        rule=take.of(table, "rule", str),
        tuning=tuning,
        parameters={
            name: Fitted(*(take.number(take.table(parameters, name), f) for f in Fitted._fields))
            for name in parameters
        },
        seen=tuple(
            Seen(
                take.of(each, "regime", str),
                take.of(each, "rows", int),
                take.pair(each, "ranks"),
                take.pair(each, "size_bytes"),
            )
            for each in take.of(table, "seen", list)
        ),
        provenance=Provenance(
            take.of(told, "rows", int),
            tuple(take.of(told, "sources", list)),
            tuple(take.of(told, "libraries", list)),
            take.of(told, "version", str),
            errors("fitted"),
            errors("left_out") if "left_out" in told else None,
            take.of(told, "note", str),
        ),
        transferred_from=table.get("transferred_from"),
    )


_TOP = (
    "schema",
    "fabric",
    "library",
    "rule",
    "transferred_from",
    "parameters",
    "tuning",
    "seen",
    "provenance",
)


class _Taker:
    """Takes values out of tables, or says what is wrong with them."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def only(self, table: dict[str, Any], known: Any, where: str) -> None:  # noqa: ANN401
        for key in table:
            if key not in known:
                raise SpecError(
                    f"{self.origin}: unknown key {key!r} in {where}; allowed: {', '.join(known)}"
                )

    def of(self, table: dict[str, Any], key: str, kind: type) -> Any:  # noqa: ANN401
        value = table.get(key, [] if kind is list else None)
        if not isinstance(value, kind):
            raise SpecError(f"{self.origin}: {key} must be a {kind.__name__}, got {value!r}")
        return value

    def table(self, table: dict[str, Any], key: str) -> dict[str, Any]:
        found: dict[str, Any] = self.of(table, key, dict)
        return found

    def number(self, table: dict[str, Any], key: str) -> float:
        value = table.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise SpecError(f"{self.origin}: {key} must be a number, got {value!r}")
        return float(value)

    def pair(self, table: dict[str, Any], key: str) -> tuple[int, int]:
        value = self.of(table, key, list)
        if len(value) != 2 or not all(isinstance(each, int) for each in value):  # noqa: PLR2004
            raise SpecError(f"{self.origin}: {key} must be two integers, got {value!r}")
        return value[0], value[1]


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _texts(values: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _value(value: float | bool) -> str:  # noqa: FBT001
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _errors(errors: Errors) -> str:
    return f"{{ median = {errors.median!r}, p90 = {errors.p90!r}, worst = {errors.worst!r} }}"
