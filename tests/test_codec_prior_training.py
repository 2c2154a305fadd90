"""Training the entropy model alone, on the transforms of another model."""

import copy
from dataclasses import replace

import pytest
import torch
from checks import picture

from lcodec.codec.model import ModelConfig, new_model
from lcodec.codec.training.checkpoint import Checkpoint, load_average
from lcodec.codec.training.crops import Crops
from lcodec.codec.training.loop import Session, train
from lcodec.codec.training.recipe import Recipe
from lcodec.codec.training.update import new_optimiser
from lcodec.codec.training.workers import Workers
from lcodec.datasets.photographs import photographs
from lcodec.formats.picture_writing import write_picture

pytestmark = pytest.mark.usefixtures("known_speed")
CPU = torch.device("cpu")
ALONE = Workers(0, 1, CPU)
SOURCE = ModelConfig(width=16, analysis_depth=1, synthesis_depth=1, latents=20, prior_width=8, hyper=4)
WANTED = Recipe(
    model=replace(SOURCE, prior_width=16, schedule="channel-transformer"),
    name="a",
    crop=64,
    batch=4,
    warmup_steps=2,
    ema=0.0,
    prior_only=True,
)


@pytest.fixture
def pictures(tmp_path):
    for seed in range(2):
        (tmp_path / f"{seed}.ppm").write_bytes(write_picture(picture(80, 96, seed), ".ppm"))
    crops = Crops(photographs(tmp_path), 64, CPU)
    return crops, crops


@pytest.fixture
def source(tmp_path, pictures):
    model = new_model(SOURCE, 4)
    recipe = Recipe(model=SOURCE, name="source")
    path = tmp_path / "source.checkpoint"
    Checkpoint(recipe, 0, 1, pictures[0].digest).write(path, model, copy.deepcopy(model), new_optimiser(model, recipe))
    return path


def test_the_transforms_stay_and_the_bits_fall(tmp_path, pictures, source):
    path = tmp_path / "a.checkpoint"
    train(WANTED, *pictures, path, Session(minutes=1.0, start=source, steps=24), ALONE)
    before, after = load_average(source)[1], load_average(path)[1]
    old, new = before.transforms.state_dict(), after.transforms.state_dict()
    kept = {name for name in old if not name.startswith("hyper_analysis.")}
    assert {name for name in kept if not torch.equal(new[name], old[name])} == set()

    fresh = new_model(WANTED.model, WANTED.seed)
    fresh.transforms.analysis.load_state_dict(before.transforms.analysis.state_dict())
    rgb, q = pictures[1].cut(pictures[1].plan(2, 0, 0).places), torch.tensor([0.3, 0.9])
    with torch.no_grad():
        bits = [sum(part.sum() for part in model.eval().code(rgb, q)[1:]) for model in (fresh, after)]
    assert bits[1] < 0.9 * bits[0]


def test_an_interrupted_run_goes_on_as_it_was(tmp_path, pictures, source):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(WANTED, *pictures, whole, Session(minutes=1.0, start=source, steps=18), ALONE)
    pause = Session(minutes=1.0, start=source, steps=18, pause_minutes=1e-9)
    train(WANTED, *pictures, broken, pause, ALONE)
    assert Checkpoint.read(broken).step == 16
    train(WANTED, *pictures, broken, Session(minutes=1.0, resume=True), ALONE)
    expected, found = (load_average(path)[1].state_dict() for path in (whole, broken))
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_there_must_be_transforms_to_start_with(tmp_path, pictures, source):
    with pytest.raises(ValueError, match="name the transforms to start with"):
        train(WANTED, *pictures, tmp_path / "a", Session(minutes=1.0, steps=1), ALONE)
    other = replace(WANTED, model=replace(WANTED.model, width=32))
    with pytest.raises(ValueError, match="does not fit the recipe"):
        train(other, *pictures, tmp_path / "a", Session(minutes=1.0, start=source, steps=1), ALONE)
    assert not (tmp_path / "a").exists()
