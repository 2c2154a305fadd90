"""Encoding to a size or a fidelity in place of a quality: a search over qualities, which need few encodings.

The logarithm of the size and PSNR are nearly linear in the quality, so that a line through the two nearest points on
either side finds the next one to try. While all lie on one side, it is a line of the slope between the last two.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..formats.container import MAX_GAIN_INDEX, MAX_PIXELS
from ..formats.pictures import to_eight_bits
from .alpha import fill_transparent
from .codec import Codec
from .evaluation.metrics import psnr_db, ssim
from .samples import ImageLike, as_picture
from .target import Target

_SIZE_TOLERANCE = 0.02  # of the size, from below
_PSNR_TOLERANCE_DB = 0.02
_SSIM_TOLERANCE = 0.02  # of what SSIM falls short of 1
_FIRST = MAX_GAIN_INDEX // 2
# Slopes of an ordinary picture over the whole range, for a first guess from one point.
_LOG_SIZE_SLOPE = math.log(60) / MAX_GAIN_INDEX
_PSNR_SLOPE_DB = 18 / MAX_GAIN_INDEX


@dataclass(frozen=True, slots=True)
class _Tried:
    gain_index: int
    data: bytes
    value: float


def encode_to(codec: Codec, image: ImageLike, target: Target, **options: int | str | None) -> bytes:
    """The file of the quality that reaches a target, with further options of `Codec.encode`.

    Raises ValueError where no quality does: quality 0 takes more bytes, or quality 100 is not near enough. Raises
    ImportError for an SSIM without pytorch-msssim, and as `Codec.encode` does.
    """
    picture = as_picture(image)
    if picture.alpha is not None:  # hidden colours do not count
        picture = replace(picture, pixels=fill_transparent(picture.pixels, picture.alpha))
    original = to_eight_bits(picture.pixels, picture.depth)
    height, width = original.shape[:2]

    def encode(gain_index: int) -> bytes:
        return codec.encode(picture, 100 * gain_index / MAX_GAIN_INDEX, **options)  # type: ignore[arg-type]

    def fidelity(data: bytes, of: Callable[..., float | None]) -> float:
        samples = to_eight_bits(codec.decode(data, MAX_PIXELS).reshape(height, width, -1), picture.depth)
        found = of(original, samples[..., :1].repeat(3, axis=2) if picture.grey else samples[..., :3])
        if found is None:
            raise ValueError(f"{width} x {height} pixels are too few for SSIM")
        return found

    if target.psnr is not None:
        low = target.psnr
        tried = _search(encode, lambda data: fidelity(data, psnr_db), low, low + _PSNR_TOLERANCE_DB, _PSNR_SLOPE_DB)
        if tried.value < low:
            raise ValueError(f"quality 100 reaches {tried.value:.2f} dB, not {low:g}")
        return tried.data
    if target.ssim is not None:
        low, high = (-10 * math.log10(1 - target.ssim) - 10 * math.log10(factor) for factor in (1, 1 - _SSIM_TOLERANCE))
        tried = _search(encode, lambda data: _decibels(fidelity(data, ssim)), low, high, _PSNR_SLOPE_DB)
        if tried.value < low:
            raise ValueError(f"quality 100 reaches an SSIM of {1 - 10 ** (-tried.value / 10):.4f}, not {target.ssim:g}")
        return tried.data
    limit = target.size if target.size is not None else int((target.bpp or 0) * height * width / 8)
    high = math.log(max(limit, 1))
    low = high + math.log(1 - _SIZE_TOLERANCE)
    tried = _search(encode, lambda data: math.log(len(data)), low, high, _LOG_SIZE_SLOPE, from_below=True)
    if len(tried.data) > limit:
        raise ValueError(f"quality 0 takes {len(tried.data)} bytes, more than {limit}")
    return tried.data


def _search(
    encode: Callable[[int], bytes],
    value_of: Callable[[bytes], float],
    low: float,
    high: float,
    slope: float,
    from_below: bool = False,
) -> _Tried:
    """The file whose value lies in low ... high; if none does, the nearest below or above it, or that at the end."""
    under: _Tried | None = None
    over: _Tried | None = None
    last: _Tried | None = None
    guess = _FIRST
    while True:
        data = encode(guess)
        tried = _Tried(guess, data, value_of(data))
        if last:
            found = (tried.value - last.value) / (tried.gain_index - last.gain_index)
            slope = min(4 * slope, max(slope / 4, found))
        last = tried
        if low <= tried.value <= high:
            return tried
        if tried.value < low:
            if guess == MAX_GAIN_INDEX:
                return tried
            under = tried
        else:
            if guess == 0:
                return tried
            over = tried
        if under and over and over.gain_index - under.gain_index <= 1:
            return under if from_below else over
        guess = _next(under, over, (low + high) / 2, slope)


def _next(under: _Tried | None, over: _Tried | None, wanted: float, slope: float) -> int:
    """The gain index to try between those that gave too little and too much, of which one may be unknown."""
    if under and over:
        if over.gain_index <= under.gain_index:  # a picture on which a higher quality was not better
            return (under.gain_index + over.gain_index) // 2
        share = (wanted - under.value) / (over.value - under.value)
        guess = under.gain_index + (over.gain_index - under.gain_index) * min(0.9, max(0.1, share))
        return min(over.gain_index - 1, max(under.gain_index + 1, round(guess)))
    known = under or over
    assert known is not None
    guess = known.gain_index + (wanted - known.value) / slope * 1.2
    if under:
        return min(MAX_GAIN_INDEX, max(under.gain_index + 1, round(guess)))
    return max(0, min(known.gain_index - 1, round(guess)))


def _decibels(similarity: float) -> float:
    """SSIM as a number of decibels, which rises more evenly with quality."""
    return -10 * math.log10(max(1 - similarity, 1e-9))
