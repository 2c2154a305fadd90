"""Fixtures that several test files share."""

import pytest
import torch

from lcodec.codec.coding_model import CodingModel
from lcodec.codec.model_file import read_model
from lcodec.codec.registry import by_name
from lcodec.entropy.coder import RowCoder
from lcodec.entropy.tables import gaussian_rows


@pytest.fixture(scope="session")
def row_coder() -> RowCoder:
    return RowCoder(gaussian_rows(), 2)


@pytest.fixture(scope="session")
def tiny() -> CodingModel:
    return read_model(by_name("tiny").path, torch.device("cpu"))[0]
