"""The kernels that compute the exact layers, each beside its oracle."""

import pytest

from lcodec.kernels import exact, exact_int8, exact_reference

BYTES = pytest.param(
    exact_int8,
    id="int8",
    marks=pytest.mark.skipif(not exact_int8.is_exact(), reason="products of bytes saturate on this processor"),
)
CARRIERS = pytest.mark.parametrize("carrier", [pytest.param(exact, id="float64"), BYTES])
CARRIERS_AND_ORACLE = pytest.mark.parametrize(
    "carrier", [pytest.param(exact, id="float64"), BYTES, pytest.param(exact_reference, id="int64")]
)
