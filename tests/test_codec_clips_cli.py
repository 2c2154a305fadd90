"""The commands on clips: there and back, streams, sizes, cuts, damage, and refusals in one line."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from checks import run_cli, run_process
from clips import moving_frames, packets, samples_of, seconds_of, write_clip

from lcodec.formats.clip_reader import ClipReader, read_index
from lcodec.formats.clip_records import FrameUnit

TINY = ("--model", "tinyvideo")  # that of tests


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a.mp4, twelve frames with a tone, and a.lcv of it with an intra frame every 5."""
    folder = tmp_path_factory.mktemp("made")
    write_clip(folder / "a.mp4", moving_frames(64, 80, 12), codec="libx264", tone=True, options={"qp": "0"})
    done = run_cli("encode", folder / "a.mp4", "-o", folder / "a.lcv", "-q", "40", "--gop", "5", *TINY)
    assert done.returncode == 0, done.stderr
    assert b"12 frames" in done.stderr
    return folder


def refused(done, *words):
    lines = [line for line in done.stderr.decode().strip().splitlines() if "a second" not in line]  # but for progress
    assert done.returncode == 1 and len(lines) == 1, done.stderr
    assert all(word in lines[0] for word in words), lines[0]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_times_and_sound_come_back(made, tmp_path, suffix):
    done = run_cli("decode", made / "a.lcv", "-o", tmp_path / f"b{suffix}")
    assert done.returncode == 0 and done.stderr == b""
    copy = tmp_path / f"b{suffix}"
    assert seconds_of(copy) == pytest.approx(seconds_of(made / "a.mp4"), abs=1e-3)
    assert [data for _, data in packets(copy, "audio")] == [data for _, data in packets(made / "a.mp4", "audio")]
    ours, theirs = (np.stack(samples_of(path)).astype(float) for path in (copy, made / "a.mp4"))
    assert ours.shape == theirs.shape and np.square(ours - theirs).mean() < 80
    assert os.listdir(tmp_path) == [copy.name]


def test_info_and_verify(made):
    about = json.loads(run_cli("info", made / "a.lcv", "--json").stdout)
    assert (about["width"], about["height"], about["frames"], about["intra_frames"]) == (80, 64, 12, 3)
    assert about["whole"] and about["seconds"] == pytest.approx(12 / 25) and about["track_bytes"] > 1000
    text = run_cli("info", made / "a.lcv").stdout.decode()
    assert "4:2:0" in text and "3 intra" in text
    assert b"12 frames" in run_cli("verify", made / "a.lcv").stdout


def test_info_needs_no_torch(made):
    code = "import sys, lcodec.codec.cli as c; c.main(sys.argv[1:]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, "info", str(made / "a.lcv")], capture_output=True, check=True)
    assert done.stdout.decode().splitlines()[-1] == "False"


def test_parts_and_pngs(made, tmp_path):
    assert run_cli("decode", made / "a.lcv", "-o", tmp_path / "all.mkv").returncode == 0
    assert run_cli("decode", made / "a.lcv", "-o", tmp_path / "part.mkv", "--frames", "6-8").returncode == 0
    part, whole = samples_of(tmp_path / "part.mkv"), samples_of(tmp_path / "all.mkv")
    assert len(part) == 3 and all(np.array_equal(a, b) for a, b in zip(part, whole[6:9], strict=True))
    assert run_cli("decode", made / "a.lcv", "-o", tmp_path / "f%02d.png", "--frames", "0").returncode == 0
    assert (tmp_path / "f01.png").is_file() and not (tmp_path / "f02.png").exists()


def test_streams(made, tmp_path):
    data = (made / "a.lcv").read_bytes()
    done = run_process("decode", "-", "-o", "-", stdin=data)
    assert done.returncode == 0 and done.stdout.startswith(b"YUV4MPEG2")
    again = run_process("encode", "-", "-o", "-", "--clip", "-q", "10", *TINY, stdin=done.stdout)
    assert again.returncode == 0 and again.stdout.startswith(b"\x8bLV\n")
    (tmp_path / "s.lcv").write_bytes(again.stdout)
    assert json.loads(run_cli("info", tmp_path / "s.lcv", "--json").stdout)["frames"] == 12


