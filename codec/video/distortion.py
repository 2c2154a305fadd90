"""What is lost of a frame, in one number, and what it weighs against bits."""

from torch import Tensor

from .colour import Colours

# What squared errors of limited-range samples of BT.601 make of RGB, and how much of that counts for chroma: PSNR of
# video is mostly that of luminance.
LUMA, BLUE, RED = 1.355, 1.407, 1.069
CHROMA_SHARE = 0.6


def squared_error(planes: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor], share: float = CHROMA_SHARE) -> Tensor:
    """Mean squared error (B,) of luma (B, 1, H, W) and chroma (B, 2, H', W') in 8-bit units, as of RGB."""
    luma = (planes[0] - wanted[0]).square().mean((1, 2, 3))
    blue, red = (planes[1] - wanted[1]).square().mean((2, 3)).unbind(1)
    return LUMA * luma + share * (BLUE * blue + RED * red)


def frame_error(colours: Colours, planes: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> float:
    """The same of one frame whose samples have the depth of `colours`."""
    return float(squared_error(planes, wanted)[0]) / 4.0 ** (colours.depth - 8)
