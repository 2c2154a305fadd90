"""Prediction of frames, and their colours: samples moved and mixed, motion found, planes there and back."""

import numpy as np
import pytest
import torch
from clips import moving_frames, other_frames

from lcodec.codec.video.colour import BT601, BT709, Colours
from lcodec.codec.video.mixture import BOTH, FIRST, SECOND, Motion, predicted, references_of
from lcodec.codec.video.model import motion_sizes
from lcodec.codec.video.motion import BLOCK, UNITS, Reference, predict, predict_planes, spread_over
from lcodec.codec.video.motion_search import motion_between, search
from lcodec.codec.video.planes import FrameShape
from lcodec.codec.video.scene_cut import CUT, changed_share
from lcodec.formats.clip_records import FULL, GREY, HALF_WIDTH, HALVED, Picture

CPU = torch.device("cpu")


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
    size, spread, kind = motion_sizes(Motion((vectors,)))[0]
    assert not kind.any() and size.sum() == size[1, 2] == 8
    near = [(1, 2), (0, 2), (2, 2), (1, 1), (1, 3)]
    assert all(spread[y, x] == 8 for y, x in near) and spread.sum() == 8 * len(near)
    still = torch.zeros(1, 2, 1, 1, dtype=torch.int64)
    assert not motion_sizes(Motion((still,))).any()
    # Of two, the larger one counts; blocks say what they use.
    modes = torch.full((1, 3, 4), BOTH)
    modes[0, 0, :2] = torch.tensor([FIRST, SECOND])
    two = motion_sizes(Motion((torch.zeros_like(vectors), vectors), modes))[0]
    assert torch.equal(two[:2], torch.stack([size, spread]))
    assert two[2].tolist() == [[2, 2, 1, 1], [1] * 4, [1] * 4]


def test_shares_go_over_evenly():
    share = torch.zeros(1, 3, 4)
    share[0, :, 2:] = 1
    spread = spread_over(share, (16, 16))
    assert spread.shape == (1, 1, 48, 64)
    row = spread[0, 0, 20]
    assert torch.all(row.diff() >= 0) and row[0] == 0 and row[-1] == 1 and row.diff().max() < 0.07


def planes_of(seed, height=48, width=64):
    return random_plane(height, width, seed), torch.cat([random_plane(24, 32, seed + s) for s in (10, 20)], 1)


def test_two_predictions_are_mixed():
    colours = Colours()
    pair = [planes_of(seed) for seed in (0, 1)]
    still = one_vector((3, 4), 0, 0)
    for mode, shares in ((BOTH, (0.5, 0.5)), (FIRST, (1, 0)), (SECOND, (0, 1))):
        motion = Motion((still, still), torch.full((1, 3, 4), mode))
        made = predicted([references_of(planes) for planes in pair], motion, colours)
        wanted = [sum(s * planes[n] for s, planes in zip(shares, pair, strict=True)) for n in (0, 1)]
        for got, right in zip(colours.to_planes(made.rgb), wanted, strict=True):
            assert torch.allclose(got, right, atol=1e-2)
        # How far they differ counts where both are used.
        difference = colours.to_rgb(*pair[0]) - colours.to_rgb(*pair[1])
        assert torch.allclose(made.difference, difference * (mode == BOTH), atol=1e-4)
    alone = predicted([references_of(pair[0])], Motion((still,)), colours)
    assert alone.difference is None and torch.allclose(alone.rgb, colours.to_rgb(*pair[0]), atol=1e-4)


def test_the_search_takes_from_each_what_it_has():
    """The left half is in the earlier frame alone, the right half in the later one; the middle of three in both."""
    whole = torch.from_numpy(moving_frames(200, 240, 1)[0, :, :, 1].astype(np.float32))
    now = whole[40:136, 40:168][None, None]
    before, after = whole[44:140, 37:165][None, None].clone(), whole[36:132, 43:171][None, None].clone()
    others = random_plane(96, 128)
    before[..., 64 + 16 :] = others[..., 64 + 16 :]
    after[..., : 64 - 16] = others[..., : 64 - 16]
    grey = torch.full((1, 2, 48, 64), 128.0)
    references = [references_of((plane, grey)) for plane in (before, after)]
    motion = motion_between(now, [before, after], references, 1.0)
    assert (motion.modes[0, 1:-1, 1:3] == FIRST).all() and (motion.modes[0, 1:-1, -3:-1] == SECOND).all()
    first, second = (vectors[0, :, 1:-1] for vectors in motion.vectors)
    assert (first[:, :, 1:3] == torch.tensor([-4, 3])[:, None, None] * UNITS).all()
    assert (second[:, :, -3:-1] == torch.tensor([4, -3])[:, None, None] * UNITS).all()
    luma, _ = Colours().to_planes(predicted(references, motion, Colours()).rgb)
    inner = (..., slice(BLOCK, -BLOCK), slice(BLOCK, -BLOCK))
    assert (luma - now)[inner].abs().mean() < 3
    # One reference alone is searched as before.
    (alone,) = motion_between(now, [before], references[:1], 1.0).vectors
    assert torch.equal(alone, search(now, before, references[0][0], 1.0))


def test_where_both_are_noisy_the_mean_is_better():
    generator = torch.Generator().manual_seed(0)
    now = random_plane(64, 64)
    noisy = [now + 20 * torch.randn(now.shape, generator=generator) for _ in range(2)]
    grey = torch.full((1, 2, 32, 32), 128.0)
    motion = motion_between(now, noisy, [references_of((plane, grey)) for plane in noisy], 1.0)
    assert (motion.modes == BOTH).float().mean() > 0.9


def test_another_scene_is_told_from_motion():
    moving = moving_frames(96, 128, 3, seed=1, step=(4, 9))[..., 1]
    other = other_frames(96, 128, 1)[..., 1]
    first, second, cut = (torch.from_numpy(f.astype(np.float32))[None, None] for f in (*moving[:2], other[0]))
    assert changed_share(first, second, 8) < 0.6 * CUT
    assert changed_share(first, cut, 8) > CUT
    flat = torch.zeros(1, 1, 96, 128)
    assert changed_share(first, 0.8 * second + 20, 8) < 0.7 * CUT and changed_share(flat, flat + 30, 8) == 0
    assert changed_share(4 * first, 4 * cut, 10) == pytest.approx(changed_share(first, cut, 8))


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
