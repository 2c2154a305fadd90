"""The frequency-aware transformer: windows for different frequencies and directions, and a feed-forward in frequency.

```
x ─► norm ─► qkv ─┬─► a quarter: 4x4 windows, what is fine      ─┐
                  ├─► a quarter: 16x16 windows, what is coarse   ├─► leave
                  ├─► a quarter: 4x16 strips                     │
                  └─► a quarter: 16x4 strips                    ─┘
```

Li et al., "Frequency-Aware Transformer for Learned Image Compression" (ICLR 2024): frequency-decomposition window
attention and frequency-modulation feed-forward network.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...kernels.window_attention import window_attention
from .feed_forward import GatedFeedForward
from .swin import distance_index
from .token_block import HEAD_CHANNELS, TokenBlock
from .windows import Windows, join_heads, split_heads

SHAPES = ((4, 4), (16, 16), (4, 16), (16, 4))
BLOCK = 8


class FrequencyWindowAttention(nn.Module):
    """Attention whose quarters of the channels look through windows of four shapes, (B, N, H, W) -> same."""

    def __init__(self, channels: int, index: int) -> None:
        super().__init__()
        if channels % len(SHAPES):
            raise ValueError(f"frequency-aware attention needs a width that is a multiple of 4, not {channels}")
        quarter = channels // len(SHAPES)
        self.heads = max(1, quarter // HEAD_CHANNELS)
        if quarter % self.heads:
            raise ValueError(f"frequency-aware attention cannot share {channels} channels among its heads")
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.leave = nn.Conv2d(channels, channels, 1)
        self.windows = [Windows(size, (size[0] // 2 * (index % 2), size[1] // 2 * (index % 2))) for size in SHAPES]
        self.bias = nn.ParameterList(torch.zeros(self.heads, (2 * h - 1) * (2 * w - 1)) for h, w in SHAPES)
        for i, size in enumerate(SHAPES):
            self.register_buffer(f"index{i}", distance_index(*size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        parts = zip(*(part.chunk(len(SHAPES), 1) for part in self.qkv(x).chunk(3, 1)), strict=True)
        mixed = []
        for i, (windows, part) in enumerate(zip(self.windows, parts, strict=True)):
            q, k, v = (split_heads(windows.cut(plane), self.heads) for plane in part)
            bias = self.bias[i][:, getattr(self, f"index{i}")]
            seen = window_attention(q, k, v, bias, windows.outside(height, width, x.device))
            mixed.append(windows.join(join_heads(seen), height, width))
        joined: Tensor = self.leave(torch.cat(mixed, 1))
        return joined


class FrequencyFeedForward(nn.Module):
    """A gated feed-forward whose result is weighted by frequency in blocks of 8x8, (B, N, H, W) -> same.

    The weights of the real FFT's 8x5 bins are learned per channel and begin at one.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.feed_forward = GatedFeedForward(channels)
        self.weight = nn.Parameter(torch.ones(channels, BLOCK, BLOCK // 2 + 1))

    def forward(self, x: Tensor) -> Tensor:
        return block_filter(self.feed_forward(x), self.weight)


def block_filter(x: Tensor, weight: Tensor) -> Tensor:
    """x (B, N, H, W), its border repeated to whole blocks of 8x8, times weight (N, 8, 5) in the real FFT of each."""
    batch, channels, height, width = x.shape
    with torch.autocast(x.device.type, enabled=False):
        padded = F.pad(x.float(), (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
        down, right = padded.shape[2] // BLOCK, padded.shape[3] // BLOCK
        blocks = padded.reshape(batch, channels, down, BLOCK, right, BLOCK).transpose(3, 4)
        bins = torch.fft.rfft2(blocks) * weight[:, None, None]
        filtered = torch.fft.irfft2(bins, s=(BLOCK, BLOCK)).transpose(3, 4)
        cut: Tensor = filtered.reshape(padded.shape)[:, :, :height, :width]
        return cut.to(x.dtype)


def frequency_aware_block(channels: int, index: int) -> nn.Module:
    """Attention and feed-forward of the paper, the windows shifted where the index is odd."""
    return TokenBlock(channels, FrequencyWindowAttention(channels, index), FrequencyFeedForward(channels))
