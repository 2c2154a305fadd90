"""Fixtures that several test files share."""

import pytest

from lcodec.entropy.coder import RowCoder
from lcodec.entropy.tables import gaussian_rows


@pytest.fixture(scope="session")
def row_coder() -> RowCoder:
    return RowCoder(gaussian_rows(), 2)


@pytest.fixture(scope="session", autouse=True)
def own_weights_cache(tmp_path_factory):
    """Tests see no weights but those in the package, and download none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LCODEC_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("LCODEC_RELEASES", raising=False)
        yield
