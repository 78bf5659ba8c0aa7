"""A fit under way: the forms of all rows, and the parameters of the libraries that they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cm_collectives import _core
from cm_collectives.fabric import Fabric

from . import fit, rows
from .libraries import Library, Prior, Tuning, priors_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .rows import Measured


class Task(NamedTuple):
    """What is fitted: forms in the order of the rows, and the parameters of their libraries."""

    groups: list[tuple[_core.Forms, NDArray[np.int64]]]  # forms, and the rows that they are of
    measured_us: NDArray[np.float64]
    priors: dict[str, Prior]
    regimes: list[str]

    @staticmethod
    def of(
        fabric: Fabric, measured: list[Measured], libraries: list[Library], tuning: Tuning | None
    ) -> Task:
        """Return the task of some rows, each as its library carries it out."""
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
        return Task(groups, times, priors, regimes)

    @property
    def names(self) -> list[str]:
        """The parameters."""
        return list(self.priors)

    def values(self, x: NDArray[np.float64]) -> list[float | None]:
        """Return all parameters of the cost model, from the logarithms of those that are fitted."""
        named_values = dict(zip(self.priors, values_of(x), strict=True))
        return [named_values.get(name) for name in _core.cost_parameters()["parameter"]]

    def times_us(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the time of each row."""
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


def values_of(x: NDArray[np.float64]) -> list[float]:
    """Return values from their logarithms."""
    import numpy as np

    values: list[float] = np.exp(x).tolist()
    return values
