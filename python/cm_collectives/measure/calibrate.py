"""`calibrate`: the numbers of a library from measurements."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from cm_collectives import _core
from cm_collectives.arguments import integer, text
from cm_collectives.errors import ArgumentError, CalibrationWarning
from cm_collectives.fabric import Fabric
from cm_collectives.frames import collected

from . import fit, rows
from .calibration import DETERMINED, Calibration, Errors, Fitted, Provenance, Seen
from .libraries import MEMORY, Library, Prior, Tuning, default_of, named, priors_of, tuning_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from .rows import Measured

# Times of the same question that differ by more contradict each other.
_CONTRADICTION = 1.5


def calibrate(
    fabric: Fabric,
    measurements: pl.DataFrame,
    *,
    library: str | None = None,
    tuning: Tuning | Sequence[float | None] | None = None,
    folds: int = 5,
) -> Calibration:
    """Return the numbers of a library on a machine, fitted to measurements.

    The library's own rule says which protocol each row ran; the terms of the cost model (`explain`
    prints them) are fitted to all rows at once, with a loss that bad cells do not dominate and with
    what data sheets say where the measurements are silent. Not modelled: noise, and what a library
    does differently for one size only.

    Parameters
    ----------
    fabric : Fabric
        The machine that was measured.
    measurements : polars.DataFrame
        `collective` (or `operation`), `ranks` or `rank_list` (text, endpoints separated by spaces),
        `size_bytes` and `time_us`; of dispatch and combine instead of a size `tokens_per_rank`,
        `hidden`, `top_k`, `experts`, `bytes_per_token`. Optional: `fabric`, `library`, `source`.
    library : str, optional
        "nccl", "hccl", "remote-read", "remote-write", "cann-ep", "deepep-ascend" or "tensorrt-llm";
        otherwise what the rows say.
    tuning : sequence of float, optional
        For NCCL on a machine that is no preset: bus bandwidth, most of LL, most of LL128 (GB/s),
        efficiency of reduction in switches (or None), whether NVLink spans nodes.
    folds : int
        Into how many parts rows are divided to predict each from the others; 0 does not.

    Returns
    -------
    Calibration
        Parameters with uncertainty and share of information, `residuals` (a frame: one row per
        measurement with `predicted_us`, `relative_error`, `left_out_error` (predicted from the
        other folds), `regime`, `terms` (a list of structs)), and its provenance.

    Raises
    ------
    ArgumentError
        If a column is missing, a value is outside its range, the rows are of another fabric or of
        several libraries.
    UnsupportedError
        If the library has no such collective.

    Warns
    -----
    CalibrationWarning
        If rows contradict each other, are fewer than the parameters that they speak of, or say
        nothing about a parameter.

    Notes
    -----
    Minimizes the soft-L1 loss of ln(predicted/measured)/0.05 and the squared distance from the
    priors by Levenberg-Marquardt on the logarithms of the parameters [1]_.

    References
    ----------
    .. [1] D. W. Marquardt, "An Algorithm for Least-Squares Estimation of Nonlinear Parameters",
       J. SIAM 11, 1963, doi:10.1137/0111030.

    Examples
    --------
    >>> fabric = cm.Fabric.preset("cm384")
    >>> rows = pl.DataFrame({
    ...     "collective": "send_recv", "ranks": 2, "library": "remote read",
    ...     "rank_list": ["0 2", "0 16", "0 2", "0 16"], "size_bytes": [512, 512, 2**30, 2**30],
    ...     "time_us": [1.2, 1.9, 6429.6, 6547.2],
    ... })
    >>> calibration = cm.calibrate(fabric, rows, folds=0)
    >>> calibration.frame.select("parameter", "determined").rows()
    [('read_us', True), ('hop_us', True), ('read_GBs', True)]
    """
    if not isinstance(fabric, Fabric):
        raise ArgumentError(f"fabric must be a Fabric, got {fabric!r}; see Fabric.preset")
    n_folds = integer(folds, "folds", 0, 10**6)
    frame = collected(measurements, "measurements")
    rows.of_fabric(frame, fabric.name)
    measured = rows.take(fabric, frame)
    chosen = _libraries(fabric, measured, library)
    known = _tuning(fabric, chosen[0], tuning)
    _warn_of_contradictions(measured)
    task = _Task.of(fabric, measured, chosen, known)
    solution = fit.solve(task.problem())
    _warn_of_silence(task, solution)
    left_out = _left_out(task, n_folds)
    predicted = task.times_us(solution.x)
    fitted_error = predicted / task.measured_us - 1
    return Calibration(
        fabric=fabric.name,
        library=chosen[0].name,
        rule=chosen[0].rule,
        tuning=known,
        parameters={
            name: Fitted(float(value), float(sd), float(share))
            for name, value, sd, share in zip(
                task.names,
                _exp(solution.x),
                solution.sd,
                solution.information,
                strict=True,
            )
        },
        seen=_seen(measured, task.regimes),
        provenance=Provenance(
            len(measured),
            _distinct(frame, "source"),
            _distinct(frame, "library"),
            _core.__version__,
            errors_of(fitted_error),
            None if left_out is None else errors_of(left_out),
            "",
        ),
        residuals=_residuals(frame, task, solution.x, left_out),
    )


class _Task(NamedTuple):
    """What is fitted: forms in the order of the rows, and the parameters of their libraries."""

    groups: list[tuple[_core.Forms, NDArray[np.int64]]]  # forms, and the rows that they are of
    measured_us: NDArray[np.float64]
    priors: dict[str, Prior]
    regimes: list[str]

    @staticmethod
    def of(
        fabric: Fabric, measured: list[Measured], libraries: list[Library], tuning: Tuning | None
    ) -> _Task:
        import numpy as np

        line_GBs = fabric.core.summary()["scale_up_Bps"] / 1e9
        priors: dict[str, Prior] = {}
        groups = []
        regimes = [""] * len(measured)
        for library in libraries:
            priors |= priors_of(library, tuning, line_GBs)
            own = [i for i, row in enumerate(measured) if row.library in (library, None)]
            base = fabric.core.calibrated(library.name, library.rule, tuning, [])
            part = [measured[i] for i in own]
            positions = [own[i] for i in rows.order(part)]
            for forms in rows.forms(Fabric(base), part, library):
                mine, positions = positions[: len(forms)], positions[len(forms) :]
                groups.append((forms, np.array(mine, dtype=np.int64)))
                for position, regime in zip(mine, forms.regimes, strict=True):
                    regimes[position] = regime
        times = np.array([row.time_us for row in measured])
        return _Task(groups, times, priors, regimes)

    @property
    def names(self) -> list[str]:
        return list(self.priors)

    def values(self, x: NDArray[np.float64]) -> list[float | None]:
        named_values = dict(zip(self.priors, _exp(x), strict=True))
        return [named_values.get(name) for name in _core.cost_parameters()["parameter"]]

    def times_us(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        values = self.values(x)
        times = np.empty(len(self.measured_us))
        for forms, positions in self.groups:
            times[positions] = forms.times_us(values)
        return times

    def problem(self, keep: NDArray[np.int64] | None = None) -> fit.Problem:
        """Return the fit of all rows, or of those to keep."""
        import numpy as np

        priors = list(self.priors.values())
        centre = np.log([prior.centre for prior in priors])
        sd = np.array([prior.sd for prior in priors])
        high = np.minimum(centre + 4 * sd, np.log([prior.most for prior in priors]))
        chosen = np.arange(len(self.measured_us)) if keep is None else keep
        return fit.Problem(
            lambda x: self.times_us(x)[chosen],
            self.measured_us[chosen],
            centre,
            sd,
            centre - 4 * sd,
            high,
        )


def _exp(x: NDArray[np.float64]) -> list[float]:
    import numpy as np

    values: list[float] = np.exp(x).tolist()
    return values


def _libraries(fabric: Fabric, measured: list[Measured], given: str | None) -> list[Library]:
    """Return the library of the rows; reads and writes of memory may come together."""
    found = {row.library.name for row in measured if row.library is not None}
    if given is not None:
        library = named(text(given, "library"))
        others = sorted(found - {library.name})
        if others:
            raise ArgumentError(
                f"measurements: rows of library {', '.join(others)}, but library={given!r}"
            )
        return [library]
    if not found:
        default = default_of(fabric)
        if default is None:
            raise ArgumentError(
                "measurements: no row names a library that is known, and the fabric has no "
                "obvious one; give library="
            )
        _warn(f"no row names a library that is known; taken as {default.name}")
        return [default]
    if len(found) > 1 and not found <= MEMORY:
        raise ArgumentError(
            f"measurements: rows of libraries {', '.join(sorted(found))}; a calibration is of one: "
            "filter them"
        )
    strangers = [row.place for row in measured if row.library is None]
    if strangers:
        raise ArgumentError(f"{strangers[0]}: names no library that is known; give library=")
    return [named(name) for name in sorted(found)]


def _tuning(fabric: Fabric, library: Library, given: object) -> Tuning | None:
    if given is None:
        return tuning_of(fabric, library)
    if not isinstance(given, (tuple, list)) or len(given) != len(Tuning._fields):
        raise ArgumentError(f"tuning must be {', '.join(Tuning._fields)}, got {given!r}")
    return Tuning(*given)


def _left_out(task: _Task, n_folds: int) -> NDArray[np.float64] | None:
    """Return the relative error of each row, predicted from the other folds."""
    import random

    import numpy as np

    n = len(task.measured_us)
    n_folds = min(n_folds, n)
    if n_folds < 2:  # noqa: PLR2004 # one fold leaves nothing to fit
        return None
    shuffled = list(range(n))
    # Not by position: rows come sorted, and a fold would be whole sizes.
    random.Random(0).shuffle(shuffled)  # noqa: S311
    fold = np.empty(n, dtype=np.int64)
    fold[shuffled] = np.arange(n) % n_folds
    errors = np.empty(n)
    for k in range(n_folds):
        out = fold == k
        solution = fit.solve(task.problem(np.flatnonzero(~out)))
        errors[out] = (task.times_us(solution.x) / task.measured_us - 1)[out]
    return errors


def errors_of(relative: NDArray[np.float64]) -> Errors:
    """Return median, 90th percentile and largest of absolute errors."""
    import numpy as np

    size = np.abs(relative)
    return Errors(float(np.median(size)), float(np.quantile(size, 0.9)), float(size.max()))


def _seen(measured: list[Measured], regimes: list[str]) -> tuple[Seen, ...]:
    found = []
    for regime in dict.fromkeys(regimes):
        own = [row for row, its in zip(measured, regimes, strict=True) if its == regime]
        ranks = [len(row.endpoints) for row in own]
        sizes = [int(row.volume_bytes) for row in own]
        extremes = ((min(ranks), max(ranks)), (min(sizes), max(sizes)))
        found.append(Seen(regime, len(own), *extremes))
    return tuple(found)


def _distinct(frame: pl.DataFrame, column: str) -> tuple[str, ...]:
    if column not in frame.columns:
        return ()
    return tuple(str(each) for each in frame[column].drop_nulls().unique(maintain_order=True))


def _residuals(
    frame: pl.DataFrame,
    task: _Task,
    x: NDArray[np.float64],
    left_out: NDArray[np.float64] | None,
) -> pl.DataFrame:
    import polars as pl

    predicted = task.times_us(x)
    terms: list[Any] = [None] * len(predicted)
    values = task.values(x)
    for forms, positions in task.groups:
        for position, each in zip(positions, forms.terms(values), strict=True):
            terms[position] = [{"term": name, "us": us} for name, us in each if us > 0]
    struct = pl.Struct({"term": pl.String, "us": pl.Float64})
    return frame.with_columns(
        pl.Series("predicted_us", predicted),
        pl.Series("relative_error", predicted / task.measured_us - 1),
        pl.Series("left_out_error", left_out, dtype=pl.Float64)
        if left_out is not None
        else pl.lit(None, dtype=pl.Float64).alias("left_out_error"),
        pl.Series("regime", task.regimes, dtype=pl.String),
        pl.Series("terms", terms, dtype=pl.List(struct)),
    )


def _warn(message: str) -> None:
    warnings.warn(message, CalibrationWarning, stacklevel=4)


def _warn_of_contradictions(measured: list[Measured]) -> None:
    first: dict[object, Measured] = {}
    for row in measured:
        key = (row.collective, tuple(row.endpoints), row.size_bytes, row.moe, row.written)
        other = first.setdefault(key, row)
        times = sorted((row.time_us, other.time_us))
        if times[1] > _CONTRADICTION * times[0]:
            _warn(
                f"{other.place} and {row.place.rpartition(', ')[2]} contradict each other: "
                f"{other.time_us:g} and {row.time_us:g} us for the same question"
            )


def _warn_of_silence(task: _Task, solution: fit.Solution) -> None:
    silent = [
        name
        for name, share in zip(task.names, solution.information, strict=True)
        if share < DETERMINED
    ]
    if len(task.measured_us) < len(task.names):
        _warn(f"fewer rows ({len(task.measured_us)}) than parameters ({len(task.names)})")
    if silent:
        _warn(f"the rows do not determine {', '.join(silent)}; their priors decide")
