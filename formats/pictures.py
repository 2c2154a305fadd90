"""Picture files in and out, through Pillow: bytes to 8-bit RGB, with notes on what did not survive."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from .container import MAX_PIXELS, MAX_SIDE
from .errors import FormatError, LcodecError, UnsupportedError

WRITABLE_SUFFIXES = (".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp")

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_OPENERS: tuple[tuple[tuple[bytes, ...], Callable[[BytesIO], ImageFile.ImageFile]], ...] = (
    ((_PNG_MAGIC,), PngImagePlugin.PngImageFile),
    ((b"\xff\xd8\xff",), JpegImagePlugin.jpeg_factory),
    ((b"RIFF",), WebPImagePlugin.WebPImageFile),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImagePlugin.TiffImageFile),
    ((b"BM",), BmpImagePlugin.BmpImageFile),
    ((b"GIF87a", b"GIF89a"), GifImagePlugin.GifImageFile),
    ((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"), PpmImagePlugin.PpmImageFile),
)
_MODE_NOTES = {
    "RGB": None,
    "RGBX": None,
    "RGBA": None,
    "L": "greyscale converted to RGB",
    "LA": "greyscale converted to RGB",
    "1": "black and white converted to RGB",
    "P": "palette converted to RGB",
    "PA": "palette converted to RGB",
}
_ORIENTATION_TAG = 0x0112
_TIFF_BITS_TAG = 258


@dataclass(frozen=True, slots=True)
class Picture:
    """`pixels` is uint8 (H, W, 3), sRGB; `notes` say, a phrase each, what was converted or is not kept."""

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()


def read_picture(source: bytes, max_pixels: int = MAX_PIXELS) -> Picture:
    """The picture in a PNG, JPEG, WebP, TIFF, BMP, GIF or PNM file, given the file's bytes.

    Raises FormatError if the bytes are no such file, or a damaged or cut one; UnsupportedError if it holds
    more than 8-bit RGB can (16 bits, transparency, CMYK, several frames) or more than `max_pixels`.
    """
    for prefixes, opener in _OPENERS:
        if source.startswith(prefixes):
            with _pillow_quiet():
                image = opener(BytesIO(source))
            if source[:8] == _PNG_MAGIC and source[12:16] == b"IHDR" and source[24] > 8:  # bit depth
                raise _too_deep()
            return from_pil(image, max_pixels)
    raise FormatError("not a PNG, JPEG, WebP, TIFF, BMP, GIF or PNM picture")


def from_pil(image: Image.Image, max_pixels: int = MAX_PIXELS) -> Picture:
    """A Pillow image under the rules of `read_picture`, and with its errors; `image` is not altered.

    A file that Pillow has opened but not yet loaded is loaded here. If it was loaded before, its depth is no
    longer known: of 16-bit RGB files Pillow itself keeps 8 bits.
    """
    if not image.width or not image.height:
        raise ValueError(f"the picture is {image.width} x {image.height}: it has no pixels")
    if max(image.size) > MAX_SIDE or image.width * image.height > max_pixels:
        text = f"more than the limit of {max_pixels} pixels, or of {MAX_SIDE} for a side"
        raise UnsupportedError(f"the picture is {image.width} x {image.height}: {text}")
    with _pillow_quiet():
        _refuse_unsupported(image)
        orientation = _orientation(image)  # before load: Pillow's TIFF reader turns the picture and forgets
        image.load()
        notes = _metadata_notes(image, orientation)
        if _orientation(image) != 1:
            image = ImageOps.exif_transpose(image)
        if (mode_note := _MODE_NOTES[image.mode]) is not None:
            notes.insert(0, mode_note)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            if image.getchannel("A").getextrema() != (255, 255):
                raise UnsupportedError("the picture has transparent pixels: flatten it onto a background first")
            notes.insert(0, "opaque alpha channel dropped")
        pixels = np.array(image.convert("RGB"))  # (H, W, 3)
    return Picture(pixels, tuple(notes))


def write_picture(pixels: NDArray[np.uint8], suffix: str) -> bytes:
    """The bytes of a lossless picture file of the kind that `suffix` names; `pixels` is uint8 (H, W, 3).

    ValueError for other pixels or a suffix not in WRITABLE_SUFFIXES, UnsupportedError for a picture that the
    kind of file cannot hold (WebP ends at 16383 pixels a side).
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(f"pixels must be uint8 (H, W, 3), not {pixels.dtype} {pixels.shape}")
    suffix = suffix.lower()
    if suffix not in WRITABLE_SUFFIXES:
        raise ValueError(f"cannot write {suffix or 'a name without suffix'!r}: use {', '.join(WRITABLE_SUFFIXES)}")
    image = Image.fromarray(np.ascontiguousarray(pixels))
    out = BytesIO()
    try:
        if suffix == ".png":
            image.save(out, "PNG", compress_level=2)
        elif suffix == ".webp":
            image.save(out, "WEBP", lossless=True, quality=20, method=1)  # effort, not loss
        else:
            image.save(out, {".ppm": "PPM", ".bmp": "BMP"}.get(suffix, "TIFF"))
    except (OSError, ValueError, KeyError) as error:
        raise UnsupportedError(f"cannot write {image.width} x {image.height} as {suffix}: {error}") from error
    return out.getvalue()


