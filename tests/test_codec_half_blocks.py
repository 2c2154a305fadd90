"""Blocks in bfloat16: pixels within a level or, of extremes, two; files of the same size and quality."""

import json

import numpy as np
import pytest
import torch
from carriers import NAMES
from checks import GOLDEN, ROOT, picture, run_cli

from lcodec.codec.half_blocks import HalfBlock, with_half_blocks
from lcodec.codec.model_file import unpack_model
from lcodec.codec.registry import by_name
from lcodec.codec.weights_cache import read_weights
from lcodec.formats.pictures import read_picture

PHOTOGRAPH = "kodim23.png"


@pytest.fixture(scope="module", params=["base", "high"])
def coding(request):
    return unpack_model(read_weights(by_name(request.param)), torch.device("cpu"))


@pytest.fixture(scope="module")
def pictures():
    photograph = read_picture((ROOT / "tests" / PHOTOGRAPH).read_bytes()).pixels[100:260, 200:390]
    edges = np.full((96, 96, 3), 255, np.uint8)
    edges[::7, :, 0], edges[:, ::5, 2] = 0, 0
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    return [torch.from_numpy(p.copy()) for p in (photograph, picture(97, 120), edges, noise)]


@pytest.mark.parametrize("gain_index", [0, 4096, 8192])
def test_pixels_are_nearly_those_of_single_precision(coding, pictures, gain_index):
    single, half = coding.transforms.synthesis, with_half_blocks(coding.transforms.synthesis)
    assert isinstance(half.blocks[0], HalfBlock) and not isinstance(single.blocks[0], HalfBlock)
    quality = torch.tensor([gain_index / 8192])
    for pixels, most in zip(pictures, (1, 1, 2, 2), strict=True):
        y_hat = coding.compress(pixels, gain_index).y_hat.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            rgb = [255 * synthesis(y_hat, quality) for synthesis in (single, half)]
        assert 0 < (rgb[0] - rgb[1]).abs().max() < most
        levels = [plane.clamp(0, 255).round() for plane in rgb]
        assert (levels[0] - levels[1]).abs().max() <= most
        assert (levels[0] - levels[1]).square().mean() < 0.12  # an eighth of the pixels by a level


def test_files_are_as_large_and_as_good(coding, pictures):
    whole = {}
    for name, own in (("single", torch.nn.Identity()), ("half", with_half_blocks)):
        coding.analysis, coding.synthesis = own(coding.transforms.analysis), own(coding.transforms.synthesis)
        coded = coding.compress(pictures[0], 4096)
        rebuilt = coding.synthesise(coded.y_hat, 4096, *pictures[0].shape[:2])
        whole[name] = sum(map(len, coded.steps)), float((rebuilt.double() - pictures[0]).square().mean())
    assert whole["half"][0] == pytest.approx(whole["single"][0], rel=0.005)
    assert whole["half"][1] == pytest.approx(whole["single"][1], rel=0.005)


def test_info_names_what_this_machine_computes_with():
    path = GOLDEN / "odd-q75.lcc"
    found = json.loads(run_cli("info", path, "--json", "--machine").stdout)
    assert found["carrier"] in NAMES and found["blocks"] in ("float32", "bfloat16")
    line = f"exact networks on {found['carrier']}, blocks of transforms in {found['blocks']}"
    assert line in run_cli("info", path, "--machine").stdout.decode()
    assert "machine" not in run_cli("info", path).stdout.decode()


def test_other_transforms_stay_as_they_are():
    for name in ("dct", "lattice"):
        transforms = unpack_model(read_weights(by_name(name)), torch.device("cpu")).transforms
        assert with_half_blocks(transforms.synthesis) is transforms.synthesis
