"""What is asked for one file, so that the command line, folders and the server do it alike: bytes in, bytes out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..formats.container import DEFAULT_MAX_PIXELS, unpack, unpack_remains
from ..formats.errors import CutError
from ..formats.metadata import Metadata
from .target import Target

if TYPE_CHECKING:
    from ..formats.container import Remains, Stream
    from ..formats.pictures import Samples
    from .codec import Codec, Rate
    from .decoding import Decoding, Region

# Told the number of pixels when it is known, before long work.
Begin = Callable[[int], None]


def _quietly(pixels: int) -> None:
    """A `Begin` that tells nobody."""


@dataclass(frozen=True, slots=True)
class Done:
    """The bytes of the result, and lines that the user should read."""

    data: bytes
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EncodeJob:
    """A picture file into a coded file: the options of `Codec.encode`, or a target in place of a quality.

    `strip`: without ICC and XMP, and of EXIF only the orientation.
    """

    quality: "Rate | None" = None
    target: Target | None = None
    effort: int = 0
    tile: int | None = None
    comment: str | None = None
    strip: bool = False

    def run(self, data: bytes, codec_of: "Callable[[], Codec]", begin: Begin = _quietly) -> Done:
        """Raises as `read_picture`, `Codec.encode` and `encode_to` do."""
        from ..formats.pictures import read_picture, stripped

        picture = read_picture(data)
        if self.strip:
            picture = stripped(picture)
        begin(picture.pixels.shape[0] * picture.pixels.shape[1])
        codec = codec_of()
        if self.target is None:
            coded = codec.encode(picture, self.quality, self.comment, self.effort, self.tile)
        else:
            from .targets import encode_to

            further = {"comment": self.comment, "effort": self.effort, "tile": self.tile}
            coded = encode_to(codec, picture, self.target, **further)
        return Done(coded, tuple(f"note: {note}" for note in picture.notes))


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """A coded file into a picture file of a suffix: a region of it, or what is left of one that is cut or damaged."""

    suffix: str = ".png"
    region: "Region | None" = None
    partial: bool = False
    salvage: bool = False
    max_pixels: int = DEFAULT_MAX_PIXELS

    def check(self) -> None:
        """Raise ValueError for a suffix that no picture is written with."""
        from ..formats.picture_writing import WRITABLE_SUFFIXES

        if self.suffix not in WRITABLE_SUFFIXES:
            raise ValueError(f"the suffix of a picture is one of {' '.join(WRITABLE_SUFFIXES)}, not {self.suffix!r}")

    def run(self, data: bytes, decoder_of: "Callable[[Stream | Remains], Decoding]", begin: Begin = _quietly) -> Done:
        """Raises as `check`, `unpack`, `Decoding.decode` and `write_picture` do."""
        from ..formats.picture_writing import lost_notes, write_picture

        self.check()
        samples, metadata, depth, notes = self._decoded(data, decoder_of, begin)
        notes += [f"note: {note}" for note in lost_notes(samples, self.suffix, metadata, depth)]
        return Done(write_picture(samples, self.suffix, metadata, depth), tuple(notes))

    def _decoded(
        self, data: bytes, decoder_of: "Callable[[Stream | Remains], Decoding]", begin: Begin
    ) -> "tuple[Samples, Metadata, int, list[str]]":
        if not self.partial and not self.salvage:
            stream = unpack(data, self.max_pixels)
            width, height = self.region[2:] if self.region else (stream.header.width, stream.header.height)
            begin(width * height)
            samples = decoder_of(stream).decode_stream(stream, self.region)
            return samples, stream.metadata, stream.header.depth, []
        remains = unpack_remains(data, self.max_pixels)
        if self.partial and remains.problem is not None and not isinstance(remains.problem, CutError):
            raise remains.problem
        begin(remains.header.width * remains.header.height)
        found = decoder_of(remains).salvage_remains(remains)
        notes = [] if found.problem is None else [f"warning: {found.problem}"]
        return found.pixels, remains.metadata, remains.header.depth, [*notes, f"note: {found.summary()}"]
