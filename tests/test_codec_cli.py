"""The command line; what other processes see of it, in processes of its own."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from checks import GOLDEN, ROOT, assert_one_line_error, picture, run_cli, run_process

import lcodec
from lcodec.formats.picture_writing import write_picture
from lcodec.formats.pictures import read_picture


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.png"
    path.write_bytes(write_picture(picture(63, 65), ".png"))
    return path


def test_a_picture_goes_through_files_and_separate_processes(source, tmp_path):
    coded, decoded = tmp_path / "out.bin", tmp_path / "out.png"
    assert run_process("encode", source, "-o", coded, "-q", "80").returncode == 0
    assert run_process("verify", coded).stdout.startswith(b"ok")
    assert run_process("decode", coded, "-o", decoded, "--threads", "1").returncode == 0
    assert np.abs(read_picture(decoded.read_bytes()).pixels.astype(int) - lcodec.decode(coded.read_bytes())).max() <= 1
    about = json.loads(run_process("info", "--json", coded).stdout)
    assert (about["width"], about["height"], about["model"], about["quality"]) == (65, 63, "base", 80.0)
    assert b"65 x 63" in run_process("info", coded).stdout


def test_pipes(source):
    coded = run_process("encode", "-", "-o", "-", "-m", "tiny", stdin=source.read_bytes())
    assert coded.returncode == 0 and coded.stderr == b""
    decoded = run_process("decode", "-", "-o", "-", stdin=coded.stdout)
    assert read_picture(decoded.stdout).pixels.shape == (63, 65, 3)
    assert run_process("verify", "-", stdin=coded.stdout).returncode == 0


def test_outputs_are_not_overwritten_without_force(source, tmp_path):
    target = tmp_path / "out.lcc"
    target.write_bytes(b"precious")
    assert_one_line_error(run_cli("encode", source, "-o", target, "-m", "tiny"))
    assert target.read_bytes() == b"precious"
    assert run_cli("encode", source, "-o", target, "-m", "tiny", "-f").returncode == 0
    assert lcodec.info(target.read_bytes()).width == 65


@pytest.mark.parametrize("content", ["missing", "directory", "text", "empty", "cut"])
@pytest.mark.parametrize("verb", ["encode", "decode", "info", "verify"])
def test_bad_inputs_get_one_line(verb, content, tmp_path, source):
    path = tmp_path / "bad"
    if content == "directory":
        path.mkdir()
    elif content == "text":
        path.write_text("this is not a picture\n" * 9)
    elif content == "empty":
        path.touch()
    elif content == "cut":
        whole = source if verb == "encode" else GOLDEN / "large-q100.lcc"
        path.write_bytes(whole.read_bytes()[:-100])
    output = ("-o", tmp_path / "out.png") if verb in ("encode", "decode") else ()
    assert_one_line_error(run_cli(verb, path, *output))
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("output", ["no/such/folder/out.lcc", "in.png/out.lcc", "."])
def test_unwritable_outputs_get_one_line(output, source):
    assert_one_line_error(run_cli("encode", source, "-o", source.parent / output, "-m", "tiny"))


@pytest.mark.parametrize(
    "arguments, code",
    [
        (("encode", "IN", "-o", "OUT", "-m", "nope"), 1),
        (("encode", "IN", "-o", "OUT", "-q", "101"), 1),
        (("decode", "GOLDEN", "-o", "OUT.txt"), 1),
        (("decode", "GOLDEN", "-o", "OUT.png", "--max-pixels", "10"), 1),
        (("train", "IN", "-o", "OUT"), 1),
        (("export", "IN", "-o", "OUT"), 1),
        (("bench", "IN"), 1),
    ],
)
def test_wrong_values_get_one_line(arguments, code, source, tmp_path):
    places = {"IN": source, "OUT": tmp_path / "out", "GOLDEN": GOLDEN / "odd-q75.lcc"}
    named = [places.get(a.split(".")[0], a) for a in arguments]
    named = [f"{n}.{a.split('.')[1]}" if a.startswith("OUT.") else n for n, a in zip(named, arguments, strict=True)]
    assert_one_line_error(run_cli(*named), code)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [(), ("encode",), ("fly",), ("encode", "x", "-o", "y", "--threads", "0")])
def test_wrong_usage_exits_with_two(arguments):
    done = run_cli(*arguments)
    assert done.returncode == 2 and b"usage" in done.stderr and b"Traceback" not in done.stderr


def test_damaged_comment_is_a_warning(tmp_path):
    data = bytearray((GOLDEN / "comment-q33.3.lcc").read_bytes())
    data[data.index(b"a comment")] ^= 1
    path = tmp_path / "damaged.lcc"
    path.write_bytes(data)
    done = run_cli("decode", path, "-o", tmp_path / "out.png")
    assert done.returncode == 0 and done.stderr.count(b"warning") == 1
    assert (tmp_path / "out.png").exists()


def test_models_are_listed():
    listed = run_cli("models").stdout.decode()
    assert "tiny" in listed and "base" in listed


def test_start_up_is_quick_where_nothing_is_coded():
    """Against a bare interpreter in the same run: the machine's speed cancels out."""

    def best(*arguments):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - start)
        return min(times)

    bare = best("-c", "pass")
    for command in (["--version"], ["--help"], ["info", str(GOLDEN / "odd-q75.lcc")]):
        assert best("-m", "lcodec", *command) < bare + 0.25


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_interrupt_leaves_nothing_half_made(tmp_path):
    source = tmp_path / "large.png"
    source.write_bytes(write_picture(picture(1500, 2000), ".png"))
    target = tmp_path / "out.lcc"
    command = [sys.executable, "-m", "lcodec", "encode", str(source), "-o", str(target)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT.parent)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1].decode()
    # The others are before our handler is in place, and, rarely, torch's that is being imported.
    assert process.returncode in (130, -signal.SIGINT, -signal.SIGABRT)
    if process.returncode == 130:
        assert errors == "lcodec: interrupted\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["large.png"]
