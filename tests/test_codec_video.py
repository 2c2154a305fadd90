"""The codec of clips below its commands: prediction, colours, frames there and back, damage."""

import io
from fractions import Fraction

import numpy as np
import pytest
import torch
from clips import moving_frames, write_clip

from lcodec.codec.video import clip_codec
from lcodec.codec.video.clip_codec import ClipCodec
from lcodec.codec.video.clip_decoding import DecodedFrame
from lcodec.codec.video.colour import BT601, BT709, Colours
from lcodec.codec.video.encoder import ClipEncoder
from lcodec.codec.video.model import motion_sizes
from lcodec.codec.video.motion import UNITS, Reference, predict, predict_planes
from lcodec.codec.video.motion_search import search
from lcodec.codec.video.planes import FrameShape
from lcodec.codec.video.rate_control import FirstPass, RateControl
from lcodec.codec.video.read_ahead import ReadAhead
from lcodec.entropy.exact_prior import ExactPrior
from lcodec.entropy.past import Earlier
from lcodec.formats.clip_container import (
    FULL,
    GREY,
    HALF_WIDTH,
    HALVED,
    INTRA,
    PREDICTED,
    REPEAT,
    ClipReader,
    FrameUnit,
    Lost,
    Picture,
)
from lcodec.formats.clip_reading import ClipSource
from lcodec.formats.errors import FormatError, ModelError
from lcodec.kernels import exact_reference

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def codec():
    return ClipCodec("cpu")


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


def decoded(codec, data, salvage=False):
    return list(codec.decode(ClipReader(io.BytesIO(data)), salvage))


# Prediction


def random_plane(height, width, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(0, 255, (1, 1, height, width)).astype(np.float32))


def one_vector(size, y, x):
    return torch.tensor([y, x])[None, :, None, None].expand(1, 2, *size).clone()


@pytest.mark.parametrize(("y", "x"), [(0, 0), (3, -2), (-5, 7), (20, -20)])
def test_whole_pixels_are_copied(y, x):
    plane = random_plane(64, 80)
    moved = predict(Reference(plane), one_vector((4, 5), UNITS * y, UNITS * x))
    rows = (torch.arange(64) + y).clamp(0, 63)
    columns = (torch.arange(80) + x).clamp(0, 79)
    inner = (slice(16, 48), slice(16, 64))  # what blocks at the border see is limited
    assert torch.allclose(moved[0, 0][inner], plane[0, 0][rows][:, columns][inner], atol=1e-3)


def test_parts_of_pixels_follow_a_smooth_wave():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")

    def wave(dy, dx):
        return 100 + 50 * torch.sin((y + dy) / 5) * torch.cos((x + dx) / 7)

    for dy in range(UNITS):
        for dx in range(UNITS):
            moved = predict(Reference(wave(0, 0)[None, None]), one_vector((4, 4), dy, dx))[0, 0]
            assert (moved - wave(dy / UNITS, dx / UNITS))[8:-8, 8:-8].abs().max() < 0.15


def test_vectors_far_outside_are_harmless():
    plane = random_plane(48, 64)
    for far in (-(10**6), 10**6):
        moved = predict(Reference(plane), one_vector((3, 4), far, far))
        assert moved.min() >= plane.min() - 60 and moved.max() <= plane.max() + 60


def test_blocks_overlap_without_edges():
    """Between two blocks with different vectors the mixture goes over evenly."""
    plane = torch.arange(64.0)[None, None, None].expand(1, 1, 64, 64) * 2
    vectors = one_vector((4, 4), 0, 0)
    vectors[:, 1, :, 2:] = 4 * UNITS
    row = predict(Reference(plane), vectors)[0, 0, 32]
    steps = (row - plane[0, 0, 32])[16:48]
    assert torch.all(steps.diff() >= -1e-4) and steps[0] == 0 and steps.diff().max() < 0.6


