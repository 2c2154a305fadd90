"""Lossless files: every sample back, of all kinds of pictures, whole and in parts, and nothing from bad bytes."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import spec_lossless
import torch
from checks import ROOT, assert_one_line_error, picture, run_cli
from PIL import Image

import lcodec
from lcodec.codec import lossless_export, tile_coding
from lcodec.codec.evaluation.subjects import ladder
from lcodec.codec.export import export
from lcodec.codec.lossless_export import export_lossless
from lcodec.codec.lossless_model import LosslessModel
from lcodec.codec.model_file import load_model, unpack_model
from lcodec.codec.registry import by_name
from lcodec.codec.training.lossless import LosslessCheckpoint
from lcodec.codec.training.lossless_recipe import LosslessRecipe
from lcodec.codec.weights_cache import read_weights
from lcodec.formats.container import Stream, pack, unpack, unpack_remains
from lcodec.formats.errors import FormatError, ModelError
from lcodec.formats.pictures import Picture

CPU = torch.device("cpu")
RECIPE = ROOT / "codec" / "recipes" / "lossless.toml"


@pytest.fixture(scope="module")
def codec():
    return lcodec.Codec("lossless", "cpu")


@pytest.fixture(scope="module")
def large():
    return picture(300, 530, 3)


@pytest.fixture(scope="module")
def tiled(codec, large):
    return codec.encode(large, tile=256)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 5), (17, 1), (63, 65)], ids=lambda s: f"{s[1]}x{s[0]}")
@pytest.mark.parametrize("planes", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_every_sample_comes_back(codec, size, planes, kind):
    rng = np.random.default_rng(planes)
    pixels = np.concatenate([picture(*size), picture(*size, 1)], axis=2)[..., :planes].astype(kind)
    if kind == np.uint16:
        pixels = pixels * np.uint16(257) ^ rng.integers(0, 512, pixels.shape, dtype=np.uint16)
    if planes in (2, 4):
        pixels[::2, :, -1] = 0  # what is hidden is kept too
    pixels = pixels[..., 0] if planes == 1 else pixels
    data = codec.encode(pixels)
    codec.verify_stream(unpack(data))
    decoded = codec.decode(data)
    assert decoded.dtype == kind and np.array_equal(decoded, pixels)


@pytest.mark.parametrize("depth", [10, 15])
def test_depths_between(codec, depth):
    rng = np.random.default_rng(depth)
    pixels = rng.integers(0, 2**depth, (40, 30, 3), dtype=np.uint16)
    pixels[:20] = 2**depth - 1
    data = codec.encode(Picture(pixels, (), False, None, depth=depth))
    assert unpack(data).header.depth == depth and np.array_equal(codec.decode(data), pixels)


def test_a_quality_of_any_model(codec, cut, tmp_path):
    data = lcodec.encode(cut, "lossless")
    assert data == codec.encode(cut) == lcodec.Codec("tiny", "cpu").encode(cut, "lossless")
    assert np.array_equal(lcodec.Codec("base", "cpu").decode(data), cut)
    about = lcodec.info(data)
    assert about.lossless and about.quality is None and about.model == "lossless"
    assert not lcodec.info(lcodec.encode(cut, 10, "tiny")).lossless
    lcodec.register_pillow()
    Image.fromarray(cut).save(tmp_path / "a.lcc", quality="lossless")
    assert (tmp_path / "a.lcc").read_bytes() == data
    for wrong in ({"quality": 50}, {"effort": 3}):
        with pytest.raises(ValueError, match="loss"):
            codec.encode(cut, **wrong)
    with pytest.raises(ValueError, match="quality is"):
        lcodec.encode(cut, "lossles")


def test_command_line(cut, tmp_path):
    source = tmp_path / "in" / "a.png"
    source.parent.mkdir()
    Image.fromarray(cut).save(source)
    coded, back = tmp_path / "a.lcc", tmp_path / "b.png"
    assert run_cli("encode", "-q", "lossless", source, "-o", coded).returncode == 0
    assert run_cli("decode", coded, "-o", back).returncode == 0
    assert np.array_equal(np.array(Image.open(back)), cut)
    assert b"quality   lossless" in run_cli("info", coded).stdout
    assert run_cli("batch", source.parent, "--out", tmp_path / "out", "-q", "lossless").returncode == 0
    assert (tmp_path / "out" / "a.png.lcc").read_bytes() == coded.read_bytes()
    assert_one_line_error(run_cli("encode", "-q", "lossless", "--effort", 2, source, "-o", tmp_path / "c.lcc"))


@pytest.mark.parametrize("depth", [8, 10, 16])
@pytest.mark.parametrize("planes", [1, 3])
def test_an_independent_decoder_reads_the_same(codec, depth, planes):
    rng = np.random.default_rng(depth)
    pixels = picture(21, 14)[..., :planes].astype(np.uint32).repeat(4 - planes, 2)[..., :3] * (2**depth - 1) // 255
    pixels = pixels.astype(np.uint16)
    pixels[3:9] ^= rng.integers(0, 2 ** (depth - 1), pixels[3:9, :, :1].shape, dtype=np.uint16)
    source = pixels if depth > 8 else pixels.astype(np.uint8)
    stream = unpack(codec.encode(Picture(source, (), planes == 1, None, depth=depth)))
    weights = read_weights(by_name("lossless"))
    found, crc = spec_lossless.samples_of(weights, stream.steps, 21, 14, 21, depth, planes == 1)
    assert crc == stream.symbols_crc and np.array_equal(found.transpose(1, 2, 0), pixels)


def test_bench_has_no_curve_for_it():
    with pytest.raises(ValueError, match="no curve"):
        ladder("lossless")


def test_smaller_than_png(cut, codec):
    png = BytesIO()
    Image.fromarray(cut).save(png, "PNG", optimize=True)
    assert len(codec.encode(cut)) < 0.85 * len(png.getvalue())


def test_a_region_needs_only_its_tiles(codec, large, tiled, monkeypatch):
    decoded = []
    original = LosslessModel.decode_tile

    def counted(self, *arguments, **options):
        decoded.append(arguments)
        return original(self, *arguments, **options)

    monkeypatch.setattr(LosslessModel, "decode_tile", counted)
    for (x, y, width, height), count in (((10, 20, 30, 40), 1), ((250, 250, 20, 20), 4), ((520, 290, 10, 10), 1)):
        decoded.clear()
        part = codec.decode(tiled, region=(x, y, width, height))
        assert np.array_equal(part, large[y : y + height, x : x + width]) and len(decoded) == count
    assert np.array_equal(codec.decode(tiled), large)
    assert lcodec.info(tiled).tile == 256


def test_a_cut_file_gives_a_preview(codec, large):
    data = codec.encode(large)
    found = codec.salvage(data[: len(data) // 2])
    assert found.pixels.shape == large.shape and found.steps[0] == found.step_count - 1
    assert np.array_equal(found.pixels[::2, ::2], large[::2, ::2])
    error = found.pixels.astype(float) - large
    assert np.sqrt((error**2).mean()) < 30


def test_damage_to_a_tile_leaves_the_others(codec, large, tiled):
    stream = unpack(tiled)
    spoilt = bytearray(tiled)
    spoilt[tiled.index(stream.tiles()[1].steps[0])] ^= 1
    found = codec.salvage_remains(unpack_remains(bytes(spoilt)))
    assert found.steps[1] == 0 and np.array_equal(found.pixels[:, :256], large[:, :256])
    with pytest.raises(FormatError):
        codec.decode(bytes(spoilt))


def test_samples_beyond_the_depth_are_bad_bytes(codec):
    """A file that says 8 bits of what was coded with ten."""
    pixels = np.full((8, 8, 3), 1023, np.uint16)
    pixels[:, ::2] = 1022  # else it would be drawn
    deep = Picture(pixels, (), False, None, depth=8)
    coded = tile_coding.encode_tiles(codec._model, replace(deep), 0, 0, None)
    stream = unpack(codec.encode(picture(8, 8)))
    hostile = Stream(stream.header, coded.steps, coded.symbols_crc)
    with pytest.raises(FormatError, match="bits"):
        codec.decode(pack(hostile))


def test_a_short_step_cannot_claim_a_large_picture(codec):
    stream = unpack(codec.encode(picture(40, 40)))
    large = replace(stream.header, width=3000, height=1300)
    with pytest.raises(FormatError, match="steps"):
        codec.decode(pack(replace(stream, header=large)))
    steps = (*stream.steps[:1], *[b""] * 10)
    with pytest.raises(FormatError, match="at least"):
        codec.decode(pack(replace(stream, header=large, steps=steps)))


def test_the_model_file_is_no_model_with_transforms():
    data = read_weights(by_name("lossless"))
    assert isinstance(load_model(data, CPU), LosslessModel)
    with pytest.raises(ModelError, match="without loss"):
        unpack_model(data, CPU)
    with pytest.raises(ModelError):
        load_model(data[:-1], CPU)


@pytest.fixture
def photographs(tmp_path):
    """A folder of small pictures, of which some are held out."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for seed in range(40):
        Image.fromarray(picture(40, 36, seed)).save(folder / f"{seed}.png")
    return folder


