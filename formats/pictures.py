"""Picture files in, through Pillow: bytes to 8-bit samples and metadata, with notes on what did not survive."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from .container import MAX_PIXELS, MAX_SIDE
from .deep_pictures import PNG_MAGIC, read_deep
from .errors import FormatError, LcodecError, UnsupportedError
from .metadata import MAX_METADATA_BYTES, NO_METADATA, Metadata

EXIF_PREFIX = b"Exif\0\0"  # of what Pillow calls EXIF in some kinds of file

Samples = NDArray[np.unsignedinteger[Any]]

_OPENERS: tuple[tuple[tuple[bytes, ...], Callable[[BytesIO], ImageFile.ImageFile]], ...] = (
    ((PNG_MAGIC,), PngImagePlugin.PngImageFile),
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
    "L": None,
    "LA": None,
    "1": None,
    "P": "palette not kept",
    "PA": "palette not kept",
    "YCbCr": None,
    "CMYK": "CMYK converted to RGB",
}
_GREY_MODES = ("L", "LA", "1")
_DEEP_GREY_MODES = ("I;16", "I;16L", "I;16B")
_ORIENTATION_TAG = 0x0112
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
# Of a TIFF file: tags that say how its pixels are stored, and those that hold other metadata.
_TIFF_STRUCTURE = frozenset(
    {*range(254, 267), *range(273, 282), 284, *range(290, 294), 297, 301, *range(317, 326), 330, 332, *range(338, 348)}
    | {*range(529, 533), 700, 34377, 34675}
)
_XMP_OF_PNG = "XML:com.adobe.xmp"
# How a picture that Pillow has turned by its EXIF orientation is turned back.
_TURN_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
_TIFF_BITS_TAG = 258


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it is stored, not turned by its EXIF orientation.

    Attributes:
        pixels: uint8 or, of more than 8 bits, uint16 (H, W, 3), RGB in the colours of the metadata's profile, or sRGB;
            three equal planes if `grey`.
        notes: what was converted or is not kept, a phrase each.
        grey: whether one plane says all.
        alpha: (H, W) of their type, the largest number for opaque; None where all of it is.
        depth: bits of a sample, 8 to 16.
    """

    pixels: Samples
    notes: tuple[str, ...] = ()
    grey: bool = False
    alpha: Samples | None = None
    metadata: Metadata = NO_METADATA
    depth: int = 8

    def eight_bits(self) -> NDArray[np.uint8]:
        """The pixels as uint8."""
        return to_eight_bits(self.pixels, self.depth)


