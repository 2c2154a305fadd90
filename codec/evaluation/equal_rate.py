"""The same picture by two codecs in as many bytes: what eyes can compare."""

import math
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from ...formats.pictures import read_picture
from .metrics import psnr_db
from .subjects import Pixels, Subject

TARGET_BPP = 0.4  # where differences show at a glance
_TRIALS = 6
_CLOSE, _AIM = 0.985, 0.995  # of the bytes allowed: close enough, and what is aimed at


@dataclass(frozen=True, slots=True)
class Triple:
    """A picture, and what a model of ours and another codec made of it in about as many bytes.

    The pictures are lossless WebP files. Ours is the largest file found that is no larger than the other one.
    """

    picture: str
    width_px: int
    height_px: int
    original: bytes
    ours: bytes
    other: bytes
    ours_name: str
    other_name: str
    ours_bytes: int
    other_bytes: int
    ours_psnr_db: float
    other_psnr_db: float


def equal_rate(path: Path, ours: Subject, other: Subject) -> Triple:
    """Code a picture with `other` at its quality nearest TARGET_BPP, and with a model of ours to the same size."""
    pixels = read_picture(path.read_bytes()).eight_bits()
    wanted_bytes = TARGET_BPP * pixels.shape[0] * pixels.shape[1] / 8
    theirs = _nearest(other, pixels, wanted_bytes)
    own = _within(ours, pixels, len(theirs))
    decoded, other_decoded = ours.decode(own), other.decode(theirs)
    return Triple(
        picture=path.name,
        width_px=pixels.shape[1],
        height_px=pixels.shape[0],
        original=_webp(pixels),
        ours=_webp(decoded),
        other=_webp(other_decoded),
        ours_name=ours.name,
        other_name=other.name,
        ours_bytes=len(own),
        other_bytes=len(theirs),
        ours_psnr_db=psnr_db(pixels, decoded),
        other_psnr_db=psnr_db(pixels, other_decoded),
    )


def _nearest(other: Subject, pixels: Pixels, wanted_bytes: float) -> bytes:
    """The file of about so many bytes, by halving the ladder of qualities, along which sizes rise."""
    files: dict[int, bytes] = {}
    low, high = 0, len(other.qualities) - 1
    while low <= high:
        middle = (low + high) // 2
        files[middle] = other.encode(pixels, other.qualities[middle])
        low, high = (middle + 1, high) if len(files[middle]) < wanted_bytes else (low, middle - 1)
    return min(files.values(), key=lambda data: abs(len(data) - wanted_bytes))


def _within(ours: Subject, pixels: Pixels, most_bytes: int) -> bytes:
    """The largest file found of at most so many bytes, else the smallest: regula falsi on the log of the size."""
    low, high = ours.qualities[0], ours.qualities[-1]
    best, above = ours.encode(pixels, low), ours.encode(pixels, high)
    for _ in range(_TRIALS):
        if not len(best) <= _CLOSE * most_bytes < most_bytes < len(above):
            break
        share = math.log(_AIM * most_bytes / len(best)) / math.log(len(above) / len(best))
        quality = low + share * (high - low)
        data = ours.encode(pixels, quality)
        if len(data) <= most_bytes:
            low, best = quality, data
        else:
            high, above = quality, data
    return above if len(best) < len(above) <= most_bytes else best


def _webp(pixels: Pixels) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", lossless=True, method=4)
    return out.getvalue()
