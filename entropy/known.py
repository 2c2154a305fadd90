"""The latents that are known so far, as the contexts of a network see them."""

from typing import Protocol

from torch import Tensor, nn


class Known(Protocol):
    """What a network asks of it: the first layer of a context, which is linear and sees each place by itself.

    A `local` network may be given a band of rows, of which `rows` are wanted and the others are there to be seen.
    """

    rows: slice

    def through(self, layer: nn.Module, channels: range, stride: int = 1) -> Tensor:
        """A layer of `Network.input` of some channels, on every stride-th row and column: (B, P, h', w')."""
        ...


class ContextNetwork(nn.Module):
    """What all context networks are: see `contexts`."""

    inputs = 1  # of a context, for each known channel
    local = False  # whether a row of its features depends on nothing but this row and those beside it
    heads: nn.ModuleList

    def input(self, known: Tensor) -> Tensor:
        """What a context sees of C known channels as features (B, C, h, w): (B, inputs C, h, w).

        The same of every place and channel, of zeros zeros; channel c becomes c, c + C and so on.
        """
        return known


class KnownPlane:
    """A `Known` in one piece: features (B, M, h, w), zero where not yet known."""

    rows = slice(None)

    def __init__(self, network: ContextNetwork, plane: Tensor) -> None:
        self._network = network
        self._plane = plane

    def through(self, layer: nn.Module, channels: range, stride: int = 1) -> Tensor:
        seen = self._plane[:, channels.start : channels.stop, ::stride, ::stride]
        result: Tensor = layer(self._network.input(seen))
        return result
