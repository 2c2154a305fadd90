"""Clips from files to files: what the command line and programs call."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from os import PathLike, fspath
from typing import BinaryIO, Protocol

from ...formats.clip_order import MAX_GROUP
from ...formats.clip_reader import ClipReader
from ...formats.clip_reading import ClipSource, Planes
from ...formats.clip_records import DEFAULT_MAX_FRAME_PIXELS, ClipEnd, ClipHead, Tracks
from ...formats.clip_writing import ClipSink, PngSink, check_clip_output
from ...formats.errors import UnsupportedError
from ...formats.files import growing_output, open_input, whole_output, write_output
from ..codec import Device
from ..registry import by_file
from .clip_codec import DEFAULT_MODEL, DEFAULT_QUALITY, ClipCodec, Coded, Progress
from .clip_decoding import DecodedFrame, Lost
from .encoder import DEFAULT_PERIOD
from .rate_control import RateControl

_IN_MEMORY_BYTES = 2**25
_PASSES = 4  # over a clip that is to have a size, the first one included
_COPY_BYTES = 2**20


@lru_cache(maxsize=2)
def clip_codec(model: str, device: Device, intra: str | None = None) -> ClipCodec:
    """As `ClipCodec`, loaded once."""
    return ClipCodec(model, device, intra)


def clip_codec_of(head: ClipHead, device: Device) -> ClipCodec:
    """That of the models that a file names. Raises UnsupportedError, ModelError."""
    predicted, intra = (by_file(name.id, name.weights_hash).full_name for name in (head.predicted, head.intra))
    try:
        return clip_codec(predicted, device, intra)
    except ValueError as error:
        raise UnsupportedError(f"the clip names another kind of model: {error}") from None


@dataclass(frozen=True, slots=True)
class ClipWanted:
    """How a clip is to be coded: `quality`, or the best within `size` bytes of file or `bits_per_second`.

    `period`: frames from one intra frame to the next, at most. `group`: frames that are coded together, at most; with
    1, each is written as soon as it is read. `model` is that of predicted frames, which has its own for intra frames.
    """

    quality: float | None = None
    size: int | None = None
    bits_per_second: float | None = None
    period: int = DEFAULT_PERIOD
    group: int = MAX_GROUP
    model: str = DEFAULT_MODEL

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.quality, self.size, self.bits_per_second)) > 1:
            raise ValueError("a clip has a quality, a size or a bitrate, not two of them")
        for name in ("size", "bits_per_second"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, not {value!r}")


def _quietly(done: int) -> None:
    """A `Progress` that tells nobody."""


def encode_clip(
    source: str | PathLike[str],
    target: str | PathLike[str],
    wanted: ClipWanted | None = None,
    device: Device = "auto",
    overwrite: bool = False,
    progress: Progress = _quietly,
) -> tuple[Coded, list[str]]:
    """Code any clip that PyAV reads into an .lcv file; what became of it, and notes of what is not kept.

    While it grows, the file's name ends with `.partial`; it can be played so far. `-` is standard input and output.
    Raises ValueError, LcodecError.
    """
    wanted = wanted or ClipWanted()
    path, name = fspath(source), fspath(target)
    codec = clip_codec(wanted.model, device)
    with growing_output(name, overwrite) as file:
        if wanted.size is None and wanted.bits_per_second is None:
            quality = DEFAULT_QUALITY if wanted.quality is None else wanted.quality
            with open_input(path) as data, ClipSource(path if path != "-" else data, _shown(path)) as clip:
                coded = codec.encode(clip, file, quality, wanted.period, progress=progress, group=wanted.group)
                return coded, clip.notes
        with _searchable(path) as data:
            return _to_size(codec, data, _shown(path), file, wanted, progress)


def _to_size(
    codec: ClipCodec, data: BinaryIO, name: str, file: BinaryIO, wanted: ClipWanted, progress: Progress
) -> tuple[Coded, list[str]]:
    """Passes until the file is small enough: the second is, mostly."""
    with ClipSource(data, name) as clip:
        first = codec.first_pass(clip, wanted.period, wanted.group, progress)
        notes, seconds = clip.notes, first.seconds
    limit = wanted.size if wanted.size is not None else (wanted.bits_per_second or 0) * seconds / 8
    aim = float(limit)
    for _ in range(_PASSES - 1):
        data.seek(0)
        with _spool() as attempt, ClipSource(data, name) as clip:
            coded = codec.encode(
                clip,
                attempt,
                period=wanted.period,
                control=RateControl(first, aim),
                progress=progress,
                group=wanted.group,
            )
            if coded.file_bytes <= limit:
                attempt.seek(0)
                _copy(attempt, file)
                return coded, notes
        aim *= 0.98 * limit / coded.file_bytes
    raise ValueError(f"{name} does not fit {int(limit)} bytes: it takes {coded.file_bytes} at the least that was tried")


@dataclass(slots=True)
class Restored:
    """What was decoded: the number of frames, those that were lost, notes of what the kind of file does not hold."""

    frames: int = 0
    lost: list[Lost] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Sink(Protocol):
    """What takes frames: `ClipSink`, `PngSink`."""

    notes: list[str]

    def put(self, planes: Planes, time: int, duration: int, /) -> None: ...
    def close(self) -> None: ...


def decode_clip(
    source: str | PathLike[str],
    target: str | PathLike[str],
    device: Device = "auto",
    overwrite: bool = False,
    salvage: bool = False,
    frames: range | None = None,
    encoder: str | None = None,
    options: dict[str, str] | None = None,
    max_pixels: int = DEFAULT_MAX_FRAME_PIXELS,
    progress: Progress = _quietly,
) -> Restored:
    """Decode an .lcv file to a clip or to numbered PNGs, without further loss unless an `encoder` is named.

    Args:
        target: .mp4, .mov, .mkv, .webm, .avi, .nut, .y4m, or .png with a number in its name, `%04d`; `-` is y4m.
        salvage: go on where the file is damaged, and take one that is cut for whole.
        frames: numbers of those that are wanted, one after the other; sound is then left out.
        encoder, options: one of FFmpeg's encoders, and what it is told.
        max_pixels: of a frame, that are not refused.

    Raises ValueError, FormatError, UnsupportedError, ModelError, LcodecError.
    """
    name = fspath(target)
    suffix = ".y4m" if name == "-" else _suffix(name)
    if name != "-":
        check_clip_output(name, encoder)
    holds_sound = suffix not in (".y4m", ".png") and frames is None
    opened = _searchable if holds_sound or frames is not None else open_input
    with ExitStack() as stack:
        data = stack.enter_context(opened(fspath(source)))
        tracks = _tracks(data, stack, max_pixels, salvage) if holds_sound else None
        reader = ClipReader(data, max_pixels)
        if frames is not None:
            reader.skip_to(frames.start)
        decoded = stack.enter_context(closing(clip_codec_of(reader.head, device).decode(reader, salvage)))
        if suffix == ".png":
            sink: Sink = PngSink(name, reader.head, lambda path, png: write_output(path, png, overwrite))
        elif name == "-":
            sink = ClipSink(_NoSeek(stack.enter_context(growing_output(name, overwrite))), suffix, reader.head)
        else:
            path = stack.enter_context(whole_output(name, overwrite))
            sink = ClipSink(path, suffix, reader.head, tracks, encoder, options)
        stack.enter_context(closing(sink))
        return _put_all(decoded, sink, frames, progress)


def clip_frames(source: str | PathLike[str], device: Device = "auto", salvage: bool = False) -> Iterator[DecodedFrame]:
    """The frames of an .lcv file, one by one. Raises as `decode_clip`."""
    with open_input(fspath(source)) as data:
        reader = ClipReader(data)
        for unit in clip_codec_of(reader.head, device).decode(reader, salvage):
            if isinstance(unit, DecodedFrame):
                yield unit


def _put_all(
    units: Iterator[DecodedFrame | Lost | Tracks | ClipEnd], sink: Sink, frames: range | None, progress: Progress
) -> Restored:
    done = Restored()
    waiting: DecodedFrame | None = None  # until it is known how long it is shown
    last = 0
    for unit in units:
        if isinstance(unit, Lost):
            done.lost.append(unit)
        elif isinstance(unit, ClipEnd):
            last = unit.duration
        elif isinstance(unit, DecodedFrame):
            if waiting is not None:
                sink.put(waiting.planes, waiting.time, unit.time - waiting.time)
                last = unit.time - waiting.time
            waiting = None
            if frames is not None and unit.number >= frames.stop:
                break
            if frames is None or unit.number >= frames.start:
                waiting = unit
                done.frames += 1
                progress(done.frames)
    if waiting is not None:
        sink.put(waiting.planes, waiting.time, last)
    done.notes = sink.notes
    return done


def _tracks(data: BinaryIO, stack: ExitStack, max_pixels: int, salvage: bool) -> BinaryIO | None:
    """The NUT file of the other streams, from a file that can be searched; None where there are none."""
    start = data.tell()
    spool = stack.enter_context(_spool())
    for unit in ClipReader(data, max_pixels).units(salvage):
        if isinstance(unit, Tracks):
            spool.write(unit.data)
    data.seek(start)
    if not spool.tell():
        return None
    spool.seek(0)
    return spool


@contextmanager
def _searchable(path: str) -> Iterator[BinaryIO]:
    """A file that can be searched: itself, or a copy of what comes through a pipe."""
    with open_input(path) as file:
        if file.seekable():
            yield file
            return
        with _spool() as copy:
            _copy(file, copy)
            copy.seek(0)
            yield copy


def _spool() -> BinaryIO:
    """A temporary file, in memory while it is small."""
    return tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # type: ignore[return-value]


class _NoSeek:
    """Standard output as PyAV wants it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data)


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    while data := source.read(_COPY_BYTES):
        target.write(data)


def _suffix(name: str) -> str:
    return "." + name.rpartition(".")[2].lower() if "." in name else ""


def _shown(path: str) -> str:
    return "standard input" if path == "-" else repr(path)
