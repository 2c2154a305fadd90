"""Moving pictures from any file that PyAV reads:

frames as planes, and all other streams as the bytes of one NUT file.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from .clip_records import FULL, GREY, HALF_WIDTH, HALVED, Picture
from .errors import FormatError, LcodecError, UnsupportedError

if TYPE_CHECKING:
    import av

Planes = tuple[npt.NDArray[Any], ...]  # luminance, blue, red; or green, blue, red; or grey alone

GBR_MATRIX = 0  # of ITU-T H.273: the planes are the colours themselves
_UNSPECIFIED = 2
_DEPTHS = (8, 9, 10, 12, 14, 16)
_NAMES = {GREY: "gray", HALVED: "yuv420p", HALF_WIDTH: "yuv422p", FULL: "yuv444p"}
_NO_CLIPS = ("tty",)  # what FFmpeg takes any text for
_TRACK_KINDS = ("audio", "subtitle")
_SHIFT_SECONDS = 1  # more than what encoders of sound put before its beginning


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """Planes (H, W) uint8, or uint16 for more bits; its time and how long it is shown, in the source's time base."""

    time: int
    duration: int
    planes: Planes


@dataclass(frozen=True, slots=True)
class _Layout:
    """What frames of a pixel format become."""

    name: str
    depth: int
    chroma: int
    gbr: bool


class ClipSource:
    """A clip that is open for reading; a context manager. `notes` says what of it is not kept."""

    def __init__(self, source: str | BinaryIO, name: str) -> None:
        """Raises LcodecError where it cannot be read, FormatError where there is no moving picture in it."""
        import av

        self._name = name
        self.notes: list[str] = []
        try:
            self._file = av.open(source, "r")
        except (av.FFmpegError, OSError) as error:
            raise LcodecError(f"cannot read {name} as a clip: {_reason(error)}") from error
        try:
            if self._file.format.name in _NO_CLIPS:
                raise LcodecError(f"cannot read {name} as a clip: it is text")
            self._begin()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> ClipSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def events(self) -> Iterator[ClipFrame | bytes]:
        """Frames, and in between the next bytes of the NUT file of the other streams.

        Raises FormatError for damaged frames, UnsupportedError where their size or kind changes.
        """
        yield from self._early
        yield from self._rest

    def _begin(self) -> None:
        streams = self._file.streams
        if not streams.video:
            raise FormatError(f"{self._name} has no moving picture in it")
        self._video = streams.video[0]
        self._video.thread_type = "AUTO"
        others = [s for s in streams if s.type in _TRACK_KINDS]
        if left_out := len(streams) - 1 - len(others):
            self.notes.append(f"{left_out} more streams, which are neither sound nor subtitles, are left out")
        # Times of sound may begin below zero, which NUT does not keep: all are told so many seconds later.
        starts = [s.start_time * s.time_base for s in others if s.start_time is not None and s.time_base is not None]
        self.track_shift = max(0, *[math.ceil(-start) for start in starts]) + _SHIFT_SECONDS if starts else 0
        self._tracks = _TrackWriter(others, self.track_shift, self.notes)
        self.time_base = Fraction(self._video.time_base or Fraction(1, 1000))
        self.rate = Fraction(self._video.average_rate or 0)
        self.aspect = Fraction(self._video.sample_aspect_ratio or 0)
        self._layout: _Layout | None = None
        self._time: int | None = None
        self._rest = self._read()
        self._early: list[ClipFrame | bytes] = []
        for event in self._rest:
            self._early.append(event)
            if isinstance(event, ClipFrame):
                return
        raise FormatError(f"{self._name} has no frame that can be decoded")

    def _read(self) -> Iterator[ClipFrame | bytes]:
        import av

        try:
            for packet in self._file.demux(self._video, *self._tracks.sources):
                if packet.stream is not self._video:
                    self._tracks.put(packet)
                    continue
                for frame in packet.decode():
                    assert isinstance(frame, av.VideoFrame)
                    if data := self._tracks.take():
                        yield data
                    yield self._frame(frame)
        except av.FFmpegError as error:
            raise FormatError(f"cannot decode {self._name}: {_reason(error)}") from error
        self._tracks.close()
        if data := self._tracks.take():
            yield data

    def _frame(self, frame: av.VideoFrame) -> ClipFrame:
        turns = round(frame.rotation / 90) % 4
        layout = _layout_of(frame, turns, self.notes if self._layout is None else [])
        plain = frame if frame.format.name.replace("yuvj", "yuv") == layout.name else frame.reformat(format=layout.name)
        planes = tuple(np.rot90(plane, turns) if turns else plane for plane in _planes(plain, layout))
        height, width = planes[0].shape
        picture = Picture(
            width,
            height,
            layout.depth,
            layout.chroma,
            GBR_MATRIX if layout.gbr else _code(frame.colorspace, _UNSPECIFIED),
            _code(frame.color_primaries, _UNSPECIFIED),
            _code(frame.color_trc, _UNSPECIFIED),
            layout.gbr or frame.color_range == 2 or frame.format.name.startswith("yuvj"),
        )
        if self._layout is None:
            self._layout, self.picture = layout, picture
            if turns:
                self.notes.append(f"frames are turned by {90 * turns} degrees, as they are shown")
            if frame.interlaced_frame:
                self.notes.append("interlaced frames are coded as whole ones")
        elif picture != self.picture:
            raise UnsupportedError(f"{self._name}: the frames change their size or kind")
        return ClipFrame(self._stamp(frame), int(frame.duration or 0), planes)

    def _stamp(self, frame: av.VideoFrame) -> int:
        """The frame's time; times rise."""
        step = 1 / (self.rate * self.time_base) if self.rate else Fraction(1)
        time = (
            frame.pts if frame.pts is not None else round(step * (0 if self._time is None else 1)) + (self._time or 0)
        )
        if self._time is not None and time <= self._time:
            time = self._time + 1
        self._time = time
        return time


