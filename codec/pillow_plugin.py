"""Pillow opens and saves .lcc files, once asked to: `lcodec.register_pillow()`."""

from io import BytesIO
from typing import IO, TYPE_CHECKING

from PIL import Image, ImageFile

if TYPE_CHECKING:
    from PIL._imaging import PixelAccess

from ..formats.container import DEFAULT_MAX_PIXELS, MAGIC, unpack
from ..formats.errors import LcodecError
from ..formats.pictures import to_eight_bits
from .api import codec_for, encode

FORMAT = "LCODEC"
MIME = "image/x-lcodec"
SUFFIX = ".lcc"


class LcodecImageFile(ImageFile.ImageFile):
    """A picture that is decoded when its pixels are first needed; its metadata are in `info` before."""

    format = FORMAT
    format_description = "lcodec picture"

    def _open(self) -> None:
        assert self.fp is not None
        try:
            self._stream = unpack(self.fp.read(), DEFAULT_MAX_PIXELS)
        except LcodecError as error:
            raise SyntaxError(str(error)) from error  # how Pillow's readers say that a file is none of theirs
        header, metadata = self._stream.header, self._stream.metadata
        self._size = header.width, header.height
        self._mode = ("L" if header.grey else "RGB") + ("" if self._stream.alpha is None else "A")
        kept = {"icc_profile": metadata.icc, "exif": metadata.exif, "xmp": metadata.xmp, "comment": metadata.comment}
        self.info.update({name: value for name, value in kept.items() if value is not None})
        self.tile = [ImageFile._Tile("raw", (0, 0, *self._size), 0, (self._mode, 0, 1))]

    def load(self) -> "PixelAccess | None":
        if self.tile:
            try:
                samples = codec_for(self._stream, "auto").decode_stream(self._stream)
            except LcodecError as error:
                raise OSError(str(error)) from error
            if self.fp is not None and self._exclusive_fp:
                self.fp.close()
            self.fp = BytesIO(to_eight_bits(samples, self._stream.header.depth).tobytes())
        return super().load()


def register_pillow() -> None:
    """Let `Image.open` read and `Image.save` write .lcc files, in this process; calling it again changes nothing.

    `image.save("a.lcc", quality=60)`, or `quality="lossless"`, takes `quality`, `model` and `effort` as `lcodec.encode`
    does.
    """
    Image.register_open(FORMAT, LcodecImageFile, lambda prefix: prefix.startswith(MAGIC))
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, SUFFIX)
    Image.register_mime(FORMAT, MIME)


def _save(image: Image.Image, file: IO[bytes], name: str | bytes) -> None:
    given = image.encoderinfo
    options = {key: given[key] for key in ("quality", "model", "effort", "tile", "target") if key in given}
    try:
        file.write(encode(image, **options))
    except LcodecError as error:
        raise OSError(str(error)) from error
