"""Exact simulation of collective communication on AI supernodes.

Who sends what to whom, over which links, and when: schedules that are proved right, max-min fair
sharing without rounding, and integer picoseconds at every border.

>>> import cm_collectives as cm
>>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
>>> r = cm.simulate(fabric, "all_reduce", size_bytes=98_000_000, ranks=range(0, 98, 2),
...                 algorithm="ring")
>>> r.time_ps  # 2 * 48/49 * 98 MB / 196 GB/s: 49 dies of different packages
979591837
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._core import __version__
from .certificate import Certificate
from .collectives import Schedule, algorithms, schedule
from .compare import compare, specs, winners
from .errors import (
    ArgumentError,
    CalibrationWarning,
    CmError,
    LimitError,
    SpecError,
    SweepError,
    UnsupportedError,
    VerifyError,
)
from .fabric import Fabric, presets, routings
from .failures import failures
from .grid import grid
from .moe import Moe, moe
from .result import Result
from .simulate import Job, simulate, simulate_flows
from .sweep import sweep
from .team import Team
from .tune import tune

if TYPE_CHECKING:
    from . import expr
    from .measure.calibrate import calibrate
    from .measure.calibration import Calibration
    from .measure.hccl_test import read_hccl_test
    from .measure.nccl_tests import read_nccl_tests
    from .measure.published import measurements
    from .measure.shipped import calibrations
    from .measure.validate import summary, validate
    from .seeds import over_seeds
    from .session import Session
    from .tables import write_tables
    from .versions import show_versions

# A cost query needs none of these, and a client pays for every module it imports: they are
# imported when first asked for (PEP 562). A module with the name of its function cannot be here,
# as importing it from anywhere would put the module in the function's place.
_ON_FIRST_USE = {
    "Calibration": "measure.calibration",
    "Session": "session",
    "calibrate": "measure.calibrate",
    "calibrations": "measure.shipped",
    "measurements": "measure.published",
    "over_seeds": "seeds",
    "read_hccl_test": "measure.hccl_test",
    "read_nccl_tests": "measure.nccl_tests",
    "show_versions": "versions",
    "summary": "measure.validate",
    "validate": "measure.validate",
    "write_tables": "tables",
}

__all__ = [
    "ArgumentError",
    "Calibration",
    "CalibrationWarning",
    "Certificate",
    "CmError",
    "Fabric",
    "Job",
    "LimitError",
    "Moe",
    "Result",
    "Schedule",
    "Session",
    "SpecError",
    "SweepError",
    "Team",
    "UnsupportedError",
    "VerifyError",
    "__version__",
    "algorithms",
    "calibrate",
    "calibrations",
    "compare",
    "expr",
    "failures",
    "grid",
    "measurements",
    "moe",
    "over_seeds",
    "presets",
    "read_hccl_test",
    "read_nccl_tests",
    "routings",
    "schedule",
    "show_versions",
    "simulate",
    "simulate_flows",
    "specs",
    "summary",
    "sweep",
    "tune",
    "validate",
    "winners",
    "write_tables",
]


def __getattr__(name: str) -> object:
    if name == "expr":
        return import_module(".expr", __name__)
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_ON_FIRST_USE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
