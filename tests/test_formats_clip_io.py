"""Clips in and out by PyAV: kinds of samples, times, sound, and what is refused."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import moving_frames, packets, samples_of, seconds_of, write_clip

from lcodec.formats.clip_kinds import HEAD_BYTES, looks_like_clip
from lcodec.formats.clip_reading import ClipFrame, ClipSource
from lcodec.formats.clip_records import FULL, GREY, HALF_WIDTH, HALVED, ClipHead, ModelName, Picture
from lcodec.formats.clip_writing import WRITABLE_SUFFIXES, ClipSink, PngSink, check_clip_output
from lcodec.formats.errors import FormatError, LcodecError, UnsupportedError
from lcodec.formats.pictures import read_picture

MODEL = ModelName(1, bytes(8))


def read(path):
    """(source, frames, NUT bytes)."""
    with ClipSource(str(path), path.name) as source:
        events = list(source.events())
    frames = [event for event in events if isinstance(event, ClipFrame)]
    return source, frames, b"".join(event for event in events if isinstance(event, bytes))


def head_of(source):
    return ClipHead(source.picture, source.time_base, source.rate, source.aspect, MODEL, MODEL, source.track_shift)


def copied(source, frames, tracks, path, **how):
    sink = ClipSink(str(path), path.suffix, head_of(source), io.BytesIO(tracks) if tracks else None, **how)
    for frame in frames:
        sink.put(frame.planes, frame.time, frame.duration)
    sink.close()
    return sink


@pytest.mark.parametrize(
    ("pixel_format", "codec", "picture"),
    [
        ("yuv420p", "ffv1", Picture(50, 34, 8, HALVED)),
        ("yuv420p", "ffv1", Picture(51, 35, 8, HALVED)),
        ("yuv422p10le", "ffv1", Picture(50, 34, 10, HALF_WIDTH)),
        ("yuv444p12le", "ffv1", Picture(51, 35, 12, FULL)),
        ("yuv420p10le", "ffv1", Picture(51, 35, 10, HALVED)),
        ("yuv411p", "ffv1", Picture(52, 36, 8, FULL)),
        ("gray", "ffv1", Picture(51, 35, 8, GREY)),
        ("gray10le", "ffv1", Picture(51, 35, 10, GREY)),
        ("bgr0", "ffv1", Picture(51, 35, 8, FULL, matrix=0, full_range=True)),
        ("gbrp10le", "ffv1", Picture(51, 35, 10, FULL, matrix=0, full_range=True)),
    ],
)
@pytest.mark.parametrize("suffix", [".mkv", ".y4m"])
def test_samples_of_every_kind_come_back(tmp_path, pixel_format, codec, picture, suffix):
    path, copy = tmp_path / "a.mkv", tmp_path / f"b{suffix}"
    write_clip(path, moving_frames(picture.height, picture.width, 3), pixel_format, codec)
    source, frames, _ = read(path)
    assert source.picture == picture and len(frames) == 3
    if pixel_format in ("yuv420p", "gray") and picture.width % 2 == 0:
        assert np.array_equal(
            samples_of(path)[1].reshape(-1), np.concatenate([p.reshape(-1) for p in frames[1].planes])
        )
    sink = copied(source, frames, b"", copy)
    again, back, _ = read(copy)
    if suffix == ".y4m" and picture.matrix == 0:
        assert "converted" in sink.notes[0]
        return
    assert not sink.notes and again.picture == picture
    assert all(
        np.array_equal(a, b) for f, g in zip(frames, back, strict=True) for a, b in zip(f.planes, g.planes, strict=True)
    )
    assert [f.time * source.time_base for f in frames] == pytest.approx(
        [f.time * again.time_base for f in back], abs=2e-3
    )


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm", ".avi", ".nut"])
def test_other_files_hold_the_samples_too(tmp_path, suffix):
    path, copy = tmp_path / "a.mkv", tmp_path / f"b{suffix}"
    write_clip(path, moving_frames(34, 50, 3))
    source, frames, _ = read(path)
    copied(source, frames, b"", copy)
    _, back, _ = read(copy)
    assert all(
        np.array_equal(a, b) for f, g in zip(frames, back, strict=True) for a, b in zip(f.planes, g.planes, strict=True)
    )


def test_colours_range_aspect_and_rate_are_kept(tmp_path):
    path, copy = tmp_path / "a.mp4", tmp_path / "b.mp4"
    options = {
        "color_primaries": "bt709",
        "x264-params": "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:fullrange=on",
    }
    write_clip(path, moving_frames(34, 50, 3), "yuv420p10le", "libx264", rate=Fraction(24000, 1001), options=options)
    source, frames, _ = read(path)
    assert source.picture == Picture(50, 34, 10, HALVED, 9, 9, 16, True)
    sink = ClipSink(
        str(copy), ".mp4", ClipHead(source.picture, source.time_base, source.rate, Fraction(12, 11), MODEL, MODEL)
    )
    for frame in frames:
        sink.put(frame.planes, frame.time, frame.duration)
    sink.close()
    again, _, _ = read(copy)
    assert again.picture == source.picture
    assert again.aspect == Fraction(12, 11)
    assert float(again.rate) == pytest.approx(float(source.rate), rel=0.02)


def test_times_that_are_not_even(tmp_path):
    path, copy = tmp_path / "a.mp4", tmp_path / "b.mp4"
    times = [0, 100, 130, 900, 1000]
    write_clip(path, moving_frames(32, 48, 5), codec="libx264", times=times, time_base=Fraction(1, 1000))
    source, frames, _ = read(path)
    assert [round(frame.time * source.time_base * 1000) for frame in frames] == times
    copied(source, frames, b"", copy)
    assert seconds_of(copy) == pytest.approx(seconds_of(path))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_sound_is_copied_packet_by_packet(tmp_path, suffix):
    path, copy = tmp_path / "a.mp4", tmp_path / f"b{suffix}"
    write_clip(path, moving_frames(32, 48, 8), codec="libx264", tone=True)
    source, frames, tracks = read(path)
    copied(source, frames, tracks, copy)
    theirs, ours = packets(path, "audio"), packets(copy, "audio")
    assert [data for _, data in theirs] == [data for _, data in ours] and len(ours) > 20
    assert [time for time, _ in ours] == pytest.approx([time for time, _ in theirs], abs=1e-3)
    assert min(time for time, _ in theirs) < 0  # what the encoder puts before the beginning


def test_what_a_file_cannot_hold_is_told(tmp_path):
    path = tmp_path / "a.mp4"
    write_clip(path, moving_frames(32, 48, 2), codec="libx264", tone=True)
    source, frames, tracks = read(path)
    sink = copied(source, frames, tracks, tmp_path / "b.webm")
    assert sink.notes == [".webm does not hold the stream of aac"]


def test_odd_sides_and_h264(tmp_path):
    write_clip(tmp_path / "a.mkv", moving_frames(35, 51, 2))
    source, frames, _ = read(tmp_path / "a.mkv")
    with pytest.raises(LcodecError, match="no odd sides"):
        copied(source, frames, b"", tmp_path / "b.mp4")


def turned(path, matrix):
    """Write a display matrix into the track header of an mp4."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 4 + 20 + 16
    data[place : place + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in matrix)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("matrix", "turns"),
    [((0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30), -1), ((-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30), 2)],
)
def test_clips_of_turned_cameras_stand_upright(tmp_path, matrix, turns):
    path = tmp_path / "a.mp4"
    write_clip(path, moving_frames(32, 48, 2), codec="libx264", options={"qp": "0"})
    _, plain, _ = read(path)
    turned(path, matrix)
    source, frames, _ = read(path)
    assert all(np.array_equal(np.rot90(a, turns), b) for a, b in zip(plain[0].planes, frames[0].planes, strict=True))
    assert any("turned" in note for note in source.notes)


