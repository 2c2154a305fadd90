"""What the attention families share: normalisation over channels, and a block around a mixer of positions."""

import torch.nn.functional as F
from torch import Tensor, nn

from .feed_forward import GatedFeedForward

HEAD_CHANNELS = 32


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of every position, (B, N, H, W) -> same."""

    def forward(self, x: Tensor) -> Tensor:
        normed = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return normed.permute(0, 3, 1, 2)


class TokenBlock(nn.Module):
    """x + mixer(norm(x)), then x + feed_forward(norm(x)); (B, N, H, W) -> same.

    `mixer` exchanges what positions know, (B, N, H, W) -> same; `feed_forward` is gated unless another is given.
    """

    def __init__(self, channels: int, mixer: nn.Module, feed_forward: nn.Module | None = None) -> None:
        super().__init__()
        self.norm_mixer = ChannelNorm(channels)
        self.mixer = mixer
        self.norm_feed = ChannelNorm(channels)
        self.feed_forward = feed_forward or GatedFeedForward(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mixer(self.norm_mixer(x))
        fed: Tensor = x + self.feed_forward(self.norm_feed(x))
        return fed


def heads_of(channels: int) -> int:
    """Heads of HEAD_CHANNELS channels each, or one of fewer. Raises ValueError where they do not come out even."""
    if channels <= HEAD_CHANNELS:
        return 1
    if channels % HEAD_CHANNELS:
        raise ValueError(f"attention needs a width that is a multiple of {HEAD_CHANNELS}, or less, not {channels}")
    return channels // HEAD_CHANNELS
