"""Models exported to ONNX decode real files without torch, to the same symbols and pixels."""

import json
import shutil

import numpy as np
import pytest
import torch
from checks import GOLDEN, ROOT, assert_one_line_error, run_cli, run_python
from make_golden import CASES

import lcodec
from lcodec import Decoder, LcodecError, ModelError
from lcodec.codec.onnx_folder import About, OnnxFolder
from lcodec.codec.onnx_model import OnnxModel
from lcodec.codec.tile_model import Terms
from lcodec.codec.tiles import Box
from lcodec.entropy import walk
from lcodec.entropy.coder import RowCoder
from lcodec.entropy.contexts import CONTEXTS
from lcodec.entropy.convert import to_exact
from lcodec.entropy.float_twin import FLOAT
from lcodec.entropy.graphs import check_graph, exact_graphs
from lcodec.entropy.prior import LatentPrior, PriorConfig
from lcodec.entropy.tables import gaussian_rows
from lcodec.formats.container import Tile, unpack
from lcodec.formats.pictures import read_picture

CPU = torch.device("cpu")
ATTENDING = ("masked-transformer", "linear-attention", "channel-global", "channel-transformer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx") / "tiny"
    done = run_cli("export", "tiny", "--to", "onnx", "-o", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def decoder(folder):
    return Decoder(folder, threads=2)


@pytest.mark.parametrize("name", CASES)
def test_golden_files_decode_to_their_symbols_and_pixels(name, decoder):
    data = (GOLDEN / f"{name}.lcc").read_bytes()
    decoder.verify_stream(unpack(data))
    expected = read_picture((GOLDEN / f"{name}.png").read_bytes()).pixels
    assert np.abs(decoder.decode(data).astype(int) - expected.astype(int)).max() <= 1


def test_planes_regions_and_previews(decoder, cut):
    """Within a level of 8 bits, and a second one of previews: lcodec itself may compute in bfloat16."""
    samples = np.concatenate([cut[:90, :60], cut[:90, 60:120, :1]], 2).astype(np.uint16) * 257
    data = lcodec.encode(samples, 60, "tiny")
    assert np.abs(decoder.decode(data).astype(int) - lcodec.decode(data)).max() <= 257
    tiled = lcodec.encode(np.tile(cut, (3, 3, 1)), 40, "tiny", tile=256)
    part = decoder.decode(tiled, region=(200, 100, 90, 180))
    assert np.abs(part.astype(int) - lcodec.decode(tiled, region=(200, 100, 90, 180))).max() <= 1
    for end in (len(tiled) * 2 // 3, len(tiled) // 3):
        found, expected = decoder.salvage(tiled[:end]), lcodec.salvage(tiled[:end])
        assert found.steps == expected.steps and np.abs(found.pixels.astype(int) - expected.pixels).max() <= 2


def test_damaged_files_are_refused(decoder):
    data = bytearray((GOLDEN / "odd-q75.lcc").read_bytes())
    for position in range(0, len(data), 7):
        spoilt = bytes(data[:position] + bytes([data[position] ^ 0x40]) + data[position + 1 :])
        try:
            decoder.decode(spoilt)
        except LcodecError:
            continue
        pytest.fail(f"accepted a flipped bit in byte {position}")


def test_the_command_needs_no_torch(folder, tmp_path):
    golden, out = GOLDEN / "odd-q75.lcc", tmp_path / "odd.png"
    code = (
        "import sys; sys.modules['torch'] = None; from lcodec.codec.cli import main; "
        f"sys.exit(main(['decode', {str(golden)!r}, '--onnx', {str(folder)!r}, '-o', {str(out)!r}, '--threads', '1']))"
    )
    assert run_python("-c", code).returncode == 0
    expected = read_picture((GOLDEN / "odd-q75.png").read_bytes()).pixels
    assert np.abs(read_picture(out.read_bytes()).pixels.astype(int) - expected).max() <= 1
    assert run_cli("verify", golden, "--onnx", folder).stdout.startswith(b"ok")
    other = tmp_path / "base.lcc"
    other.write_bytes(lcodec.encode(np.zeros((20, 20, 3), np.uint8)))
    done = run_cli("verify", other, "--onnx", folder)
    assert_one_line_error(done)
    assert b"and this decoder has tiny-" in done.stderr


def test_without_torch_one_line_says_what_does_without_it(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; from lcodec.codec.cli import main; "
        f"sys.exit(main(['decode', {str(GOLDEN / 'odd-q75.lcc')!r}, '-o', {str(tmp_path / 'a.png')!r}]))"
    )
    done = run_python("-c", code)
    assert_one_line_error(done)
    assert b"--onnx" in done.stderr


def test_the_decoder_is_imported_in_half_a_second():
    """And without what only the encoder or torch needs."""
    code = "import sys, lcodec; lcodec.Decoder; print({'torch', 'safetensors', 'onnxruntime'} & set(sys.modules))"
    assert run_python("-c", code).stdout.decode().strip() == "set()"


def test_damaged_folders_are_one_line(folder, tmp_path):
    golden = GOLDEN / "odd-q75.lcc"

    def spoil(name, change):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        path = copy / name
        path.write_bytes(change(path.read_bytes()))
        done = run_cli("verify", golden, "--onnx", copy)
        assert_one_line_error(done)
        return done.stderr

    assert b"its SHA-256 is another" in spoil("step-0.onnx", lambda data: data[:-1])
    assert b"is damaged" in spoil("about.json", lambda data: data[:100])
    assert b"another format" in spoil("about.json", lambda data: data.replace(b"lcodec-onnx-1", b"lcodec-onnx-9"))
    assert b"is damaged" in spoil("about.json", lambda data: data.replace(b'"reach"', b'"rich"'))
    assert b"has no about.json" in run_cli("verify", golden, "--onnx", tmp_path).stderr
    with pytest.raises(ValueError, match="at least"):
        Decoder()


def test_a_runtime_that_saturates_is_refused(folder, monkeypatch):
    monkeypatch.setattr("lcodec.entropy.known_answer.outputs", lambda: np.zeros((24, 35), np.int32))
    with pytest.raises(ModelError, match="does not multiply integers exactly"):
        Decoder(folder)


def test_export_says_what_it_cannot(folder, tmp_path):
    for name in ("lossless", "nothing"):
        assert_one_line_error(run_cli("export", name, "--to", "onnx", "-o", tmp_path / "new"))
    done = run_cli("export", "tiny", "--to", "onnx", "-o", folder)
    assert_one_line_error(done)
    assert b"is there already" in done.stderr


@pytest.mark.parametrize("schedule", [name for name in CONTEXTS if name not in ATTENDING])
@pytest.mark.parametrize("size", [(1, 1), (6, 11)])
def test_every_local_context_decodes_as_it_was_coded(schedule, size, tmp_path):
    torch.manual_seed(0)
    config = PriorConfig(20, 8, 6, schedule)
    twin = LatentPrior(FLOAT, config)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    exact, rows = to_exact(twin), gaussian_rows()
    exact.prepare(CPU)
    y, z = 4 * torch.randn(1, 20, *size), 2 * torch.randn(1, 6, -(-size[0] // 4), -(-size[1] // 4))
    coded = walk.encode(exact, RowCoder(rows, 0), y, z, 5000, CPU)
    about = About("own", 5, "00" * 8, 20, 6, 16, 0, exact.schedule)
    graphs = {"check": check_graph(), **exact_graphs(exact)}
    OnnxFolder(about, rows, graphs).write(tmp_path, overwrite=False)
    box = Box.whole(16 * size[0] - 3, 16 * size[1])
    tile = Tile(coded.steps, coded.symbols_crc)
    y_hat, crc = OnnxModel(tmp_path, 1).decode_tile(tile, box, Terms(5000, 8, False, 256))
    assert crc == coded.symbols_crc and np.array_equal(y_hat, coded.y_hat.numpy())


@pytest.mark.parametrize("schedule", ATTENDING)
def test_contexts_that_attend_have_no_graph_yet(schedule):
    exact = to_exact(LatentPrior(FLOAT, PriorConfig(20, 16, 6, schedule)))
    with pytest.raises(ValueError, match=f"no graph can be made of the context model {schedule}"):
        exact_graphs(exact)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["base", "high", "dct", "lattice"])
def test_shipped_models_decode_as_with_torch(name, tmp_path):
    assert run_cli("export", name, "--to", "onnx", "-o", tmp_path / name).returncode == 0
    decoder = Decoder(tmp_path / name, threads=2)
    pixels = read_picture((ROOT / "tests" / "kodim23.png").read_bytes()).pixels
    for quality in (5, 50, 95):
        data = lcodec.Codec(name, "cpu").encode(pixels[:501, :333], quality)
        if json.loads((tmp_path / name / "about.json").read_text())["about"]["wire_id"] == unpack(data).header.model_id:
            difference = decoder.decode(data).astype(int) - lcodec.decode(data)
            assert np.abs(difference).max() <= 1
