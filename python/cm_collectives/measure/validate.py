"""`validate` and `summary`: what the model predicts beside what was measured."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from cm_collectives import _core
from cm_collectives.arguments import flag
from cm_collectives.asked import AUTO, WITHOUT_SIZE
from cm_collectives.errors import ArgumentError, CalibrationWarning, UnsupportedError
from cm_collectives.fabric import Fabric
from cm_collectives.frames import collected

from . import rows
from .calibration import checked
from .libraries import MEMORY, default_of, named
from .shipped import find

if TYPE_CHECKING:
    import polars as pl

    from .calibration import Calibration
    from .rows import Measured

US_PER_PS = 1e-6
# Of production rows, on top of the kernel, by ranks: all-reduce, then all-gather and
# reduce-scatter. Measured on A3 with CANN 8.5 and vLLM 0.18 (`reference/hardware.md` 3.6).
_FRAMEWORK_US = {16: (7.7, 14.6), 8: (1.2, 2.0)}


def validate(
    fabric: Fabric | Mapping[str, Fabric],
    measurements: pl.DataFrame,
    calibration: Calibration | None = None,
    *,
    framework: bool = False,
) -> pl.DataFrame:
    """Return the predicted time of each measurement.

    Collectives run through the engine, with the algorithm that the row names or else that the
    library would take; dispatch and combine by the form of their library.

    Parameters
    ----------
    fabric : Fabric or mapping of str to Fabric
        The machine, or machines by the name in the column `fabric`.
    measurements : polars.DataFrame
        As for `calibrate`; optionally `algorithm`.
    calibration : Calibration, optional
        What all rows are predicted with. Without one each row's `library` picks the fabric's own
        calibration or one that ships; a library that is unknown is taken as the fabric's default,
        and `remark` says so.
    framework : bool
        Whether rows of HCCL are production times, which carry the documented overhead of the
        framework (8 or 16 dies) on top of the kernel.

    Returns
    -------
    polars.DataFrame
        One row per measurement, in order: its columns, then `predicted_us`, `relative_error`
        (Float64, predicted / measured - 1), `algorithm_used`, `regime`, `calibration` (String,
        null where only the network counts), `remark` (String, why the row extrapolates or what was
        assumed; null for neither).

    Raises
    ------
    ArgumentError
        If a column is missing, a value is outside its range, or a fabric is missing.
    UnsupportedError
        If a library has no such collective.

    Warns
    -----
    CalibrationWarning
        If rows extrapolate or their library is unknown.

    Examples
    --------
    >>> rows = pl.DataFrame({
    ...     "collective": ["all_gather"], "ranks": [8], "size_bytes": [2**28], "time_us": [728.79],
    ...     "library": ["NCCL 2.29.2"],
    ... })
    >>> report = cm.validate(cm.Fabric.preset("hgx_h100"), rows)
    >>> report.select("algorithm_used", "regime", pl.col("relative_error").round(3)).rows()
    [('ring', 'bulk', -0.026)]
    """
    import polars as pl

    frame = collected(measurements, "measurements")
    adds_framework = flag(framework, "framework")
    fitted = None if calibration is None else checked(calibration)
    answers: dict[int, _Predicted] = {}
    for machine, positions in _by_fabric(fabric, frame):
        part = frame[positions]
        machines = _Machines(machine, fitted)
        taken = rows.take(machine, part, numbers=positions)
        for position, row in zip(positions, taken, strict=True):
            answers[position] = machines.predict(row, adds_framework)
    ordered = [answers[position] for position in range(len(frame))]
    _warn(ordered)
    predicted = pl.Series("predicted_us", [each.time_us for each in ordered], dtype=pl.Float64)
    report = frame.with_columns(
        predicted,
        (predicted / frame["time_us"] - 1).alias("relative_error"),
        pl.Series("algorithm_used", [each.algorithm for each in ordered], dtype=pl.String),
        pl.Series("regime", [each.regime for each in ordered], dtype=pl.String),
        pl.Series("calibration", [each.calibration for each in ordered], dtype=pl.String),
        pl.Series("remark", [each.remark for each in ordered], dtype=pl.String),
    )
    if "fabric" in frame.columns or isinstance(fabric, Mapping):
        return report
    return report.with_columns(pl.lit(fabric.name).alias("fabric"))


class _Predicted(NamedTuple):
    time_us: float
    algorithm: str
    regime: str | None
    calibration: str | None
    remark: str | None


class _Machines:
    """A fabric, and itself with each calibration that its rows ask for."""

    def __init__(self, fabric: Fabric, calibration: Calibration | None) -> None:
        self.fabric = fabric
        self.given = calibration or fabric.calibration
        self.made: dict[Calibration, Fabric] = {}

    def predict(self, row: Measured, framework: bool) -> _Predicted:  # noqa: FBT001
        calibration, remark = self._calibration(row)
        if calibration is None:
            return self._network(row, remark)
        if calibration not in self.made:
            self.made[calibration] = self.fabric.calibrated(calibration)
        machine = self.made[calibration]
        (forms,) = rows.forms(machine, [row], named(calibration.library))
        regime = forms.regimes[0]
        beyond = calibration.extrapolates(regime, len(row.endpoints), row.volume_bytes)
        if row.moe is None:
            time_us, algorithm = _asked(machine, row)
        else:
            time_us, algorithm = float(forms.times_us(_values(calibration))[0]), forms.algorithms[0]
        if framework and calibration.library == "hccl":
            time_us += _framework_us(row)
        told = "; ".join(each for each in (remark, beyond) if each)
        return _Predicted(time_us, algorithm, regime, calibration.library, told or None)

    def _calibration(self, row: Measured) -> tuple[Calibration | None, str | None]:
        """Return what a row is predicted with, and what had to be assumed for it."""
        library = row.library
        if self.given is not None:
            if library is None or library.name == self.given.library:
                return self.given, None
            if {library.name, self.given.library} <= MEMORY:
                return self.given.replaced(library=library.name, rule=library.rule), None
            return self.given, f"measured with {row.written}, predicted with {self.given.library}"
        remark = None
        if library is None:
            library = default_of(self.fabric)
            written = "not given" if row.written is None else f"{row.written!r} is unknown"
            if library is None:
                return None, f"library {written}; the network alone"
            remark = f"library {written}; taken as {library.name}"
        found = find(self.fabric.name, library.name)
        if found is None:
            return None, f"no calibration of {library.name} ships; the network alone"
        return found, remark

    def _network(self, row: Measured, remark: str | None) -> _Predicted:
        if row.moe is not None:
            raise UnsupportedError(
                f"{row.place}: {row.collective} needs a calibration of its library, got "
                f"{row.written!r}"
            )
        return _Predicted(*_asked(self.fabric, row), None, None, remark)


def _asked(fabric: Fabric, row: Measured) -> tuple[float, str]:
    from cm_collectives.simulate import simulate

    answer = simulate(
        fabric,
        row.collective,
        size_bytes=None if row.collective == WITHOUT_SIZE else row.size_bytes,
        ranks=row.endpoints,
        algorithm=row.algorithm or AUTO,
    )
    return answer.time_ps * US_PER_PS, answer.algorithm or ""


def _values(calibration: Calibration) -> list[float | None]:
    known = dict(calibration.values())
    return [known.get(name) for name in _core.cost_parameters()["parameter"]]


def _framework_us(row: Measured) -> float:
    reduces, moves = _FRAMEWORK_US.get(len(row.endpoints), (None, None))
    if reduces is None or moves is None:
        raise UnsupportedError(
            f"{row.place}: the overhead of the framework is known for 8 and 16 dies, got "
            f"{len(row.endpoints)}"
        )
    return reduces if row.collective == "all_reduce" else moves


def _by_fabric(fabric: object, frame: pl.DataFrame) -> list[tuple[Fabric, list[int]]]:
    """Return the machines and the positions of their rows."""
    if isinstance(fabric, Fabric):
        rows.of_fabric(frame, fabric.name)
        return [(fabric, list(range(len(frame))))]
    if not isinstance(fabric, Mapping):
        raise ArgumentError(
            f"fabric must be a Fabric or a mapping of names to them, got {fabric!r}"
        )
    if "fabric" not in frame.columns:
        raise ArgumentError("measurements: missing column 'fabric', which picks from the mapping")
    found: dict[str, list[int]] = {}
    for position, name in enumerate(frame["fabric"]):
        found.setdefault(name, []).append(position)
    machines = []
    for name, positions in found.items():
        if name not in fabric:
            raise ArgumentError(
                f"measurements, row {positions[0]}: fabric {name!r} is not in the mapping; it has "
                f"{', '.join(map(str, fabric))}"
            )
        machine = fabric[name]
        if not isinstance(machine, Fabric):
            raise ArgumentError(f"fabric[{name!r}] must be a Fabric, got {machine!r}")
        machines.append((machine, positions))
    return machines


def _warn(predicted: list[_Predicted]) -> None:
    remarks = [each.remark for each in predicted if each.remark is not None]
    if remarks:
        warnings.warn(
            f"{len(remarks)} of {len(predicted)} rows extrapolate or assume something, see remark; "
            f"the first: {remarks[0]}",
            CalibrationWarning,
            stacklevel=3,
        )


def summary(report: pl.DataFrame) -> pl.DataFrame:
    """Return how well a report of `validate` agrees, per fabric, collective and size decade.

    Parameters
    ----------
    report : polars.DataFrame
        What `validate` has returned.

    Returns
    -------
    polars.DataFrame
        One row per group, sorted: `fabric`, `collective` (String), `from_bytes` (Int64, a power of
        10; sizes from it to ten times it, of experts what one rank sends), `rows` (Int64),
        `median_error`, `p90_error`, `worst_error` (Float64, of absolute relative errors), `bias`
        (Float64, median of the signed ones).

    Raises
    ------
    ArgumentError
        If the frame is no report.

    Examples
    --------
    >>> rows = pl.DataFrame({
    ...     "collective": "all_gather", "ranks": 8, "size_bytes": [2**20, 2**28],
    ...     "time_us": [23.2, 728.79], "library": "NCCL",
    ... })
    >>> cm.summary(cm.validate(cm.Fabric.preset("hgx_h100"), rows))["from_bytes"].to_list()
    [1000000, 100000000]
    """
    import polars as pl

    frame = collected(report, "report")
    for name in ("fabric", "relative_error"):
        if name not in frame.columns:
            raise ArgumentError(f"report: missing column {name!r}; give what validate returns")
    volume = pl.lit(None, dtype=pl.Int64)
    if "tokens_per_rank" in frame.columns:
        volume = pl.col("tokens_per_rank") * pl.col("top_k") * pl.col("bytes_per_token")
    if "size_bytes" in frame.columns:
        volume = pl.coalesce("size_bytes", volume)
    names = [name for name in ("collective", "operation") if name in frame.columns]
    # Sizes are whole numbers, whose digits give the power of ten exactly.
    digits = volume.cast(pl.Int64).cast(pl.String).str.len_chars().cast(pl.Int64)
    error = pl.col("relative_error")
    return (
        frame.select(
            "fabric",
            pl.coalesce(names).alias("collective"),
            pl.lit(10, dtype=pl.Int64).pow(digits - 1).cast(pl.Int64).alias("from_bytes"),
            error,
        )
        .group_by("fabric", "collective", "from_bytes")
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            error.abs().median().alias("median_error"),
            error.abs().quantile(0.9, "linear").alias("p90_error"),
            error.abs().max().alias("worst_error"),
            error.median().alias("bias"),
        )
        .sort("fabric", "collective", "from_bytes")
    )
