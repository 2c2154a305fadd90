"""Lossless coding of planes: the order of samples, the exact network, rows, the coder's groups."""

from contextlib import suppress

import numpy as np
import pytest
import torch
from checks import picture

from lcodec.codec.colour import to_planes, to_samples
from lcodec.entropy import interlaced_walk
from lcodec.entropy.coder import CoderError, RowCoder
from lcodec.entropy.convert import to_exact_interlaced
from lcodec.entropy.exact_interlaced import ExactInterlaced, TilePlanes
from lcodec.entropy.float_twin import FLOAT
from lcodec.entropy.interlaced import Interlaced, InterlacedConfig
from lcodec.entropy.interlaced_rate import picture_bits
from lcodec.entropy.interlaced_rows import OCTAVE_ROWS, ROW_COUNT, logistic_rows, place
from lcodec.entropy.interlacing import coarse_view, level_count, phase_views
from lcodec.entropy.tables import TOTAL
from lcodec.kernels import exact_reference

CPU = torch.device("cpu")
SIZES = [(1, 1), (3, 5), (17, 1), (1, 9), (37, 22)]


@pytest.fixture(scope="module")
def twin():
    """Random weights, with heads large enough that their corrections count."""
    torch.manual_seed(1)
    network = Interlaced(FLOAT, InterlacedConfig(width=8)).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "table" in name or "luma.weight" in name or "chroma" in name:
                parameter.copy_(torch.randn(parameter.shape) / 4)
    return network


@pytest.fixture(scope="module")
def model(twin):
    network = to_exact_interlaced(twin)
    network.prepare(CPU)
    return network


@pytest.fixture(scope="module")
def coder():
    return RowCoder(logistic_rows(), 0)


def samples(height, width, depth, seed=0):
    """Samples (H, W, 3) of so many bits, with noise in all of them, and extreme ones."""
    rng = np.random.default_rng(seed)
    found = picture(height, width, seed).astype(np.uint32) * (2**depth - 1) // 255
    found ^= rng.integers(0, 2 ** max(1, depth - 7), found.shape, dtype=np.uint32)
    found[rng.random(found.shape) < 0.02] = 2**depth - 1
    found[rng.random(found.shape) < 0.02] = 0
    return found.astype(np.uint16)


def planes_of(pixels, depth):
    return to_planes(torch.from_numpy(pixels.astype(np.int32)).permute(2, 0, 1), depth).to(torch.int16).numpy()


def tile_of(planes, colours, depth):
    height, width = planes.shape[1:]
    return TilePlanes(height, width, colours, depth, level_count(max(height, width)))


@pytest.mark.parametrize("depth", [8, 10, 16])
def test_colours_come_back(depth):
    rng = np.random.default_rng(depth)
    rgb = torch.from_numpy(rng.integers(0, 2**depth, (2, 3, 40, 50)).astype(np.int32))
    rgb[0, :, 0, :8] = (2**depth - 1) * torch.tensor([[c >> i & 1 for c in range(8)] for i in range(3)])
    planes = to_planes(rgb, depth)
    assert planes.abs().max() <= 2**15 and torch.equal(planes.to(torch.int16).int(), planes)
    assert torch.equal(to_samples(planes, depth), rgb)
    grey = rgb[:, :1].repeat(1, 3, 1, 1)
    assert not to_planes(grey, depth)[:, 1:].any()


@pytest.mark.parametrize("size", [*SIZES, (64, 65)])
def test_every_sample_is_coded_once(size):
    levels = level_count(max(size))
    count = np.zeros(size, dtype=int)
    count[coarse_view(levels)] += 1
    assert max(count[coarse_view(levels)].shape) <= 4
    for level in range(levels):
        for view in phase_views(level):
            count[view] += 1
    assert (count == 1).all()


def test_rows_are_valid_and_centred_on_the_fraction():
    rows = logistic_rows()
    assert len(rows) == ROW_COUNT
    for row in (0, 3, 100, 101, 255):
        frequencies = rows.frequencies[row]
        assert frequencies.sum() == TOTAL
        values = np.arange(frequencies.size - 1) - rows.bound(row)
        mean = (values * frequencies[:-1]).sum() / frequencies[:-1].sum()
        wanted = (row % 4 - 1.5) / 4
        assert abs(mean - wanted) < (0.05 if 20 < row < 200 else 0.4)


