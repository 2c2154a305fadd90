"""Fixtures that several test files share."""

import pytest

from lcodec.entropy.coder import RowCoder
from lcodec.entropy.tables import gaussian_rows


@pytest.fixture(scope="session")
def row_coder() -> RowCoder:
    return RowCoder(gaussian_rows(), 2)
