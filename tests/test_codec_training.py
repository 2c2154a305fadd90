"""The trainer: recipes, crops, resumption, conversion."""

import pytest
import torch
from checks import ROOT, picture, run_cli
from safetensors.torch import load_file

from lcodec.codec.export import export
from lcodec.codec.model import new_model
from lcodec.codec.model_file import unpack_model
from lcodec.codec.training import loop
from lcodec.codec.training.checkpoint import Checkpoint
from lcodec.codec.training.crops import Crops
from lcodec.codec.training.recipe import Recipe
from lcodec.formats.pictures import write_picture

RECIPE = """
name = "test"
seed = 3
crop = 64
batch = 2
warmup_steps = 2
[model]
width = 16
analysis_depth = 1
synthesis_depth = 1
latents = 8
prior_width = 8
hyper = 4
"""


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for seed in range(30):  # content decides which few are held out
        (folder / f"{seed}.ppm").write_bytes(write_picture(picture(80, 96 + seed, seed), ".ppm"))
    return folder


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return Recipe.read(path)


def start(path, recipe, pictures, steps):
    model = new_model(recipe.model, recipe.seed)
    Checkpoint(recipe, 0, steps, pictures.digest).write(path, model, loop.new_optimiser(model, recipe))


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, recipe, photographs, monkeypatch):
    pictures = Crops(sorted(photographs.iterdir()), 64)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for path in (whole, broken):
        start(path, recipe, pictures, steps=6)
    loop.train(recipe, pictures, pictures, whole, 1.0, resume=True)

    step_of = loop.train_step

    def interrupted(model, optimiser, recipe, pictures, step, steps):
        if step == 3:
            raise KeyboardInterrupt
        return step_of(model, optimiser, recipe, pictures, step, steps)

    monkeypatch.setattr(loop, "_CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.train(recipe, pictures, pictures, broken, 1.0, resume=True)
    assert Checkpoint.read(broken).step == 3
    monkeypatch.setattr(loop, "train_step", step_of)
    loop.train(recipe, pictures, pictures, broken, 1.0, resume=True)

    a, b = load_file(whole), load_file(broken)
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_training_lowers_the_loss(recipe, photographs):
    pictures = Crops(sorted(photographs.iterdir()), 64)
    model = new_model(recipe.model, 0).train()
    optimiser = loop.new_optimiser(model, recipe)
    losses = [loop.train_step(model, optimiser, recipe, pictures, step, 80) for step in range(60)]
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def test_a_non_finite_step_is_skipped(recipe, photographs):
    pictures = Crops(sorted(photographs.iterdir()), 64)
    model = new_model(recipe.model, 0).train()
    optimiser = loop.new_optimiser(model, recipe)
    with torch.no_grad():
        model.transforms.analysis.enter.weight.view(-1)[0] = float("nan")
    before = model.transforms.synthesis.leave.weight.clone()
    assert loop.train_step(model, optimiser, recipe, pictures, 0, 10) is None
    assert torch.equal(before, model.transforms.synthesis.leave.weight)


def test_crops_depend_on_seed_and_step_alone(photographs):
    pictures = Crops(sorted(photographs.iterdir()), 64)
    first, again, other = (pictures.batch(4, 1, step) for step in (7, 7, 8))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert first[0].shape == (4, 3, 64, 64) and first[1].min() >= 0 and first[1].max() < 1


def test_command_line_trains_and_exports(tmp_path, photographs):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    checkpoint, model = tmp_path / "a.checkpoint", tmp_path / "a.safetensors"
    done = run_cli("train", tmp_path / "recipe.toml", "-o", checkpoint, "--minutes", "0.02", "--data", photographs)
    assert done.returncode == 0, done.stderr.decode()
    assert b"validation" in done.stderr
    again = run_cli("train", tmp_path / "recipe.toml", "-o", checkpoint, "--data", photographs)
    assert again.returncode == 1 and b"--resume" in again.stderr
    done = run_cli("export", checkpoint, "-o", model, "--data", photographs)
    assert done.returncode == 0 and b"against the float twin" in done.stderr, done.stderr.decode()
    unpack_model(model.read_bytes(), torch.device("cpu"))


def test_conversion_costs_little(tmp_path, recipe, photographs):
    start(tmp_path / "c", recipe, Crops(sorted(photographs.iterdir()), 64), 10)
    packed, report = export(tmp_path / "c", 0, photographs)
    coding = unpack_model(packed, torch.device("cpu"))
    assert coding.prior.config.latents == 8
    assert len(report) == 7 and "BD-rate" in report[-1]


@pytest.mark.parametrize(
    "text, message",
    [
        (RECIPE.replace("seed", "sed"), "unknown key 'sed'"),
        (RECIPE.replace("hyper = 4", "hyper = 4\nspeed = 9"), "unknown key 'speed'"),
        (RECIPE.replace("crop = 64", 'crop = "64"'), "crop must be int"),
        (RECIPE.replace("[model]", "[modell]"), "needs a \\[model\\]"),
        ("name = ", "not TOML"),
        (RECIPE.replace("hyper = 4", ""), "missing hyper"),
    ],
)
def test_bad_recipes_are_named(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        Recipe.read(path)


@pytest.mark.parametrize("path", sorted((ROOT / "codec" / "recipes").glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_recipes_parse(path):
    assert Recipe.read(path).name == path.stem
