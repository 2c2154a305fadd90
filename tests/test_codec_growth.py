"""A larger model that begins as a smaller one."""

from dataclasses import replace

import pytest
import torch
from checks import picture

from lcodec.codec.model import ModelConfig, new_model
from lcodec.codec.training.recipe import Recipe
from lcodec.codec.training.warm_start import start_from
from lcodec.codec.transforms.families import FAMILIES

FRAMED = ["gated", "plain", "tdlt", "lapped", "convnext", "hornet", "swin", "swin-v2"]
FRAMED += ["frequency-aware", *(name for name in FAMILIES if name.startswith("linear-"))]


def recipe(transform, depth, width=32):
    sizes = {"width": width, "analysis_depth": depth, "synthesis_depth": depth}
    config = ModelConfig(**sizes, latents=48, prior_width=16, hyper=8, transform=transform)
    return Recipe(model=config, name="a")


def outputs(model):
    rgb = torch.from_numpy(picture(64, 48)).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        return model.eval()(rgb, torch.tensor([0.6]))


@pytest.mark.parametrize("transform", FRAMED)
def test_blocks_in_between_change_nothing_at_first(transform):
    source, wanted = new_model(recipe(transform, 2).model, 0), recipe(transform, 6)
    grown = new_model(wanted.model, 1)
    start_from(grown, wanted, source, None)
    for old, new in zip(outputs(source), outputs(grown), strict=True):
        torch.testing.assert_close(new, old, rtol=1e-5, atol=1e-5)
    loss = sum(value.sum() for value in grown.train()(torch.rand(1, 3, 32, 32), torch.tensor([0.6])))
    loss.backward()
    added = grown.transforms.synthesis.blocks[1]
    assert any(p.grad is not None and p.grad.any() for p in added.parameters())


def test_starts_that_do_not_fit_are_refused():
    source = new_model(recipe("gated", 2).model, 0)
    for wanted in (recipe("gated", 3), recipe("gated", 1), recipe("swin", 2), recipe("gated", 2, width=64)):
        with pytest.raises(ValueError, match="the start does not fit the recipe"):
            start_from(new_model(wanted.model, 0), wanted, source, None)


@pytest.mark.parametrize("schedule", ["magnitudes", "linear-attention"])
def test_more_context_changes_nothing_at_first(schedule):
    small = recipe("gated", 1)
    source_recipe = replace(small, model=replace(small.model, schedule="four-step"))
    wanted = replace(small, model=replace(small.model, schedule=schedule))
    source, grown = new_model(source_recipe.model, 0), new_model(wanted.model, 1)
    start_from(grown, wanted, source, source_recipe)
    for old, new in zip(outputs(source), outputs(grown), strict=True):
        torch.testing.assert_close(new, old, rtol=1e-5, atol=1e-5)
    loss = sum(value.sum() for value in grown.train()(torch.rand(1, 3, 64, 64), torch.tensor([0.6])))
    loss.backward()
    added = {"magnitudes": "contexts.2.weight", "linear-attention": "leaves.2.weight"}[schedule]
    gradient = dict(grown.prior.named_parameters())[added].grad
    assert gradient is not None and gradient[:, -48:].any()


def test_a_progressive_context_begins_as_the_steps_it_is_given():
    small = recipe("gated", 1)
    source_recipe = replace(small, model=replace(small.model, schedule="four-step"))
    wanted = replace(small, model=replace(small.model, schedule="progressive"))
    source, grown = new_model(source_recipe.model, 0), new_model(wanted.model, 1)
    start_from(grown, wanted, source, source_recipe)
    assert torch.equal(grown.prior.heads[7].weight, source.prior.heads[3].weight)
    assert not any(parameter.any() for carry in grown.prior.carries for parameter in carry.parameters())
