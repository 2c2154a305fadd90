"""Blocks beside a wavelet packet: what the model begins as, and that both of its paths learn."""

import pytest
import torch
from checks import picture

from lcodec.codec.transforms.gated import GatedBlock
from lcodec.codec.transforms.lapped import LappedAnalysis, LappedSynthesis


def pair(latents):
    torch.manual_seed(0)
    sizes = (16, 1, latents, lambda width, index: GatedBlock(width))
    return LappedAnalysis(*sizes), LappedSynthesis(*sizes)


def rgb(height, width):
    return torch.from_numpy(picture(height, width)).permute(2, 0, 1)[None].float() / 255


def psnr_db(a, b):
    return float(-10 * (a - b).square().mean().log10())


def test_begins_as_a_lapped_transform_codec():
    analysis, synthesis = pair(768)
    x, q = rgb(96, 160), torch.ones(1)
    with torch.no_grad():
        y = analysis(x, q)
        assert psnr_db(synthesis(y, q), x) > 40
        assert psnr_db(synthesis(y.round(), q), x) > 36


def test_all_bands_and_no_blocks_lose_nothing():
    analysis, synthesis = pair(768)
    torch.nn.init.zeros_(analysis.merge.weight)
    torch.nn.init.zeros_(analysis.merge.bias)
    torch.nn.init.zeros_(synthesis.leave.weight)
    x = rgb(48, 64)
    for quality in (0.0, 0.4, 1.0):
        q = torch.full((1,), quality)
        with torch.no_grad():
            assert torch.allclose(synthesis(analysis(x, q), q), x, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (32, 80)])
def test_gradients_reach_everything(size):
    analysis, synthesis = pair(96)
    q = torch.tensor([0.3])
    (synthesis(analysis(rgb(*size), q), q) - 0.3).square().mean().backward()
    for parameter in (*analysis.parameters(), *synthesis.parameters()):
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any()
