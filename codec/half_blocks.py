"""Gated blocks in bfloat16, on processors that multiply it faster. The rest of a transform stays in single precision.

So does what blocks add to. Pixels of photographs differ by less than a level, those of made extremes by less than two
(tests/test_codec_half_blocks.py), and latents by so little that files are as large and as good (NOTES.md).
"""

import copy
import time
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..entropy.threads import in_threads
from .transforms.frame import FramedAnalysis, FramedSynthesis
from .transforms.gated import GatedBlock


class HalfBlock(nn.Module):
    """float32 (B, N, H, W) -> same, what it adds by the layers of a block in bfloat16."""

    def __init__(self, block: GatedBlock) -> None:
        super().__init__()
        self.layers = copy.deepcopy(block).to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.layers.mixed(x.to(torch.bfloat16))
        y: Tensor = x + self.layers.fed(x.to(torch.bfloat16))
        return y


def with_half_blocks(transform: nn.Module) -> nn.Module:
    """The same analysis or synthesis with its blocks in bfloat16, or itself where it has blocks of another kind."""
    if not isinstance(transform, FramedAnalysis | FramedSynthesis):
        return transform
    gated = [block for block in transform.blocks.children() if isinstance(block, GatedBlock)]
    if len(gated) != len(list(transform.blocks.children())):
        return transform
    half = copy.copy(transform)
    half._modules = {**transform._modules, "blocks": nn.Sequential(*[HalfBlock(block) for block in gated])}
    return half


def half_is_faster(device: torch.device) -> bool:
    """Whether blocks in bfloat16 take less time on a device; on GPUs, single precision is kept."""
    # With one thread: several wait for each other where a machine is busy, and then anything is faster.
    return device.type == "cpu" and in_threads(lambda _: _half_is_faster(), [None], device)[0]


@cache
def _half_is_faster() -> bool:
    """By the layer that blocks consist of."""
    weight = torch.zeros(128, 128, 1, 1)
    x = torch.zeros(1, 128, 24, 24).contiguous(memory_format=torch.channels_last)
    single, half = (x, weight), (x.to(torch.bfloat16), weight.to(torch.bfloat16))
    with torch.inference_mode():
        return min(_seconds(*half) for _ in range(5)) < min(_seconds(*single) for _ in range(5))


def _seconds(x: Tensor, weight: Tensor) -> float:
    start = time.perf_counter()
    F.conv2d(x, weight)
    return time.perf_counter() - start
