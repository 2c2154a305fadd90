"""Whole folders, and completion of the command line."""

import subprocess

import pytest
from checks import assert_one_line_error, picture, run_cli, run_process

import lcodec
from lcodec.formats.picture_writing import write_picture
from lcodec.formats.pictures import read_picture


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "photographs"
    (source / "trip").mkdir(parents=True)
    for name, seed in (("a.png", 0), ("a.bmp", 1), ("trip/c.jpg", 2)):
        (source / name).write_bytes(write_picture(picture(40, 50, seed), name[-4:]))
    (source / "notes.txt").write_text("not a picture")
    (source / ".hidden.png").write_bytes((source / "a.png").read_bytes())
    return source


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_is_coded_and_decoded(folder, tmp_path, jobs):
    out, back = tmp_path / "out", tmp_path / "back"
    done = run_cli("batch", folder, "--out", out, "-m", "tiny", "-q", "60", "--jobs", jobs, "--threads", "1")
    assert done.returncode == 0 and done.stdout.startswith(b"3 files made; "), done.stderr
    made = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert made == ["a.bmp.lcc", "a.png.lcc", "trip/c.jpg.lcc"]
    assert lcodec.info((out / "a.png.lcc").read_bytes()).quality == 60
    assert (out / "a.png.lcc").read_bytes() == lcodec.encode(picture(40, 50, 0), 60, "tiny")
    (out / "a.bmp.lcc").unlink()
    done = run_cli("batch", out, "--out", back, "--decode", ".png", "--jobs", jobs)
    assert done.returncode == 0 and b"2 files made" in done.stdout
    assert read_picture((back / "trip" / "c.png").read_bytes()).pixels.shape == (40, 50, 3)


def test_what_is_there_is_not_made_again(folder):
    out = folder / "coded"
    assert run_cli("batch", folder, "--out", out, "-m", "tiny").returncode == 0
    (out / "a.png.lcc").write_bytes(b"mine")
    (out / "a.bmp.lcc").unlink()
    done = run_cli("batch", folder, "--out", out, "-m", "tiny")
    assert done.stdout.startswith(b"1 files made, 2 were there; ") and (out / "a.png.lcc").read_bytes() == b"mine"
    assert run_cli("batch", folder, "--out", out, "-m", "tiny", "-f").stdout.startswith(b"3 files made; ")
    assert (out / "a.png.lcc").read_bytes() != b"mine"


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_that_fails_is_named_and_stops_no_other(folder, tmp_path, jobs):
    whole = (folder / "a.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    done = run_cli("batch", folder, "--out", tmp_path / "out", "-m", "tiny", "--jobs", jobs, "--threads", "1")
    assert done.returncode == 1 and done.stdout.startswith(b"3 files made; ")
    lines = done.stderr.decode().splitlines()
    assert any(line.startswith("lcodec: failed: cut.png: the picture is damaged") for line in lines)
    assert lines[-1] == "lcodec: 1 of 4 files failed: cut.png"


@pytest.mark.slow
def test_a_folder_is_coded_by_a_local_ray(folder, tmp_path):
    """`pip install ray` first; it starts a cluster of this machine."""
    pytest.importorskip("ray")
    (folder / "cut.png").write_bytes((folder / "a.png").read_bytes()[:99])
    out = tmp_path / "out"
    done = run_process("batch", folder, "--out", out, "-m", "tiny", "--ray", "--threads", "1")
    assert done.returncode == 1 and done.stdout.startswith(b"3 files made; "), done.stderr
    assert b"lcodec: 1 of 4 files failed: cut.png" in done.stderr
    assert (out / "a.png.lcc").read_bytes() == lcodec.encode(picture(40, 50, 0), model="tiny")


def test_wrong_folders_and_options_are_one_line(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments in (
        (tmp_path / "nowhere", "--out", tmp_path / "out"),
        (tmp_path / "empty", "--out", tmp_path / "out"),
        (folder, "--out", tmp_path / "out", "--decode", ".png"),
        (folder, "--out", tmp_path / "out", "--decode", ".gif"),
    ):
        assert_one_line_error(run_cli("batch", *arguments))


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_scripts_know_the_commands(shell):
    done = run_cli("completion", shell)
    assert done.returncode == 0 and all(word in done.stdout for word in (b"encode", b"batch", b"--quality"))
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.stdout, check=True)
