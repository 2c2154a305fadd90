"""JPEG, WebP, JPEG 2000 and 8-bit AVIF by the libraries that come with Pillow."""

import functools
from collections.abc import Mapping
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError, features
from PIL import __version__ as pillow_version

from ..ycbcr import Chroma
from .anchor import AnchorCodec, Pixels

_Options = Mapping[str, object]


def jpeg(name: str, chroma: Chroma, progressive: bool) -> AnchorCodec:
    """JPEG by libjpeg-turbo with Huffman tables made for the picture; quality is 1..100 of its own tables."""
    options = {"subsampling": chroma, "optimize": True, "progressive": progressive}
    return AnchorCodec(
        name=name,
        settings=f"quality swept, {chroma}, optimize, {'progressive' if progressive else 'baseline'}",
        qualities=(2, 5, 10, 20, 35, 55, 72, 85, 93),
        find=functools.partial(_find, "jpg", "libjpeg_turbo", "libjpeg-turbo"),
        write=functools.partial(_write, "JPEG", options),
        read=functools.partial(read, "JPEG"),
    )


def webp(name: str) -> AnchorCodec:
    """Lossy WebP by libwebp at its slowest method; quality is 0..100. The format has 4:2:0 only."""
    return AnchorCodec(
        name=name,
        settings="quality swept, method=6 (4:2:0 only)",
        qualities=(0, 10, 25, 40, 60, 75, 82, 90, 95),
        find=functools.partial(_find, "webp", "webp", "libwebp"),
        write=functools.partial(_write, "WEBP", {"method": 6}),
        read=functools.partial(read, "WEBP"),
    )


def jpeg2000(name: str) -> AnchorCodec:
    """JPEG 2000 by OpenJPEG: 9/7 wavelet, irreversible colour transform; quality is the rate aimed at, in bpp."""
    return AnchorCodec(
        name=name,
        settings="bits per pixel swept, 9/7 wavelet, irreversible colour transform, one tile, JP2 file",
        qualities=(0.1, 0.15, 0.25, 0.4, 0.6, 0.9, 1.2, 1.6, 2.0),
        find=functools.partial(_find, "jpg_2000", "jpg_2000", "OpenJPEG"),
        write=_write_jpeg2000,
        read=functools.partial(read, "JPEG2000"),
    )


def avif(name: str, chroma: Chroma, speed: int, tune: str) -> AnchorCodec:
    """8-bit AVIF by libaom; quality is 0..100. libavif's own default tune is `iq`, which does not aim at PSNR."""
    options = {"subsampling": chroma, "speed": speed, "max_threads": 1, "codec": "aom", "advanced": {"tune": tune}}
    return AnchorCodec(
        name=name,
        settings=f"quality swept, speed {speed}, {chroma} 8-bit BT.601 full, tune={tune}, 1 thread",
        qualities=(9, 18, 28, 38, 48, 57, 65, 74, 83),
        find=_find_avif,
        write=functools.partial(_write, "AVIF", options),
        read=functools.partial(read, "AVIF"),
    )


def read(file_format: str, data: bytes) -> Pixels:
    """The picture in a file that must be of the format that Pillow calls `file_format`."""
    try:
        with Image.open(BytesIO(data), formats=[file_format]) as image:
            return np.array(image.convert("RGB"))
    except UnidentifiedImageError:  # its message is about the Python object
        raise ValueError(f"not a whole {file_format} file") from None


def _write(file_format: str, options: _Options, pixels: Pixels, quality: float) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, file_format, quality=round(quality), **options)
    return out.getvalue()


def _write_jpeg2000(pixels: Pixels, bpp: float) -> bytes:
    out = BytesIO()
    image = Image.fromarray(pixels)
    image.save(out, "JPEG2000", irreversible=True, mct=1, quality_mode="rates", quality_layers=[24 / bpp])
    return out.getvalue()


def _find(feature: str, version_of: str, library: str) -> str:
    if not features.check(feature):
        raise ImportError(f"this Pillow was built without {library}: pip install --force-reinstall pillow")
    return f"Pillow {pillow_version}, {library} {features.version(version_of)}"


def _find_avif() -> str:
    found = _find("avif", "avif", "libavif")
    from PIL.AvifImagePlugin import get_codec_version

    if get_codec_version("aom") is None:
        raise ImportError("this Pillow was built without libaom: pip install --force-reinstall pillow")
    return f"{found}, libaom {get_codec_version('aom')}, dav1d {get_codec_version('dav1d')}"
