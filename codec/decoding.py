"""What any decoder offers, whatever computes its models."""

from abc import ABC, abstractmethod
from dataclasses import replace

from ..formats.container import DEFAULT_MAX_PIXELS, Header, Remains, Stream, unpack, unpack_remains
from ..formats.pictures import Samples
from .planes import samples_of
from .tile_coding import Salvaged, decode_tiles, salvage_tiles, verify_tiles
from .tile_model import DrawingModel
from .tiles import Box

Region = tuple[int, int, int, int]  # x, y, width, height in pixels


class Decoding(ABC):
    """Decodes files of the models it has. Threads may share it; it holds no state between calls."""

    @abstractmethod
    def _model_of(self, header: Header) -> DrawingModel:
        """The model that a file names. Raises ModelError for another."""

    def decode(self, data: bytes, max_pixels: int = DEFAULT_MAX_PIXELS, region: Region | None = None) -> Samples:
        """The picture in the bytes of an .lcc file, or a region of it, in as many planes as it was made of.

        That is uint8, or uint16 for more than 8 bits, and (H, W, 3) RGB, (H, W, 4) RGB and alpha, (H, W) grey, or
        (H, W, 2) grey and alpha; not turned by its EXIF orientation, and in the colours of its ICC profile, if it has
        these: see `lcodec.open`.

        Args:
            data: the whole file, whatever the region.
            max_pixels: the largest picture that is not refused.
            region: (x, y, width, height) of what is wanted. Only the tiles in its reach are decoded.

        Raises:
            ValueError: for a region that does not lie in the picture.
            FormatError: the bytes are damaged, cut or hostile.
            UnsupportedError: a valid file beyond this version, or above max_pixels.
            ModelError: the file needs another model, or other weights, than are here; `lcodec.decode` finds them.
        """
        return self.decode_stream(unpack(data, max_pixels), region)

    def decode_stream(self, stream: Stream, region: Region | None = None) -> Samples:
        """The picture in an unpacked file. Raises as `decode` does."""
        header = stream.header
        area = Box.whole(header.height, header.width) if region is None else _area(region, header)
        pixels = decode_tiles(self._model_of(header), stream, area)
        return samples_of(pixels, header, stream.alpha, area)

    def verify_stream(self, stream: Stream) -> None:
        """Decode all symbols and compare their checksum; raises as `decode` does, and makes no picture."""
        verify_tiles(self._model_of(stream.header), stream)

    def salvage(self, data: bytes, max_pixels: int = DEFAULT_MAX_PIXELS) -> Salvaged:
        """What can be seen of a file that is cut or damaged, at its full size.

        The first coding steps of a tile make a preview of it, which the others refine. Raises as `decode` does where
        damage leaves nothing: where it has met HEAD, GRID, ALPHA or WAYS.
        """
        return self.salvage_remains(unpack_remains(data, max_pixels))

    def salvage_remains(self, remains: Remains) -> Salvaged:
        """The same for what has been read of a file."""
        header = remains.header
        found = salvage_tiles(self._model_of(header), remains)
        whole = Box.whole(header.height, header.width)
        return replace(found, pixels=samples_of(found.pixels, header, remains.alpha, whole))


def _area(region: Region, header: Header) -> Box:
    x, y, width, height = region
    if not (0 <= x < x + width <= header.width and 0 <= y < y + height <= header.height):
        raise ValueError(f"the region {x},{y},{width},{height} does not lie in {header.width} x {header.height} pixels")
    return Box(y, x, y + height, x + width)
