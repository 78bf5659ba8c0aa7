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

from . import expr
from ._core import __version__
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
from .measure.calibrate import calibrate
from .measure.calibration import Calibration
from .measure.hccl_test import read_hccl_test
from .measure.nccl_tests import read_nccl_tests
from .measure.published import measurements
from .measure.shipped import calibrations
from .measure.validate import summary, validate
from .moe import Moe, moe
from .result import Certificate, Result
from .seeds import over_seeds
from .session import Session
from .simulate import Job, simulate, simulate_flows
from .sweep import sweep
from .tables import write_tables
from .team import Team
from .tune import tune
from .versions import show_versions

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
