"""Which kernels exact networks run on: all of them compute the same, and some processors have faster ones."""

import time
from collections.abc import Callable
from functools import cache

import torch

from ..kernels import exact, exact_int8
from ..kernels.triton_ready import Trial, triton_pays
from .exact import Kernels
from .threads import in_threads


def carrier(device: torch.device) -> Kernels:
    """The fastest kernels that are exact on a device."""
    # With one thread: several wait for each other where a machine is busy, and then anything is faster.
    if device.type == "cpu" and in_threads(lambda _: _bytes_are_faster(), [None], device)[0]:
        return exact_int8
    if device.type == "cuda" and triton_pays("exact products", device, _trial):
        from ..kernels import triton_exact

        return triton_exact
    return exact


def _trial(device: torch.device) -> Trial:
    from ..kernels import triton_exact  # which needs triton

    return triton_exact.trial(device)


@cache
def _bytes_are_faster() -> bool:
    """Whether products of bytes are right, and a layer of them takes less time. Either choice decodes the same."""
    if not exact_int8.is_exact():
        return False
    weight = torch.arange(128 * 128).view(128, 128) % 16000 - 8000
    shift = torch.full((128,), 14)

    def seconds(kernels: Kernels) -> float:
        x = torch.zeros(1, 128, 16, 16, dtype=kernels.CARRIER).contiguous(memory_format=kernels.LAYOUT)
        layer = kernels.layer(weight, 1 << (shift - 1), shift)
        return min(_timed(lambda: kernels.pointwise(x, layer)) for _ in range(5))

    return seconds(exact_int8) < seconds(exact)


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
