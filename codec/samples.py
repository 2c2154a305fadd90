"""Arrays of samples, as callers have them, to pictures."""

import numpy as np
from PIL import Image
from torch import Tensor

from ..formats.container import MAX_PIXELS
from ..formats.errors import UnsupportedError
from ..formats.pictures import Picture, Samples, from_pil, picture_of

ImageLike = Picture | Samples | Image.Image | Tensor


def as_picture(image: ImageLike) -> Picture:
    """A picture of an array, tensor or PIL image. Raises ValueError for anything else."""
    if isinstance(image, Picture):
        return image
    if isinstance(image, Image.Image):
        return from_pil(image)
    if isinstance(image, Tensor):
        image = image.detach().cpu().numpy()
    if not isinstance(image, np.ndarray):
        raise ValueError(f"an image is a numpy array, a PIL image or a torch tensor, not {type(image).__name__}")
    planes = image.shape[2] if image.ndim == 3 else 1
    if image.dtype not in (np.uint8, np.uint16) or image.ndim not in (2, 3) or not 1 <= planes <= 4 or 0 in image.shape:
        raise ValueError(f"an image is uint8 or uint16, (H, W) or (H, W, 1 to 4), not {image.dtype} {image.shape}")
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise UnsupportedError(f"pictures of more than {MAX_PIXELS} pixels are not supported")
    return picture_of(image.reshape(*image.shape[:2], planes), 8 * image.dtype.itemsize)
