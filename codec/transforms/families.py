"""The transforms by name: a family is one file and one row here."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from .convnext import ConvNextBlock
from .dct import BLOCK as DCT_BLOCK
from .dct import DctAnalysis, DctSynthesis
from .dct_approximations import orthonormal
from .frame import FramedAnalysis, FramedSynthesis, MakeBlock
from .frequency_aware import frequency_aware_block
from .gated import GatedBlock
from .hornet import HorNetBlock
from .jpeg import LATENTS as JPEG_LATENTS
from .jpeg import JpegAnalysis, JpegSynthesis
from .lapped import LappedAnalysis, LappedSynthesis
from .linear_attention import KERNELS, LinearAttention
from .shallow import LinearSynthesis, TwoLayerSynthesis
from .stride import STRIDE
from .swin import SwinV2Block, swin_block
from .tdlt import TdltAnalysis, TdltSynthesis
from .token_block import TokenBlock
from .wavelet import WaveletAnalysis, WaveletSynthesis

# From N channels, the number of blocks and M latents.
Make = Callable[[int, int, int], nn.Module]


@dataclass(frozen=True, slots=True)
class Family:
    """An analysis, rgb (B, 3, H, W) and q (B,) -> y (B, M, H/16, W/16), and its synthesis, y_hat and q -> rgb.

    `latents` is their number where it is fixed; a `fixed` family has no width and no depth either. `whole`: latents are
    whole numbers that must come back as they are. `beyond`: pixels that the rest of it may see further than its blocks,
    each of which sees 8.
    """

    analysis: Make
    synthesis: Make
    latents: int | None = None
    fixed: bool = False
    whole: bool = False
    beyond: int = 2 * STRIDE

    def reach(self, depth: int) -> int:
        """Pixels around a rectangle on which what is within it depends at most, a multiple of STRIDE."""
        return max(STRIDE, -(-(8 * depth + self.beyond) // STRIDE) * STRIDE)


def framed(make_block: MakeBlock, bypass: bool = True, beyond: int = 2 * STRIDE) -> Family:
    """Blocks in the socket of `frame`."""
    return Family(
        analysis=lambda width, depth, latents: FramedAnalysis(width, depth, latents, make_block, bypass),
        synthesis=lambda width, depth, latents: FramedSynthesis(width, depth, latents, make_block, bypass),
        beyond=beyond,
    )


def lapped(make_block: MakeBlock) -> Family:
    """Blocks in the socket of `lapped`."""
    return Family(
        analysis=lambda width, depth, latents: LappedAnalysis(width, depth, latents, make_block),
        synthesis=lambda width, depth, latents: LappedSynthesis(width, depth, latents, make_block),
    )


def time_lapped(make_block: MakeBlock) -> Family:
    """Blocks in the socket of `tdlt`."""
    return Family(
        analysis=lambda width, depth, latents: TdltAnalysis(width, depth, latents, make_block),
        synthesis=lambda width, depth, latents: TdltSynthesis(width, depth, latents, make_block),
        beyond=0,
    )


def _gated(width: int, index: int) -> nn.Module:
    return GatedBlock(width)


def _linear(kernel: str) -> MakeBlock:
    return lambda width, index: TokenBlock(width, LinearAttention(width, kernel))


def _convnext(width: int, index: int) -> nn.Module:
    return ConvNextBlock(width)


def _hornet(width: int, index: int) -> nn.Module:
    return HorNetBlock(width)


_SHALLOW_WIDTH = 32  # of the hidden layer, whatever the width of the analysis
_GATED = framed(_gated, beyond=0)

FAMILIES = {
    "gated": _GATED,
    "plain": framed(_gated, bypass=False),
    "tdlt": time_lapped(_gated),
    "lapped": lapped(_gated),
    "lapped-hornet": lapped(_hornet),
    "convnext": framed(_convnext),
    "hornet": framed(_hornet),
    "swin": framed(swin_block),
    "swin-v2": framed(SwinV2Block),
    "frequency-aware": framed(frequency_aware_block),
    **{f"linear-{kernel}": framed(_linear(kernel)) for kernel in KERNELS},
    "wavelet": Family(WaveletAnalysis, WaveletSynthesis),
    "shallow-linear": Family(_GATED.analysis, lambda width, depth, latents: LinearSynthesis(latents)),
    "shallow-two-layer": Family(
        _GATED.analysis, lambda width, depth, latents: TwoLayerSynthesis(_SHALLOW_WIDTH, latents)
    ),
    "dct": Family(
        analysis=lambda width, depth, latents: DctAnalysis(latents),
        synthesis=lambda width, depth, latents: DctSynthesis(latents),
        fixed=True,
    ),
    "dct-multiplierless": Family(
        analysis=lambda width, depth, latents: DctAnalysis(latents, orthonormal(DCT_BLOCK)),
        synthesis=lambda width, depth, latents: DctSynthesis(latents, orthonormal(DCT_BLOCK)),
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