def test_encoders_by_name(tmp_path):
    write_clip(tmp_path / "a.mkv", moving_frames(32, 48, 4))
    source, frames, _ = read(tmp_path / "a.mkv")
    copied(source, frames, b"", tmp_path / "b.mp4", codec="libx264", options={"crf": "40"})
    assert (tmp_path / "b.mp4").stat().st_size < (tmp_path / "a.mkv").stat().st_size
    check_clip_output("x.mp4", "libx264")
    for name, codec, message in (
        ("x.mp4", "nonsense", "no encoder"),
        ("x.y4m", "libx264", "no choice"),
        ("x.txt", None, "suffix"),
        ("x.png", None, "number"),
    ):
        with pytest.raises(ValueError, match=message):
            check_clip_output(name, codec)
    assert ".mp4" in WRITABLE_SUFFIXES


@pytest.mark.parametrize(("pixel_format", "depth"), [("yuv420p", 8), ("yuv444p10le", 16), ("gray", 8)])
def test_png_frames(tmp_path, pixel_format, depth):
    write_clip(tmp_path / "a.mkv", moving_frames(32, 48, 3), pixel_format)
    source, frames, _ = read(tmp_path / "a.mkv")
    written = {}
    sink = PngSink("f/%03d.png", head_of(source), written.__setitem__)
    for frame in frames:
        sink.put(frame.planes, frame.time, frame.duration)
    sink.close()
    assert list(written) == ["f/001.png", "f/002.png", "f/003.png"]
    picture = read_picture(written["f/002.png"])
    assert picture.pixels.shape[:2] == (32, 48) and picture.depth == depth
    wanted = samples_of(tmp_path / "a.mkv", "gray" if pixel_format == "gray" else "rgb24")[1]
    ours = picture.eight_bits()
    assert np.abs(ours.astype(int) - (wanted if wanted.ndim == 3 else wanted[..., None])).max() <= 1


