"""One photograph made ready for training: kept as it is, or scaled down until compression no longer shows."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, UnidentifiedImageError

from .jpeg_damage import shrink_factor

_FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"})  # what 8-bit RGB can hold
_STORED_QUALITY = 95


class Unfit(Exception):
    """The picture is not for training: `reason` is one of a few, `detail` says more of this picture."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Prepared:
    """A photograph as it is to be stored: decoded (RGB) and encoded, and what was done to it."""

    image: Image.Image
    data: bytes
    is_new_jpeg: bool
    done: str


def prepare(data: bytes, min_side_px: int, keep_small_jpeg: bool) -> Prepared:
    """The photograph in the picture file `data`, ready to be stored.

    A clean file keeps its bytes. One that shows lossy compression is scaled down 2 or 4 times (Lanczos) and
    stored as 8-bit RGB JPEG of quality 95 with full chroma; with `keep_small_jpeg`, one that is too small for
    that keeps its bytes too. An ICC profile is not carried over to a scaled picture.
    Raises Unfit if a side is below `min_side_px`, or the file is damaged, animated, transparent or not 8-bit.
    """
    with _decoding():
        image: Image.Image = Image.open(BytesIO(data), formats=_FORMATS)
        _refuse(image)
        factor = shrink_factor(image, data)
        image.load()
        if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
            raise Unfit("transparent")
        image = image.convert("RGB")
    size = f"{image.width}x{image.height}"
    if min(image.size) < min_side_px:
        raise Unfit("too small", size)
    if factor == 1:
        return Prepared(image, data, False, "original")
    width, height = image.width // factor, image.height // factor
    if min(width, height) < min_side_px:
        if not keep_small_jpeg:
            raise Unfit("too small after down-scaling", f"{size}, to be scaled down {factor}x")
        return Prepared(image, data, False, f"original (too small to be downscaled {factor}x)")
    whole_blocks = (0, 0, width * factor, height * factor)
    image = image.resize((width, height), Image.Resampling.LANCZOS, whole_blocks)
    out = BytesIO()
    image.save(out, "JPEG", quality=_STORED_QUALITY, subsampling="4:4:4", optimize=True)
    return Prepared(image, out.getvalue(), True, f"downscaled {factor}x from {size}")


def _refuse(image: Image.Image) -> None:
    """What can be told before the pixels are decoded."""
    # A photograph in MPO form is an ordinary one with depth maps or previews behind it.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise Unfit("animated or several pages")
    if image.mode not in _MODES:
        raise Unfit("not 8-bit RGB or grey", f"Pillow's mode {image.mode}")


@contextmanager
def _decoding() -> Iterator[None]:
    """Whatever Pillow raises on damaged files (its plugins raise nearly anything) becomes Unfit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (Unfit, MemoryError):
            raise
        except UnidentifiedImageError as error:  # its text holds an address in memory
            raise Unfit("unreadable", "of no known kind, or the header is damaged") from error
        except Exception as error:
            raise Unfit("unreadable", " ".join(str(error).split()) or type(error).__name__) from error
