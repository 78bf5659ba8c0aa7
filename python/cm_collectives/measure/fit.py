"""A robust fit on relative errors: Levenberg-Marquardt on the logarithms of the parameters.

With r = ln(predicted / measured) / 0.05 it minimizes sum 2 (sqrt(1 + r^2) - 1), the soft-L1 loss,
plus ((ln p - ln p0) / sd)^2 of each prior. The loss grows only linearly, so that no list of
outliers is needed. Three fixed starts, central differences and a fixed order: the same input gives
the same bits. The covariance is the inverse of the weighted normal matrix, priors included.
Source: `reference/fidelity.md` 4; K. Levenberg, Q. Appl. Math. 2, 1944; D. W. Marquardt, SIAM J.
11, 1963.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

SCALE = 0.05
_STEP = 1e-4
_STARTS = (0.0, -0.3, 0.3)
_GAIN = 1e-9
_MAX_ITERATIONS = 200
_FIRST_DAMPING = 1e-3
_MAX_DAMPING = 1e12


class Problem(NamedTuple):
    """What to fit: times as a function of log-parameters, and what is believed beforehand."""

    times_us: Callable[[Vector], Vector]
    measured_us: Vector
    centre: Vector  # ln of the prior's centres
    sd: Vector
    low: Vector
    high: Vector


class Solution(NamedTuple):
    """Where the objective is least."""

    x: Vector
    sd: Vector
    information: Vector  # share that comes from the data, 0..1
    objective: float
    correlation: NDArray[np.float64]


def residuals(problem: Problem, x: Vector) -> Vector:
    """Return ln(predicted / measured) over the scale."""
    import numpy as np

    scaled: Vector = np.log(problem.times_us(x) / problem.measured_us) / SCALE
    return scaled


def objective(problem: Problem, x: Vector) -> float:
    """Return the loss of all rows and of the priors."""
    import numpy as np

    loss = 2 * (np.sqrt(1 + residuals(problem, x) ** 2) - 1)
    return float(loss.sum() + (((x - problem.centre) / problem.sd) ** 2).sum())


def solve(problem: Problem) -> Solution:
    """Return the best of the fits from the fixed starts."""
    import numpy as np

    found: tuple[float, Vector] | None = None
    for shift in _STARTS:
        start = np.clip(problem.centre + shift, problem.low, problem.high)
        candidate = _descend(problem, start)
        if found is None or candidate[0] < found[0]:
            found = candidate
    if found is None:
        raise AssertionError("there is a first start")
    value, x = found
    normal, _ = _normal(problem, x)
    covariance = np.linalg.inv(normal)
    sd = np.sqrt(np.diag(covariance))
    information = np.clip(1 - (sd / problem.sd) ** 2, 0, 1)
    return Solution(x, sd, information, value, covariance / np.outer(sd, sd))


def _descend(problem: Problem, start: Vector) -> tuple[float, Vector]:
    import numpy as np

    x, value, damping = start, objective(problem, start), _FIRST_DAMPING
    for _ in range(_MAX_ITERATIONS):
        normal, gradient = _normal(problem, x)
        while True:
            damped = normal + damping * np.diag(np.diag(normal))
            trial = np.clip(x - np.linalg.solve(damped, gradient), problem.low, problem.high)
            trial_value = objective(problem, trial)
            if trial_value < value or damping > _MAX_DAMPING:
                break
            damping *= 10
        gain = value - trial_value
        if gain <= _GAIN * value:
            return (trial_value, trial) if gain > 0 else (value, x)
        x, value, damping = trial, trial_value, damping / 10
    return value, x


def _normal(problem: Problem, x: Vector) -> tuple[NDArray[np.float64], Vector]:
    """Return the weighted normal matrix and half the gradient, priors included."""
    import numpy as np

    rest = residuals(problem, x)
    columns = []
    for i in range(len(x)):
        step = np.zeros_like(x)
        step[i] = _STEP
        ahead, behind = residuals(problem, x + step), residuals(problem, x - step)
        columns.append((ahead - behind) / (2 * _STEP))
    jacobian = np.stack(columns, axis=1)
    weights = 1 / np.sqrt(1 + rest**2)  # of the soft-L1 loss: rho'(r^2)
    weighted = jacobian * weights[:, None]
    normal = jacobian.T @ weighted + np.diag(problem.sd**-2.0)
    gradient = weighted.T @ rest + (x - problem.centre) / problem.sd**2
    return normal, gradient
