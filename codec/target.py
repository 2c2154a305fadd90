"""What a coded file shall reach, in place of a quality."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """What a file shall reach, exactly one of these.

    Attributes:
        size: the most bytes of the file; reached from below within 2 % where a quality can.
        bpp: the same in bits per pixel.
        psnr: the least PSNR in dB over the RGB of the decoded picture, exceeded by 0.02 dB at most where a quality can.
        ssim: the least SSIM, below 1.
    """

    size: int | None = None
    bpp: float | None = None
    psnr: float | None = None
    ssim: float | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.size, self.bpp, self.psnr, self.ssim) if value is not None]
        if len(given) != 1 or not math.isfinite(given[0]) or given[0] <= 0 or (self.ssim or 0) >= 1:
            raise ValueError("a target is one of size, bpp, psnr and ssim, positive, and an SSIM is below 1")