def test_places_split_the_mean_and_keep_rows_within_the_table():
    mean = torch.arange(-200, 200)
    placed = place(mean, torch.full_like(mean, 20))
    fraction = mean.numpy() - 32 * placed.whole
    assert fraction.min() == -16 and fraction.max() == 15
    assert np.array_equal(placed.row, 80 + (fraction + 16) // 8)
    scales = torch.arange(64 + OCTAVE_ROWS[-1])
    placed = place(torch.zeros_like(scales), scales)
    assert placed.row.min() >= 0 and placed.row.max() < ROW_COUNT
    assert placed.low_bits.max() == 8 and (np.diff(placed.low_bits) >= 0).all() and not placed.low_bits[:64].any()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("colours", "depth"), [(3, 8), (1, 8), (3, 12), (3, 16), (1, 16)])
def test_round_trip(model, coder, size, colours, depth):
    planes = planes_of(samples(*size, depth), depth)
    planes[colours:] = 0
    tile = tile_of(planes, colours, depth)
    steps, crc = interlaced_walk.encode(model, coder, planes, tile, CPU)
    assert len(steps) == tile.steps
    found, found_crc = interlaced_walk.decode(model, coder, steps, tile, CPU)
    assert np.array_equal(found, planes) and found_crc == crc


@pytest.mark.parametrize("depth", [8, 16])
def test_the_oracle_and_other_thread_counts_write_the_same(model, coder, depth):
    planes = planes_of(samples(37, 22, depth), depth)
    tile = tile_of(planes, 3, depth)
    slow = ExactInterlaced(model.config, exact_reference)
    slow.load_state_dict(model.state_dict())
    slow.prepare(CPU)
    expected = interlaced_walk.encode(slow, coder, planes, tile, CPU)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            assert interlaced_walk.encode(model, coder, planes, tile, CPU) == expected
    finally:
        torch.set_num_threads(threads)


def test_bands_change_nothing(model, coder, monkeypatch):
    planes = planes_of(samples(37, 22, 8), 8)
    tile = tile_of(planes, 3, 8)
    whole = interlaced_walk.encode(model, coder, planes, tile, CPU)
    monkeypatch.setattr("lcodec.entropy.exact_interlaced._BAND_PLACES", 30)
    assert interlaced_walk.encode(model, coder, planes, tile, CPU) == whole


def test_the_beginning_is_a_preview(model, coder):
    planes = planes_of(picture(64, 48).astype(np.uint16), 8)
    tile = tile_of(planes, 3, 8)
    steps, _ = interlaced_walk.encode(model, coder, planes, tile, CPU)
    for count in range(tile.steps):
        found, _ = interlaced_walk.decode(model, coder, steps[:count], tile, CPU, partial=True)
        if count:
            known = coarse_view(tile.steps - count)
            assert np.array_equal(found[:, *known], planes[:, *known])
    with pytest.raises(CoderError, match="steps"):
        interlaced_walk.decode(model, coder, steps[:-1], tile, CPU)


def test_hostile_steps_are_refused_or_something_else(model, coder):
    planes = planes_of(samples(17, 9, 16), 16)
    tile = tile_of(planes, 3, 16)
    steps, crc = interlaced_walk.encode(model, coder, planes, tile, CPU)
    with pytest.raises(CoderError, match="at least"):
        interlaced_walk.decode(model, coder, (*steps[:-1], b""), tile, CPU)
    rng = np.random.default_rng(0)
    for _ in range(20):
        spoilt = tuple(rng.bytes(len(step)) for step in steps)
        with suppress(CoderError):
            assert interlaced_walk.decode(model, coder, spoilt, tile, CPU)[1] != crc


def test_the_float_twin_prices_what_the_exact_network_codes(coder):
    torch.manual_seed(2)
    twin = Interlaced(FLOAT, InterlacedConfig(width=8)).eval()
    with torch.no_grad():
        for phase in range(3):  # scales of about those of the picture: of many escapes the price is another
            for head in (twin.phase(phase).luma, *twin.phase(phase).chroma):
                head.bias.copy_(torch.tensor([0.0, 2.0]))
    model = to_exact_interlaced(twin)
    model.prepare(CPU)
    planes = planes_of(picture(64, 48).astype(np.uint16), 8)
    tile = tile_of(planes, 3, 8)
    steps, _ = interlaced_walk.encode(model, coder, planes, tile, CPU)
    with torch.no_grad():
        bits = float(picture_bits(twin, torch.from_numpy(planes).float()[None]))
    assert 8 * sum(map(len, steps[1:])) == pytest.approx(bits, rel=0.05)


def test_the_rate_has_a_gradient_everywhere(twin):
    twin.zero_grad()
    picture_bits(twin, torch.randint(-128, 128, (1, 3, 16, 24)).float()).sum().backward()
    for name, parameter in twin.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any() or "level" in name, name
