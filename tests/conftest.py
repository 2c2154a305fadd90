"""Fixtures that several test files share."""

import os

# Of several processes of tests each has one core: teams of threads would wait for each other's.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pytest
import torch
from checks import ROOT

from lcodec.entropy.coder import RowCoder
from lcodec.entropy.tables import gaussian_rows
from lcodec.formats.pictures import read_picture

# Before anything imports triton, which asks once.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(scope="session")
def row_coder() -> RowCoder:
    return RowCoder(gaussian_rows(), 2)


@pytest.fixture(scope="session")
def cut():
    """97x131 pixels of a photograph, uint8 (H, W, 3)."""
    pixels = read_picture((ROOT / "tests" / "kodim23.png").read_bytes()).pixels
    return np.ascontiguousarray(pixels[200:297, 300:431])


@pytest.fixture(scope="session", autouse=True)
def own_weights_cache(tmp_path_factory):
    """Tests see no weights but those in the package, and download none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LCODEC_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("LCODEC_RELEASES", raising=False)
        yield


@pytest.fixture
def known_speed(monkeypatch):
    """Training in this process does not measure how fast the machine and a step are, and validates on a few crops."""
    from lcodec.codec.training import loop, lossless, update, validation
    from lcodec.codec.training.roofline import Machine

    monkeypatch.setattr(loop, "measure_machine", lambda device: Machine(1e11, 1e10))
    monkeypatch.setattr(update, "_REHEARSAL_SECONDS", 0.05)
    monkeypatch.setattr(validation, "_BATCHES", 1)
    monkeypatch.setattr(lossless, "_VALIDATION_BATCHES", 1)
