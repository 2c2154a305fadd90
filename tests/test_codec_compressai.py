"""Checkpoints of CompressAI: converted, coded into our container, decoded; damaged or foreign ones refused."""

import os
import shutil
import subprocess
from pathlib import Path

import compressai_example as theirs
import numpy as np
import pytest
import spec_decoder
import torch
from checks import ROOT, assert_one_line_error, picture, run_cli, run_process
from make_golden import IMPORTED, symbols_digest
from test_golden import quiet

from lcodec import Codec, FormatError, ModelError, decode, info
from lcodec.codec.compressai import import_checkpoint
from lcodec.codec.compressai_bottleneck import Bottleneck
from lcodec.codec.evaluation.network_costs import network_costs
from lcodec.codec.evaluation.subjects import find_subject
from lcodec.codec.model_file import unpack_model
from lcodec.codec.registry import by_name
from lcodec.codec.training.warm_start import read_start
from lcodec.codec.weights_cache import weights_path
from lcodec.entropy.rate import gaussian_bits
from lcodec.formats.container import unpack
from lcodec.formats.picture_writing import write_picture
from lcodec.formats.pictures import read_picture

GOLDEN = ROOT / "tests" / "golden"
KINDS = ("factorised", "scale", "mean-scale")
COMPRESSAI_PYTHON = ROOT / ".venv-compressai" / "bin" / "python"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cut):
    made = tmp_path_factory.mktemp("pictures")
    for name, pixels in (("a.png", picture(192, 256)), ("b.png", cut)):
        (made / name).write_bytes(write_picture(pixels, ".png"))
    return made


@pytest.fixture(scope="module", params=KINDS)
def model(request, folder, tmp_path_factory):
    """(kind, state, bytes of the model file, lines of the report)."""
    state = theirs.checkpoint(request.param)
    path = tmp_path_factory.mktemp("checkpoint") / "x.pth.tar"
    torch.save({"epoch": 7, "state_dict": state, "optimizer": {"lr": 1e-4}}, path)
    return (request.param, state, *import_checkpoint(path, folder, 0))


@pytest.mark.parametrize("size", [(64, 64), (128, 192)])
def test_latents_and_pixels_are_those_of_the_checkpoint(model, size):
    kind, state, packed, _ = model
    coding = unpack_model(packed, torch.device("cpu"))
    pixels = torch.from_numpy(picture(*size, 5))
    rgb = pixels.permute(2, 0, 1)[None].float() / 255
    y, z = theirs.analysis(kind, state, rgb)
    found_y, found_z = coding.latents(pixels, 0)
    torch.testing.assert_close(found_y, y, rtol=1e-4, atol=1e-3)
    assert y.abs().max() > 5
    coded = coding.compress(pixels, 0)
    if kind == "factorised":
        assert found_z.shape[1] == 0 and len(coded.steps) == 1
        median = theirs.medians(state)
        y_hat = torch.round(y - median) + median
    else:
        torch.testing.assert_close(found_z, z, rtol=1e-4, atol=1e-3)
        assert z.abs().max() > 2
        z_hat = torch.round(z - theirs.medians(state)) + theirs.medians(state)
        mean, scale = theirs.hyper_synthesis(kind, state, z_hat)
        assert scale.max() > 1
        y_hat = torch.round(y - mean) + mean
    assert (coded.y_hat - y_hat).abs().max() < 1.1  # a latent near the middle may round the other way
    assert ((coded.y_hat - y_hat).abs() < 0.06).float().mean() > 0.9
    expected = (theirs.synthesis(state, coded.y_hat)[0] * 255).round().clamp(0, 255).permute(1, 2, 0)
    difference = coding.synthesise(coded.y_hat, 0, *size).float() - expected
    assert difference.abs().max() <= 1


def test_the_report_measures_the_conversion(model):
    kind, _, packed, (head, loss) = model
    name = {"factorised": "bmshj2018-factorized", "scale": "bmshj2018-hyperprior", "mean-scale": "mbt2018-mean"}[kind]
    assert head == f"{name}, 4 and 6 channels, {len(packed)} bytes"
    percent = float(loss.split("conversion ")[1].split(" %")[0])
    assert "on 2 pictures of" in loss and -2 < percent < 5  # of few bytes


