"""Exact simulation of collective communication on AI supernodes."""

from .errors import (
    ArgumentError,
    CmError,
    LimitError,
    SpecError,
    UnsupportedError,
    VerifyError,
)

__all__ = [
    "ArgumentError",
    "CmError",
    "LimitError",
    "SpecError",
    "UnsupportedError",
    "VerifyError",
]
