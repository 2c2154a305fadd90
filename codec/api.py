"""The functions of the package's face. Heavy imports wait until they are needed: `info` loads no torch."""

from dataclasses import dataclass
from functools import lru_cache
from os import PathLike, fspath
from typing import TYPE_CHECKING

from ..formats.container import DEFAULT_MAX_PIXELS, Remains, Stream, unpack, unpack_remains
from ..formats.errors import UnsupportedError
from ..formats.files import read_input
from ..formats.ways import DRAWN
from .registry import Standing, by_file, by_name

if TYPE_CHECKING:
    from PIL import Image

    from ..formats.pictures import Samples
    from .codec import Codec, Device, Rate
    from .decoding import Region
    from .samples import ImageLike
    from .target import Target
    from .tile_coding import Salvaged


@dataclass(frozen=True, slots=True)
class Info:
    """What a file says of itself without being decoded.

    `quality` is None for a model of one rate and where nothing is lost; `weights` is hexadecimal, `standing` is what
    they are to this version; `step_bytes` starts with z's; `tile` is the side of the tiles in pixels, None for a
    picture of one; `drawn_tiles` are those coded by a dictionary. `planes` are grey or RGB, with alpha or without, of
    `depth` bits; the bytes of what is kept beside them are 0 where it is absent.
    """

    width: int
    height: int
    quality: float | None
    lossless: bool
    model: str
    model_id: int
    weights: str
    standing: Standing
    file_bytes: int
    bpp: float
    step_bytes: tuple[int, ...]
    tile: int | None
    tile_count: int
    drawn_tiles: int
    planes: str
    depth: int
    alpha_bytes: int
    icc_bytes: int
    exif_bytes: int
    xmp_bytes: int
    comment: str | None


def encode(
    image: "ImageLike",
    quality: "Rate | None" = None,
    model: str = "base",
    effort: int = 0,
    tile: int | None = None,
    target: "Target | None" = None,
) -> bytes:
    """Compress a picture: uint8 or uint16 array or tensor, or PIL image; quality 0 to 100, None is 75; effort 0 to 9.

    Of quality "lossless" every sample comes back as it is. See `Codec.encode`; for a `target` in place of a quality,
    `targets.encode_to`.
    """
    if target is None:
        return codec(model, "auto").encode(image, quality, effort=effort, tile=tile)
    if quality is not None:
        raise ValueError("a file has a quality or a target, not both")
    from .targets import encode_to

    return encode_to(codec(model, "auto"), image, target, effort=effort, tile=tile)


def decode(data: bytes, max_pixels: int = DEFAULT_MAX_PIXELS, region: "Region | None" = None) -> "Samples":
    """The picture in a file's bytes, whichever model wrote it, or its region (x, y, width, height): uint8 samples.

    See `Codec.decode`. Raises ModelError, which says how to get them, if the weights it was written with cannot be had.
    """
    stream = unpack(data, max_pixels)
    return codec_for(stream, "auto").decode_stream(stream, region)


def salvage(data: bytes, max_pixels: int = DEFAULT_MAX_PIXELS) -> "Salvaged":
    """What can be seen of a file that is cut or damaged. See `Codec.salvage`. Raises as `decode` does."""
    remains = unpack_remains(data, max_pixels)
    return codec_for(remains, "auto").salvage_remains(remains)


def open(path: "str | PathLike[str]", max_pixels: int = DEFAULT_MAX_PIXELS) -> "Image.Image":
    """Read and decode a file into a PIL image. Its profile, EXIF and XMP are in `info`, where PIL's readers put them.

    Of more than 8 bits a sample, the upper 8 are in the image: PIL has no type for more.

    Raises LcodecError where it cannot be read, and as `decode` does.
    """
    from PIL import Image

    from ..formats.pictures import to_eight_bits

    stream = unpack(read_input(fspath(path)), max_pixels)
    samples = codec_for(stream, "auto").decode_stream(stream)
    image = Image.fromarray(to_eight_bits(samples, stream.header.depth))
    kept = {"icc_profile": stream.metadata.icc, "exif": stream.metadata.exif, "xmp": stream.metadata.xmp}
    image.info.update({name: value for name, value in kept.items() if value is not None})
    return image


def info(data: bytes) -> Info:
    """What a file says of itself; its sections' checksums are verified, its symbols are not decoded."""
    stream = unpack(data)
    header, tiles = stream.header, stream.tiles()
    standing: Standing
    try:
        entry = by_file(header.model_id, header.weights_hash)
        name, standing, one_rate, lossless = entry.name, entry.standing, entry.one_rate, entry.lossless
    except UnsupportedError:
        name, standing, one_rate, lossless = "unknown", "unlisted", False, False
    return Info(
        width=header.width,
        height=header.height,
        quality=None if one_rate else header.quality,
        lossless=lossless,
        model=name,
        model_id=header.model_id,
        weights=header.weights_hash.hex(),
        standing=standing,
        file_bytes=len(data),
        bpp=8 * len(data) / (header.width * header.height),
        step_bytes=tuple(sum(map(len, step)) for step in zip(*(tile.steps for tile in tiles), strict=True)),
        tile=None if stream.grid is None else stream.grid.side,
        tile_count=len(tiles),
        drawn_tiles=sum(tile.way == DRAWN for tile in tiles),
        planes=("grey" if header.grey else "RGB") + ("" if stream.alpha is None else " and alpha"),
        depth=header.depth,
        alpha_bytes=len(stream.alpha or b""),
        icc_bytes=len(stream.metadata.icc or b""),
        exif_bytes=len(stream.metadata.exif or b""),
        xmp_bytes=len(stream.metadata.xmp or b""),
        comment=stream.metadata.comment,
    )


def codec_for(stream: Stream | Remains, device: "Device") -> "Codec":
    """The loaded codec, weights included, that an unpacked file asks for.

    Raises UnsupportedError for a model this version does not know, ModelError for weights that cannot be had.
    """
    return _loaded(by_file(stream.header.model_id, stream.header.weights_hash).full_name, device)


def codec(model: str, device: "Device") -> "Codec":
    """A loaded codec, kept for the life of the process."""
    return _loaded(by_name(model).full_name, device)


@lru_cache(maxsize=8)
def _loaded(full_name: str, device: "Device") -> "Codec":
    from .codec import Codec

    return Codec(full_name, device)
