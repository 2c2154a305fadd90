"""How close a decoded picture is to its original: PSNR over RGB and MS-SSIM, on 8-bit pictures."""

import math

import numpy as np
from numpy.typing import NDArray

MS_SSIM_MIN_SIDE_PX = 161  # five scales under an 11-tap window need more than 10 * 2**4 pixels


def psnr_db(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """PSNR in dB of two uint8 pictures (H, W, 3), one mean squared error over all samples.

    Infinite for equal pictures. Raises ValueError for other types, or shapes that differ.
    """
    _check(a, b)
    difference = a.astype(np.int32) - b.astype(np.int32)
    mse = float(np.mean(difference * difference, dtype=np.float64))
    return math.inf if mse == 0 else 10.0 * math.log10(255.0**2 / mse)


def ms_ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float | None:
    """MS-SSIM in 0..1 (Wang et al. 2003) of two uint8 pictures (H, W, 3), by the pytorch-msssim library.

    Five scales, Gaussian window of 11 taps, mean over the three colours, float32 on the CPU. None for a
    picture with a side below 161 pixels, where it is undefined. Raises ValueError as `psnr_db` does,
    ImportError where the library is absent.
    """
    _check(a, b)
    if min(a.shape[:2]) < MS_SSIM_MIN_SIDE_PX:
        return None
    try:
        import pytorch_msssim
        import torch
    except ImportError as error:
        raise ImportError("MS-SSIM needs pytorch-msssim: pip install 'lcodec[bench]'") from error
    planes = [torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)[None])).float() for x in (a, b)]
    with torch.inference_mode():
        return float(pytorch_msssim.ms_ssim(planes[0], planes[1], data_range=255))  # (1, 3, H, W) each


def _check(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> None:
    for picture in (a, b):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
            raise ValueError(f"expected uint8 (H, W, 3), got {picture.dtype} {picture.shape}")
    if a.shape != b.shape:
        raise ValueError(f"pictures differ in shape: {a.shape} and {b.shape}")
