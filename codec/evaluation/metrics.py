"""How close a decoded picture is to its original: PSNR over RGB and YUV, SSIM and MS-SSIM, on 8-bit pictures."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

SSIM_MIN_SIDE_PX = 11  # the window
MS_SSIM_MIN_SIDE_PX = 161  # five scales under an 11-tap window need more than 10 * 2**4 pixels


def psnr_db(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """PSNR in dB of two uint8 pictures (H, W, 3), one mean squared error over all samples.

    Infinite for equal pictures. Raises ValueError for other types, or shapes that differ.
    """
    _check(a, b)
    difference = a.astype(np.int32) - b.astype(np.int32)
    return _psnr_db(float(np.mean(difference * difference, dtype=np.float64)))


def psnr_yuv_db(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """(6 PSNR_Y + PSNR_U + PSNR_V) / 8 in dB of two uint8 pictures (H, W, 3).

    The planes are those of BT.601, full range, 4:4:4, not rounded. Weights: Ohm et al., "Comparison of the Coding
    Efficiency of Video Coding Standards - Including HEVC", IEEE TCSVT 22(12), 2012, section III.
    Infinite where one plane of the two is equal, as chroma is of grey pictures. Raises ValueError as `psnr_db`.
    """
    _check(a, b)
    red, green, blue = np.moveaxis(a.astype(np.int64) - b.astype(np.int64), 2, 0)
    luma = 299 * red + 587 * green + 114 * blue  # thousandths; integers, so that equal planes are exactly equal
    planes = luma / 1000, (1000 * blue - luma) / 1772, (1000 * red - luma) / 1402
    y_db, u_db, v_db = (_psnr_db(float(np.mean(plane * plane))) for plane in planes)
    return (6 * y_db + u_db + v_db) / 8


def ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float | None:
    """SSIM, at most 1 (Wang et al. 2004), of two uint8 pictures (H, W, 3), by the pytorch-msssim library.

    One scale at full size, Gaussian window of 11 taps, mean over the three colours, float32 on the CPU. None for
    a picture with a side below 11 pixels. Raises ValueError as `psnr_db` does, ImportError where the library is absent.
    """
    _check(a, b)
    if min(a.shape[:2]) < SSIM_MIN_SIDE_PX:
        return None
    try:
        import pytorch_msssim
        import torch
    except ImportError as error:
        raise ImportError("SSIM needs pytorch-msssim: pip install 'lcodec[bench]'") from error
    with torch.inference_mode():
        return float(pytorch_msssim.ssim(_tensor(a), _tensor(b), data_range=255))


def ms_ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float | None:
    """MS-SSIM in 0..1 (Wang et al. 2003) of two uint8 pictures (H, W, 3), by the pytorch-msssim library.

    Five scales, otherwise as `ssim`. None for a picture with a side below 161 pixels, where it is undefined.
    """
    _check(a, b)
    if min(a.shape[:2]) < MS_SSIM_MIN_SIDE_PX:
        return None
    try:
        import pytorch_msssim
        import torch
    except ImportError as error:
        raise ImportError("MS-SSIM needs pytorch-msssim: pip install 'lcodec[bench]'") from error
    with torch.inference_mode():
        return float(pytorch_msssim.ms_ssim(_tensor(a), _tensor(b), data_range=255))


def _psnr_db(mse: float) -> float:
    return math.inf if mse == 0 else 10.0 * math.log10(255.0**2 / mse)


def _tensor(picture: NDArray[np.uint8]) -> "torch.Tensor":
    import torch

    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None])).float()  # (1, 3, H, W)


def _check(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> None:
    for picture in (a, b):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
            raise ValueError(f"expected uint8 (H, W, 3), got {picture.dtype} {picture.shape}")
    if a.shape != b.shape:
        raise ValueError(f"pictures differ in shape: {a.shape} and {b.shape}")
