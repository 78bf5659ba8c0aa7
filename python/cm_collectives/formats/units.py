"""Rates and latencies as people write them: "400 Gb/s", "25 GB/s", "1.2 us"."""

from __future__ import annotations

import re
from fractions import Fraction

_PREFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_TIMES = {"s": 10**12, "ms": 10**9, "us": 10**6, "ns": 10**3, "ps": 1}

# Thirty digits are more than any rate needs and fewer than Python refuses to convert.
_NUMBER = re.compile(r"\s*([0-9]{1,30}(?:\.[0-9]{1,30})?)\s*(\S*)\s*", re.ASCII)
_RATE = re.compile(r"([kMGTP]?)(B|b|bit)(/s|ps)")

RATE_FORMS = 'text such as "25 GB/s", "400 Gb/s" or "400 Gbps" (b is bit, B is byte)'
TIME_FORMS = 'text such as "350 ns" or "1.2 us"'


def rate_Bps(text: str) -> int:  # the unit is spelled as everywhere
    """Return a rate in bytes per second; ValueError says what is wrong."""
    number, unit = _split(text, RATE_FORMS)
    match = _RATE.fullmatch(unit)
    if match is None:
        if _RATE.fullmatch(f"{unit}/s"):
            raise ValueError(f"{text!r} is an amount, not a rate; write {text + '/s'!r}")
        raise ValueError(f"unknown unit {unit!r}; allowed: {RATE_FORMS}")
    value = number * _PREFIXES[match[1]] / (1 if match[2] == "B" else 8)
    return _whole(value, text, "bytes per second")


def time_ps(text: str) -> int:
    """Return a time in picoseconds; ValueError says what is wrong."""
    number, unit = _split(text, TIME_FORMS)
    if unit not in _TIMES:
        raise ValueError(f"unknown unit {unit!r}; allowed: {TIME_FORMS}")
    return _whole(number * _TIMES[unit], text, "picoseconds")


def _split(text: str, forms: str) -> tuple[Fraction, str]:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"cannot read {text!r}; allowed: {forms}")
    return Fraction(match[1]), match[2]


def _whole(value: Fraction, text: str, unit: str) -> int:
    if value.denominator != 1:
        raise ValueError(f"{text!r} is no whole number of {unit}")
    return int(value)
