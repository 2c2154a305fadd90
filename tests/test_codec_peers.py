"""Peers: the script that measures CompressAI, run on a stand-in, and its results beside a benchmark of ours."""

import hashlib
import importlib.util
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from checks import ROOT, picture, run_python
from PIL import Image
from torch import nn

from lcodec.codec.evaluation import metrics
from lcodec.codec.evaluation.peers import read_peer
from lcodec.codec.evaluation.results import PictureFacts, Results
from lcodec.datasets.published import digest
from lcodec.formats.pictures import read_picture

SCRIPT = ROOT / "codec" / "evaluation" / "compressai_peer.py"
COMPRESSAI_PYTHON = ROOT / ".venv-compressai" / "bin" / "python"


@pytest.fixture(scope="module")
def peer():
    """The script, imported by its path: it needs neither lcodec nor CompressAI for that."""
    spec = importlib.util.spec_from_file_location("compressai_peer", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["compressai_peer"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["compressai_peer"]


# A model that codes pixels as they are in the first string of two, at a rate that no quality changes.
ZOO = """
import torch
from . import image

class Toy(torch.nn.Module):
    def __init__(self, quality):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 2 * quality, 1, bias=False)
        self.tables = False
    def update(self, force=False):
        self.tables = force
    def compress(self, x):
        assert self.tables and not self.training and x.shape[2] % 64 == x.shape[3] % 64 == 0
        self.layer(x)
        pixels = (255 * x[0]).round().byte()
        return {"strings": [[bytes(pixels.flatten().tolist())], [b"abcde"]], "shape": pixels.shape}
    def decompress(self, strings, shape):
        pixels = torch.tensor(list(strings[0][0])).reshape(1, *shape)
        return {"x_hat": pixels / 255}

def toy(quality, pretrained=False, progress=True):
    if pretrained:
        raise OSError("no route to host")
    return Toy(quality)

image_models = {"toy": toy, "other": toy}
"""


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory):
    """A folder to import from: stand-ins for CompressAI and torchvision."""
    root = tmp_path_factory.mktemp("site")
    for name, text in {
        "compressai/__init__.py": "",
        "compressai/zoo/__init__.py": ZOO,
        "compressai/zoo/image.py": "cfgs = {'toy': {1: (), 2: (), 3: ()}}",
        "compressai-1.2.3.dist-info/METADATA": "Metadata-Version: 2.1\nName: compressai\nVersion: 1.2.3\n",
        "torchvision.py": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two pictures of different odd sizes."""
    path = tmp_path_factory.mktemp("pictures")
    Image.fromarray(picture(65, 130)).save(path / "b.png")
    Image.fromarray(picture(31, 17, seed=1)).save(path / "a.png")
    return path


def ours(paths):
    """A benchmark of these pictures without any codec."""
    facts = []
    for path in paths:
        data = path.read_bytes()
        height, width = read_picture(data).pixels.shape[:2]
        facts.append(PictureFacts(path.name, width, height, hashlib.sha256(data).hexdigest()))
    return Results("set", digest(paths), tuple(facts), "", "", "0", "", "2026-01-01", 1, 1, (), ())


@pytest.fixture(scope="module")
def measured(folder, stand_ins, tmp_path_factory):
    """The JSON of a run on the stand-in."""
    out = tmp_path_factory.mktemp("out") / "peer.json"
    arguments = [folder, "-o", out, "--models", "toy", "--qualities", "1,3", "--weights", "random"]
    done = run_python(str(SCRIPT), *map(str, arguments), environment={"PYTHONPATH": str(stand_ins)})
    assert done.returncode == 0, done.stderr.decode()
    return out


def test_what_the_script_writes_is_merged(measured, folder):
    paths = sorted(folder.iterdir())
    (codec,) = read_peer(measured, paths)
    assert (codec.name, codec.kind) == ("compressai-toy", "peer")
    assert codec.version.startswith("compressai 1.2.3, torch ")
    assert codec.note == "random weights: speed and size only; rate and distortion mean nothing"
    assert not codec.comparable
    # the larger of the two networks: a 1x1 convolution of 3 to 6 channels on encoding, nothing on decoding
    assert codec.parameters == 18
    assert codec.encode_kmac_per_px == pytest.approx(0.018)
    assert codec.decode_kmac_per_px == 0
    assert "from quality 1 on has 6 parameters, 0.0 and 0.0 kMAC" in codec.settings
    assert codec.peak_memory_bytes > 50e6
    assert [(sample.picture, sample.quality) for sample in codec.samples] == [
        *(("a.png", 1), ("a.png", 3), ("b.png", 1), ("b.png", 3)),
    ]
    for sample, padded in zip(codec.samples, (64 * 64, 64 * 64, 128 * 192, 128 * 192), strict=True):
        assert sample.file_bytes == 3 * padded + 5  # both strings, of the padded picture, and nothing else
        assert sample.psnr_db == sample.psnr_yuv_db == 100
        assert sample.ms_ssim is None  # a side below 161 pixels
        assert min(sample.encode_seconds, sample.decode_seconds) > 0


def test_samples_get_the_names_that_the_benchmark_knows(measured, folder, tmp_path):
    paths = []
    for new, old in (("1.png", "b.png"), ("2.png", "a.png")):
        paths.append(tmp_path / new)
        paths[-1].write_bytes((folder / old).read_bytes())
    results = ours(paths)
    (codec,) = read_peer(measured, paths)
    assert {sample.picture: sample.file_bytes for sample in codec.samples} == {
        "1.png": 3 * 128 * 192 + 5,
        "2.png": 3 * 64 * 64 + 5,
    }
    assert [point.quality for point in results.points(codec)] == [1, 3]


def test_other_pictures_and_other_files_are_refused(measured, folder, tmp_path):
    paths = sorted(folder.iterdir())
    with pytest.raises(ValueError, match=r"measured on other pictures: 2 of digest [0-9a-f]{16}, not 1 of") as error:
        read_peer(measured, paths[:1])
    assert "\n" not in str(error.value)
    path = tmp_path / "x.json"
    for text, why in (("{}", "not the JSON of a benchmark"), (ours(paths).to_json(), "not one of peers")):
        path.write_text(text)
        with pytest.raises(ValueError, match=rf"x\.json: .*{why}"):
            read_peer(path, paths)
    peers = Results.from_json(measured.read_text())
    path.write_text(replace(peers, codecs=(replace(peers.codecs[0], kind="anchor"),)).to_json())
    with pytest.raises(ValueError, match="not one of peers"):
        read_peer(path, paths)


def test_script_and_package_agree_on_pictures_and_measures(peer, folder):
    paths = sorted(folder.iterdir())
    assert peer.digest(paths) == peer.digest(paths[::-1]) == digest(paths)
    assert [path.name for path in peer._pictures(folder, None)] == ["a.png", "b.png"]
    for size in ((40, 52), (170, 161), (9, 30)):
        a, b = picture(*size), picture(*size, seed=3)
        assert peer.psnr_db(a, b) == pytest.approx(metrics.psnr_db(a, b), abs=1e-9)
        assert peer.psnr_yuv_db(a, b) == pytest.approx(metrics.psnr_yuv_db(a, b), abs=1e-9)
        assert peer.similarity(a, b) == (metrics.ssim(a, b), metrics.ms_ssim(a, b))
    grey = np.repeat(a[..., :1], 3, axis=2)
    assert peer.psnr_yuv_db(grey, 255 - grey) == 100  # chroma of grey pictures is equal
    assert peer.psnr_db(a, a) == peer.psnr_yuv_db(a, a) == 100


def test_multiply_accumulates_are_those_of_the_arithmetic(peer):
    down = nn.Conv2d(3, 8, 5, stride=2, padding=2)
    grouped = nn.Conv2d(8, 8, 3, padding=1, groups=4)
    up = nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1)
    dense = nn.Linear(7, 9)
    context = torch.ones(2, 6, 1, 1)

    def run():
        with torch.no_grad():
            y = up(grouped(down(torch.zeros(1, 3, 16, 24))))  # (1, 6, 16, 24)
            nn.functional.conv2d(y, context)  # no layer, as in context models
            dense(torch.zeros(10, 7))

    small, large = 8 * 12, 16 * 24
    expected = small * 8 * 3 * 25 + small * 8 * 2 * 9 + small * 8 * 6 * 16 + large * 2 * 6 + 10 * 7 * 9
    assert peer.count_macs(run) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}", "--models", "nosuch"], "error: CompressAI has no model 'nosuch'; it has: toy, other\n"),
        (["{folder}", "--models", "toy", "--qualities", "2..4"], "error: toy has no quality 4; it has 1 to 3\n"),
        (["nowhere", "--models", "toy"], "error: not a folder: nowhere\n"),
        (["{folder}", "--models", "toy", "--qualities", "2", "--weights", "x.tar"], "no such file of weights: x.tar\n"),
        (["{folder}", "--models", "toy"], "toy at quality 1: its weights cannot be had (no route to host); `--weights"),
    ],
)
def test_what_fails_is_said_in_one_line(arguments, message, peer, folder, stand_ins, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.syspath_prepend(stand_ins)
        arguments = [argument.format(folder=folder) for argument in arguments]
        code = peer.main([*arguments, "--threads", str(torch.get_num_threads()), "-o", str(tmp_path / "peer.json")])
    for name in [name for name in sys.modules if name.split(".")[0] in ("compressai", "torchvision")]:
        del sys.modules[name]
    captured = capsys.readouterr()
    assert (code, captured.out, captured.err.count("\n")) == (1, "", 1)
    assert message in captured.err
    assert not (tmp_path / "peer.json").exists()


def test_a_missing_compressai_is_said_in_one_line(peer, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    threads = str(torch.get_num_threads())
    assert peer.main([str(folder), "-o", str(tmp_path / "x"), "--models", "toy", "--threads", threads]) == 1
    assert capsys.readouterr().err.startswith("error: CompressAI cannot be imported: import of torchvision halted")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--models", "toy"],
        ["x", "-o", "y", "--models", "toy", "--qualities", "five"],
        ["x", "-o", "y", "--models", "toy", "--qualities", "5..3"],
        ["x", "-o", "y", "--models", "toy", "--threads", "0"],
        ["x", "-o", "y", "--models", "toy,other", "--qualities", "3", "--weights", "z.pth.tar"],
        ["x", "-o", "y", "--models", "toy", "--weights", "z.pth.tar"],
    ],
)
def test_wrong_usage_ends_with_2(arguments, peer, capsys):
    with pytest.raises(SystemExit) as stopped:
        peer.main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: compressai_peer.py")


@pytest.mark.parametrize(("text", "qualities"), [("all", None), ("3", [3]), ("1..4", [1, 2, 3, 4]), ("6,2,6", [2, 6])])
def test_qualities(text, qualities, peer):
    assert peer._qualities(text) == qualities


@pytest.mark.slow
@pytest.mark.skipif(not COMPRESSAI_PYTHON.exists(), reason="no .venv-compressai: run `make compressai-env`")
def test_the_real_compressai(folder, tmp_path):
    first = []
    for name in ("one.json", "two.json"):
        arguments = [folder, "-o", tmp_path / name, "--models", "bmshj2018-factorized", "--qualities", "1"]
        subprocess.run(
            [COMPRESSAI_PYTHON, SCRIPT, *arguments, "--weights", "random"],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": ""},
            timeout=300,
        )
        (codec,) = read_peer(tmp_path / name, sorted(folder.iterdir()))
        first.append([(sample.file_bytes, sample.psnr_db) for sample in codec.samples])
    assert first[0] == first[1]
    assert min(file_bytes for file_bytes, _ in first[0]) > 100
    assert codec.parameters == 2998147
    assert 35 < codec.encode_kmac_per_px < 50
    assert codec.note.startswith("random weights")
