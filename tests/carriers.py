"""The kernels that compute the exact layers, each beside its oracle."""

import pytest

from lcodec.kernels import exact, exact_int8, exact_reference
from lcodec.kernels.exact_native import native_kernels

BYTES = pytest.param(
    exact_int8,
    id="int8",
    marks=pytest.mark.skipif(not exact_int8.is_exact(), reason="products of bytes saturate on this processor"),
)
NATIVE = [pytest.param(kernels, id=kernels.NAME) for kernels in native_kernels()]
FASTER = [BYTES, *NATIVE]
NAMES = {kernels.NAME for kernels in (exact, exact_int8, *native_kernels())}  # of those for CPUs
CARRIERS = pytest.mark.parametrize("carrier", [pytest.param(exact, id="float64"), *FASTER])
CARRIERS_AND_ORACLE = pytest.mark.parametrize(
    "carrier", [pytest.param(exact, id="float64"), *FASTER, pytest.param(exact_reference, id="int64")]
)
