"""Samples of more than 8 bits: PNG and TIFF through imagecodecs, since Pillow cuts them to 8; PNM by its own header."""

from __future__ import annotations

import re
import struct
import zlib
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from .errors import FormatError, UnsupportedError
from .metadata import Metadata

Samples = NDArray[np.uint16]

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNM = re.compile(rb"P([56])(?:\s+|#[^\n]*\n)+(\d+)\s+(\d+)\s+(\d+)\s")


def read_deep(source: bytes) -> tuple[Samples, int]:
    """Samples (H, W, C) of a PNG, TIFF or PNM file that has more than 8 bits of each, and how many bits.

    Raises FormatError for a damaged file, UnsupportedError for one of another kind, and for samples that are no whole
    numbers of at most 16 bits.
    """
    if source[:2] in (b"P5", b"P6"):
        return _read_pnm(source)
    if source.startswith(PNG_MAGIC):
        decode = _imagecodecs().png_decode
    elif source.startswith(_TIFF_MAGICS):
        decode = _imagecodecs().tiff_decode
    else:
        raise UnsupportedError("more than 8 bits a sample are read from PNG, TIFF and binary PNM files only")
    try:
        found = decode(source)
    except Exception as error:  # each of its readers has an error class of its own
        why = " ".join(str(error).split()) or type(error).__name__
        raise FormatError(f"the picture is damaged or cut: {why}") from error
    if found.dtype != np.uint16 or found.ndim not in (2, 3) or (found.ndim == 3 and not 1 <= found.shape[2] <= 4):
        raise UnsupportedError(f"samples of {found.dtype} in {found.shape} are not supported: convert them to 16 bits")
    return found.reshape(*found.shape[:2], -1), 16


def write_deep(samples: Samples, depth: int, suffix: str, metadata: Metadata) -> bytes:
    """The bytes of a .png, .tif or .ppm file of samples (H, W, C) of `depth` bits, more than 8.

    PNG and TIFF have 16 bits, to which fewer are scaled; PPM has those that there are.
    """
    planes = samples[..., 0] if samples.shape[2] == 1 else samples
    if suffix == ".ppm":
        head = f"P{5 if planes.ndim == 2 else 6} {samples.shape[1]} {samples.shape[0]} {2**depth - 1}\n"
        return head.encode() + planes.astype(">u2").tobytes()
    scaled = np.ascontiguousarray((planes.astype(np.uint32) * 65535 + (2**depth - 1) // 2) // (2**depth - 1), np.uint16)
    if suffix == ".png":
        return _with_chunks(bytes(_imagecodecs().png_encode(scaled, level=2)), metadata)
    if samples.shape[2] == 2:  # which its writer takes for two pages
        scaled = np.concatenate([scaled[..., :1].repeat(3, axis=2), scaled[..., 1:]], axis=2)
    return bytes(_imagecodecs().tiff_encode(scaled))


def _read_pnm(source: bytes) -> tuple[Samples, int]:
    match = _PNM.match(source[:4096])
    if match is None:
        raise FormatError("the picture is damaged or cut: no PNM header")
    channels = 1 if match[1] == b"5" else 3
    width, height, highest = (int(part) for part in match.groups()[1:])
    if not 255 < highest < 65536:
        raise FormatError(f"the picture is damaged: {highest} is no largest sample of more than 8 bits")
    count = width * height * channels
    if len(source) - match.end() < 2 * count:
        raise FormatError("the picture is damaged or cut: samples are missing")
    samples = np.frombuffer(source, ">u2", count, match.end()).astype(np.uint16).reshape(height, width, channels)
    depth = highest.bit_length()
    if highest != 2**depth - 1:  # an unusual range: that of all its bits
        samples = (samples.astype(np.uint32) * (2**depth - 1) // highest).astype(np.uint16)
    return samples, depth


def _with_chunks(png: bytes, metadata: Metadata) -> bytes:
    """A PNG file with metadata behind its header."""
    chunks = []
    if metadata.icc is not None:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.exif is not None:
        chunks.append((b"eXIf", metadata.exif))
    if metadata.xmp is not None:
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp))
    added = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    behind_head = len(PNG_MAGIC) + 25
    return png[:behind_head] + added + png[behind_head:]


def _imagecodecs() -> ModuleType:
    try:
        import imagecodecs
    except ImportError as error:
        raise UnsupportedError("pictures of more than 8 bits need imagecodecs: pip install 'lcodec[deep]'") from error
    module: ModuleType = imagecodecs
    return module
