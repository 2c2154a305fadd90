"""What the container of clips holds, see CLIP-SPEC.md."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from .clip_sections import BETWEEN, END, HEAD, INDEX, INTRA, PREDICTED, REPEAT, TRACKS
from .errors import FormatError

MAJOR, MINOR = 3, 0
MAX_FRAME_PIXELS = 2**26
DEFAULT_MAX_FRAME_PIXELS = 2**24
GREY, HALVED, HALF_WIDTH, FULL = range(4)  # of `chroma`: none, 4:2:0, 4:2:2, 4:4:4
NAMES = {
    HEAD: "HEAD", INTRA: "INTRA", PREDICTED: "PREDICTED", BETWEEN: "BETWEEN", REPEAT: "REPEAT", END: "END",
    INDEX: "INDEX", TRACKS: "TRACKS",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model by its wire id and the first 8 bytes of the SHA-256 of its weights."""

    id: int
    weights_hash: bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """How samples are laid out and what they mean:

    numbers of ITU-T H.273, 2 for unspecified. `chroma` is one of those above.
    """

    width: int
    height: int
    depth: int = 8
    chroma: int = HALVED
    matrix: int = 2
    primaries: int = 2
    transfer: int = 2
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class ClipHead:
    """CLIP-SPEC 4. A time counts `time_base` seconds; `rate` is the nominal one in frames a second, 0 if unknown.

    The times of packets in TRACKS are `track_shift` seconds too late.
    """

    picture: Picture
    time_base: Fraction
    rate: Fraction
    aspect: Fraction
    intra: ModelName
    predicted: ModelName
    track_shift: int = 0


@dataclass(frozen=True, slots=True)
class FrameUnit:
    """A frame: `kind` is INTRA, PREDICTED, BETWEEN or REPEAT; `references` and `level` as in `clip_order`.

    Of a REPEAT, no more is used than number, time and references.
    """

    kind: int
    number: int
    time: int
    references: tuple[int, ...] = ()
    level: int = 0
    gain_index: int = 0
    symbols_crc: int = 0
    data: bytes = b""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames up to `end` that have not come will not; `problem` says why. None where nobody says how many they are."""

    end: int | None
    problem: FormatError


@dataclass(frozen=True, slots=True)
class ClipEnd:
    """The number of frames, and how long the last one is shown, in `time_base`."""

    frames: int
    duration: int
    index_offset: int


@dataclass(frozen=True, slots=True)
class Tracks:
    """The next bytes of a NUT file with the other streams."""

    data: bytes


Unit = FrameUnit | Gap | Tracks | ClipEnd


class Output(Protocol):
    """What a clip is written to."""

    def write(self, data: bytes, /) -> object: ...
    def flush(self) -> object: ...
