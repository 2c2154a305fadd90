"""The codec of clips below its commands: frames there and back, the encoder's decisions, damage."""

import io
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from clips import moving_frames, other_frames, write_clip

from lcodec.codec.video import clip_codec
from lcodec.codec.video.clip_codec import ClipCodec
from lcodec.codec.video.clip_decoding import DecodedFrame, Lost
from lcodec.codec.video.encoder import ClipEncoder
from lcodec.codec.video.planes import FrameShape
from lcodec.codec.video.rate_control import FirstPass, RateControl
from lcodec.formats.clip_reader import ClipReader
from lcodec.formats.clip_reading import ClipSource
from lcodec.formats.clip_records import FrameUnit, Picture
from lcodec.formats.clip_sections import BETWEEN, INTRA, PREDICTED, REPEAT
from lcodec.formats.errors import FormatError, ModelError, UnsupportedError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def codec():
    return ClipCodec("tinyvideo", "cpu")


@pytest.fixture(scope="module")
def shipped():
    return ClipCodec(device="cpu")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Seven frames of 80x96 that move."""
    path = tmp_path_factory.mktemp("clip") / "a.mkv"
    write_clip(path, moving_frames(80, 96, 7))
    return path


def coded(codec, path, **how):
    file = io.BytesIO()
    with ClipSource(str(path), "clip") as source:
        report = codec.encode(source, file, **how)
    return file.getvalue(), report


def intra_numbers(report):
    return [frame.number for frame in report.frames if frame.kind == INTRA]


def decoded(codec, data, salvage=False):
    return list(codec.decode(ClipReader(io.BytesIO(data)), salvage))


# Frames


def test_frames_come_back_as_the_encoder_had_them(shipped, clip):
    data, report = coded(shipped, clip, quality=40)
    frames = [unit for unit in decoded(shipped, data) if isinstance(unit, DecodedFrame)]
    assert [frame.number for frame in frames] == list(range(7))
    assert report.count(INTRA) == 1 and report.count(PREDICTED) == 1 and report.count(BETWEEN) == 5
    with ClipSource(str(clip), "clip") as source:
        originals = [event.planes for event in source.events() if not isinstance(event, bytes)]
    # What the encoder says it lost is what a decoder loses.
    for frame, wanted, told in zip(frames, originals, report.shown(), strict=True):
        luma = np.square(frame.planes[0].astype(float) - wanted[0]).mean()
        assert 0.3 * told.error < luma < told.error
        assert luma < 150
    first, *others = (frame.bytes for frame in report.frames)
    assert sum(others) < 6 * first


def test_predicting_takes_less_than_not_predicting(shipped, clip):
    predicted, p = coded(shipped, clip, quality=50)
    intra, i = coded(shipped, clip, quality=50, period=1)
    assert i.count(INTRA) == 7
    assert len(predicted) < 0.8 * len(intra)
    assert sum(frame.error for frame in p.frames) < 1.3 * sum(frame.error for frame in i.frames)


@pytest.mark.parametrize("threads", [1, 2])
def test_any_number_of_threads_decodes_the_same_symbols(codec, clip, threads):
    data, _ = coded(codec, clip, quality=60)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert codec.verify(ClipReader(io.BytesIO(data))) == 7
        frames = [unit for unit in decoded(codec, data) if isinstance(unit, DecodedFrame)]
    finally:
        torch.set_num_threads(before)
    reference = [unit for unit in decoded(codec, data) if isinstance(unit, DecodedFrame)]
    for a, b in zip(frames, reference, strict=True):
        assert max(np.abs(x.astype(int) - y).max() for x, y in zip(a.planes, b.planes, strict=True)) <= 1


@pytest.mark.parametrize(
    ("pixel_format", "size"),
    [("yuv420p", (17, 35)), ("yuv422p10le", (34, 50)), ("yuv444p", (16, 16)), ("gray", (20, 40)), ("bgr0", (33, 20))],
)
def test_samples_of_every_kind(shipped, tmp_path, pixel_format, size):
    write_clip(tmp_path / "a.mkv", moving_frames(*size, 3), pixel_format)
    data, _ = coded(shipped, tmp_path / "a.mkv", quality=90)
    frames = [unit for unit in decoded(shipped, data) if isinstance(unit, DecodedFrame)]
    with ClipSource(str(tmp_path / "a.mkv"), "clip") as source:
        originals = [event.planes for event in source.events() if not isinstance(event, bytes)]
        scale = 2.0 ** (source.picture.depth - 8)
    for frame, wanted in zip(frames, originals, strict=True):
        assert [p.shape for p in frame.planes] == [p.shape for p in wanted]
        assert frame.planes[0].dtype == wanted[0].dtype
        for a, b in zip(frame.planes, wanted, strict=True):  # the picture has noise of 6 levels
            assert np.square((a.astype(float) - b) / scale).mean() < (120 if a is frame.planes[0] else 300)


# Decisions


def test_still_frames_are_repeated(codec, tmp_path):
    still = np.repeat(moving_frames(48, 64, 1), 5, axis=0)
    write_clip(tmp_path / "a.mkv", still)
    data, report = coded(codec, tmp_path / "a.mkv", quality=50)
    assert report.count(REPEAT) >= 3
    assert [u.number for u in decoded(codec, data) if isinstance(u, DecodedFrame)] == list(range(5))
    _, without = coded(codec, tmp_path / "a.mkv", quality=50, skips=False)
    assert without.count(REPEAT) == 0 and without.file_bytes > report.file_bytes


def test_scene_cuts_become_intra_frames(codec, tmp_path):
    scenes = np.concatenate([moving_frames(64, 80, 4), other_frames(64, 80, 4)])
    write_clip(tmp_path / "a.mkv", scenes)
    _, report = coded(codec, tmp_path / "a.mkv", quality=50)
    assert intra_numbers(report) == [0, 4]


def test_scene_cuts_end_groups(codec, tmp_path):
    """No frame is predicted from one of another scene, wherever the cut is."""
    scenes = np.concatenate([other_frames(64, 80, 2), moving_frames(64, 80, 3), other_frames(64, 80, 6, seed=1)])
    write_clip(tmp_path / "a.mkv", scenes)
    data, report = coded(codec, tmp_path / "a.mkv", quality=50)
    assert intra_numbers(report) == [0, 2, 5]
    for unit in ClipReader(io.BytesIO(data)).units():
        if isinstance(unit, FrameUnit):
            assert all((n < 2, n < 5) == (unit.number < 2, unit.number < 5) for n in unit.references)


@pytest.mark.parametrize("group", [1, 2, 3, 8])
def test_groups_have_the_length_that_is_wanted(codec, tmp_path, group):
    write_clip(tmp_path / "a.mkv", moving_frames(48, 64, 10))
    data, report = coded(codec, tmp_path / "a.mkv", quality=40, group=group)
    whole, rest = divmod(9, group)
    assert report.count(PREDICTED) == whole + bool(rest) and report.count(BETWEEN) == 9 - whole - bool(rest)
    frames = [unit for unit in decoded(codec, data) if isinstance(unit, DecodedFrame)]
    assert [frame.number for frame in frames] == list(range(10))
    assert [frame.time for frame in frames] == sorted(frame.time for frame in frames)
    for wrong in (0, 9):
        with pytest.raises(ValueError, match="group"):
            coded(codec, tmp_path / "a.mkv", group=wrong)


def test_without_groups_nothing_waits(codec):
    """Each frame is written before the next one is read."""
    shape = FrameShape.of(Picture(32, 32))
    encoder = ClipEncoder(codec._coder(ClipReader(io.BytesIO(_tiny(codec))).head), lambda: 50, group=1, skips=False)
    for n, pixels in enumerate(moving_frames(32, 32, 3)[..., 0]):
        planes = shape.load((pixels, pixels[::2, ::2], pixels[::2, ::2]), CPU)
        assert [choice.number for choice in encoder.put(planes)] == [n]
    assert list(encoder.finish()) == []


def test_the_period_of_intra_frames(codec, clip):
    _, report = coded(codec, clip, quality=30, period=3)
    assert intra_numbers(report) == [0, 3, 6]
    for period in (0, -1):
        with pytest.raises(ValueError, match="period"):
            coded(codec, clip, period=period)
    for quality in (-1, 101, float("nan")):
        with pytest.raises(ValueError, match="quality"):
            coded(codec, clip, quality=quality)


def test_a_first_pass_leads_to_the_size(shipped, clip):
    with ClipSource(str(clip), "clip") as source:
        first = shipped.first_pass(source, 120)
    assert first.seconds == pytest.approx(7 / 25, abs=0.01)
    aim = 1.7 * (sum(first.frame_bytes) + first.other_bytes)
    _, report = coded(shipped, clip, control=RateControl(first, aim))
    assert 0.7 * aim < report.file_bytes < 1.15 * aim
    with pytest.raises(ValueError, match="already"):
        RateControl(FirstPass(40.0, (100, 50), 900, 1.0), 800)


# Damage


def rewritten(data, damaged):
    """The clip with symbols of one frame that are not those of its checksum, in sections that are whole."""
    file, reader = io.BytesIO(), ClipReader(io.BytesIO(data))
    writer = clip_codec.ClipWriter(file, reader.head)
    for unit in reader.units():
        if not isinstance(unit, FrameUnit):
            continue
        body = unit.data if unit.number != damaged else unit.data[:-4] + bytes(4)
        rest = unit.time, unit.gain_index, unit.symbols_crc ^ (unit.number == damaged), body
        if unit.kind == INTRA:
            writer.intra(*rest)
        elif unit.kind == PREDICTED:
            writer.predicted(unit.number - unit.references[0] - 1, *rest)
        else:
            writer.between(*rest)
    writer.finish(1)
    return file.getvalue()


@pytest.mark.parametrize(
    ("period", "number", "lost"),
    [
        (3, 1, [(1, 2)]),  # coded after 2, which is kept
        (3, 2, [(1, 3)]),
        (3, 3, [(3, 6)]),
        (120, 6, [(1, 7)]),
        (120, 1, [(1, 3), (4, 6)]),  # coded are 6, 3, 1, 2, 4, 5
        (120, 5, [(5, 6)]),
    ],
)
def test_damaged_symbols_are_noticed_and_cost_what_is_coded_after(codec, clip, period, number, lost):
    data, _ = coded(codec, clip, quality=40, period=period)
    damaged = rewritten(data, number)
    with pytest.raises(FormatError, match=f"frame {number} is damaged"):
        decoded(codec, damaged)
    found = decoded(codec, damaged, salvage=True)
    assert [(unit.first, unit.end) for unit in found if isinstance(unit, Lost)] == lost
    kept = [unit.number for unit in found if isinstance(unit, DecodedFrame)]
    assert kept == [n for n in range(7) if not any(first <= n < end for first, end in lost)]


def test_a_cut_within_a_group_keeps_what_has_come(codec, clip):
    data, _ = coded(codec, clip, quality=40)
    units = [u for u in ClipReader(io.BytesIO(data)).units() if isinstance(u, FrameUnit)]
    assert [u.number for u in units] == [0, 6, 3, 1, 2, 4, 5]
    cut = data[: units[4].offset]  # before frame 2
    frames, numbers = codec.decode(ClipReader(io.BytesIO(cut))), []
    with pytest.raises(FormatError, match="cut"):
        for frame in frames:
            numbers.append(frame.number)
    assert numbers == [0, 1]
    found = decoded(codec, cut, salvage=True)
    assert [u.number for u in found if isinstance(u, DecodedFrame)] == [0, 1, 3, 6]
    assert [(u.first, u.end) for u in found if isinstance(u, Lost)] == [(2, 3), (4, 6), (7, 7)]


def test_other_weights_are_named(codec, clip):
    data, _ = coded(codec, clip, quality=10)
    reader = ClipReader(io.BytesIO(data))
    name = reader.head.predicted
    changed = data.replace(name.weights_hash, bytes(8))
    with pytest.raises(FormatError, match="HEAD is damaged"):
        ClipReader(io.BytesIO(changed))
    other = ClipReader(io.BytesIO(data))
    object.__setattr__(other.head, "predicted", type(name)(name.id, bytes(8)))
    with pytest.raises(ModelError, match="tinyvideo-0000000000000000"):
        list(codec.decode(other))


def test_one_frame_and_odd_time_bases(codec, tmp_path):
    write_clip(tmp_path / "a.mkv", moving_frames(20, 20, 1), time_base=Fraction(1001, 30000))
    data, report = coded(codec, tmp_path / "a.mkv")
    assert len(report.frames) == 1 and len(decoded(codec, data)) == 2


def test_the_encoder_needs_no_more_than_one_frame(codec):
    """A period of one never predicts, also for the first frames."""
    shape = FrameShape.of(Picture(32, 32))
    encoder = ClipEncoder(codec._coder(ClipReader(io.BytesIO(_tiny(codec))).head), lambda: 50, period=1)
    planes = shape.load(tuple(np.full(s, 100, np.uint8) for s in ((32, 32), (16, 16), (16, 16))), CPU)
    assert [[choice.kind for choice in encoder.put(planes)] for _ in range(3)] == [[INTRA]] * 3


def _tiny(codec):
    from lcodec.formats.clip_records import ClipHead
    from lcodec.formats.clip_writer import ClipWriter

    file = io.BytesIO()
    names = [clip_codec._name(entry) for entry in (codec.intra_entry, codec.predicted_entry)]
    ClipWriter(file, ClipHead(Picture(32, 32), Fraction(1, 25), Fraction(25), Fraction(0), *names)).finish(0)
    return file.getvalue()


def test_a_small_thing_that_moves_is_not_left_standing(codec, tmp_path):
    frames = np.repeat(moving_frames(96, 128, 1), 6, axis=0)
    for n, frame in enumerate(frames):
        frame[40:52, 8 * n + 20 : 8 * n + 32] = (250, 30, 30)
    write_clip(tmp_path / "a.mkv", frames)
    _, report = coded(codec, tmp_path / "a.mkv", quality=20)
    assert report.count(REPEAT) == 0


# Models


def test_models_are_those_that_files_name(tmp_path, clip):
    from lcodec.codec.video.api import clip_codec_of

    data, _ = coded(ClipCodec("tinyvideo", "cpu"), clip, quality=10)
    head = ClipReader(io.BytesIO(data)).head
    found = clip_codec_of(head, "cpu")
    assert (found.predicted_entry.name, found.intra_entry.name) == ("tinyvideo", "tiny")
    with pytest.raises(ValueError, match="no model of clips"):
        ClipCodec("base", "cpu")
    absent = replace(head, predicted=replace(head.predicted, weights_hash=bytes(8)))
    with pytest.raises(ModelError, match="tinyvideo-0000000000000000"):
        clip_codec_of(absent, "cpu")
    wrong = replace(head, predicted=head.intra)
    with pytest.raises(UnsupportedError, match="another kind"):
        clip_codec_of(wrong, "cpu")
    with pytest.raises(UnsupportedError, match="model 999"):
        clip_codec_of(replace(head, intra=replace(head.intra, id=999)), "cpu")
