"""The operations an entropy network is made of, so that one network runs in float or in exact arithmetic.

A network (`prior.LatentPrior`) is written once against this interface. `float_twin.FLOAT` runs it in differentiable
floating point for training; `exact.EXACT` runs it on integers (DESIGN section 3). Same names, same shapes: the
exact parameters are converted from the float ones layer by layer (`convert`).
"""

from typing import Protocol

from torch import Tensor, nn


class Arithmetic(Protocol):
    """Features are (B, C, H, W). All results are saturated to the 16-bit range of their format."""

    def pointwise(self, inputs: int, outputs: int, bits: int, start: float = 1.0) -> nn.Module:
        """1x1 layer; `bits` are the binary places of its output, `start` scales its initial float weights."""
        ...

    def depthwise(self, channels: int) -> nn.Module:
        """3x3 layer over each channel, zeros outside the plane."""
        ...

    def convolution(self, inputs: int, outputs: int, input_bits: int, bits: int) -> nn.Module:
        """3x3 layer, zeros outside the plane; its inputs have `input_bits` binary places, its outputs `bits`."""
        ...

    def knots(self, channels: int, bits: int) -> nn.Module:
        """Table over quality: module(q) -> (B, channels, 1, 1)."""
        ...

    def window_bias(self, heads: int, window: int) -> nn.Module:
        """Learned bias of attention scores by displacement: module() -> (heads, window**2, window**2)."""
        ...

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """Saturated sum."""
        ...

    def leaky(self, x: Tensor) -> Tensor:
        """x where it is positive, elsewhere a hundredth of it."""
        ...

    def gate(self, a: Tensor, b: Tensor) -> Tensor:
        """max(a, 0) * b."""
        ...

    def gated_block(self, x: Tensor, rows: slice, layers: tuple[nn.Module, ...]) -> Tensor | None:
        """Rows of a gated `blocks.PriorBlock` of layers in one pass; None where there is no such pass."""
        ...

    def gelu(self, x: Tensor) -> Tensor:
        """x times the probability that a standard Gaussian lies below it."""
        ...

    def magnitude(self, x: Tensor) -> Tensor:
        """min(8 |x|, 2) + |x|: of known latents, which are divided by 8, steep up to two quantisation steps."""
        ...

    def attend(self, query: Tensor, keys: list[Tensor], values: list[Tensor], head: int) -> Tensor:
        """Softmax attention at every place by itself, of one query to some tokens, over heads of so many channels.

        The scores are products over a head's channels, divided by 4 as if there were 16.
        """
        ...

    def attend_windows(
        self, query: Tensor, key: Tensor, value: Tensor, known: Tensor, bias: Tensor, window: int, shift: int
    ) -> Tensor:
        """Softmax attention of each place to those of its window that are `known` (h, w), and to itself.

        bias: of `window_bias`, and with it the number of heads. The first window lies `shift` outside of the plane.
        """
        ...

    def attend_all(self, query: Tensor, key: Tensor, value: Tensor, head: int) -> Tensor:
        """Linear attention of each place to all, over heads of so many channels.

        The weight of a place is the product of the rectified query and key.
        """
        ...
