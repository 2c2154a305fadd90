"""How fast a training step could be: its operations against what this machine was measured to do.

Every operation of one step, forward, backward and optimiser, is timed by the roofline (Williams et al. 2009): the
longer of its multiply-accumulates at the peak of a bfloat16 matrix product and its bytes at the speed of a copy.
Operations are counted one by one as PyTorch runs them; fusing them can beat this bound, caches can too.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Machine:
    """Measured peaks: multiply-accumulates and bytes per second."""

    macs_per_s: float
    bytes_per_s: float


@dataclass(frozen=True, slots=True)
class Roofline:
    """Of one step: multiply-accumulates, bytes moved, and the least seconds on a machine."""

    macs: int
    bytes: int
    seconds: float


def measure_machine(device: torch.device) -> Machine:
    """Time a bfloat16 matrix product and a copy, the best of a few."""
    cuda = device.type == "cuda"
    side = 8192 if cuda else 1024
    a = torch.ones(side, side, dtype=torch.bfloat16, device=device)
    block = torch.ones(2**30 if cuda else 2**26, dtype=torch.uint8, device=device)
    target = torch.empty_like(block)
    return Machine(
        macs_per_s=side**3 / _best_seconds(lambda: a @ a, device),
        bytes_per_s=2 * block.numel() / _best_seconds(lambda: target.copy_(block), device),
    )


def roofline(step: Callable[[], None], machine: Machine) -> Roofline:
    """Count one call of `step`."""
    with _Counter(machine) as counter:
        step()
    return Roofline(counter.macs, counter.bytes, counter.seconds)


def count_macs(run: Callable[[], object]) -> int:
    """Multiply-accumulates of one call of `run`."""
    with _Counter(Machine(math.inf, math.inf)) as counter:
        run()
    macs: int = counter.macs
    return macs


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, machine: Machine) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.machine = machine
        self.macs = self.bytes = 0
        self.seconds = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.is_view:
            return out
        inputs = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        outputs = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
        macs = _macs(func, args, outputs)
        moved = sum(x.numel() * x.element_size() for x in inputs + outputs)
        self.macs += macs
        self.bytes += moved
        self.seconds += max(macs / self.machine.macs_per_s, moved / self.machine.bytes_per_s)
        return out


def _macs(func: Any, args: Any, outputs: list[Tensor]) -> int:
    """Multiply-accumulates of convolutions and matrix products; other operations are taken to be bound by memory."""
    match func._schema.name:
        case "aten::mm" | "aten::bmm":
            return int(args[0].numel() * args[1].shape[-1])
        case "aten::addmm":
            return int(args[1].numel() * args[2].shape[-1])
        case "aten::matmul":  # in inference mode, where composite operations are not taken apart
            return int(outputs[0].numel() * args[0].shape[-1])
        case "aten::addcmul_":
            return outputs[0].numel()
        case "aten::conv_transpose2d":
            return int(args[0].numel() * prod(args[1].shape[1:]))
        case "aten::convolution" | "aten::conv2d":
            return outputs[0].numel() * int(prod(args[1].shape[1:]))
        case "aten::convolution_backward":
            wanted = args[-1]  # gradients of input, weight, bias
            return int(args[0].numel() * prod(args[2].shape[1:]) * (int(wanted[0]) + int(wanted[1])))
    return 0


def _best_seconds(run: Callable[[], object], device: torch.device) -> float:
    best = float("inf")
    for _ in range(_REPEATS):
        _finish(device)
        start = time.perf_counter()
        run()
        _finish(device)
        best = min(best, time.perf_counter() - start)
    return best


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
