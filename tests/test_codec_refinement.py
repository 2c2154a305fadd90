"""Iterative encoding: what it gains, that it repeats, and whom it refuses."""

import numpy as np
import pytest
import torch
from checks import ROOT, picture

import lcodec
from lcodec.codec import cli, refinement
from lcodec.codec.codec import EFFORT_ITERATIONS, Codec
from lcodec.codec.evaluation.subjects import find_subject, is_model
from lcodec.codec.model import ModelConfig, new_model
from lcodec.codec.model_file import pack_model, unpack_model
from lcodec.codec.refinement import Refiner
from lcodec.entropy.annealing import Annealed
from lcodec.entropy.convert import to_exact, to_float
from lcodec.entropy.rate import latent_rate
from lcodec.entropy.tables import gaussian_rows
from lcodec.formats.picture_writing import write_picture
from lcodec.formats.pictures import read_picture

CPU = torch.device("cpu")
GAIN_INDEX = 4000


@pytest.fixture(scope="module")
def dct():
    return Codec("dct", "cpu")


def photograph(height, width):
    pixels = read_picture((ROOT / "tests" / "kodim23.png").read_bytes()).pixels
    return np.ascontiguousarray(pixels[180 : 180 + height, 300 : 300 + width])


def cost(codec, array, iterations):
    model, pixels = codec._model, torch.from_numpy(array)
    return model._cost(model.compress(pixels, GAIN_INDEX, iterations), pixels, GAIN_INDEX)


def test_more_iterations_cost_fewer_bits_and_levels(dct):
    pixels = photograph(208, 136)
    costs = [cost(dct, pixels, iterations) for iterations in (0, 20, 40)]
    assert costs[2] < costs[1] < costs[0] and costs[2] < 0.99 * costs[0]


def test_files_repeat_and_decode_like_any_other(dct):
    pixels = photograph(64, 80)
    data = dct.encode(pixels, 60, effort=1)
    assert data == dct.encode(pixels, 60, effort=1) != dct.encode(pixels, 60)
    assert np.abs(lcodec.decode(data).astype(int) - pixels).mean() < 4


def test_the_random_state_of_the_caller_is_left_alone(dct):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    dct.encode(picture(32, 32), 50, effort=1)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("size", [(1, 1), (17, 31)])
def test_pictures_smaller_than_an_area(dct, size):
    assert lcodec.decode(dct.encode(picture(*size), 80, effort=1)).shape == (*size, 3)


