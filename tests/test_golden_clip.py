"""The golden clip: its symbols have their checksums on every machine, its samples are within a level."""

import io

import numpy as np
import pytest
from checks import run_cli
from make_golden_clip import CODED, DECODED, SOURCE, decoded, stacked
from PIL import Image
from spec_clip_decoder import check_symbols

from lcodec.codec.registry import PACKAGED
from lcodec.formats.clip_reader import ClipReader
from lcodec.formats.clip_records import FrameUnit
from lcodec.formats.clip_sections import BETWEEN, INTRA, PREDICTED, REPEAT


def test_the_golden_clip_decodes_to_its_samples():
    assert run_cli("verify", CODED).stdout.startswith(b"ok: sections and symbols of 12 frames")
    found = stacked(decoded(CODED.read_bytes()))
    stored = np.asarray(Image.open(DECODED))
    assert found.shape == stored.shape
    assert np.abs(found.astype(int) - stored).max() <= 1


def test_a_decoder_written_from_the_document_finds_its_symbols():
    weights = [(PACKAGED / f"{name}.safetensors").read_bytes() for name in ("tiny", "tinyvideo")]
    assert check_symbols(CODED.read_bytes(), *weights) == 11
    damaged = bytearray(CODED.read_bytes())
    with pytest.raises(AssertionError):
        damaged[-100] ^= 1
        check_symbols(bytes(damaged), *weights)


def test_the_golden_clip_has_frames_of_every_kind():
    units = [u for u in ClipReader(io.BytesIO(CODED.read_bytes())).units() if isinstance(u, FrameUnit)]
    assert {unit.kind for unit in units} == {INTRA, PREDICTED, BETWEEN, REPEAT}
    assert {unit.level for unit in units} == {0, 1, 2, 3}


def test_its_source_is_still_what_it_was(tmp_path):
    done = run_cli("encode", SOURCE, "-o", tmp_path / "again.lcv", "--model", "tinyvideo", "-q", "60", "--gop", "9")
    assert done.returncode == 0 and b"12 frames" in done.stderr
    assert abs((tmp_path / "again.lcv").stat().st_size - CODED.stat().st_size) < 100
