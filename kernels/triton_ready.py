"""Whether Triton's kernels are to be used on a device: found out once for each, by what they compute and how fast."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor

_REPEATS = 10
_FOUND: dict[tuple[str, torch.device], bool] = {}


@dataclass(frozen=True, slots=True)
class Trial:
    """Of a kernel: whether it agrees with its reference on small inputs, and both of them on inputs of real size.

    `bytes_moved`: what the kernel has to read and write then.
    """

    agrees: bool
    kernel: Callable[[], object]
    reference: Callable[[], object]
    bytes_moved: int


def triton_pays(name: str, device: torch.device, trial: Callable[[torch.device], Trial]) -> bool:
    """Whether a kernel compiles there, agrees with its reference and is faster. Where not, the reference is used.

    So it is where torch.compile makes kernels of its own of it.
    """
    if torch.compiler.is_compiling():
        return False
    if (name, device) not in _FOUND:
        _FOUND[name, device] = find_spec("triton") is not None and _tried(name, device, trial)
    return _FOUND[name, device]


def near(found: Tensor, expected: Tensor) -> bool:
    """Whether no value is further from the other than a thousandth of the largest."""
    return bool((found - expected).detach().abs().max() <= 1e-3 * expected.detach().abs().max())


def _tried(name: str, device: torch.device, trial: Callable[[torch.device], Trial]) -> bool:
    try:
        with torch.inference_mode(False), torch.enable_grad():
            tried = trial(device)
            if tried.agrees:
                return milliseconds(tried.kernel) < milliseconds(tried.reference)
    except Exception as error:  # of a compiler, a driver or a GPU too small: whatever it is, there is a reference
        warnings.warn(f"Triton's {name} cannot run on {device}: {str(error).splitlines()[0]}", stacklevel=3)
        return False
    warnings.warn(f"Triton's {name} is wrong on {device} and is not used", stacklevel=3)
    return False


def milliseconds(work: Callable[[], object]) -> float:
    """Of one call on the current GPU, after one that may compile."""
    work()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    start.record()
    for _ in range(_REPEATS):
        work()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / _REPEATS