@pytest.mark.parametrize("size", [(1, 1), (17, 31), (97, 130)])
def test_an_independent_decoder_finds_the_same_symbols(model, size):
    packed = model[2]
    coding = unpack_model(packed, torch.device("cpu"))
    coded = coding.compress(torch.from_numpy(picture(*size)), 0)
    found, crc = spec_decoder.symbols_of(packed, coded.steps, 0, *size)
    assert crc == coded.symbols_crc and len(found) == len(coded.steps)
    y_hat, crc = coding.decode_latents(coded.steps, 0, *size)
    assert crc == coded.symbols_crc and torch.equal(y_hat, coded.y_hat)


@pytest.mark.parametrize("old", [("_matrices.{}", "_biases.{}", "_factors.{}"), ("_matrix{}", "_bias{}", "_factor{}")])
def test_older_names_mean_the_same(old, folder, tmp_path):
    state = theirs.checkpoint("mean-scale")
    renamed = {}
    for key, value in state.items():
        for new, before in zip(("matrices.", "biases.", "factors."), old, strict=True):
            if f"entropy_bottleneck.{new}" in key:
                key = "entropy_bottleneck." + before.format(key[-1])
        renamed[f"module.{key}"] = value
    assert renamed.keys() != {f"module.{key}" for key in state}
    packed = []
    for stored in (state, renamed):
        torch.save(stored, tmp_path / "x.pth")
        packed.append(import_checkpoint(tmp_path / "x.pth", folder, 0)[0])
    assert packed[0] == packed[1]


def test_the_command_line_from_checkpoint_to_picture(folder, tmp_path):
    torch.save(theirs.checkpoint("mean-scale", 1), tmp_path / "x.pth")
    home = {"LCODEC_HOME": str(tmp_path / "home")}

    def lcodec(*arguments):
        return run_cli(*arguments, environment=home)

    done = lcodec("import", tmp_path / "x.pth", "--pictures", folder, "--threads", "1")
    assert done.returncode == 0, done.stderr.decode()
    name = done.stdout.decode().strip()
    assert name.startswith("compressai-") and len(name) == 27
    assert name.encode() in lcodec("models", "--verify").stdout
    coded = tmp_path / "a.lcc"
    source = folder / "b.png"
    done = lcodec("encode", source, "-o", coded, "-m", name, "--threads", "1")
    assert done.returncode == 0, done.stderr.decode()
    about = lcodec("info", coded).stdout.decode()
    assert "quality   of one rate" in about and f"weights {name[11:]}, brought" in about
    assert lcodec("verify", coded, "--threads", "1").returncode == 0
    assert lcodec("decode", coded, "-o", tmp_path / "a.png", "--threads", "1").returncode == 0
    assert read_picture((tmp_path / "a.png").read_bytes()).pixels.shape == (97, 131, 3)
    # Elsewhere, without the weights, the file says what it needs.
    bare = {"LCODEC_HOME": str(tmp_path / "bare")}
    bare = run_process("decode", coded, "-o", tmp_path / "b.png", environment=bare)
    assert_one_line_error(bare)
    assert name.encode() in bare.stderr and b"LCODEC_RELEASES" in bare.stderr


def test_a_model_of_one_rate_has_no_quality_to_choose(golden_home, cut):
    codec = Codec(IMPORTED, "cpu")
    with pytest.raises(ValueError, match="trained for one rate"):
        codec.encode(cut, 50)
    assert info(codec.encode(cut)).quality is None
    with pytest.raises(ValueError, match="named with their weights"):
        Codec("compressai", "cpu")


def test_models_of_one_rate_are_measured_as_one_ladder(golden_home, cut):
    subject = find_subject(f"{IMPORTED}+{IMPORTED}", "cpu")
    assert subject.qualities == (1, 2) and subject.one_rate
    data = subject.encode(cut, 2)
    assert subject.decode(data).shape == cut.shape
    # Four 5x5 layers at half the sides each, with GDN between them, counted by hand; h_s has little to add.
    macs = 25 * (3 * 4 / 4 + 4 * 4 / 16 + 4 * 4 / 64 + 4 * 6 / 256) + 16 * (1 / 4 + 1 / 16 + 1 / 64)
    costs = network_costs(subject.name)
    assert costs.encode_kmac_per_px * 1000 == pytest.approx(macs, rel=0.15)
    assert costs.decode_kmac_per_px * 1000 == pytest.approx(macs, rel=0.15)
    with pytest.raises(ValueError, match="only models of one rate"):
        find_subject(f"tiny+{IMPORTED}", "cpu")