def test_sizes_and_bitrates(made, tmp_path):
    silent = tmp_path / "silent.mkv"
    write_clip(silent, moving_frames(48, 64, 8))
    for wanted, limit in ((("--size", "700"), 700), (("--bitrate", "18k"), 18_000 * 8 / 25 / 8)):
        done = run_cli("encode", silent, "-o", tmp_path / "s.lcv", "-f", *wanted, *TINY)
        assert done.returncode == 0, done.stderr
        size = (tmp_path / "s.lcv").stat().st_size
        assert 0.7 * limit < size <= limit
    refused(run_cli("encode", silent, "-o", tmp_path / "t.lcv", "--size", "200", *TINY), "bytes")
    refused(run_cli("encode", made / "a.mp4", "-o", tmp_path / "t.lcv", "--size", "4000", *TINY), "already")


def test_an_encoder_that_is_killed_leaves_what_can_be_played(tmp_path):
    write_clip(tmp_path / "a.mkv", moving_frames(96, 128, 90), options={"level": "3"})
    target = tmp_path / "a.lcv"
    process = subprocess.Popen(
        [sys.executable, "-m", "lcodec", "encode", str(tmp_path / "a.mkv"), "-o", str(target)], stderr=subprocess.PIPE
    )
    partial = tmp_path / "a.lcv.partial"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not (partial.exists() and partial.stat().st_size > 2500):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not target.exists()
    refused(run_cli("decode", partial, "-o", tmp_path / "b.mkv"), "cut")
    assert not (tmp_path / "b.mkv").exists()
    done = run_cli("decode", partial, "-o", tmp_path / "b.mkv", "--partial")
    assert done.returncode == 0
    count = len(samples_of(tmp_path / "b.mkv"))
    with partial.open("rb") as file:
        whole = sum(isinstance(unit, FrameUnit) for unit in ClipReader(file).units(salvage=True))
    assert 1 <= count == whole < 90


def test_damage_costs_the_frames_up_to_the_next_intra_frame(made, tmp_path):
    data = bytearray((made / "a.lcv").read_bytes())
    with (made / "a.lcv").open("rb") as file:
        index = read_index(file)
    assert [number for number, _ in index] == [0, 5, 10]
    data[index[1][1] + 40] ^= 0x55
    (tmp_path / "d.lcv").write_bytes(data)
    refused(run_cli("decode", tmp_path / "d.lcv", "-o", tmp_path / "d.mkv"), "INTRA is damaged", str(index[1][1]))
    done = run_cli("decode", tmp_path / "d.lcv", "-o", tmp_path / "d.mkv", "--salvage")
    assert done.returncode == 0 and b"frames 5 to 9 are lost" in done.stderr
    assert len(samples_of(tmp_path / "d.mkv")) == 7
    assert run_cli("verify", tmp_path / "d.lcv").returncode == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--effort", "3"), ("effort", "clips")),
        (("--psnr", "40"), ("psnr", "clips")),
        (("-q", "lossless"), ("lossless",)),
        (("-q", "101"), ("quality",)),
    ],
)
def test_options_that_clips_do_not_have(made, tmp_path, options, words):
    refused(run_cli("encode", made / "a.mp4", "-o", tmp_path / "b.lcv", *options), *words)
    assert not (tmp_path / "b.lcv").exists()


def test_refusals_are_one_line(made, tmp_path):
    refused(run_cli("encode", tmp_path / "absent.mp4", "-o", tmp_path / "b.lcv"), "absent.mp4")
    (tmp_path / "a.txt").write_text("nothing")
    refused(run_cli("encode", tmp_path / "a.txt", "-o", tmp_path / "b.lcv"), "a.txt")
    refused(run_cli("decode", made / "a.lcv", "-o", tmp_path / "b.png"), "number")
    refused(run_cli("decode", made / "a.lcv", "-o", tmp_path / "b.gif"), "suffix")
    refused(run_cli("decode", made / "a.lcv", "-o", tmp_path / "b.mp4", "--encoder", "nonsense"), "nonsense")
    refused(run_cli("decode", made / "a.lcv", "-o", tmp_path / "b.mp4", "--region", "0,0,8,8"), "region")
    refused(run_cli("encode", made / "a.mp4", "-o", made / "a.lcv"), "exists")
    (tmp_path / "cut.lcv").write_bytes((made / "a.lcv").read_bytes()[:60])
    refused(run_cli("decode", tmp_path / "cut.lcv", "-o", tmp_path / "b.mkv"), "cut")
    refused(run_cli("decode", made / "a.lcv", "-o", tmp_path / "b.mkv", "--max-pixels", "100"), "limit")
    assert not list(tmp_path.glob("b.*"))


def test_pictures_are_still_pictures(tmp_path):
    """What the first bytes say decides, and a clip's model codes no picture."""
    refused(run_cli("encode", "tests/kodim23.png", "-o", tmp_path / "a.lcc", "-m", "video"), "clips")
