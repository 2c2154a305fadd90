"""Attention whose cost grows with the number of positions, not with its square: one mixer, a row for every kernel.

A kernel is a rule between heads in one of the files `linear_*`; this table says which, and how it learns of positions:
`Focused`, `Inline`, `Gated` and `Care` bring convolutions of their own papers, `Toeplitz` a bias for every offset; all
others have a depthwise 3x3 convolution of v beside them, also the scans, which know the raster but not the rows.
"""

from collections.abc import Callable

from torch import Tensor, nn

from .linear_delta import Delta
from .linear_feature_maps import Elu, Focused, Hedgehog, TransNormer
from .linear_gated import Gated, Retention
from .linear_heads import HeadedAttention
from .linear_landmarks import Soft
from .linear_local import Care, Clear
from .linear_reweighted import Flow, Inline, Rala
from .linear_toeplitz import Toeplitz
from .token_block import heads_of


def _gated(channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
        nn.SiLU(),
        HeadedAttention(channels, Gated(channels, heads_of(channels)), local=0),
    )


_MIXERS: dict[str, Callable[[int], nn.Module]] = {
    "elu": lambda channels: HeadedAttention(channels, Elu()),
    "focused": lambda channels: HeadedAttention(channels, Focused(channels), local=5),
    "soft": lambda channels: HeadedAttention(channels, Soft(), tied=True),
    "inline": lambda channels: HeadedAttention(channels, Inline(channels, heads_of(channels)), local=0),
    "rala": lambda channels: HeadedAttention(channels, Rala(channels)),
    "hedgehog": lambda channels: HeadedAttention(channels, Hedgehog(channels, heads_of(channels))),
    "flow": lambda channels: HeadedAttention(channels, Flow()),
    "transnormer": lambda channels: HeadedAttention(channels, TransNormer(channels, heads_of(channels))),
    "gated": _gated,
    "delta": lambda channels: HeadedAttention(channels, Delta(channels, heads_of(channels))),
    "retention": lambda channels: HeadedAttention(channels, Retention(channels, heads_of(channels))),
    "care": Care,
    "fft-rpe": lambda channels: HeadedAttention(channels, Toeplitz(channels, heads_of(channels)), local=0),
    "clear": lambda channels: HeadedAttention(channels, Clear()),
}
KERNELS: tuple[str, ...] = tuple(_MIXERS)


class LinearAttention(nn.Module):
    """What positions know, exchanged in O(H * W) time and memory, (B, N, H, W) -> same, any H and W; not causal."""

    def __init__(self, channels: int, kernel: str) -> None:
        """kernel: one of KERNELS. Raises ValueError for another, or where the heads do not come out even."""
        super().__init__()
        if kernel not in _MIXERS:
            raise ValueError(f"no linear attention {kernel!r}; there are {', '.join(KERNELS)}")
        heads_of(channels)  # refuses; `Care` would ask it for its part of them only
        self.mixer = _MIXERS[kernel](channels)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.mixer(x)
        return mixed
