"""`calibrate`: the numbers of a library from measurements."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from cm_collectives import _core
from cm_collectives.arguments import integer
from cm_collectives.errors import ArgumentError, CalibrationWarning
from cm_collectives.fabric import Fabric
from cm_collectives.frames import collected

from . import fit, rows
from .calibration import DETERMINED, Calibration, Errors, Fitted, Provenance, Seen
from .selection import own_rows, tuning_for
from .task import Task, values_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from .libraries import Tuning
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
        "nccl", "hccl", "remote-read", "remote-write", "cann-ep", "deepep-ascend" or "tensorrt-llm":
        rows of others are left out. Otherwise what the rows say; of several the obvious one of the
        fabric.
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
        If a column is missing, a value is outside its range, no row is of the fabric and the
        library, or it is not clear which library that is.
    UnsupportedError
        If the library has no such collective.

    Warns
    -----
    CalibrationWarning
        If rows contradict each other, are fewer than the parameters that they speak of, say nothing
        about a parameter, or are left out because they are of other fabrics or libraries.

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
    chosen, numbers = own_rows(fabric, frame, library)
    measured = rows.take(fabric, frame[numbers], numbers=numbers)
    frame = frame[numbers]
    known = tuning_for(fabric, chosen[0], tuning)
    _warn_of_contradictions(measured)
    task = Task.of(fabric, measured, chosen, known)
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
                values_of(solution.x),
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


def _left_out(task: Task, n_folds: int) -> NDArray[np.float64] | None:
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
    task: Task,
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


def _warn_of_silence(task: Task, solution: fit.Solution) -> None:
    silent = [
        name
        for name, share in zip(task.names, solution.information, strict=True)
        if share < DETERMINED
    ]
    if len(task.measured_us) < len(task.names):
        _warn(f"fewer rows ({len(task.measured_us)}) than parameters ({len(task.names)})")
    if silent:
        _warn(f"the rows do not determine {', '.join(silent)}; their priors decide")
