"""Search of motion in C against the same in PyTorch, and motion against its bits."""

import numpy as np
import plain_motion_rate
import pytest
import torch
from clips import moving_frames

from lcodec.codec.video import motion_search
from lcodec.codec.video.mixture import BOTH, FIRST, SECOND, Motion
from lcodec.codec.video.motion import Reference
from lcodec.codec.video.motion_rate import MotionBits, cheapest, settled
from lcodec.codec.video.motion_search import search, search_two
from lcodec.entropy.vectors import (
    BOUND,
    MODE_ROW,
    ROW_COUNT,
    VECTOR_ROWS,
    encode_modes,
    encode_vectors,
    grid_of,
    laplacian_rows,
    motion_bits,
)
from lcodec.kernels.block_matching import is_compiled

pytestmark = pytest.mark.skipif(not is_compiled(), reason="lcodec was installed without a compiler")
ROWS = laplacian_rows()
BITS = MotionBits(motion_bits(ROWS, 0))


def planes(count, height=80, width=112, seed=3):
    frames = moving_frames(height, width, count, seed=seed, step=(3, 5))[..., 1].astype(np.float32)
    noise = np.random.default_rng(seed).normal(0, 3, frames.shape).astype(np.float32)
    return [torch.from_numpy(frame)[None, None] for frame in (frames + noise).clip(0, 255)]


def coded_bits(motion):
    """What the coder's rows say that motion takes: of vectors that are used, and of modes."""
    total = [0.0]

    def coding(first):
        def count(row, wanted):
            total[0] += sum(float(BITS.table[first + r, s + BOUND]) for r, s in zip(row, wanted, strict=True))
            return wanted

        return count

    vectors = [field[0].numpy().astype(np.int32) for field in motion.vectors]
    if motion.modes is None:
        encode_vectors(vectors[0], coding(0))
        return total[0]
    modes = motion.modes[0].numpy()
    encode_modes(modes, coding(0))
    for n, (own, unused) in enumerate(zip(vectors, (SECOND, FIRST), strict=True)):
        encode_vectors(own, coding(VECTOR_ROWS * (1 + n)), modes != unused)
    return total[0]


def starts(pictures, bit_cost):
    before, now, after = pictures
    references = [Reference(before), Reference(after)]
    yield now, references[:1], Motion((search(now, before, references[0], bit_cost),))
    yield now, references, search_two(now, (before, after), (references[0], references[1]), bit_cost)


@pytest.mark.parametrize("size", [(80, 112), (16, 16), (48, 176)])
@pytest.mark.parametrize("bit_cost", [4.0, 60.0])
@pytest.mark.parametrize("based", [False, True])
def test_motion_settles_as_it_does_in_plain_python(size, bit_cost, based):
    generator = torch.Generator().manual_seed(0)
    for now, references, start in starts(planes(3, *size), bit_cost):
        noise = [torch.randint(-9, 10, field.shape, generator=generator) for field in start.vectors]
        base = [field + own for field, own in zip(start.vectors, noise, strict=True)] if based else None
        found, cost = settled(now, references, start, BITS, bit_cost, base)
        expected, plain_cost = plain_motion_rate.settled(now, references, start, BITS, bit_cost, base)
        assert float(cost) == pytest.approx(plain_cost, rel=1e-5)
        for one, other in zip(found.vectors, expected.vectors, strict=True):
            assert torch.equal(one, other)
        assert start.modes is None or torch.equal(found.modes, expected.modes)


