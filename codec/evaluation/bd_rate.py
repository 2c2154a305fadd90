"""Bjontegaard deltas between two rate-distortion curves (VCEG-M33): through PCHIP, as in JVET practice, or Akima.

BD-rate is the mean difference of log-rate over the PSNR range both curves share, turned into
percent; BD-PSNR is the mean difference of PSNR over the range of log-rate both share.

    log bpp |   anchor /:/ test
            |        /::/
            |      /::/            BD-rate = exp(-area of :: / (high - low)) - 1
            +-----+----+---- PSNR
                 low  high

Points may come in any order. A dominated point, one that another point of its curve equals or
beats in both rate and PSNR, is left out and counted: a user who can choose the quality never
needs it, and without it PSNR rises strictly with rate, so that each is a function of the other.

Both interpolants pass through all points. PCHIP never overshoots between them; Akima may, by little, and is the
closer to points measured in between (Herglotz et al., "Beyond Bjontegaard", ICIP 2022). Name it beside the figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Interpolation = Literal["pchip", "akima"]

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BdRate:
    """Mean difference in rate at equal PSNR, over PSNR from `low_db` to `high_db`.

    `percent` is negative where the test curve needs fewer bits than the anchor; `dropped` counts
    the dominated points left out of both curves.
    """

    percent: float
    low_db: float
    high_db: float
    dropped: int


@dataclass(frozen=True, slots=True)
class BdPsnr:
    """Mean difference in PSNR at equal rate, over rates from `low_bpp` to `high_bpp`.

    `gain_db` is positive where the test curve looks better than the anchor; `dropped` as in `BdRate`.
    """

    gain_db: float
    low_bpp: float
    high_bpp: float
    dropped: int


def bd_rate(
    anchor_bpp: Sequence[float],
    anchor_psnr_db: Sequence[float],
    test_bpp: Sequence[float],
    test_psnr_db: Sequence[float],
    interpolation: Interpolation = "pchip",
) -> BdRate:
    """BD-rate of the test curve against the anchor curve.

    Raises ValueError if a curve's columns differ in length, hold a value that is not finite or a
    rate that is not positive, if fewer than two undominated points are left, if the curves share
    no range of PSNR, or for another interpolation; ImportError without scipy.
    """
    anchor_rate, anchor_psnr, anchor_dropped = _front(anchor_bpp, anchor_psnr_db, "anchor")
    test_rate, test_psnr, test_dropped = _front(test_bpp, test_psnr_db, "test")
    low, high = _shared(anchor_psnr, test_psnr, "PSNR (dB)")
    difference = _difference((anchor_psnr, anchor_rate), (test_psnr, test_rate), low, high, interpolation)
    return BdRate(100.0 * float(np.expm1(difference)), low, high, anchor_dropped + test_dropped)


def bd_psnr(
    anchor_bpp: Sequence[float],
    anchor_psnr_db: Sequence[float],
    test_bpp: Sequence[float],
    test_psnr_db: Sequence[float],
    interpolation: Interpolation = "pchip",
) -> BdPsnr:
    """BD-PSNR of the test curve against the anchor curve; errors as in `bd_rate`, for ranges of rate."""
    anchor_rate, anchor_psnr, anchor_dropped = _front(anchor_bpp, anchor_psnr_db, "anchor")
    test_rate, test_psnr, test_dropped = _front(test_bpp, test_psnr_db, "test")
    low, high = _shared(anchor_rate, test_rate, "log rate")
    gain = _difference((anchor_rate, anchor_psnr), (test_rate, test_psnr), low, high, interpolation)
    return BdPsnr(gain, float(np.exp(low)), float(np.exp(high)), anchor_dropped + test_dropped)


def _front(bpp: Sequence[float], psnr_db: Sequence[float], which: str) -> tuple[_Floats, _Floats, int]:
    """(log rate, PSNR, number dropped) of the undominated points; both columns rise strictly."""
    if len(bpp) != len(psnr_db):
        raise ValueError(f"{which} curve: {len(bpp)} rates but {len(psnr_db)} PSNR values")
    if not np.all(np.isfinite(bpp)) or not np.all(np.isfinite(psnr_db)):
        raise ValueError(f"{which} curve: a value is not finite")
    if len(bpp) and min(bpp) <= 0:
        raise ValueError(f"{which} curve: a rate is not positive")
    kept: list[tuple[float, float]] = []
    for rate, psnr in sorted(zip(bpp, psnr_db, strict=True), key=lambda point: (point[0], -point[1])):
        if not kept or psnr > kept[-1][1]:
            kept.append((rate, psnr))
    if len(kept) < 2:
        raise ValueError(f"{which} curve: needs two points or more that rise in rate and PSNR, has {len(kept)}")
    points = np.asarray(kept, dtype=np.float64)  # (n, 2)
    return np.log(points[:, 0]), points[:, 1], len(bpp) - len(kept)


def _shared(anchor: _Floats, test: _Floats, axis: str) -> tuple[float, float]:
    low, high = max(float(anchor[0]), float(test[0])), min(float(anchor[-1]), float(test[-1]))
    if low >= high:
        raise ValueError(
            f"the curves share no range of {axis}: "
            f"anchor {anchor[0]:.3f} to {anchor[-1]:.3f}, test {test[0]:.3f} to {test[-1]:.3f}"
        )
    return low, high


def _difference(
    anchor: tuple[_Floats, _Floats], test: tuple[_Floats, _Floats], low: float, high: float, through: Interpolation
) -> float:
    """Mean over [low, high] of the interpolant of test minus that of anchor, each of y(x) given as (x, y)."""
    try:
        from scipy.interpolate import Akima1DInterpolator, PchipInterpolator
    except ImportError as error:
        raise ImportError("BD-rate needs scipy: pip install 'lcodec[bench]'") from error
    kinds = {"pchip": PchipInterpolator, "akima": Akima1DInterpolator}
    if through not in kinds:
        raise ValueError(f"no interpolation {through!r}; there are: {', '.join(kinds)}")
    areas = [float(kinds[through](*curve).integrate(low, high)) for curve in (anchor, test)]
    return (areas[1] - areas[0]) / (high - low)
