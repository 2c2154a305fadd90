"""Which kernels exact networks run on: all of them compute the same, and some processors have faster ones."""

import time
from collections.abc import Callable
from functools import cache

import torch

from ..kernels import exact, exact_int8
from ..kernels.exact_native import native_kernels
from ..kernels.triton_ready import Trial, triton_pays
from .exact import Kernels
from .threads import in_threads


def carrier(device: torch.device) -> Kernels:
    """The fastest kernels that are exact on a device."""
    if device.type == "cpu":
        # With one thread: several wait for each other where a machine is busy, and then anything is faster.
        return in_threads(lambda _: _fastest(), [None], device)[0]
    if device.type == "cuda" and triton_pays("exact products", device, _trial):
        from ..kernels import triton_exact

        return triton_exact
    return exact


def _trial(device: torch.device) -> Trial:
    from ..kernels import triton_exact  # which needs triton

    return triton_exact.trial(device)


@cache
def _fastest() -> Kernels:
    """Of the kernels that are right on this processor, those whose layers take the least time. All decode the same."""
    weight = torch.arange(128 * 128).view(128, 128) % 16000 - 8000
    shift = torch.full((128,), 14)

    def seconds(kernels: Kernels) -> float:
        x = torch.zeros(1, 128, 16, 16, dtype=kernels.CARRIER).contiguous(memory_format=kernels.LAYOUT)
        layer = kernels.layer(weight, 1 << (shift - 1), shift)
        return min(_timed(lambda: kernels.pointwise(x, layer)) for _ in range(5))

    right: list[Kernels] = [exact]
    if exact_int8.is_exact():
        right.append(exact_int8)
    right += [kernels for kernels in native_kernels() if kernels.is_exact()]
    return min(right, key=seconds)


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
