"""Picture files out, through Pillow: samples and metadata to bytes."""

import struct
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO

import numpy as np
from PIL import Image, PngImagePlugin

from .deep_pictures import write_deep
from .errors import UnsupportedError
from .metadata import NO_METADATA, Metadata
from .pictures import EXIF_PREFIX, Samples, to_eight_bits

WRITABLE_SUFFIXES = (".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp", ".jpg", ".jpeg", ".avif")
_LOSSY_QUALITY = 95
_XMP_TAG = 700
_WITHOUT_ALPHA = (".ppm", ".bmp", ".jpg", ".jpeg")
_WITHOUT_METADATA = (".ppm", ".bmp")
_DEEP = (".png", ".ppm", ".tif", ".tiff")
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # by the number of planes


def write_picture(samples: Samples, suffix: str, metadata: Metadata = NO_METADATA, depth: int = 8) -> bytes:
    """The bytes of a picture file of the kind that `suffix` names, with its metadata as far as that kind holds them.

    samples: uint8, or uint16 of a depth of more than 8 bits; (H, W), grey, or (H, W, C): grey and alpha, RGB, or RGB
    and alpha. Kinds of less depth get the upper 8 bits, kinds without alpha the picture on white. JPEG and AVIF are
    lossy, at a quality of 95 and without subsampling; the others are not.

    ValueError for other samples or a suffix not in WRITABLE_SUFFIXES, UnsupportedError for a picture that the
    kind of file cannot hold (WebP ends at 16383 pixels a side).
    """
    planes = samples.shape[2] if samples.ndim == 3 else 1
    of_depth = samples.dtype == (np.uint8 if depth == 8 else np.uint16) and 8 <= depth <= 16
    if not of_depth or samples.ndim not in (2, 3) or planes not in _MODES or not samples.size:
        kinds = "uint8, or uint16 of 9 to 16 bits, (H, W) or (H, W, 2 to 4)"
        raise ValueError(f"samples must be {kinds}, not {samples.dtype} {samples.shape} of {depth} bits")
    suffix = suffix.lower()
    if suffix not in WRITABLE_SUFFIXES:
        raise ValueError(f"cannot write {suffix or 'a name without suffix'!r}: use {', '.join(WRITABLE_SUFFIXES)}")
    if depth > 8 and suffix in _DEEP and not (planes in (2, 4) and suffix in _WITHOUT_ALPHA):
        return write_deep(samples.reshape(*samples.shape[:2], planes).astype(np.uint16), depth, suffix, metadata)
    image = Image.fromarray(np.ascontiguousarray(to_eight_bits(samples, depth)))
    if planes in (2, 4) and suffix in _WITHOUT_ALPHA:
        white = Image.new(image.mode, image.size, (255,) * planes)
        image = Image.alpha_composite(white.convert("RGBA"), image.convert("RGBA")).convert(_MODES[planes - 1])
    out = BytesIO()
    try:
        _SAVERS[suffix](image, out, metadata)
    except (OSError, ValueError, KeyError, SyntaxError) as error:
        raise UnsupportedError(f"cannot write {image.width} x {image.height} as {suffix}: {error}") from error
    return out.getvalue()


def lost_notes(samples: Samples, suffix: str, metadata: Metadata, depth: int = 8) -> list[str]:
    """What a kind of file cannot hold, a phrase each."""
    suffix = suffix.lower()
    notes = []
    if samples.ndim == 3 and samples.shape[2] in (2, 4) and suffix in _WITHOUT_ALPHA:
        notes.append(f"{suffix} has no alpha: the picture is on white")
    if depth > 8 and suffix not in _DEEP:
        notes.append(f"{suffix} has 8 bits a sample of {depth}")
    lost = [name.upper() for name in ("icc", "exif", "xmp") if getattr(metadata, name) is not None]
    if lost and (suffix in _WITHOUT_METADATA or (depth > 8 and suffix in (".tif", ".tiff"))):
        notes.append(f"{suffix} does not hold {', '.join(lost)}")
    return notes


def _options(metadata: Metadata, **further: object) -> dict[str, object]:
    """What most of Pillow's writers take."""
    given = {"icc_profile": metadata.icc, "exif": metadata.exif, "xmp": metadata.xmp, **further}
    return {name: value for name, value in given.items() if value is not None}


def _save_png(image: Image.Image, out: BytesIO, metadata: Metadata) -> None:
    chunks = PngImagePlugin.PngInfo()
    if metadata.xmp is not None:
        chunks.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
    image.save(out, "PNG", compress_level=2, pnginfo=chunks, **_options(metadata, xmp=None))


def _save_webp(image: Image.Image, out: BytesIO, metadata: Metadata) -> None:
    # Here the quality is effort, not loss. Colours under transparent pixels stay as they are.
    image.save(out, "WEBP", lossless=True, quality=20, method=1, exact=True, **_options(metadata))


def _save_jpeg(image: Image.Image, out: BytesIO, metadata: Metadata) -> None:
    exif = None if metadata.exif is None else EXIF_PREFIX + metadata.exif
    options = _options(metadata, exif=exif)
    image.save(out, "JPEG", quality=_LOSSY_QUALITY, subsampling="4:4:4", optimize=True, **options)


def _save_avif(image: Image.Image, out: BytesIO, metadata: Metadata) -> None:
    image.save(out, "AVIF", quality=_LOSSY_QUALITY, subsampling="4:4:4", **_options(metadata))


def _save_tiff(image: Image.Image, out: BytesIO, metadata: Metadata) -> None:
    # EXIF is the file's own directory here, so that it comes back with the same contents, not the same bytes.
    tags = Image.Exif()
    if metadata.exif is not None:
        with suppress(SyntaxError, struct.error, EOFError, KeyError, ValueError):  # unreadable: nobody could use it
            tags.load(metadata.exif)
    if metadata.xmp is not None:
        tags[_XMP_TAG] = metadata.xmp
    image.save(out, "TIFF", exif=tags, **_options(metadata, exif=None, xmp=None))


def _save_ppm(image: Image.Image, out: BytesIO, metadata: Metadata) -> None:
    image.save(out, "PPM")


def _save_bmp(image: Image.Image, out: BytesIO, metadata: Metadata) -> None:
    image.save(out, "BMP")


_SAVERS: dict[str, Callable[[Image.Image, BytesIO, Metadata], None]] = {
    ".png": _save_png,
    ".ppm": _save_ppm,
    ".bmp": _save_bmp,
    ".tif": _save_tiff,
    ".tiff": _save_tiff,
    ".webp": _save_webp,
    ".jpg": _save_jpeg,
    ".jpeg": _save_jpeg,
    ".avif": _save_avif,
}