class _TrackWriter:
    """The other streams as a NUT file whose bytes are taken piece by piece."""

    def __init__(self, sources: list[Any], shift: int, notes: list[str]) -> None:
        import av

        self._buffer = _Pipe()
        self._shift = shift
        self._file = None
        self._to: dict[int, Any] = {}
        self.sources = []
        if not sources:
            return
        self._file = av.open(self._buffer, "w", format="nut")
        for stream in sources:
            try:
                self._to[stream.index] = self._file.add_stream_from_template(stream)
            except (av.FFmpegError, ValueError):
                notes.append(f"a stream of {stream.codec_context.name} cannot be kept")
                continue
            self.sources.append(stream)

    def put(self, packet: Any) -> None:
        if packet.dts is None or self._file is None:  # the end of a stream
            return
        shift = round(self._shift / packet.time_base)
        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
        packet.stream = self._to[packet.stream.index]
        self._file.mux(packet)

    def take(self) -> bytes:
        return self._buffer.take()

    def close(self) -> None:
        if self._file is not None and self.sources:
            self._file.close()


class _Pipe(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


def _layout_of(frame: av.VideoFrame, turns: int, notes: list[str]) -> _Layout:
    kind = frame.format
    own = max(component.bits for component in kind.components)
    if own > _DEPTHS[-1]:
        notes.append(f"samples of {own} bits are coded with {_DEPTHS[-1]}")
    depth = next((d for d in _DEPTHS if d >= own), _DEPTHS[-1])
    suffix = "" if depth == 8 else f"{depth}le"
    if any(component.is_alpha for component in kind.components):
        notes.append("opacity is left out")
    if kind.is_rgb or kind.has_palette:
        return _Layout(f"gbrp{suffix}", depth, FULL, True)
    if sum(not component.is_alpha for component in kind.components) == 1:
        return _Layout(f"gray{suffix}", depth, GREY, False)
    narrow, low = kind.chroma_width(16) < 16, kind.chroma_height(16) < 16
    chroma = HALVED if narrow and low else HALF_WIDTH if narrow and not turns % 2 else FULL
    if (kind.chroma_width(16), kind.chroma_height(16)) not in ((8, 8), (8, 16), (16, 16)):
        notes.append(f"chroma of {kind.name} is coded at full size")
        chroma = FULL
    return _Layout(f"{_NAMES[chroma]}{suffix}", depth, chroma, False)


def _planes(frame: av.VideoFrame, layout: _Layout) -> Planes:
    kind: np.dtype[Any] = np.dtype(np.uint8) if layout.depth == 8 else np.dtype("<u2")
    found = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // kind.itemsize)
        found.append(rows[: plane.height, : plane.width].astype(kind.newbyteorder("="), copy=True))
    return tuple(found)


def _code(value: Any, unspecified: int) -> int:
    code = int(value)
    return code if 0 < code < 256 else unspecified


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