def test_large_pictures_are_refined_area_by_area(dct, monkeypatch):
    pixels, seen = photograph(208, 136), []
    whole = cost(dct, pixels, 20)
    plain = cost(dct, pixels, 0)
    monkeypatch.setattr(refinement, "_AREA", 8)
    monkeypatch.setattr(refinement, "_MARGIN", 4)
    refined = Refiner._refined

    def watched(self, target, y, z, q, iterations, moving):
        seen.append((target.shape[2] // 16, target.shape[3] // 16, int(moving.sum())))
        return refined(self, target, y, z, q, iterations, moving)

    monkeypatch.setattr(Refiner, "_refined", watched)
    parts = cost(dct, pixels, 20)
    assert max(max(rows, columns) for rows, columns, _ in seen) <= 16
    assert sum(count for _, _, count in seen) == 13 * 9
    # Most of the gain of refining it as a whole, in areas much smaller than real ones.
    assert plain - parts > 0.6 * (plain - whole)


@pytest.mark.parametrize("length", [1, 3, 4, 47, 48, 49, 97, 200])
def test_spans_cover_a_side_once_from_whole_hyper_latents(length):
    spans = list(refinement._spans(length))
    assert [i for span in spans for i in range(span.start, span.stop)] == list(range(length))
    for span in spans:
        assert span.start % 4 == span.seen_start % 4 == 0 and span.stop - span.start <= 48
        assert 0 <= span.seen_start <= span.start and span.stop <= span.seen_stop <= length


@pytest.mark.parametrize("effort", [-1, 10, 1.0, True, "9"])
def test_impossible_effort_is_refused(dct, effort):
    with pytest.raises(ValueError, match="effort is a whole number from 0 to 9"):
        dct.encode(picture(16, 16), effort=effort)


def test_whole_latents_are_not_refined():
    with pytest.raises(ValueError, match="whole numbers"):
        Codec("lattice", "cpu").encode(picture(16, 16), effort=1)


def test_command_line_and_benchmark_know_efforts(tmp_path, dct):
    source, coded = tmp_path / "a.png", tmp_path / "a.lcc"
    source.write_bytes(write_picture(picture(48, 40), ".png"))
    assert cli.main(["encode", str(source), "-o", str(coded), "-m", "dct", "-q", "70", "--effort", "1"]) == 0
    assert coded.read_bytes() == dct.encode(picture(48, 40), 70, effort=1)
    subject = find_subject("dct@1", "cpu")
    assert is_model("dct@1") and "effort 1" in subject.settings
    assert subject.encode(picture(48, 40), 70) == coded.read_bytes()
    for name in ("dct@10", "dct@x", "compressai-0123456789abcdef@3"):
        with pytest.raises(ValueError, match="has no effort"):
            find_subject(name, "cpu")


def test_levels_of_effort_rise():
    assert EFFORT_ITERATIONS[0] == 0 and list(EFFORT_ITERATIONS) == sorted(set(EFFORT_ITERATIONS))
    assert len(EFFORT_ITERATIONS) == 10


def test_what_a_model_was_trained_for_is_stored_where_it_is_unusual():
    model = new_model(ModelConfig(latents=48, prior_width=16, hyper=8, transform="dct"), 0)
    parts = (model.transforms, to_exact(model.prior), gaussian_rows(), 6)
    assert pack_model(*parts) == pack_model(*parts, (0.0003, 0.5)) != pack_model(*parts, (0.001, 0.1))
    assert unpack_model(pack_model(*parts), CPU).lambdas == (0.0003, 0.5)
    assert unpack_model(pack_model(*parts, (0.001, 0.1)), CPU).lambdas == (0.001, 0.1)


def test_annealed_values_are_neighbours_drawn_by_their_odds():
    torch.manual_seed(0)
    distance = torch.full((1, 1, 200, 200), 2.3, requires_grad=True)
    sample = Annealed(0.5, 0)(distance, torch.zeros(1, 1, 1, 1))
    assert sample.min() >= 2 and sample.max() <= 3
    odds = float(((torch.atanh(torch.tensor(0.7)) - torch.atanh(torch.tensor(0.3))) / 0.5).sigmoid())
    assert float((sample < 2.5).float().mean()) == pytest.approx(odds, abs=0.01)
    (gradient,) = torch.autograd.grad(sample.sum(), distance)
    assert gradient.isfinite().all() and float(gradient.mean()) > 0
    cold = Annealed(0.01, 0)(distance, torch.zeros(1, 1, 1, 1))
    assert torch.allclose(cold, torch.full_like(cold, 2.0), atol=1e-3)


def test_values_of_uncoded_rows_are_zero():
    log_scale = torch.tensor([-18 / 8, -13 / 8, -12 / 8, 0.0]).view(1, 4, 1, 1)  # rows 0, 5, 6 and 18
    sample = Annealed(0.1, 6)(torch.full((1, 4, 3, 3), 0.9), log_scale)
    assert not sample[:, :2].any() and (sample[:, 2:] > 0).all()


def test_twin_of_the_stored_integers_prices_as_the_file_does(dct):
    pixels = torch.from_numpy(picture(160, 128))
    model = dct._model
    y, z = model.latents(pixels, GAIN_INDEX)
    with torch.inference_mode():
        _, y_bits, z_bits = latent_rate(to_float(model.prior).eval(), y, z, torch.tensor([GAIN_INDEX / 8192]))
    coded = 8 * sum(map(len, model.compress(pixels, GAIN_INDEX).steps))
    assert float(y_bits + z_bits) == pytest.approx(coded, rel=0.02)
