"""The socket of `frame` with another linear bypass: a packet of wavelets that overlap, in place of blocks that do not.

```
        ┌───────────────── wavelet packet of 16x16 ─► project ─┐
rgb ─► front ─► enter ─► blocks at 1/8 ─► gain ─► merge ──────► (+) ─► gain ─► y
```
The front stays a block DCT, of which the blocks of the model make what the bypass lacks. In ABLATIONS.md a wavelet
packet with next to no network beside it needed fewer bits than any blocks about a DCT.
"""

import torch
from torch import Tensor

from .frame import FramedAnalysis, FramedSynthesis, MakeBlock
from .wavelet import Packet, expand_layer, project_layer


class LappedAnalysis(FramedAnalysis):
    """rgb (B, 3, H, W) in [0, 1], sides multiples of 16, and q (B,) -> y (B, M, H/16, W/16) in quantisation steps."""

    def __init__(self, width: int, depth: int, latents: int, make_block: MakeBlock) -> None:
        super().__init__(width, depth, latents, make_block, bypass=False)
        self.packet = Packet()
        self.project = project_layer(latents, self.packet.spread)
        with torch.no_grad():
            self.merge.weight.mul_(0.01)

    def linear(self, rgb: Tensor, bands: Tensor) -> Tensor | None:
        projected: Tensor = self.project(self.packet(rgb))
        return projected


class LappedSynthesis(FramedSynthesis):
    """y_hat (B, M, h, w) in quantisation steps and q (B,) -> rgb (B, 3, 16h, 16w)."""

    def __init__(self, width: int, depth: int, latents: int, make_block: MakeBlock) -> None:
        super().__init__(width, depth, latents, make_block, bypass=False)
        self.packet = Packet()
        self.expand = expand_layer(latents, self.packet.spread)
        with torch.no_grad():
            self.leave.weight.mul_(0.01)
            assert self.leave.bias is not None
            self.leave.bias.zero_()

    def drawn(self, scaled: Tensor, bands: Tensor) -> Tensor:
        return self.packet.inverse(self.expand(scaled.float())) + self.front.inverse(bands.float()) - 0.5