def test_settled_motion_takes_fewer_bits_and_its_cost_is_what_the_coder_takes(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    for now, references, found in starts(planes(3), 40.0):
        off = tuple(v + torch.randint(-6, 7, v.shape, generator=generator) for v in found.vectors)
        start = Motion(off, found.modes)
        motion, after = settled(now, references, start, BITS, 40.0)
        assert coded_bits(motion) < coded_bits(start)
        monkeypatch.setattr("lcodec.codec.video.motion_rate.SWEEPS", 0)
        _, before = settled(now, references, start, BITS, 40.0)
        _, error = settled(now, references, motion, BITS, 0.0)
        assert float(after) < float(before)
        assert float(after - error) == pytest.approx(40 * coded_bits(motion), rel=1e-4)
        monkeypatch.undo()


def test_each_frame_of_a_batch_settles_by_itself():
    pictures = planes(3)
    other = planes(3, seed=5)
    both = [torch.cat(pair) for pair in zip(pictures, other, strict=True)]
    cost = torch.tensor([5.0, 50.0])[:, None, None]
    for (now, references, start), *alone in zip(
        starts(both, cost), starts(pictures, 5.0), starts(other, 50.0), strict=True
    ):
        found, total = settled(now, references, start, BITS, cost)
        for n, ((one, own, began), bit_cost) in enumerate(zip(alone, (5.0, 50.0), strict=True)):
            expected, single = settled(one, own, began, BITS, bit_cost)
            assert float(total[n]) == pytest.approx(float(single))
            assert all(torch.equal(a[n : n + 1], b) for a, b in zip(found.vectors, expected.vectors, strict=True))


def test_the_search_in_c_finds_what_that_in_pytorch_finds(monkeypatch):
    for bit_cost in (4.0, 60.0):
        found = list(starts(planes(3), bit_cost))
        monkeypatch.setattr(motion_search, "is_compiled", lambda: False)
        for (now, references, in_c), (_, _, plain) in zip(found, starts(planes(3), bit_cost), strict=True):
            costs = [
                float(settled(now, references, motion, BITS, bit_cost)[1]) for motion in (in_c, plain)
            ]  # of all, as good as the other: ties go either way
            assert costs[0] == pytest.approx(costs[1], rel=0.01)
            for one, other in zip(in_c.vectors, plain.vectors, strict=True):
                assert (one == other).all(1).float().mean() > 0.9
        monkeypatch.undo()


def test_the_best_start_is_taken():
    generator = torch.Generator().manual_seed(0)
    for now, references, start in starts(planes(3), 20.0):
        alone, _ = settled(now, references, start, BITS, 20.0)
        off = [torch.randint(-300, 300, field.shape, generator=generator) for field in start.vectors]
        motion, of_use = cheapest(now, references, [start], BITS, 20.0, off)
        assert not of_use and all(map(torch.equal, motion.vectors, alone.vectors))
        # Where all is as it is expected, next to nothing is coded.
        motion, of_use = cheapest(now, references, [start], BITS, 20.0, [field + 1 for field in alone.vectors])
        assert of_use


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 17), (18, 22)])
def test_a_grid_says_who_follows_from_whom(size):
    grid = grid_of(*size)
    count = size[0] * size[1]
    assert sorted(grid.order.tolist()) == list(range(count)) and grid.start[-1] == len(grid.dependents)
    place = np.empty(count, int)
    place[grid.order] = np.arange(count)
    for block in range(count):
        own = grid.dependents[grid.start[block] : grid.start[block + 1]].tolist()
        assert own == [n for n in range(count) if grid.level[n] >= 0 and block in grid.around[n]]
        assert all(place[n] > place[block] for n in own)
    assert grid.level.max(initial=-1) <= 2 and (grid.level == -1).sum() == -(-size[0] // 8) * -(-size[1] // 8)


def test_bits_are_those_of_the_rows():
    assert BITS.table.shape == (ROW_COUNT, 2 * BOUND + 2)
    for row in (0, 5, VECTOR_ROWS, MODE_ROW):
        bits, bound = ROWS.bits(row), ROWS.bound(row)
        assert BITS.table[row, BOUND] == np.float32(bits[bound]) and BITS.table[row, -1] == np.float32(bits[-1] + 16)
        assert (BITS.table[row, BOUND + bound + 1 :] == np.float32(bits[-1] + 16)).all()
    assert BITS.table[MODE_ROW, BOUND + BOTH] < BITS.table[MODE_ROW, BOUND + FIRST]
