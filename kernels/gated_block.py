"""The gated depthwise block of `base`, with channels last: what its products leave in between stays out of memory."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .triton_ready import Trial, near, triton_pays

SLOPE = 0.1  # of the leaky rectifier
GATE_LIMIT = 4.0
MOST_CHANNELS = 256  # of the kernels


class BlockWeights(NamedTuple):
    """Weights (outputs, inputs) and biases (outputs,) of a block of N channels.

    That of `mix` is (N, 9) in row-major order; `expand` has 4 N outputs, gates first, `reduce` 2 N inputs.
    """

    enter: Tensor
    enter_bias: Tensor
    mix: Tensor
    mix_bias: Tensor
    leave: Tensor
    leave_bias: Tensor
    expand: Tensor
    expand_bias: Tensor
    reduce: Tensor
    reduce_bias: Tensor


def gated_block(x: Tensor, weights: BlockWeights) -> Tensor:
    """x (B, H, W, N) on a GPU -> same, without gradients: by Triton if that agrees with `reference` and is faster."""
    if x.shape[3] <= MOST_CHANNELS and triton_pays("gated block", x.device, trial):
        from .triton_gated_block import block

        return block(x, weights)
    return reference(x, weights)


def reference(x: Tensor, weights: BlockWeights) -> Tensor:
    """As `gated_block`, by operations of PyTorch."""
    entered = F.leaky_relu(F.linear(x, weights.enter, weights.enter_bias), SLOPE).permute(0, 3, 1, 2)
    taps = weights.mix.view(-1, 1, 3, 3)
    mixed = F.conv2d(entered, taps, weights.mix_bias, padding=1, groups=len(taps)).permute(0, 2, 3, 1)
    x = x + F.linear(mixed, weights.leave, weights.leave_bias)
    gate, value = F.linear(x, weights.expand, weights.expand_bias).chunk(2, -1)
    fed: Tensor = x + F.linear(gate.clamp(0, GATE_LIMIT) * value, weights.reduce, weights.reduce_bias)
    return fed


def example(channels: int, size: tuple[int, int, int], device: torch.device) -> tuple[Tensor, BlockWeights]:
    """Random x (B, H, W, N) and weights of a size at which features stay near one: for comparisons and timing."""
    generator = torch.Generator().manual_seed(0)

    def made(*shape: int, spread: float) -> Tensor:
        return (spread * torch.randn(*shape, generator=generator)).to(device)

    n, root = channels, channels**-0.5
    shapes = (((n, n), root), ((n, 9), 0.3), ((n, n), root), ((4 * n, n), root), ((n, 2 * n), root))
    parts = [made(*size, spread=s) for shape, spread in shapes for size, s in ((shape, spread), (shape[:1], 0.1))]
    return made(*size, n, spread=1.0), BlockWeights(*parts)


def trial(device: torch.device) -> Trial:
    """The block by Triton and by `reference`."""
    from .triton_gated_block import block

    small, large = example(24, (2, 3, 11), device), example(160, (1, 64, 96), device)
    agrees = near(block(*small), reference(*small))
    return Trial(agrees, lambda: block(*large), lambda: reference(*large), 7 * large[0].nbytes)
