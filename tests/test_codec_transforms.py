"""Every family of transforms in the socket: it trains, converts, and codes real files at odd sizes."""

import math

import numpy as np
import pytest
import scipy.fft
import torch
from checks import ROOT, assert_one_line_error, picture, run_cli

import lcodec
from lcodec import Codec
from lcodec.codec.model import ModelConfig, new_model
from lcodec.codec.model_file import pack_model, unpack_model
from lcodec.codec.registry import brought
from lcodec.codec.training.costs import costs
from lcodec.codec.training.lossless_recipe import is_lossless
from lcodec.codec.training.recipe import Recipe
from lcodec.codec.training.video_recipe import is_video
from lcodec.codec.transforms.dct import DctAnalysis, DctSynthesis, strongest_bands
from lcodec.codec.transforms.families import FAMILIES
from lcodec.codec.weights_cache import store_weights
from lcodec.entropy.convert import to_exact
from lcodec.entropy.tables import gaussian_rows
from lcodec.formats.container import unpack

LEARNED = [name for name, family in FAMILIES.items() if name != "jpeg"]
RECIPES = sorted(p.name for p in (ROOT / "codec" / "recipes").glob("*.toml") if not is_lossless(p) and not is_video(p))
SMALL = {"width": 32, "analysis_depth": 2, "synthesis_depth": 2}


def small(name):
    """A configuration of a family with little of everything."""
    family = FAMILIES[name]
    sizes = {} if family.fixed else SMALL
    return ModelConfig(**sizes, latents=family.latents or 24, prior_width=16, hyper=6, transform=name)


def packed(model):
    return pack_model(model.transforms, to_exact(model.prior), gaussian_rows(), 6)


def stored(model):
    """The full name of a model that is now among the user's own."""
    data = packed(model)
    entry = brought("own", data)
    store_weights(entry, data)
    return entry.full_name


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", [(1, 1), (17, 31), (97, 50)])
def test_a_file_of_any_size_is_coded_and_decoded(name, size):
    codec = Codec(stored(new_model(small(name), 0)), "cpu")
    pixels = picture(*size)
    data = codec.encode(pixels, 60)
    assert lcodec.info(data).standing == "brought" and lcodec.info(data).model == "own"
    rebuilt = lcodec.decode(data)
    assert rebuilt.shape == pixels.shape
    coding = unpack_model(packed(new_model(small(name), 0)), torch.device("cpu"))
    header = unpack(data).header
    again = coding.compress(torch.from_numpy(pixels), header.gain_index)
    assert (coding.synthesise(again.y_hat, header.gain_index, *size).numpy() == rebuilt).all()


@pytest.mark.parametrize("name", LEARNED)
def test_every_parameter_learns_and_a_step_lowers_the_loss(name):
    model = new_model(small(name), 1).train()
    recipe = Recipe(model=model.transforms.config, name=name)
    torch.manual_seed(0)
    rgb = torch.stack([torch.from_numpy(picture(64, 96, seed)).permute(2, 0, 1) for seed in (1, 2)]).float() / 255
    q = torch.tensor([0.4, 0.9])
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    losses = []
    for step in range(6):
        torch.manual_seed(3)
        loss = costs(model, recipe, rgb, q).loss.mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        if step == 2:  # not at first: some parts begin at zero, behind which nothing moves
            still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
            assert not still
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
        optimiser.step()
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", LEARNED)
def test_half_precision_stays_near(name):
    model = new_model(small(name), 2).eval()
    rgb = torch.from_numpy(picture(48, 80)).permute(2, 0, 1)[None].float() / 255
    q = torch.tensor([0.5])
    with torch.no_grad():
        y = model.transforms.analysis(rgb, q)
        x = model.transforms.synthesis(y, q)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half_y = model.transforms.analysis(rgb, q)
            half_x = model.transforms.synthesis(y, q)
    assert torch.isfinite(half_y).all() and torch.isfinite(half_x).all()
    assert (half_y - y).abs().max() < 0.1 * y.abs().max() and (half_x - x).abs().max() < 0.1


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_codes_real_files_with_tiny_widths(recipe, cut):
    changes = ["model.prior_width=16", "model.hyper=6"]
    config = Recipe.read(ROOT / "codec" / "recipes" / recipe).model
    if not FAMILIES[config.transform].fixed:
        changes += [f"model.{key}={value}" for key, value in SMALL.items()]
    if FAMILIES[config.transform].latents is None:
        changes.append("model.latents=24")
    model = new_model(Recipe.read(ROOT / "codec" / "recipes" / recipe, changes).model, 0)
    codec = Codec(stored(model), "cpu")
    sizes = [len(codec.encode(cut, quality)) for quality in (10, 90)]
    assert sizes[0] < sizes[1]
    assert codec.decode(codec.encode(cut, 50)).shape == cut.shape


def test_the_dct_of_all_bands_loses_nothing_and_fewer_bands_little():
    rgb = torch.from_numpy(picture(64, 96)).permute(2, 0, 1)[None].float() / 255
    q = torch.tensor([1.0])
    errors = []
    for latents in (768, 384, 96):
        with torch.no_grad():
            rebuilt = DctSynthesis(latents)(DctAnalysis(latents)(rgb, q), q)
        errors.append(float((rebuilt - rgb).square().mean()))
    assert errors[0] < 1e-10 < errors[1] < errors[2] < 0.01
    bands = strongest_bands(384)
    assert bands[0] == 0 and len(bands.unique()) == 384
    with pytest.raises(ValueError, match="768 bands"):
        strongest_bands(769)


def test_a_model_of_ones_own_is_kept_under_its_name(tmp_path, cut):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(packed(new_model(small("gated"), 7)))
    done = run_cli("models", "--add", path)
    assert done.returncode == 0, done.stderr.decode()
    name = done.stdout.decode().strip()
    assert name.startswith("own-") and len(Codec(name, "cpu").encode(cut, 50)) > 60
    path.write_bytes(b"no model")
    assert_one_line_error(run_cli("models", "--add", path))
    with pytest.raises(ValueError, match="named with their weights"):
        Codec("own", "cpu")


def test_the_dct_is_what_the_specification_says():
    """SPEC 19.4 in numpy and scipy alone."""
    synthesis = DctSynthesis(24)
    torch.nn.init.normal_(synthesis.gain.log_gain)
    table, q, (h, w) = synthesis.gain.log_gain.detach().numpy(), 0.7, (2, 3)
    y = np.random.default_rng(0).normal(size=(24, h, w))
    bands = [(c, u, v) for c in range(3) for u in range(16) for v in range(16)]
    bands.sort(key=lambda band: -(1, 0.5, 0.35)[band[0]] / (1 + math.hypot(*band[1:])))
    knot = int(8 * q)
    log_gain = table[knot] + (8 * q - knot) * (table[knot + 1] - table[knot])
    coefficients = np.zeros((3, h, w, 16, 16))
    for latent, (c, u, v) in enumerate(bands[:24]):
        coefficients[c, :, :, u, v] = y[latent] * np.exp(log_gain[latent]) / 8
    blocks = scipy.fft.idctn(coefficients, axes=(3, 4), norm="ortho")
    planes = blocks.transpose(0, 1, 3, 2, 4).reshape(3, 16 * h, 16 * w)
    rows = np.array([(1, 1, 1), (1, 0, -1), (-1, 2, -1)])
    colour = rows / np.sqrt((rows**2).sum(1, keepdims=True))
    expected = 0.5 + np.einsum("pc,phw->chw", colour, planes)
    with torch.no_grad():
        found = synthesis(torch.from_numpy(y)[None].float(), torch.tensor([q]))[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