def to_eight_bits(samples: Samples, depth: int) -> NDArray[np.uint8]:
    """Samples of so many bits as uint8; those of 8 as they are."""
    if depth == 8:
        return np.asarray(samples, np.uint8)
    highest = 2**depth - 1
    scaled: NDArray[np.uint8] = ((samples.astype(np.uint32) * 255 + highest // 2) // highest).astype(np.uint8)
    return scaled


def picture_of(samples: Samples, depth: int, metadata: Metadata = NO_METADATA, notes: tuple[str, ...] = ()) -> Picture:
    """A picture of samples (H, W, C) of so many bits: grey, grey and alpha, RGB, or RGB and alpha."""
    planes = samples.shape[2]
    alpha = np.ascontiguousarray(samples[..., -1]) if planes in (2, 4) else None
    if alpha is not None and alpha.min() == 2**depth - 1:
        alpha = None
    pixels = samples[..., :3] if planes >= 3 else samples[..., :1].repeat(3, axis=2)
    # A copy where it is read-only, as Pillow's are: torch would warn.
    return Picture(np.require(pixels, requirements=("C", "W")), notes, planes <= 2, alpha, metadata, depth)


def read_picture(source: bytes, max_pixels: int = MAX_PIXELS) -> Picture:
    """The picture in a PNG, JPEG, WebP, AVIF, TIFF, BMP, GIF or PNM file, given the file's bytes.

    Raises FormatError if the bytes are no such file, or a damaged or cut one; UnsupportedError if it holds samples
    that are not of 8 to 16 bits, several frames, or more than `max_pixels`; for deep samples without imagecodecs.
    """
    if _is_avif(source):
        with _pillow_quiet():
            avif = AvifImagePlugin.AvifImageFile(BytesIO(source))
        return from_pil(avif, max_pixels)
    for prefixes, opener in _OPENERS:
        if source.startswith(prefixes):
            with _pillow_quiet():
                image = opener(BytesIO(source))
            depth_of_png = source[24] if source[:8] == PNG_MAGIC and source[12:16] == b"IHDR" else 8
            if depth_of_png > 8 or _stored_bits(image) > 8:
                return _deep_picture(image, source, max_pixels)
            return from_pil(image, max_pixels)
    raise FormatError("not a PNG, JPEG, WebP, AVIF, TIFF, BMP, GIF or PNM picture")


def looks_like_picture(start: bytes) -> bool:
    """Whether a file that begins so may be one for `read_picture`."""
    return _is_avif(start) or any(start.startswith(prefixes) for prefixes, _ in _OPENERS)


def _is_avif(start: bytes) -> bool:
    """By the brands of the first box; HEIC has others."""
    brands = start[8:64]
    return start[4:8] == b"ftyp" and (b"avif" in brands or b"avis" in brands)


def from_pil(image: Image.Image, max_pixels: int = MAX_PIXELS) -> Picture:
    """A Pillow image under the rules of `read_picture`, and with its errors; `image` is not altered.

    A file that Pillow has opened but not yet loaded is loaded here. If it was loaded before, its depth is no
    longer known: of 16-bit RGB files Pillow itself keeps 8 bits.
    """
    _check_size(image, max_pixels)
    if image.mode in _DEEP_GREY_MODES and not getattr(image, "tile", ()):
        metadata, notes = _metadata(image, _orientation(image))
        return picture_of(np.array(image).astype(np.uint16)[..., None], 16, metadata, tuple(notes))
    with _pillow_quiet():
        _refuse_unsupported(image)
        orientation = _orientation(image)  # before load: Pillow's TIFF reader turns the picture and forgets
        image.load()
        metadata, notes = _metadata(image, orientation)
        if orientation != _orientation(image):
            image = image.transpose(_TURN_BACK[orientation])
        mode = image.mode
        if (mode_note := _MODE_NOTES[mode]) is not None:
            notes.insert(0, mode_note)
        if image.mode == "CMYK" and metadata.icc is not None:
            image = _to_srgb(image, metadata.icc)
            metadata = replace(metadata, icc=None)
        grey, alpha = image.mode in _GREY_MODES, None
        if image.has_transparency_data:
            image = image.convert("LA" if grey else "RGBA")
            alpha = np.array(image.getchannel("A"))
            if alpha.min() == 255:
                alpha = None
        pixels = np.array(image.convert("RGB"))  # (H, W, 3)
        if mode == "P":
            grey = bool((pixels == pixels[..., :1]).all())
    return Picture(pixels, tuple(notes), grey, alpha, metadata)


def _deep_picture(image: Image.Image, source: bytes, max_pixels: int) -> Picture:
    """Pillow reads what is beside the samples."""
    _check_size(image, max_pixels)
    with _pillow_quiet():
        if getattr(image, "is_animated", False):
            raise _several_frames()
        metadata, notes = _metadata(image, _orientation(image))
    samples, depth = read_deep(source)
    if samples.shape[:2] != (image.height, image.width):
        raise FormatError("the picture is damaged: its size and its samples disagree")
    return picture_of(samples, depth, metadata, tuple(notes))


def stripped(picture: Picture) -> Picture:
    """Without its profile and XMP, and with no more of its EXIF than an orientation other than upright."""
    exif = Image.Exif()
    if picture.metadata.exif is not None:
        try:
            exif.load(picture.metadata.exif)
            orientation = exif.get(_ORIENTATION_TAG, 1)
        except Exception:  # unreadable: then nothing goes by it either
            orientation = 1
        exif = Image.Exif()
        if orientation != 1:
            exif[_ORIENTATION_TAG] = orientation
    kept = exif.tobytes().removeprefix(EXIF_PREFIX) if len(exif) else None
    return replace(picture, metadata=Metadata(picture.metadata.comment, exif=kept))


def _check_size(image: Image.Image, max_pixels: int) -> None:
    if not image.width or not image.height:
        raise ValueError(f"the picture is {image.width} x {image.height}: it has no pixels")
    if max(image.size) > MAX_SIDE or image.width * image.height > max_pixels:
        text = f"more than the limit of {max_pixels} pixels, or of {MAX_SIDE} for a side"
        raise UnsupportedError(f"the picture is {image.width} x {image.height}: {text}")


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


def _several_frames() -> UnsupportedError:
    return UnsupportedError("the file holds several frames or pages: save the one you want by itself")


def _refuse_unsupported(image: Image.Image) -> None:
    """Everything that can be told before the pixels are decoded."""
    if image.mode.startswith(("I", "F")) or _stored_bits(image) > 8:
        why = "Pillow keeps 8 bits of its samples: read the file by lcodec, or give an array"
        raise UnsupportedError(f"the picture has more than 8 bits per channel: {why}")
    if image.mode not in _MODE_NOTES:
        raise UnsupportedError(f"the picture is {image.mode}: convert it to RGB first")
    # A photograph in MPO form is an ordinary one with depth maps or previews behind it.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise _several_frames()


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


def _metadata(image: Image.Image, orientation: int) -> tuple[Metadata, list[str]]:
    """ICC, EXIF and XMP of a picture, with notes."""
    notes = ["only the first picture of the MPO file taken"] if image.format == "MPO" else []
    xmp = image.info.get("xmp") or image.info.get(_XMP_OF_PNG)
    found = {
        "icc": image.info.get("icc_profile"),
        "exif": _exif(image, orientation),
        "xmp": xmp.encode("utf-8") if isinstance(xmp, str) else xmp,
    }
    kept: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, bytes) and value:
            if len(value) > MAX_METADATA_BYTES:
                notes.append(f"{name.upper()} of {len(value)} bytes not kept")
            else:
                kept[name] = value
    return Metadata(**kept), notes


def _exif(image: Image.Image, orientation: int) -> bytes | None:
    """From the TIFF header on. Of a TIFF file, whose own tags they are, those that describe the picture."""
    stored = image.info.get("exif")
    if isinstance(stored, bytes) and stored:
        return stored.removeprefix(EXIF_PREFIX)
    try:
        found = image.getexif()
        described = Image.Exif()
        for tag, value in found.items():
            if tag not in _TIFF_STRUCTURE:
                described[tag] = found.get_ifd(tag) if tag in (_EXIF_IFD, _GPS_IFD) else value
        if orientation != 1:
            described[_ORIENTATION_TAG] = orientation
        return described.tobytes().removeprefix(EXIF_PREFIX) if len(described) else None
    except Exception:  # damaged metadata is no reason to refuse a whole picture
        return None


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """A CMYK picture in the colours that its profile says; as it is where the profile is no usable one."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image
    return image if converted is None else converted
