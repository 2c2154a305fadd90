"""JPEG XL and 10-bit AVIF by the libraries that come with the package imagecodecs."""

import functools

import numpy as np

from .anchor import AnchorCodec, Pixels

_AVIF_BITS = 10
_BT709_PRIMARIES, _SRGB_TRANSFER, _BT601_MATRIX = 1, 13, 6  # ITU-T H.273


def jpeg_xl(name: str, effort: int) -> AnchorCodec:
    """Lossy JPEG XL by libjxl; quality is the Butteraugli distance, so that less is better."""
    return AnchorCodec(
        name=name,
        settings=f"distance swept, effort {effort}, VarDCT XYB, 1 thread",
        qualities=(22, 14, 9, 6, 4, 2.5, 1.6, 1.0, 0.7),
        find=functools.partial(_find, "JPEGXL"),
        write=functools.partial(_write_jpeg_xl, effort),
        read=_read_jpeg_xl,
    )


def avif_10_bit(name: str, speed: int) -> AnchorCodec:
    """10-bit AVIF by libaom; quality is 0..100. The package has no way to choose another tune than libavif's."""
    return AnchorCodec(
        name=name,
        settings=f"quality swept, speed {speed}, 4:4:4 10-bit BT.601 full, libavif's default tune (iq), 1 thread",
        qualities=(12, 22, 32, 42, 52, 62, 72, 80, 86),
        find=functools.partial(_find, "AVIF"),
        write=functools.partial(_write_avif, speed),
        read=_read_avif,
    )


def _write_jpeg_xl(effort: int, pixels: Pixels, distance: float) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpegxl_encode(pixels, distance=distance, effort=effort, numthreads=1))


def _read_jpeg_xl(data: bytes) -> Pixels:
    import imagecodecs

    return np.asarray(imagecodecs.jpegxl_decode(data, numthreads=1))


def _write_avif(speed: int, pixels: Pixels, quality: float) -> bytes:
    import imagecodecs

    deep = np.rint(pixels * ((2**_AVIF_BITS - 1) / 255)).astype(np.uint16)
    data = imagecodecs.avif_encode(
        deep,
        level=round(quality),
        speed=speed,
        bitspersample=_AVIF_BITS,
        pixelformat="yuv444",
        codec="aom",
        primaries=_BT709_PRIMARIES,
        transfer=_SRGB_TRANSFER,
        matrix=_BT601_MATRIX,
        numthreads=1,
    )
    return bytes(data)


def _read_avif(data: bytes) -> Pixels:
    import imagecodecs

    deep = np.asarray(imagecodecs.avif_decode(data, numthreads=1))
    if deep.dtype != np.uint16:
        raise ValueError(f"{deep.dtype} samples where {_AVIF_BITS} bits were written")
    pixels: Pixels = np.rint(deep * (255 / (2**_AVIF_BITS - 1))).astype(np.uint8)
    return pixels


def _find(codec: str) -> str:
    try:
        import imagecodecs
    except ImportError as error:
        raise ImportError("needs imagecodecs: pip install 'lcodec[bench]'") from error
    if not getattr(imagecodecs, codec).available:
        raise ImportError(f"this imagecodecs was built without {codec}: pip install --force-reinstall imagecodecs")
    version = imagecodecs.jpegxl_version() if codec == "JPEGXL" else imagecodecs.avif_version()
    return f"imagecodecs {imagecodecs.__version__}, {version}"
