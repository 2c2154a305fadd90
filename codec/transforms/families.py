"""The transforms by name: a family is one file and one row here."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from .dct import DctAnalysis, DctSynthesis
from .frame import FramedAnalysis, FramedSynthesis, MakeBlock
from .frequency_aware import frequency_aware_block
from .gated import GatedBlock
from .jpeg import LATENTS as JPEG_LATENTS
from .jpeg import JpegAnalysis, JpegSynthesis
from .linear_attention import KERNELS, LinearAttention
from .swin import SwinV2Block, swin_block
from .token_block import TokenBlock

# From N channels, the number of blocks and M latents.
Make = Callable[[int, int, int], nn.Module]


@dataclass(frozen=True, slots=True)
class Family:
    """An analysis, rgb (B, 3, H, W) and q (B,) -> y (B, M, H/16, W/16), and its synthesis, y_hat and q -> rgb.

    `latents` is their number where it is fixed; a `fixed` family has no width and no depth either. `whole`: latents are
    whole numbers that must come back as they are.
    """

    analysis: Make
    synthesis: Make
    latents: int | None = None
    fixed: bool = False
    whole: bool = False


def framed(make_block: MakeBlock, bypass: bool = True) -> Family:
    """Blocks in the socket of `frame`."""
    return Family(
        analysis=lambda width, depth, latents: FramedAnalysis(width, depth, latents, make_block, bypass),
        synthesis=lambda width, depth, latents: FramedSynthesis(width, depth, latents, make_block, bypass),
    )


def _gated(width: int, index: int) -> nn.Module:
    return GatedBlock(width)


def _linear(kernel: str) -> MakeBlock:
    return lambda width, index: TokenBlock(width, LinearAttention(width, kernel))


FAMILIES = {
    "gated": framed(_gated),
    "plain": framed(_gated, bypass=False),
    "swin": framed(swin_block),
    "swin-v2": framed(SwinV2Block),
    "frequency-aware": framed(frequency_aware_block),
    **{f"linear-{kernel}": framed(_linear(kernel)) for kernel in KERNELS},
    "dct": Family(
        analysis=lambda width, depth, latents: DctAnalysis(latents),
        synthesis=lambda width, depth, latents: DctSynthesis(latents),
        fixed=True,
    ),
    "jpeg": Family(
        analysis=lambda width, depth, latents: JpegAnalysis(),
        synthesis=lambda width, depth, latents: JpegSynthesis(),
        latents=JPEG_LATENTS,
        fixed=True,
        whole=True,
    ),
}
