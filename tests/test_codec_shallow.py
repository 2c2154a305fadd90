"""Shallow decoders: one linear map that overlaps, and two layers."""

import pytest
import torch
from checks import picture

from lcodec.codec.transforms.frame import FramedAnalysis, FramedSynthesis
from lcodec.codec.transforms.gated import GatedBlock
from lcodec.codec.transforms.shallow import LinearSynthesis, OverlappingMap, TwoLayerSynthesis, bypass_pictures

LATENTS = 96


def rgb(height, width):
    return torch.from_numpy(picture(height, width)).permute(2, 0, 1)[None].float() / 255


def psnr_db(a, b):
    return float(-10 * (a - b).square().mean().log10())


def two_layers(latents):
    return TwoLayerSynthesis(16, latents)


SYNTHESES = pytest.mark.parametrize("make", [LinearSynthesis, two_layers])


def analysis(latents=LATENTS):
    return FramedAnalysis(16, 1, latents, lambda channels, index: GatedBlock(channels))


def test_linear_synthesis_begins_as_the_bypass():
    torch.manual_seed(0)
    plain = FramedSynthesis(16, 0, LATENTS, lambda channels, index: GatedBlock(channels))
    torch.nn.init.zeros_(plain.leave.weight)
    y, q = 3 * torch.randn(2, LATENTS, 3, 5), torch.tensor([0.2, 1.0])
    with torch.no_grad():
        assert torch.allclose(LinearSynthesis(LATENTS)(y, q), plain(y, q), rtol=0, atol=1e-5)


def test_linear_synthesis_is_affine():
    torch.manual_seed(1)
    synthesis, q = LinearSynthesis(LATENTS), torch.full((1,), 0.4)
    torch.nn.init.normal_(synthesis.linear.weight)
    a, b = torch.randn(2, 1, LATENTS, 2, 3)
    with torch.no_grad():
        both, grey = synthesis(2 * a - b, q), synthesis(torch.zeros_like(a), q)
        assert torch.equal(grey, torch.full_like(grey, 0.5))
        assert torch.allclose(both - grey, 2 * (synthesis(a, q) - grey) - (synthesis(b, q) - grey), atol=1e-5)


def test_map_overlaps_its_neighbours_and_continues_beyond_the_border():
    linear = OverlappingMap(4)
    torch.nn.init.ones_(linear.weight)
    y = torch.zeros(1, 4, 3, 3)
    y[:, 0, 1, 1] = 128
    with torch.no_grad():
        drawn = linear(y)[0, 0] > 0
        assert drawn[12:36, 12:36].all() and drawn.sum() == 24 * 24
        # Equal latents everywhere draw every area alike, those at the border too.
        areas = linear(torch.ones(1, 4, 2, 3)).unflatten(3, (3, 16)).unflatten(2, (2, 16))
        assert torch.allclose(areas, areas[:, :, :1, :, :1].expand_as(areas))


def test_pictures_of_the_latents_are_orthogonal():
    drawn = bypass_pictures(LATENTS).flatten(1).double()
    product = drawn @ drawn.t()
    # A latent is 8 times the coefficient of an orthonormal transform.
    assert torch.allclose(64 * product, torch.eye(LATENTS, dtype=torch.float64), atol=1e-5)


@SYNTHESES
@pytest.mark.parametrize("size", [(1, 1), (3, 5)])
def test_shapes_and_gradients(make, size):
    torch.manual_seed(2)
    synthesis = make(LATENTS)
    y, q = torch.randn(2, LATENTS, *size, requires_grad=True), torch.tensor([0.0, 1.0])
    out = synthesis(y, q)
    assert out.shape == (2, 3, 16 * size[0], 16 * size[1])
    (out - 0.3).square().mean().backward()
    for gradient in [y.grad, *(p.grad for p in synthesis.parameters())]:
        assert gradient.isfinite().all() and gradient.any()


@SYNTHESES
def test_begins_as_a_transform_codec(make):
    torch.manual_seed(3)
    x, q = rgb(96, 160), torch.ones(1)
    with torch.no_grad():
        y = analysis(768)(x, q)
        synthesis = make(768)
        assert psnr_db(synthesis(y, q), x) > 40
        assert psnr_db(synthesis(y.round(), q), x) > 36


@SYNTHESES
def test_bfloat16_stays_near_float32(make):
    torch.manual_seed(4)
    q = torch.full((1,), 0.5)
    synthesis = make(LATENTS)
    with torch.no_grad():
        y = analysis()(rgb(48, 64), q)
        exact = synthesis(y, q)
        with torch.autocast("cpu", torch.bfloat16):
            coarse = synthesis(y, q)
    assert coarse.dtype == torch.float32
    assert (coarse - exact).abs().max() < 1 / 255
