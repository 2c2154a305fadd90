"""`lcodec profile`: all stages of a picture, with times that are some."""

import json

import numpy as np
from carriers import NAMES
from checks import GOLDEN, assert_one_line_error, run_cli

import lcodec
from lcodec.formats.picture_writing import write_picture
from lcodec.formats.pictures import read_picture


def test_profile_names_all_stages(tmp_path):
    path = GOLDEN / "large-q100.source.png"
    done = run_cli("profile", path, "-m", "tiny", "-q", 40, "--repeat", 1, "--json", "--device", "cpu")
    found = json.loads(done.stdout)
    assert list(found["start_up"]) == ["import torch", "import lcodec", "weights"]
    assert list(found["encode"]) == ["picture", "analysis", "exact context", "range coder", "container"]
    assert list(found["decode"]) == ["container", "exact context", "range coder", "synthesis", "picture"]
    for stages in ("start_up", "encode", "decode"):
        assert all(0 < seconds < 60 for seconds in found[stages].values())
    assert (found["width"], found["height"]) == (97, 130) and found["carrier"] in NAMES
    assert found["blocks"] in ("float32", "bfloat16")
    assert found["file_bytes"] == len(lcodec.encode(read_picture(path.read_bytes()), 40, "tiny"))


def test_what_has_no_profile_is_one_line(tmp_path):
    path = GOLDEN / "odd-q75.source.png"
    assert_one_line_error(run_cli("profile", path, "-m", "lossless"))
    large = tmp_path / "large.png"
    large.write_bytes(write_picture(np.zeros((2100, 2000, 3), np.uint8), ".png"))
    done = run_cli("profile", large, "-m", "tiny")
    assert_one_line_error(done)
    assert b"at most 4194304 pixels" in done.stderr
    text = run_cli("profile", path, "-m", "tiny", "--repeat", 1).stdout.decode()
    assert text.startswith("31 x 17 pixels") and "| decode: synthesis |" in text
