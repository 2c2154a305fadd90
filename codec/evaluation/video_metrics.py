"""How close decoded frames are to their originals."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from ...formats.clip_reading import Planes
from ...formats.clip_records import Picture
from ..video.planes import FrameShape
from .metrics import ms_ssim, psnr_db

MOST_DB = 100.0  # of a plane that is equal


@dataclass(frozen=True, slots=True)
class FrameScores:
    """Of one frame: (6 Y + U + V) / 8 of the PSNR of its planes, PSNR over RGB, MS-SSIM over RGB.

    PSNR is in dB against the largest sample. RGB is rounded to 8 bits. MS-SSIM is None where a side is too short for
    it. Weights of planes: as `metrics.psnr_yuv_db`.
    """

    yuv_db: float
    rgb_db: float
    ms_ssim: float | None


def frame_scores(picture: Picture, decoded: Planes, original: Planes) -> FrameScores:
    """Of frames of one kind."""
    peak = 2.0**picture.depth - 1
    planes = [_plane_db(a, b, peak) for a, b in zip(decoded, original, strict=True)]
    yuv = planes[0] if len(planes) == 1 else (6 * planes[0] + planes[1] + planes[2]) / 8
    shape = FrameShape.of(picture)
    ours, theirs = (_rgb(shape, planes) for planes in (decoded, original))
    return FrameScores(yuv, min(psnr_db(ours, theirs), MOST_DB), ms_ssim(ours, theirs))


def _plane_db(a: "np.ndarray", b: "np.ndarray", peak: float) -> float:
    error = float(np.square(a.astype(np.float64) - b).mean())
    return min(MOST_DB, 10 * math.log10(peak**2 / error)) if error else MOST_DB


def _rgb(shape: FrameShape, planes: Planes) -> "np.ndarray":
    rgb = shape.colours.to_rgb(*shape.load(planes, torch.device("cpu")))[0, :, : shape.height, : shape.width]
    return np.ascontiguousarray((rgb * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy())