@pytest.mark.parametrize("halved", [(True, True), (False, True), (False, False)])
def test_all_planes_move_together(halved):
    height, width = 32, 48
    chroma = torch.cat([random_plane(height // (1 + halved[0]), width // (1 + halved[1]), s) for s in (1, 2)], 1)
    luma = random_plane(height, width)
    vectors = one_vector((2, 3), 2 * UNITS, -2 * UNITS)
    _, moved = predict_planes(Reference(luma), list(map(Reference, chroma.split(1, 1))), vectors, halved)
    assert moved.shape == chroma.shape
    dy, dx = 2 // (1 + halved[0]), -2 // (1 + halved[1])
    shifted = torch.roll(chroma, (-dy, -dx), (2, 3))
    assert torch.allclose(moved[:, :, 4:-4, 4:-4], shifted[:, :, 4:-4, 4:-4], atol=1e-3)


@pytest.mark.parametrize(("dy", "dx"), [(0, 0), (5, -3), (-14, 9), (1, 26)])
def test_the_search_finds_a_shift(dy, dx):
    # A smooth picture: of white noise, a coarse copy shows nothing.
    whole = torch.from_numpy(moving_frames(160, 200, 1)[0, :, :, 1].astype(np.float32))
    then = whole[30:126, 30:158][None, None]
    now = whole[30 + dy : 126 + dy, 30 + dx : 158 + dx][None, None]
    vectors = search(now, then, Reference(then), 1.0)
    right = (vectors[0, 0] == UNITS * dy) & (vectors[0, 1] == UNITS * dx)
    assert right[2:-2, 2:-2].float().mean() > 0.9


def test_sizes_of_vectors():
    vectors = torch.zeros(1, 2, 3, 4, dtype=torch.int64)
    vectors[0, :, 1, 2] = torch.tensor([-3, 5])
    size, spread = motion_sizes(vectors)[0]
    assert size.sum() == size[1, 2] == 8
    near = [(1, 2), (0, 2), (2, 2), (1, 1), (1, 3)]
    assert all(spread[y, x] == 8 for y, x in near) and spread.sum() == 8 * len(near)
    assert torch.equal(motion_sizes(torch.zeros(1, 2, 1, 1)), torch.zeros(1, 2, 1, 1))


# Colours


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(
    ("shares", "halved"),
    [(BT601, (True, True)), (BT709, (False, True)), (BT709, (False, False)), (None, (False, False))],
)
def test_colours_lose_nothing(depth, full_range, shares, halved):
    colours = Colours(depth, full_range, shares, halved)
    rng = np.random.default_rng(0)
    size = 2**depth
    luma = torch.from_numpy(rng.integers(size, size=(1, 1, 32, 48)).astype(np.float32))
    chroma_size = (1, 2, 32 // (1 + halved[0]), 48 // (1 + halved[1]))
    chroma = torch.from_numpy(rng.integers(size, size=chroma_size).astype(np.float32))
    back = colours.to_planes(colours.to_rgb(luma, chroma))
    assert torch.allclose(back[0], luma, atol=0.01) and torch.allclose(back[1], chroma, atol=0.01)


def test_colours_are_those_of_the_standards():
    white = Colours(8).to_rgb(torch.full((1, 1, 2, 2), 235.0), torch.full((1, 2, 1, 1), 128.0))
    assert torch.allclose(white, torch.ones(1, 3, 2, 2), atol=1e-6)
    chroma = torch.tensor([90.0, 240.0])[None, :, None, None]
    red = Colours(8).to_rgb(torch.full((1, 1, 2, 2), 81.0), chroma)[0, :, 0, 0]
    assert torch.allclose(red, torch.tensor([1.0, 0.0, 0.0]), atol=0.01)


@pytest.mark.parametrize("chroma", [GREY, HALVED, HALF_WIDTH, FULL])
@pytest.mark.parametrize("size", [(1, 1), (17, 33), (32, 48)])
def test_planes_come_back_from_the_padded_grid(chroma, size):
    shape = FrameShape.of(Picture(size[1], size[0], 8, chroma))
    rng = np.random.default_rng(0)
    sizes = [size] + ([] if chroma == GREY else [shape.chroma] * 2)
    planes = tuple(rng.integers(256, size=s).astype(np.uint8) for s in sizes)
    luma, colours = shape.load(planes, CPU)
    assert luma.shape[2] % 16 == luma.shape[3] % 16 == 0
    rgb = shape.colours.to_rgb(luma, colours)
    assert rgb.shape == (1, 3, *shape.padded)
    back = shape.store(*shape.samples(rgb))
    assert all(np.array_equal(a, b) for a, b in zip(planes, back, strict=True))


# Frames


def test_frames_come_back_as_the_encoder_had_them(codec, clip):
    data, report = coded(codec, clip, quality=40)
    frames = [unit for unit in decoded(codec, data) if isinstance(unit, DecodedFrame)]
    assert [frame.number for frame in frames] == list(range(7))
    assert report.kinds[0] == INTRA and report.count(PREDICTED) >= 5
    with ClipSource(str(clip), "clip") as source:
        originals = [event.planes for event in source.events() if not isinstance(event, bytes)]
    # What the encoder says it lost is what a decoder loses.
    for frame, wanted, error in zip(frames, originals, report.errors, strict=True):
        luma = np.square(frame.planes[0].astype(float) - wanted[0]).mean()
        assert 0.3 * error < luma < error
        assert luma < 150
    assert sum(report.frame_bytes[1:]) < 6 * report.frame_bytes[0]


def test_predicting_takes_less_than_not_predicting(codec, clip):
    predicted, p = coded(codec, clip, quality=50)
    intra, i = coded(codec, clip, quality=50, period=1)
    assert set(i.kinds) == {INTRA}
    assert len(predicted) < 0.8 * len(intra)
    assert np.mean(p.errors) < 1.3 * np.mean(i.errors)


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


def test_the_carrier_computes_what_integers_do(codec):
    """The entropy model of a frame with what earlier ones say, on the carrier of this machine and on int64."""
    fast = codec._predicted.prior
    slow = ExactPrior(fast.config, exact_reference)
    slow.load_state_dict(fast.state_dict())
    slow.prepare(CPU)
    rng = np.random.default_rng(0)
    size, latents = (5, 7), fast.config.latents
    for extreme in (40, 2**15 - 1):
        planes = [rng.integers(-extreme, extreme, (1, latents, *size)) for _ in range(2)]
        motion = rng.integers(0, min(extreme, 2000), (1, 2, *size))
        symbols = {}
        seen = {}
        for name, prior in (("fast", fast), ("slow", slow)):
            earlier = Earlier(*(torch.from_numpy(p).to(prior.kernels.CARRIER) for p in (*planes, motion)))
            rows = seen[name] = []

            def exchange(plane, selection, mean, row, rows=rows, symbols=symbols):
                rows.append((mean.copy(), row.copy()))
                known = symbols.setdefault(len(rows), rng.integers(-3, 4, mean.size).astype(np.int16))
                return np.where(row < 6, 0, known).astype(np.int16)

            prior.walk(4000, size, exchange, CPU, earlier)
        for (mean_a, row_a), (mean_b, row_b) in zip(seen["fast"], seen["slow"], strict=True):
            assert np.array_equal(mean_a, mean_b) and np.array_equal(row_a, row_b)


def test_what_earlier_frames_say_matters(codec):
    """Rows of the same symbols differ with the frame before: else the network of `past` would be for nothing."""
    prior = codec._predicted.prior
    size, latents = (4, 4), prior.config.latents
    zero = torch.zeros(1, latents, *size, dtype=prior.kernels.CARRIER)
    busy = zero + 5 * 32
    still = torch.zeros(1, 2, *size, dtype=prior.kernels.CARRIER)
    found = []
    for last in (zero, busy):
        rows = []

        def exchange(plane, selection, mean, row, rows=rows):
            rows.append(row.copy())
            return np.zeros(mean.size, np.int16)

        prior.walk(4000, size, exchange, CPU, Earlier(zero, last, still))
        found.append(np.concatenate(rows[1:]))
    assert (found[0] != found[1]).mean() > 0.2


@pytest.mark.parametrize(
    ("pixel_format", "size"),
    [("yuv420p", (17, 35)), ("yuv422p10le", (34, 50)), ("yuv444p", (16, 16)), ("gray", (20, 40)), ("bgr0", (33, 20))],
)
def test_samples_of_every_kind(codec, tmp_path, pixel_format, size):
    write_clip(tmp_path / "a.mkv", moving_frames(*size, 3), pixel_format)
    data, _ = coded(codec, tmp_path / "a.mkv", quality=90)
    frames = [unit for unit in decoded(codec, data) if isinstance(unit, DecodedFrame)]
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
    scenes = np.concatenate([moving_frames(64, 80, 4, seed=1), 255 - moving_frames(64, 80, 4, seed=5)])
    write_clip(tmp_path / "a.mkv", scenes)
    _, report = coded(codec, tmp_path / "a.mkv", quality=50)
    assert [n for n, kind in enumerate(report.kinds) if kind == INTRA] == [0, 4]


def test_the_period_of_intra_frames(codec, clip):
    _, report = coded(codec, clip, quality=30, period=3)
    assert [n for n, kind in enumerate(report.kinds) if kind == INTRA] == [0, 3, 6]
    for period in (0, -1):
        with pytest.raises(ValueError, match="period"):
            coded(codec, clip, period=period)
    for quality in (-1, 101, float("nan")):
        with pytest.raises(ValueError, match="quality"):
            coded(codec, clip, quality=quality)


def test_a_first_pass_leads_to_the_size(codec, clip):
    with ClipSource(str(clip), "clip") as source:
        first = codec.first_pass(source, 120)
    assert first.seconds == pytest.approx(7 / 25, abs=0.01)
    aim = 1.7 * (sum(first.frame_bytes) + first.other_bytes)
    _, report = coded(codec, clip, control=RateControl(first, aim))
    assert 0.7 * aim < report.file_bytes < 1.15 * aim
    with pytest.raises(ValueError, match="already"):
        RateControl(FirstPass(40.0, (100, 50), 900, 1.0), 800)


# Damage


def test_damaged_symbols_are_noticed_and_cost_the_group(codec, clip):
    data, _ = coded(codec, clip, quality=40, period=3)
    units = [u for u in ClipReader(io.BytesIO(data)).units() if isinstance(u, FrameUnit)]
    # Symbols that are not those of their checksum, in sections that are whole.
    for number in (1, 3):
        file = io.BytesIO()
        rewritten = clip_codec.ClipWriter(file, ClipReader(io.BytesIO(data)).head)
        for unit in units:
            body = unit.data if unit.number != number else unit.data[:-4] + bytes(4)
            crc = unit.symbols_crc ^ (unit.number == number)
            put = rewritten.intra if unit.kind == INTRA else rewritten.predicted
            put(unit.time, unit.gain_index, crc, body)
        rewritten.finish(1)
        with pytest.raises(FormatError, match=f"frame {number} is damaged"):
            decoded(codec, file.getvalue())
        found = decoded(codec, file.getvalue(), salvage=True)
        (lost,) = [unit for unit in found if isinstance(unit, Lost)]
        assert (lost.first, lost.end) == ((1, 3) if number == 1 else (3, 6))
        kept = [unit.number for unit in found if isinstance(unit, DecodedFrame)]
        assert kept == [n for n in range(7) if not lost.first <= n < lost.end]


def test_other_weights_are_named(codec, clip):
    data, _ = coded(codec, clip, quality=10)
    reader = ClipReader(io.BytesIO(data))
    name = reader.head.predicted
    changed = data.replace(name.weights_hash, bytes(8))
    with pytest.raises(FormatError, match="HEAD is damaged"):
        ClipReader(io.BytesIO(changed))
    other = ClipReader(io.BytesIO(data))
    object.__setattr__(other.head, "predicted", type(name)(name.id, bytes(8)))
    with pytest.raises(ModelError, match="video-0000000000000000"):
        list(codec.decode(other))


def test_one_frame_and_odd_time_bases(codec, tmp_path):
    write_clip(tmp_path / "a.mkv", moving_frames(20, 20, 1), time_base=Fraction(1001, 30000))
    data, report = coded(codec, tmp_path / "a.mkv")
    assert len(report.kinds) == 1 and len(decoded(codec, data)) == 2


# Reading ahead


def test_reading_ahead_gives_all_and_what_was_raised():
    def items():
        yield from range(10)
        raise OSError("gone")

    ahead = ReadAhead(items())
    found = []
    with pytest.raises(OSError, match="gone"):
        while (item := ahead.next(True)) is not None:
            found.append(item)
    assert found == list(range(10)) and ahead.next(True) is None


def test_reading_ahead_can_be_left():
    taken = []

    def items():
        for n in range(10**9):
            taken.append(n)
            yield n

    ahead = ReadAhead(items(), depth=2)
    assert ahead.next(True) == 0
    ahead.leave()
    assert ahead.next(False) is None and len(taken) < 100


def test_the_encoder_needs_no_more_than_one_frame(codec):
    """A period of one never predicts, also for the first frames."""
    shape = FrameShape.of(Picture(32, 32))
    encoder = ClipEncoder(codec._coder(ClipReader(io.BytesIO(_tiny(codec))).head), period=1)
    planes = shape.load(tuple(np.full(s, 100, np.uint8) for s in ((32, 32), (16, 16), (16, 16))), CPU)
    assert {encoder.next(planes, 50).kind for _ in range(3)} == {INTRA}


def _tiny(codec):
    from lcodec.formats.clip_container import ClipHead, ClipWriter

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