def test_what_is_no_clip(tmp_path):
    (tmp_path / "a.txt").write_text("hello " * 100)
    with pytest.raises(LcodecError, match="cannot read"):
        ClipSource(str(tmp_path / "a.txt"), "a.txt")
    with pytest.raises(LcodecError, match="cannot read"):
        ClipSource(str(tmp_path / "absent.mp4"), "absent.mp4")
    with av.open(str(tmp_path / "tone.mka"), "w", format="matroska") as file:
        sound = file.add_stream("pcm_s16le", rate=8000)
        part = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), format="s16", layout="mono")
        part.sample_rate, part.pts = 8000, 0
        file.mux(sound.encode(part))
        file.mux(sound.encode(None))
    with pytest.raises(FormatError, match="no moving picture"):
        ClipSource(str(tmp_path / "tone.mka"), "tone.mka")


def test_frames_that_change_their_size(tmp_path):
    path = tmp_path / "a.mjpeg"
    parts = []
    for size in ((32, 48), (48, 64)):
        write_clip(tmp_path / "one.mjpeg", moving_frames(*size, 1), "yuvj420p", "mjpeg")
        parts.append((tmp_path / "one.mjpeg").read_bytes())
    path.write_bytes(b"".join(parts))
    with pytest.raises(UnsupportedError, match="change"), ClipSource(str(path), "a") as source:
        list(source.events())


def test_the_beginnings_of_clips(tmp_path):
    for suffix, codec in (
        (".mp4", "libx264"),
        (".mkv", "ffv1"),
        (".avi", "ffv1"),
        (".nut", "ffv1"),
        (".y4m", "rawvideo"),
    ):
        write_clip(tmp_path / f"a{suffix}", moving_frames(32, 48, 2), codec=codec)
        assert looks_like_clip((tmp_path / f"a{suffix}").read_bytes()[:HEAD_BYTES]), suffix
    for start in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF0000WEBP", b"\0\0\0\x1cftypavif", b"", b"II*\0"):
        assert not looks_like_clip(start)
