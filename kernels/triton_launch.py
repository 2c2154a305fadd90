"""How Triton kernels are started: tuned on a GPU, with given sizes in Triton's interpreter (TRITON_INTERPRET=1)."""

from collections.abc import Callable
from typing import Any

import triton

Kernel = Any  # triton.jit makes objects of several classes


def tuned(key: list[str], *choices: dict[str, int]) -> Callable[[Kernel], Kernel]:
    """A decorator: on a GPU the fastest of the choices of block sizes, warps and stages, for every value of the key.

    In the interpreter, which times nothing, the first of them.
    """
    own = [dict(choice) for choice in choices]
    configs = [
        triton.Config(choice, num_warps=choice.pop("num_warps", 4), num_stages=choice.pop("num_stages", 2))
        for choice in own
    ]

    def decorate(kernel: Kernel) -> Kernel:
        return Interpreted(kernel, own[0]) if triton.knobs.runtime.interpret else triton.autotune(configs, key)(kernel)

    return decorate


class Interpreted:
    """A kernel that is started as a tuned one is."""

    def __init__(self, kernel: Kernel, sizes: dict[str, int]) -> None:
        self._kernel = kernel
        self._sizes = sizes

    def __getitem__(self, grid: Callable[[dict[str, int]], tuple[int, ...]]) -> Callable[..., None]:
        def start(*arguments: Any, **options: Any) -> None:
            self._kernel[grid(options | self._sizes)](*arguments, **options, **self._sizes)

        return start
