"""Filters across the borders of blocks: what the model begins as, and that both of its paths learn."""

from dataclasses import replace

import pytest
import torch
from checks import picture

from lcodec.codec.model import ModelConfig, new_model
from lcodec.codec.training.recipe import Recipe
from lcodec.codec.training.warm_start import start_from
from lcodec.codec.transforms.tdlt import BorderFilter

GATED = ModelConfig(width=16, analysis_depth=1, synthesis_depth=1, latents=48, prior_width=16, hyper=8)


def rgb(height, width):
    return torch.from_numpy(picture(height, width)).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("size", [(16, 16), (48, 16), (32, 80)])
def test_begins_as_the_model_without_filters_that_it_starts_from(size):
    source = new_model(GATED, 0).eval()
    recipe = Recipe(model=replace(GATED, transform="tdlt"), name="a")
    model = new_model(recipe.model, 1).eval()
    start_from(model, recipe, source, None)
    with torch.no_grad():
        for new, old in zip(
            model(rgb(*size), torch.tensor([0.4])), source(rgb(*size), torch.tensor([0.4])), strict=True
        ):
            torch.testing.assert_close(new, old, rtol=1e-5, atol=1e-5)


def test_a_border_mixes_the_sixteen_pixels_about_it():
    border = BorderFilter()
    torch.manual_seed(0)
    torch.nn.init.normal_(border.across)
    dot = torch.zeros(1, 3, 48, 48)
    dot[0, :, 20, 26] = 1.0  # about the border between columns 31 and 32
    changed = (border(dot) - dot)[0].abs().sum(0).detach() > 1e-6
    assert changed[20, 24:40].all() and int(changed.sum()) == 16
    outermost = torch.zeros(1, 3, 32, 32)
    outermost[..., :8], outermost[..., -8:] = 1.0, 1.0
    assert torch.allclose(border(outermost), outermost, rtol=0, atol=1e-6)


def test_the_two_axes_do_the_same_to_a_transposed_picture():
    border = BorderFilter()
    torch.manual_seed(0)
    torch.nn.init.normal_(border.across)
    with torch.no_grad():
        border.down.copy_(border.across)
    x = rgb(64, 48).double()
    torch.testing.assert_close(border(x.mT).mT, border(x), rtol=1e-4, atol=1e-4)


def test_gradients_reach_everything():
    model = new_model(replace(GATED, transform="tdlt"), 0)
    sum(value.sum() for value in model(rgb(32, 80), torch.tensor([0.3]))).backward()
    transforms = model.transforms
    for parameter in (*transforms.analysis.parameters(), *transforms.synthesis.parameters()):
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any()
