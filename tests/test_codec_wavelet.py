"""The wavelet packet transform, and the transform codec that it begins as."""

import pytest
import torch
from checks import picture

from lcodec.codec.transforms.wavelet import BANDS, Packet, WaveletAnalysis, WaveletSynthesis, project_weights
from lcodec.codec.transforms.wavelet_packet import (
    frequency_of_bands,
    join_bands,
    packet,
    packet_along,
    split_band,
    unpacket,
    unpacket_along,
)

# One half of the symmetric CDF 9/7 analysis filters, from the centre; the lower one has a gain of sqrt 2 at zero.
LOW = (0.852698679009, 0.377402855613, -0.110624404418, -0.023849465020, 0.037828455507)
HIGH = (0.788485616406, -0.418092273222, -0.040689417609, 0.064538882629)


def rgb(height, width):
    return torch.from_numpy(picture(height, width)).permute(2, 0, 1)[None].float() / 255


def psnr_db(a, b):
    return float(-10 * (a - b).square().mean().log10())


@pytest.mark.parametrize("size", [(16, 16), (48, 16), (80, 112)])
def test_packet_is_inverted(size):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size)
    bands = packet(x)
    assert bands.shape == (2, BANDS, size[0] // 16, size[1] // 16)
    assert torch.allclose(unpacket(bands), x, rtol=0, atol=1e-5)
    assert torch.allclose(packet(unpacket(bands)), bands, rtol=0, atol=1e-5)


def test_split_filters_with_the_cdf_pair():
    low, high = split_band(torch.eye(64, dtype=torch.float64), 1)  # (impulse, position)
    assert torch.allclose(low[32:37, 16], torch.tensor(LOW).double(), rtol=0, atol=1e-7)
    assert torch.allclose(low[28:33, 16].flip(0), torch.tensor(LOW).double(), rtol=0, atol=1e-7)
    assert torch.allclose(high[33:37, 16], torch.tensor(HIGH).double(), rtol=0, atol=1e-7)
    assert not low[:28, 16].any() and not low[37:, 16].any() and not high[37:, 16].any()


def test_split_sums_constants_and_sees_no_cubic():
    low, high = split_band(torch.ones(6, dtype=torch.float64), 0)
    assert torch.allclose(low, torch.full((3,), 2**0.5, dtype=torch.float64), atol=1e-12)
    assert high.abs().max() < 1e-12  # up to the borders, as they are mirrored
    cubic = torch.linspace(-1, 1, 64, dtype=torch.float64) ** 3
    assert split_band(cubic, 0)[1][3:-3].abs().max() < 1e-12  # four vanishing moments
    alternating = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(8)
    assert split_band(alternating, 0)[0][2:-2].abs().max() < 1e-12


def test_split_mirrors_whole_samples():
    torch.manual_seed(1)
    x = torch.randn(16, dtype=torch.float64)
    continued = torch.cat([x.flip(0)[:-1][-8:], x, x.flip(0)[1:9]])
    for half, long in zip(split_band(x, 0), split_band(continued, 0), strict=True):
        assert torch.allclose(half, long[4:12], atol=1e-12)


def test_halves_of_halves_are_joined_on_any_axis():
    x = torch.randn(2, 4, 6, 3)
    for axis in (0, 1, 2):
        assert torch.allclose(join_bands(*split_band(x, axis), axis), x, atol=1e-6)


def test_packet_bases_are_biorthogonal():
    length = 64
    impulses = torch.eye(length, dtype=torch.float64)
    analysis = packet_along(impulses[:, None], 2).flatten(1)  # a column a functional
    synthesis = unpacket_along(impulses.view(length, 16, length // 16), 2)[:, 0]  # a row a function
    assert torch.allclose(synthesis @ analysis, impulses, atol=1e-12)
    # The pair is near an orthonormal one, away from the borders.
    assert analysis.square().sum(0).sqrt().view(16, 4)[:, 1:3].sub(1).abs().max() < 0.25


def test_bands_are_numbered_by_a_gray_code_of_frequency():
    k, position = torch.arange(16)[:, None], torch.arange(512, dtype=torch.float64)
    waves = torch.cos(torch.pi * (2 * k + 1) * position / 32)  # the middle of each sixteenth of the frequencies
    energy = packet_along(waves[:, None], 2).square().sum(2)  # (frequency, band)
    # One off above half the frequencies, where the pair overlaps most.
    assert (frequency_of_bands()[energy.argmax(1)] - torch.arange(16)).abs().sum() <= 1
    assert frequency_of_bands().unique().numel() == 16


def test_constant_picture_has_one_band_a_plane():
    bands = packet(torch.full((1, 2, 32, 48), 0.25)).unflatten(1, (2, 256))
    assert torch.allclose(bands[:, :, 0], torch.tensor(0.25 * 16), atol=1e-5)
    assert bands[:, :, 1:].abs().max() < 1e-5


def test_normalised_packet_is_inverted_in_float32_under_autocast():
    front, x = Packet(), rgb(64, 48)
    with torch.autocast("cpu", torch.bfloat16):
        bands = front(x)
        assert torch.allclose(front.inverse(bands), x, atol=1e-5)
    assert bands.dtype == torch.float32


def test_strongest_bands_come_first_in_pixel_units():
    spread = Packet().spread.flatten()
    rows = project_weights(BANDS, spread)
    assert (rows != 0).sum(1).eq(1).all() and (rows != 0).sum(0).eq(1).all()
    assert rows[0, 0] > 0  # the mean of the first colour axis
    assert float(rows[0, 0] / spread[0]) == pytest.approx(8 * 1.0288**2, rel=1e-3)
    few = project_weights(64, spread)
    assert torch.equal(few, rows[:64])
    with pytest.raises(ValueError, match="768 bands"):
        project_weights(BANDS + 1, spread)


@pytest.mark.parametrize(("latents", "least_db", "least_rounded_db"), [(192, 30, 30), (BANDS, 55, 36)])
def test_begins_as_a_transform_codec(latents, least_db, least_rounded_db):
    torch.manual_seed(2)
    x, q = rgb(96, 160), torch.ones(1)
    analysis, synthesis = WaveletAnalysis(16, 2, latents), WaveletSynthesis(16, 2, latents)
    with torch.no_grad():
        y = analysis(x, q)
        assert y.shape == (1, latents, 6, 10)
        assert psnr_db(synthesis(y, q), x) > least_db
        assert psnr_db(synthesis(y.round(), q), x) > least_rounded_db


def test_gradients_are_finite_and_reach_every_parameter():
    torch.manual_seed(3)
    x, q = rgb(32, 48).repeat(2, 1, 1, 1), torch.tensor([0.3, 0.9])
    analysis, synthesis = WaveletAnalysis(16, 2, 48), WaveletSynthesis(16, 2, 48)
    (synthesis(analysis(x, q), q) - x).square().mean().backward()
    for parameter in [*analysis.parameters(), *synthesis.parameters()]:
        assert parameter.grad.isfinite().all() and parameter.grad.any()


def test_bfloat16_stays_near_float32():
    torch.manual_seed(4)
    x, q = rgb(48, 64), torch.full((1,), 0.5)
    analysis, synthesis = WaveletAnalysis(16, 2, 96), WaveletSynthesis(16, 2, 96)
    with torch.no_grad():
        y = analysis(x, q)
        exact = synthesis(y, q)
        with torch.autocast("cpu", torch.bfloat16):
            coarse_y = analysis(x, q)
            coarse = synthesis(y, q)
    assert (coarse_y - y).abs().max() < 0.1  # quantisation steps
    assert coarse.dtype == torch.float32
    assert (coarse - exact).abs().max() < 1 / 255
