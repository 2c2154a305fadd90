"""The functions of the package's face. Heavy imports wait until they are needed: `info` loads no torch."""

from dataclasses import dataclass
from functools import lru_cache
from os import PathLike, fspath
from typing import TYPE_CHECKING

from ..formats.container import DEFAULT_MAX_PIXELS, Stream, unpack
from ..formats.errors import UnsupportedError
from ..formats.files import read_input
from .registry import by_id

if TYPE_CHECKING:
    from PIL import Image

    from .codec import Codec, Device, ImageLike, Pixels


@dataclass(frozen=True, slots=True)
class Info:
    """What a file says of itself without being decoded. `weights` is hexadecimal; `step_bytes` starts with z's."""

    width: int
    height: int
    quality: float
    model: str
    model_id: int
    weights: str
    file_bytes: int
    bpp: float
    step_bytes: tuple[int, ...]
    comment: str | None


def encode(image: "ImageLike", quality: float = 75.0, model: str = "base") -> bytes:
    """Compress a picture: uint8 (H, W, 3) array or tensor, or PIL image; quality 0 to 100. See `Codec.encode`."""
    return codec(model, "auto").encode(image, quality)


def decode(data: bytes, max_pixels: int = DEFAULT_MAX_PIXELS) -> "Pixels":
    """The picture in a file's bytes, uint8 (H, W, 3), whichever model wrote it. See `Codec.decode`."""
    stream = unpack(data, max_pixels)
    return codec_for(stream, "auto").decode_stream(stream)


def open(path: "str | PathLike[str]", max_pixels: int = DEFAULT_MAX_PIXELS) -> "Image.Image":
    """Read and decode a file into a PIL image. Raises LcodecError where it cannot be read, and as `decode` does."""
    from PIL import Image

    return Image.fromarray(decode(read_input(fspath(path)), max_pixels))


def info(data: bytes) -> Info:
    """What a file says of itself; its sections' checksums are verified, its symbols are not decoded."""
    stream = unpack(data)
    header = stream.header
    try:
        name = by_id(header.model_id).name
    except UnsupportedError:
        name = "unknown"
    return Info(
        width=header.width,
        height=header.height,
        quality=header.quality,
        model=name,
        model_id=header.model_id,
        weights=header.weights_hash.hex(),
        file_bytes=len(data),
        bpp=8 * len(data) / (header.width * header.height),
        step_bytes=tuple(len(step) for step in stream.steps),
        comment=stream.comment,
    )


def codec_for(stream: Stream, device: "Device") -> "Codec":
    """The loaded codec that an unpacked file asks for. Raises UnsupportedError for a model we do not have."""
    return codec(by_id(stream.header.model_id).name, device)


@lru_cache(maxsize=8)
def codec(model: str, device: "Device") -> "Codec":
    """A loaded codec, kept for the life of the process."""
    from .codec import Codec

    return Codec(model, device)