def spoiled(how):
    state = theirs.checkpoint("scale")
    match how:
        case "autoregressive":
            state["context_prediction.weight"] = torch.zeros(1)
        case "another architecture":
            state = {"g_a.0.conv1.weight": torch.zeros(4, 3, 3, 3)}
        case "not finite":
            state["g_s.2.weight"][0, 0, 0, 0] = float("nan")
        case "missing":
            del state["h_s.2.weight"]
        case "another size":
            state["h_s.2.weight"] = state["h_s.2.weight"][:, :2]
        case "no tensors":
            state = {"state_dict": {"g_a.0.weight": 3}}
        case "a list":
            state = [torch.zeros(3)]
        case "code":
            state = {"state_dict": Path("x")}
    return state


@pytest.mark.parametrize(
    "how, why",
    [
        ("autoregressive", "not one of the architectures"),
        ("another architecture", "not one of the architectures"),
        ("not finite", r"g_s\.2\.weight is not finite"),
        ("missing", "is missing"),
        ("another size", "cannot be converted"),
        ("no tensors", "no table of tensors"),
        ("a list", "no table of tensors"),
        ("code", "not a checkpoint, or one that holds more than weights"),
    ],
)
def test_other_checkpoints_are_refused_in_one_line(how, why, folder, tmp_path):
    path = tmp_path / "x.pth"
    torch.save(spoiled(how), path)
    with pytest.raises(ValueError, match=why) as error:
        import_checkpoint(path, folder, 0)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize("data", [b"", b"not a checkpoint", b"PK\x03\x04 no zip"])
def test_files_that_are_no_checkpoints_are_refused(data, folder, tmp_path):
    path = tmp_path / "x.pth"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="not a checkpoint"):
        import_checkpoint(path, folder, 0)
    with pytest.raises(OSError, match="No such file"):
        import_checkpoint(tmp_path / "absent.pth", folder, 0)
    with pytest.raises(ValueError, match="no pictures in"):
        import_checkpoint(path, tmp_path, 0)