def test_trained_and_exported(photographs, tmp_path, known_speed, monkeypatch):
    monkeypatch.setattr(lossless_export, "_FITTING_SIDE", 96)
    checkpoint, model = tmp_path / "a.checkpoint", tmp_path / "a.safetensors"
    changes = ("--set", "crop=32", "--set", "interlaced.width=8", "--set", "batch=2")
    done = run_cli("train", RECIPE, "-o", checkpoint, "--data", photographs, "--steps", 3, *changes)
    assert done.returncode == 0, done.stderr.decode()
    record, _ = LosslessCheckpoint.read(checkpoint)
    assert record.step == record.steps == 3 and record.recipe.interlaced.width == 8
    done = run_cli("export", checkpoint, "-o", model, "--data", photographs)
    assert done.returncode == 0, done.stderr.decode()
    assert b"bits a sample" in done.stderr
    loaded = load_model(model.read_bytes(), CPU)
    assert isinstance(loaded, LosslessModel)
    assert export_lossless(checkpoint, photographs)[0] == model.read_bytes()
    with pytest.raises(ValueError, match="not a checkpoint"):
        export(checkpoint, 6, photographs)
    again = run_cli("train", RECIPE, "-o", tmp_path / "b", "--data", photographs, "--start", checkpoint)
    assert_one_line_error(again)


def test_recipes_are_checked():
    assert LosslessRecipe.read(RECIPE, ["seed=9"]).seed == 9
    for change in ("crop=0", "colour=1", "interlaced.depth=3", "ema=1.0"):
        with pytest.raises(ValueError):
            LosslessRecipe.read(RECIPE, [change])
