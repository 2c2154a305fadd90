"""Sizes as people write them."""

import re

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE = re.compile(r"([0-9]{1,15}) ?([a-z]*)")


def parse_size(text: str) -> int:
    """Bytes of "30MiB", "30 MB" (10**6 each) or "31457280"; units in either case, whole numbers only.

    Raises ValueError for anything else, and for nothing.
    """
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None or match[2] not in _UNITS or not int(match[1]):
        raise ValueError(f"{text!r} is not a size: write for example 30MiB, 30MB or 30000000")
    return int(match[1]) * _UNITS[match[2]]


_RATES = {"": 1, "k": 10**3, "m": 10**6}
_RATE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([km]?)(?:bit/s|bps)?")


def parse_bitrate(text: str) -> float:
    """Bits a second of "500k", "1.5M" or "500000". Raises ValueError for anything else, and for nothing."""
    match = _RATE.fullmatch(text.strip().lower())
    if match is None or not float(match[1]):
        raise ValueError(f"{text!r} is not a bitrate: write for example 500k, 1.5M or 500000")
    return float(match[1]) * _RATES[match[2]]
