"""Moving pictures to a file: mp4, mkv and others by PyAV, y4m, or numbered PNGs."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

from .clip_reading import GBR_MATRIX, Planes
from .clip_records import FULL, GREY, HALF_WIDTH, HALVED, ClipHead, Picture
from .errors import LcodecError

if TYPE_CHECKING:
    import av

# How frames come out unless told otherwise: without loss.
_LOSSLESS: dict[str, tuple[str, dict[str, str]]] = {
    ".mkv": ("ffv1", {"level": "3"}),
    ".avi": ("ffv1", {"level": "3"}),
    ".nut": ("ffv1", {"level": "3"}),
    ".mp4": ("libx264", {"qp": "0", "preset": "veryfast"}),
    ".mov": ("libx264", {"qp": "0", "preset": "veryfast"}),
    ".webm": ("libvpx-vp9", {"lossless": "1"}),
    ".y4m": ("rawvideo", {}),
}
WRITABLE_SUFFIXES = (*_LOSSLESS, ".png")
_FORMATS = {".mkv": "matroska", ".y4m": "yuv4mpegpipe"}
_CHROMA = {GREY: "gray", HALVED: "yuv420p", HALF_WIDTH: "yuv422p", FULL: "yuv444p"}
_NUMBER = re.compile(r"%0?\d*d")
_UNKNOWN_RATE = Fraction(25)


def check_clip_output(path: str, codec: str | None) -> None:
    """Raise ValueError for a name that no clip is written with, or an encoder that is not there."""
    import av

    suffix = Path(path).suffix.lower()
    if suffix not in WRITABLE_SUFFIXES:
        raise ValueError(f"the suffix of a clip is one of {' '.join(WRITABLE_SUFFIXES)}, not {suffix!r}")
    if suffix == ".png" and not _NUMBER.search(path):
        raise ValueError("name PNG frames with a number in it, such as frames/%04d.png")
    if codec is not None:
        if suffix in (".png", ".y4m"):
            raise ValueError(f"{suffix} has no choice of encoder")
        try:
            av.codec.Codec(codec, "w")
        except (av.FFmpegError, ValueError):
            raise ValueError(f"there is no encoder {codec!r}") from None


class Stream(Protocol):
    """What a clip is written to that is no file with a name, and cannot be searched."""

    def write(self, data: bytes, /) -> int: ...


class ClipSink:
    """A clip that is open for writing; close it to finish it."""

    def __init__(
        self,
        target: str | Stream,
        suffix: str,
        head: ClipHead,
        tracks: BinaryIO | None = None,
        codec: str | None = None,
        options: dict[str, str] | None = None,
    ) -> None:
        """tracks: the NUT file of the other streams, whole.

        Raises LcodecError where the kind of file cannot hold the frames.
        """
        import av

        self._head, self._suffix = head, suffix
        self.notes: list[str] = []
        own, own_options = _LOSSLESS[suffix]
        if own == "libx264" and pixel_format(head.picture) == "gbrp":
            own = "libx264rgb"
        try:
            kind = _FORMATS.get(suffix, suffix[1:])
            # Sound that begins a little before the frames keeps its time, where the kind of file can say so.
            timing = {"avoid_negative_ts": "disabled"} if suffix in (".mkv", ".webm") else {}
            # y4m of more than 8 bits is no official one.
            self._file = av.open(target, "w", format=kind, options={**timing, "strict": "-1"})
            self._raw = suffix == ".y4m"
            rate = head.rate or _UNKNOWN_RATE
            chosen = options or ({} if codec else own_options)
            stream: Any = self._file.add_stream(codec or own, rate=rate, options=chosen)
            picture = head.picture
            stream.width, stream.height = picture.width, picture.height
            stream.pix_fmt = self._accepted(stream, pixel_format(picture))
            odd = (picture.width | picture.height) % 2 > 0 and "yuv42" in stream.pix_fmt
            if odd and "264" in stream.codec_context.name:
                raise ValueError("H.264 takes no odd sides where chroma has half of them; .mkv does")
            stream.time_base = stream.codec_context.time_base = 1 / rate if self._raw else head.time_base
            context = stream.codec_context
            context.colorspace, context.color_primaries = picture.matrix, picture.primaries
            context.color_trc, context.color_range = picture.transfer, 2 if picture.full_range else 1
            if head.aspect:
                stream.sample_aspect_ratio = context.sample_aspect_ratio = head.aspect
            self._stream = stream
            self._tracks = self._with_tracks(tracks)
        except (av.FFmpegError, ValueError) as error:
            raise LcodecError(f"cannot write {suffix} of these frames: {_reason(error)}") from error
        self._count = 0

    def put(self, planes: Planes, time: int, duration: int) -> None:
        """The next frame, its time in the time base of the head."""
        import av

        frame = video_frame(planes, self._head.picture)
        if frame.format.name != self._stream.pix_fmt:
            frame = frame.reformat(format=self._stream.pix_fmt)
        if self._raw:  # one after the other, at the nominal rate
            frame.pts, frame.time_base = self._count, 1 / (self._head.rate or _UNKNOWN_RATE)
        else:
            frame.pts, frame.time_base = time, self._head.time_base
            frame.duration = duration
        self._count += 1
        try:
            self._file.mux(self._stream.encode(frame))
            self._put_tracks(time * self._head.time_base)
        except av.FFmpegError as error:
            raise LcodecError(f"cannot write {self._suffix}: {_reason(error)}") from error

    def close(self) -> None:
        """Finish the file."""
        self._file.mux(self._stream.encode(None))
        self._put_tracks(None)
        self._file.close()

    def _accepted(self, stream: Any, wanted: str) -> str:
        formats = [kind.name for kind in stream.codec_context.codec.video_formats or []]
        if self._raw and wanted.startswith("gbrp"):
            formats = [wanted.replace("gbrp", "yuv444p")]
        if not formats or wanted in formats:
            return wanted
        chosen: str = min(formats, key=lambda name: _loss(wanted, name))
        if _loss(wanted, chosen)[0]:
            self.notes.append(f"this encoder takes no {wanted}: frames are converted to {chosen}")
        return chosen

    def _with_tracks(self, tracks: BinaryIO | None) -> Any:
        import av

        if tracks is None or self._suffix == ".y4m":
            return iter(())
        source = av.open(tracks, "r", format="nut")
        to = {}
        for stream in source.streams:
            try:
                to[stream.index] = self._file.add_stream_from_template(stream)
            except (av.FFmpegError, ValueError):
                self.notes.append(f"{self._suffix} does not hold the stream of {stream.codec_context.name}")
        return _Packets(source, to, self._head.track_shift)

    def _put_tracks(self, until: Fraction | None) -> None:
        """Packets of the other streams up to a time in seconds."""
        if isinstance(self._tracks, _Packets):
            for packet in self._tracks.until(until):
                self._file.mux(packet)


class _Packets:
    def __init__(self, source: Any, to: dict[int, Any], shift: int) -> None:
        self._to, self._shift = to, shift
        self._packets = source.demux()
        self._next: Any = None

    def until(self, time: Fraction | None) -> list[Any]:
        found = []
        while (packet := self._next or next(self._packets, None)) is not None:
            self._next = None
            if packet.dts is None or packet.stream.index not in self._to:
                continue
            if time is not None and packet.dts * packet.time_base - self._shift > time:
                self._next = packet
                break
            shift = round(self._shift / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = self._to[packet.stream.index]
            found.append(packet)
        return found


class PngSink:
    """Frames as numbered PNGs, 8 or 16 bits a sample; `pattern` has a %d."""

    def __init__(self, pattern: str, head: ClipHead, write: Callable[[str, bytes], None]) -> None:
        self._pattern, self._picture, self._write = pattern, head.picture, write
        self._count = 0
        self.notes: list[str] = []

    def put(self, planes: Planes, time: int, duration: int) -> None:
        from .metadata import NO_METADATA
        from .picture_writing import write_picture

        deep = self._picture.depth > 8
        grey = self._picture.chroma == GREY
        wanted = ("gray16le" if deep else "gray") if grey else ("rgb48le" if deep else "rgb24")
        pixels = video_frame(planes, self._picture).reformat(format=wanted).to_ndarray()
        data = write_picture(np.ascontiguousarray(pixels), ".png", NO_METADATA, 16 if deep else 8)
        self._count += 1
        self._write(self._pattern % self._count, data)

    def close(self) -> None:
        pass


def _loss(wanted: str, offered: str) -> tuple[bool, bool, int, bool, int, int]:
    """Whether samples change when they are converted from one pixel format to another, and then how far apart these
    are.
    """
    import av

    a, b = av.VideoFormat(wanted), av.VideoFormat(offered)
    bits_a, bits_b = (max(component.bits for component in kind.components) for kind in (a, b))
    sizes = [(kind.chroma_width(16), kind.chroma_height(16)) for kind in (a, b)]
    # Between depths, samples are scaled; from grey to colours they stay.
    colourless = len(a.components) > 1 and len(b.components) == 1
    changes = a.is_rgb != b.is_rgb or bits_a != bits_b or sizes[0] != sizes[1] or colourless
    coarser = colourless, abs(bits_a - bits_b) + 100 * (bits_b < bits_a), a.is_rgb != b.is_rgb
    return changes, *coarser, sum(abs(x - y) for x, y in zip(*sizes, strict=True)), len(b.components)


def pixel_format(picture: Picture) -> str:
    """PyAV's name of what the planes are."""
    suffix = "" if picture.depth == 8 else f"{picture.depth}le"
    if picture.matrix == GBR_MATRIX and picture.chroma == FULL:
        return f"gbrp{suffix}"
    return f"{_CHROMA[picture.chroma]}{suffix}"


def video_frame(planes: Planes, picture: Picture) -> av.VideoFrame:
    """Planes as a frame, its colours named."""
    import av

    frame = av.VideoFrame(picture.width, picture.height, pixel_format(picture))
    for plane, samples in zip(frame.planes, planes, strict=True):
        size = samples.dtype.itemsize
        rows = np.zeros((plane.height, plane.line_size // size), samples.dtype)
        rows[:, : plane.width] = samples
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_primaries = picture.matrix, picture.primaries
    frame.color_trc, frame.color_range = picture.transfer, 2 if picture.full_range else 1
    return frame


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
