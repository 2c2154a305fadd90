"""Still pictures by video encoders, which come with the package PyAV: SVT-AV1, x264, x265 and VP9."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..ycbcr import BT709, Chroma, Plane, from_planes, to_planes
from .anchor import AnchorCodec, Pixels
from .raw_stream import split_size, with_size

if TYPE_CHECKING:
    from av import Packet, VideoCodecContext, VideoFrame, VideoStream
    from av.video.plane import VideoPlane

_FULL_RANGE, _BT709_MATRIX = 2, 1  # FFmpeg's AVCOL_RANGE_JPEG and AVCOL_SPC_BT709
_PIXEL_FORMATS: dict[Chroma, str] = {"4:2:0": "yuv420p", "4:4:4": "yuv444p"}
# What x264 tells of its settings, as text: from a start code and the type of unit to the next start code.
H264_SEI = re.compile(rb"\x00?\x00\x00\x01\x06.*?(?=\x00?\x00\x00\x01)", re.DOTALL)
_EXPLODE = {"err_detect": "explode"}  # decoders: refuse damage instead of hiding it


@dataclass(frozen=True, slots=True)
class _Video:
    """FFmpeg's names of an encoder and a decoder, the file name of the encoder's library, and its options.

    `quality_options` are those that take the quality, `options` those that stay.
    """

    encoder: str
    decoder: str
    library: str
    bits: int
    chroma: Chroma
    options: Mapping[str, str]
    quality_options: tuple[str, ...] = ("crf",)

    @property
    def pixel_format(self) -> str:
        return _PIXEL_FORMATS[self.chroma] + ("" if self.bits == 8 else f"{self.bits}le")


def svt_av1(name: str, preset: int) -> AnchorCodec:
    """10-bit AVIF by SVT-AV1, which has 4:2:0 only; quality is crf, so that less is better."""
    options = {"preset": str(preset), "svtav1-params": "avif=1:tune=1:aq-mode=0:lp=1"}
    video = _Video("libsvtav1", "libdav1d", "libSvtAv1Enc", 10, "4:2:0", options)
    return AnchorCodec(
        name=name,
        settings=f"crf swept, preset {preset}, avif=1, tune=1 (PSNR), aq-mode=0, lp=1, 10-bit 4:2:0 BT.709 full, "
        "Lanczos chroma resampling, avif mux",
        qualities=(54, 47, 40, 34, 28, 22, 15, 8),
        find=functools.partial(_find, video),
        write=functools.partial(_write_avif, video),
        read=functools.partial(_read_avif, video),
    )


def x264(name: str, chroma: Chroma) -> AnchorCodec:
    """10-bit H.264 by x264; quality is crf, so that less is better."""
    options = {"preset": "veryslow", "tune": "psnr"}
    return _raw(name, _Video("libx264", "h264", "libx264", 10, chroma, options), (50, 46, 42, 38, 34, 30, 26, 22))


def x265(name: str, chroma: Chroma) -> AnchorCodec:
    """10-bit H.265 by x265; quality is crf, so that less is better."""
    parameters = "keyint=1:pools=none:frame-threads=1:info=0:log-level=error"
    options = {"preset": "veryslow", "tune": "psnr", "x265-params": parameters}
    return _raw(name, _Video("libx265", "hevc", "libx265", 10, chroma, options), (46, 42, 38, 34, 31, 27, 23, 20))


def vp9(name: str, chroma: Chroma) -> AnchorCodec:
    """8-bit VP9 by libvpx at its slowest; quality is crf, so that less is better.

    crf alone is for whole films: it would be lowered for a key frame, and its scale end above 0.25 bpp.
    """
    options = {"b": "0", "deadline": "good", "cpu-used": "0", "aq-mode": "0"}
    video = _Video("libvpx-vp9", "vp9", "libvpx", 8, chroma, options, ("crf", "qmin", "qmax"))
    return _raw(name, video, (57, 50, 44, 38, 32, 26, 20, 14))


def _raw(name: str, video: _Video, qualities: tuple[float, ...]) -> AnchorCodec:
    options = " ".join(f"{option}={value}" for option, value in video.options.items())
    return AnchorCodec(
        name=name,
        settings=f"{'='.join(video.quality_options)} swept, {options}, {video.bits}-bit {video.chroma} BT.709 full, "
        "Lanczos chroma resampling, single intra frame, raw stream and 4 bytes of size, 1 thread",
        qualities=qualities,
        find=functools.partial(_find, video),
        write=functools.partial(_write_raw, video),
        read=functools.partial(_read_raw, video),
    )


def _write_raw(video: _Video, pixels: Pixels, crf: float) -> bytes:
    from av import VideoCodecContext

    planes = to_planes(pixels, BT709, video.bits, video.chroma)
    context = VideoCodecContext.create(video.encoder, "w")
    assert isinstance(context, VideoCodecContext)
    packets = _packets(video, context, _frame(video, planes, *planes[0].shape), crf)
    stream = b"".join(bytes(packet) for packet in packets)
    return with_size(H264_SEI.sub(b"", stream) if video.decoder == "h264" else stream, pixels)


def _read_raw(video: _Video, data: bytes) -> Pixels:
    from av import Packet, VideoCodecContext

    stream, height_px, width_px = split_size(data)
    context = VideoCodecContext.create(video.decoder, "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    context.options = dict(_EXPLODE)
    planes = _planes(video, [*context.decode(Packet(stream)), *context.decode(None)])
    return from_planes(planes, BT709, video.bits, height_px, width_px)


def _write_avif(video: _Video, pixels: Pixels, crf: float) -> bytes:
    import av

    os.environ.setdefault("SVT_LOG", "1")  # errors only: the library has no other switch for what it prints
    planes = to_planes(pixels, BT709, video.bits, video.chroma)
    out = BytesIO()
    with av.open(out, "w", format="avif") as container:
        context = container.add_stream(video.encoder, rate=1).codec_context
        assert isinstance(context, av.VideoCodecContext)
        container.mux(_packets(video, context, _frame(video, planes, *pixels.shape[:2]), crf))
    return out.getvalue()


def _read_avif(video: _Video, data: bytes) -> Pixels:
    import av

    with av.open(BytesIO(data), "r", format="mov") as container:
        container.streams.video[0].codec_context.options = dict(_EXPLODE)
        planes = _planes(video, list(container.decode(video=0)))
    return from_planes(planes, BT709, video.bits, *planes[0].shape)


def _packets(video: _Video, context: VideoCodecContext, frame: VideoFrame, crf: float) -> list[Packet[VideoStream]]:
    context.width, context.height, context.pix_fmt = frame.width, frame.height, video.pixel_format
    context.time_base = context.framerate = Fraction(1)
    context.color_range, context.colorspace = _FULL_RANGE, _BT709_MATRIX
    context.thread_count = 1
    context.options = {**video.options, **dict.fromkeys(video.quality_options, f"{crf:g}")}
    return [*context.encode(frame), *context.encode(None)]


def _frame(video: _Video, planes: list[Plane], height_px: int, width_px: int) -> VideoFrame:
    """A frame of this size, which may leave out the last row and column of luma."""
    from av import VideoFrame

    frame = VideoFrame(width_px, height_px, video.pixel_format)
    frame.pts = 0
    for into, plane in zip(frame.planes, planes, strict=True):
        rows = np.zeros((into.height, into.line_size // plane.itemsize), plane.dtype)
        rows[:, : into.width] = plane[: into.height, : into.width]
        into.update(rows.tobytes())
    return frame


def _planes(video: _Video, frames: list[VideoFrame]) -> list[Plane]:
    """The planes of the only frame. Raises ValueError if there are more or none, or if it is of another format."""
    if len(frames) != 1:
        raise ValueError(f"{len(frames)} frames where one was written")
    if frames[0].format.name.replace("yuvj", "yuv") != video.pixel_format:
        raise ValueError(f"a frame of {frames[0].format.name} where {video.pixel_format} was written")
    return [_samples(plane, video.bits).reshape(plane.height, -1)[:, : plane.width] for plane in frames[0].planes]


def _samples(plane: VideoPlane, bits: int) -> Plane:
    return np.frombuffer(bytes(plane), np.uint8) if bits == 8 else np.frombuffer(bytes(plane), np.uint16)


def _find(video: _Video) -> str:
    try:
        import av
    except ImportError as error:
        raise ImportError("needs PyAV: pip install 'lcodec[bench]'") from error
    try:
        av.Codec(video.encoder, "w"), av.Codec(video.decoder, "r")
    except ValueError as error:
        raise ImportError(f"this PyAV was built without it ({error}): pip install --force-reinstall av") from error
    # A wheel keeps its libraries beside the package, named like libx265-0123abcd.so.216.
    files = Path(av.__file__).parent.with_name("av.libs").glob(f"{video.library}-*")
    names = [re.sub(r"-[0-9a-f]{8}", "", path.name) for path in files] or [f"{video.library} of that build"]
    return f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}, {', '.join(names)}"