@pytest.fixture
def golden_home(tmp_path, monkeypatch):
    """A cache that holds the weights of the golden file."""
    monkeypatch.setenv("LCODEC_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    shutil.copy(GOLDEN / f"{IMPORTED}.safetensors", tmp_path / "weights")


def test_the_golden_file_decodes_to_its_symbols_and_pixels(golden_home):
    data = (GOLDEN / "v1" / "compressai.lcc").read_bytes()
    assert symbols_digest(data, IMPORTED) == (GOLDEN / "v1" / "compressai.sha256").read_text().strip()
    expected = read_picture((GOLDEN / "v1" / "compressai.png").read_bytes()).pixels
    assert np.abs(decode(data).astype(int) - expected).max() <= 1
    source = read_picture((GOLDEN / "v1" / "compressai.source.png").read_bytes()).pixels
    assert abs(len(Codec(IMPORTED, "cpu").encode(source)) - len(data)) <= 8


def test_damage_to_a_file_of_an_imported_model_is_an_error(golden_home):
    codec = Codec(IMPORTED, "cpu")
    data = (GOLDEN / "v1" / "compressai.lcc").read_bytes()
    for offset in range(0, len(data), 11):
        damaged = bytearray(data)
        damaged[offset] ^= 0xFF
        with pytest.raises((FormatError, ModelError)), quiet():
            codec.decode(bytes(damaged))
    with pytest.raises(FormatError, match="coding steps"):
        stream = unpack(data)
        codec.decode_stream(type(stream)(stream.header, stream.steps[:1], stream.symbols_crc))


def test_an_imported_model_cannot_be_trained_on(golden_home):
    with pytest.raises(ValueError, match="another program"):
        read_start(weights_path(by_name(IMPORTED)))


@pytest.mark.slow
@pytest.mark.skipif(not COMPRESSAI_PYTHON.exists(), reason="no .venv-compressai: run `make compressai-env`")
@pytest.mark.parametrize("name", ["FactorizedPrior", "ScaleHyperprior", "MeanScaleHyperprior"])
def test_what_the_real_compressai_saves_can_be_imported(name, folder, tmp_path):
    """Its own class and its own file; the decoded picture of its `forward` is ours."""
    script = f"""
import sys, types, numpy as np, torch
sys.path.insert(0, {str(ROOT / "codec" / "evaluation")!r})
from compressai_peer import _zoo
_zoo()
import compressai.models
torch.manual_seed(0)
net = compressai.models.{name}(8, 12).eval()
net.update(force=True)
torch.save({{"state_dict": net.state_dict()}}, sys.argv[1])
x = torch.from_numpy(np.load(sys.argv[2])).permute(2, 0, 1)[None].float() / 255
with torch.no_grad():
    np.save(sys.argv[3], net(x)["x_hat"][0].permute(1, 2, 0).numpy())
"""
    pixels = picture(128, 64)
    np.save(tmp_path / "x.npy", pixels)
    files = [str(tmp_path / file) for file in ("x.pth", "x.npy", "y.npy")]
    environment = {**os.environ, "PYTHONPATH": ""}
    subprocess.run([COMPRESSAI_PYTHON, "-c", script, *files], check=True, env=environment, timeout=300)
    packed, _ = import_checkpoint(tmp_path / "x.pth", folder, 0)
    coding = unpack_model(packed, torch.device("cpu"))
    encoded = coding.compress(torch.from_numpy(pixels), 0)
    rebuilt = coding.synthesise(encoded.y_hat, 0, 128, 64).numpy()
    expected = np.clip(np.round(np.load(tmp_path / "y.npy") * 255), 0, 255)
    assert np.abs(rebuilt - expected).max() <= 2


@pytest.mark.slow
@pytest.mark.skipif(not COMPRESSAI_PYTHON.exists(), reason="no .venv-compressai: run `make compressai-env`")
def test_likelihoods_are_those_of_the_real_compressai(tmp_path):
    """Its EntropyBottleneck and GaussianConditional against our factorised and Gaussian prices, on equal parameters."""
    script = f"""
import sys, torch
sys.path.insert(0, {str(ROOT / "codec" / "evaluation")!r})
from compressai_peer import _zoo
_zoo()
from compressai.entropy_models import EntropyBottleneck, GaussianConditional
torch.manual_seed(0)
bottleneck = EntropyBottleneck(6).eval()
for name, value in bottleneck.named_parameters():
    if name != "quantiles":
        value.data.add_(0.3 * torch.randn_like(value))
symbols = torch.arange(-9.0, 10.0).repeat(6, 1)
medians = bottleneck.quantiles[:, 0, 1].detach()
z = bottleneck(symbols.t()[:, :, None] + medians[:, None], training=False)[1][:, :, 0].t()
gaussian = GaussianConditional(None).eval()
mean, scale = torch.randn(1, 5000), 0.11 + 3 * torch.rand(1, 5000)
y = mean + 1.5 * scale * torch.randn(1, 5000)
p = gaussian(y[None], scale[None], mean[None], training=False)[1][0]
saved = {{"state": bottleneck.state_dict(), "z": z.detach(), "y": y, "mean": mean, "scale": scale, "p": p}}
torch.save(saved, sys.argv[1])
"""
    path = tmp_path / "theirs.pth"
    environment = {**os.environ, "PYTHONPATH": ""}
    subprocess.run([COMPRESSAI_PYTHON, "-c", script, str(path)], check=True, env=environment, timeout=300)
    saved = torch.load(path, weights_only=True)

    bottleneck = Bottleneck(saved["state"])
    assert not bottleneck.median.any()  # as initialised, so that nothing was rounded
    for symbol, theirs_p in zip(range(-9, 10), saved["z"].t(), strict=True):
        bits = bottleneck.bits(torch.full((6, 1), float(symbol)))
        assert bits == pytest.approx(float(-torch.log2(theirs_p.double()).sum()), rel=1e-4)

    rounded = torch.round(saved["y"] - saved["mean"]) + saved["mean"]
    ours = gaussian_bits(rounded, saved["mean"], saved["scale"])
    likely = saved["p"] > 1e-4  # where neither price has been bounded
    assert likely.float().mean() > 0.9
    torch.testing.assert_close(ours[likely], -torch.log2(saved["p"])[likely], rtol=1e-3, atol=1e-3)
