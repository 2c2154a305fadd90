"""Codecs of clips, one at one setting each: ours, and x264, x265 and SVT-AV1 through PyAV as raw streams."""

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...formats.clip_reader import ClipReader
from ...formats.clip_reading import ClipFrame, ClipSource, Planes
from ...formats.clip_records import Picture
from ...formats.clip_writing import pixel_format, video_frame
from ..video.api import clip_codec
from ..video.clip_codec import DEFAULT_MODEL
from ..video.clip_decoding import DecodedFrame
from ..video.encoder import DEFAULT_PERIOD
from .anchor_codecs.with_pyav import H264_SEI


@dataclass(frozen=True, slots=True)
class CodedClip:
    """The bytes of a file, what each frame took (in the order they are shown), decoded planes, and seconds."""

    file_bytes: int
    frame_bytes: tuple[int, ...]
    planes: list[Planes]
    encode_s: float
    decode_s: float


@dataclass(frozen=True, slots=True)
class Clip:
    """A test clip in memory."""

    path: str
    picture: Picture
    frames: list[ClipFrame]
    seconds: float
    rate: float

    @classmethod
    def read(cls, path: str, most_frames: int | None) -> "Clip":
        """The first frames of a file. Raises as `ClipSource`."""
        frames: list[ClipFrame] = []
        with ClipSource(path, path) as source:
            for event in source.events():
                if isinstance(event, ClipFrame):
                    frames.append(event)
                    if len(frames) == most_frames:
                        break
            rate = float(source.rate) or 25.0
            return cls(path, source.picture, frames, len(frames) / rate, rate)


@dataclass(frozen=True, slots=True)
class VideoCodec:
    """`qualities` are values of its own scale, in order of rising rate;

    `version` says what would change its results.
    """

    name: str
    settings: str
    qualities: tuple[float, ...]
    version: str
    run: Callable[[Clip, float, int], CodedClip]  # of a clip, a quality and a number of threads


class _FrameSource:
    """The frames of a clip in the place of a `ClipSource`."""

    def __init__(self, clip: Clip, source: ClipSource) -> None:
        self.picture, self.time_base = clip.picture, source.time_base
        self.rate, self.aspect = source.rate, source.aspect
        self.track_shift = 0
        self._frames = clip.frames

    def events(self) -> "list[ClipFrame]":
        return self._frames


def _lcodec(period: int, clip: Clip, quality: float, threads: int) -> CodedClip:
    codec, file = clip_codec(DEFAULT_MODEL, "cpu"), io.BytesIO()
    with ClipSource(clip.path, clip.path) as opened:
        source: Any = _FrameSource(clip, opened)
        start = time.perf_counter()
        coded = codec.encode(source, file, quality, period)
        encode_s = time.perf_counter() - start
    file.seek(0)
    start = time.perf_counter()
    planes = [unit.planes for unit in codec.decode(ClipReader(file)) if isinstance(unit, DecodedFrame)]
    sizes = tuple(frame.bytes for frame in coded.shown())
    return CodedClip(coded.file_bytes, sizes, planes, encode_s, time.perf_counter() - start)


@dataclass(frozen=True, slots=True)
class _Encoder:
    name: str
    container: str
    decoder: str
    options: dict[str, str]
    threads: str  # where the number of threads goes in the value of `parameters`
    parameters: str


def _by_pyav(encoder: _Encoder, clip: Clip, quality: float, threads: int) -> CodedClip:
    import av

    file = io.BytesIO()
    sizes: dict[int, int] = {}
    start = time.perf_counter()
    with av.open(file, "w", format=encoder.container) as out:
        parameters = f"keyint={DEFAULT_PERIOD}:{encoder.threads.format(threads)}".strip(":")
        options = {**encoder.options, "crf": f"{quality:g}", encoder.parameters: parameters}
        stream: Any = out.add_stream(encoder.name, rate=round(clip.rate), options=options)
        stream.width, stream.height = clip.picture.width, clip.picture.height
        stream.pix_fmt = pixel_format(clip.picture)
        stream.codec_context.thread_count = threads
        for n, frame in enumerate(clip.frames):
            picture = video_frame(frame.planes, clip.picture)
            picture.pts = n
            for packet in stream.encode(picture):
                sizes[packet.pts] = packet.size
                out.mux(packet)
        for packet in stream.encode(None):
            sizes[packet.pts] = packet.size
            out.mux(packet)
    encode_s = time.perf_counter() - start
    # Without what x264 tells of its settings, as text.
    data = H264_SEI.sub(b"", file.getvalue()) if encoder.container == "h264" else file.getvalue()
    start = time.perf_counter()
    with ClipSource(io.BytesIO(data), clip.path) as source:
        planes = [event.planes for event in source.events() if isinstance(event, ClipFrame)]
    decode_s = time.perf_counter() - start
    frame_bytes = tuple(size for _, size in sorted(sizes.items()))
    return CodedClip(len(data), frame_bytes, planes, encode_s, decode_s)


_X264 = _Encoder("libx264", "h264", "h264", {"tune": "psnr"}, "threads={}", "x264-params")
_X265 = _Encoder("libx265", "hevc", "hevc", {"tune": "psnr"}, "pools={}:info=0:log-level=error", "x265-params")
_SVT_AV1 = _Encoder("libsvtav1", "obu", "libdav1d", {}, "lp={}:tune=1", "svtav1-params")
_PRESETS = {"medium": "medium", "slow": "slow"}
_SVT_PRESETS = {"medium": "8", "slow": "4"}
_X264_CRF, _X265_CRF, _SVT_CRF = (39, 34, 29, 24, 19), (39, 34, 29, 24, 19), (60, 50, 40, 30, 20)
_OUR_QUALITIES = (5.0, 20.0, 35.0, 50.0, 65.0, 80.0)


def video_codecs() -> dict[str, VideoCodec]:
    """All of them by name. Raises ImportError where PyAV is absent, ModelError where our weights are."""
    import av

    ours = clip_codec(DEFAULT_MODEL, "cpu")
    weights = f"{ours.intra_entry.full_name} {ours.predicted_entry.full_name}"
    own = "defaults, intra period {}, .lcv file"
    found = [
        VideoCodec("lcodec", own.format(DEFAULT_PERIOD), _OUR_QUALITIES, weights, partial(_lcodec, DEFAULT_PERIOD)),
        VideoCodec("lcodec-intra", own.format(1), _OUR_QUALITIES, ours.intra_entry.full_name, partial(_lcodec, 1)),
    ]
    version = f"PyAV {av.__version__}"
    for prefix, encoder, presets, qualities in (
        ("x264", _X264, _PRESETS, _X264_CRF),
        ("x265", _X265, _PRESETS, _X265_CRF),
        ("svt-av1", _SVT_AV1, _SVT_PRESETS, _SVT_CRF),
    ):
        for name, preset in presets.items():
            chosen = _Encoder(
                encoder.name,
                encoder.container,
                encoder.decoder,
                {**encoder.options, "preset": preset},
                encoder.threads,
                encoder.parameters,
            )
            settings = f"crf swept, preset {preset}, tune psnr, keyint {DEFAULT_PERIOD}, raw stream"
            found.append(VideoCodec(f"{prefix}-{name}", settings, qualities, version, partial(_by_pyav, chosen)))
    return {codec.name: codec for codec in found}


def codecs_named(names: Sequence[str]) -> list[VideoCodec]:
    """Raises ValueError for a name that is none."""
    known = video_codecs()
    for name in names:
        if name not in known:
            raise ValueError(f"there is no codec of clips {name!r}; there are {', '.join(known)}")
    return [known[name] for name in names]