@contextmanager
def _pillow_quiet() -> Iterator[None]:
    """Whatever Pillow raises on hostile bytes (its plugins raise nearly anything) becomes ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (LcodecError, MemoryError):
            raise
        except Image.DecompressionBombError as error:
            raise UnsupportedError("the picture is larger than Pillow's own limit") from error
        except Exception as error:
            why = " ".join(str(error).split()) or type(error).__name__
            raise FormatError(f"the picture is damaged or cut: {why}") from error


def _too_deep() -> UnsupportedError:
    return UnsupportedError("the picture has more than 8 bits per channel: convert it to 8 bits first")


def _refuse_unsupported(image: Image.Image) -> None:
    """Everything that can be told before the pixels are decoded."""
    if image.mode.startswith(("I", "F")) or _stored_bits(image) > 8:
        raise _too_deep()
    if image.mode not in _MODE_NOTES:
        raise UnsupportedError(f"the picture is {image.mode}: convert it to RGB first")
    # A photograph in MPO form is an ordinary one with depth maps or previews behind it.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise UnsupportedError("the file holds several frames or pages: save the one you want by itself")


def _stored_bits(image: Image.Image) -> int:
    """Bits per channel in the file, where Pillow would cut them to 8 in silence: PNG, TIFF, PPM."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(_TIFF_BITS_TAG, (1,))))
    for tile in getattr(image, "tile", ()):
        args = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if any(isinstance(arg, str) and arg.endswith((";16B", ";16L", ";16N")) for arg in args):
            return 16
        if tile.codec_name in ("ppm", "ppm_plain") and isinstance(args[-1], int):  # maxval
            return args[-1].bit_length()
    return 8


def _orientation(image: Image.Image) -> int:
    """1 to 8; 1, as it is, also where there is no EXIF, or none that can be read."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # damaged metadata is no reason to refuse a whole picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _metadata_notes(image: Image.Image, orientation: int) -> list[str]:
    notes = []
    if orientation != 1:
        notes.append("EXIF orientation applied")
    if image.format == "MPO":
        notes.append("only the first picture of the MPO file taken")
    if image.info.get("exif"):
        notes.append("EXIF not kept")
    profile = image.info.get("icc_profile")
    if isinstance(profile, bytes) and profile and not _is_srgb(profile):
        notes.append("ICC profile not kept: colours will be taken for sRGB")
    return notes


def _is_srgb(profile: bytes) -> bool:
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile)))
    except Exception:  # unreadable, or Pillow was built without colour management
        return False
    return "srgb" in name.lower() and "linear" not in name.lower()
