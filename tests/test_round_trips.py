"""Whole files through separate processes, with the shipped default model. The Kodak part needs LCODEC_DATA."""

import os

import numpy as np
import pytest
from checks import picture, run_process

from lcodec.codec.evaluation.metrics import psnr_db
from lcodec.datasets.kodak import checksums, kodak
from lcodec.formats.picture_writing import write_picture
from lcodec.formats.pictures import read_picture

SIZES = [(1, 1), (1, 7), (17, 31), (63, 65), (500, 333), (2048, 1365)]  # width, height


def through_processes(source, tmp_path, quality):
    """Encode, verify and decode a picture file in three processes; (original, decoded) pixels."""
    coded, decoded = tmp_path / "a.lcc", tmp_path / "a.png"
    for command in (
        ("encode", source, "-o", coded, "-q", quality, "-f"),
        ("verify", coded),
        ("decode", coded, "-o", decoded, "-f"),
    ):
        done = run_process(*command)
        assert done.returncode == 0, done.stderr.decode()
    return tuple(read_picture(path.read_bytes()).pixels for path in (source, decoded))


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_sizes(size, tmp_path):
    source = tmp_path / "source.png"
    source.write_bytes(write_picture(picture(size[1], size[0]), ".png"))
    original, decoded = through_processes(source, tmp_path, 60)
    assert original.shape == decoded.shape == (size[1], size[0], 3)
    assert np.abs(original.astype(int) - decoded).mean() < 12


@pytest.mark.slow
@pytest.mark.skipif("LCODEC_DATA" not in os.environ, reason="LCODEC_DATA is not set")
@pytest.mark.parametrize("name", checksums())
def test_kodak(name, tmp_path):
    source = next(path for path in kodak() if path.name == name)
    original, decoded = through_processes(source, tmp_path, 50)
    assert psnr_db(original, decoded) > 27
