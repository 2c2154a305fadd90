"""What a clip says of itself, without decoding a frame and without torch."""

from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from ...formats.clip_reader import ClipReader
from ...formats.clip_reading import GBR_MATRIX
from ...formats.clip_records import FULL, GREY, HALF_WIDTH, HALVED, ClipEnd, FrameUnit, Gap, ModelName, Tracks
from ...formats.clip_sections import BETWEEN, INTRA, PREDICTED, REPEAT
from ..registry import by_file

_CHROMA = {GREY: "grey", HALVED: "4:2:0", HALF_WIDTH: "4:2:2", FULL: "4:4:4"}


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """Counts of frames, bytes of what they take;

    `quality` is the mean of coded frames, `whole` whether END is there.
    """

    width: int
    height: int
    frames: int
    intra_frames: int
    repeated_frames: int
    seconds: float
    rate: float
    depth: int
    chroma: str
    quality: float | None
    models: tuple[str, str]
    file_bytes: int
    frame_bytes: int
    track_bytes: int
    bits_per_second: float | None
    whole: bool


def clip_info(file: BinaryIO) -> ClipInfo:
    """Reads all sections. Raises as `ClipReader`; what is damaged is left out."""
    reader = ClipReader(file)
    head = reader.head
    kinds = {INTRA: 0, PREDICTED: 0, BETWEEN: 0, REPEAT: 0}
    frame_bytes = track_bytes = gain_sum = count = 0
    first = last = None
    end: ClipEnd | None = None
    for unit in reader.units(salvage=True):
        match unit:
            case FrameUnit():
                kinds[unit.kind] += 1
                frame_bytes += len(unit.data)
                gain_sum += unit.gain_index
                first, last = unit.time if first is None else first, max(unit.time, last or unit.time)
                count = max(count, unit.number + 1)
            case Tracks():
                track_bytes += len(unit.data)
            case Gap():
                count = max(count, unit.end or 0)
            case ClipEnd():
                end, count = unit, unit.frames
    shown = Fraction((last or 0) - (first or 0) + (end.duration if end else 0)) * head.time_base
    coded = sum(kinds.values()) - kinds[REPEAT]
    size = reader.offset
    picture = head.picture
    gbr = picture.matrix == GBR_MATRIX and picture.chroma == FULL
    return ClipInfo(
        width=picture.width,
        height=picture.height,
        frames=count,
        intra_frames=kinds[INTRA],
        repeated_frames=kinds[REPEAT],
        seconds=float(shown),
        rate=float(head.rate),
        depth=picture.depth,
        chroma="RGB" if gbr else _CHROMA[picture.chroma],
        quality=round(100 * gain_sum / 8192 / coded, 2) if coded else None,
        models=(_full_name(head.intra), _full_name(head.predicted)),
        file_bytes=size,
        frame_bytes=frame_bytes,
        track_bytes=track_bytes,
        bits_per_second=float(8 * size / shown) if shown else None,
        whole=end is not None,
    )


def _full_name(model: ModelName) -> str:
    return by_file(model.id, model.weights_hash).full_name
