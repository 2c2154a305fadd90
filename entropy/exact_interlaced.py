"""The network of lossless coding on integers, and its walk over the samples of a tile.

Step 0 codes the coarsest level, step s >= 1 the samples that level L - s adds: of each phase all of Y, then of Co, then
of Cg, each in the order of rows and columns.
"""

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from ..kernels import exact as float64_kernels
from .exact import ExactArithmetic, Kernels, prepare
from .exchange import Symbols
from .fixed import ACTIVATION_LIMIT, KNOT_STEPS, MEAN_BITS
from .interlaced import DEEPEST, MARGIN, Interlaced, InterlacedConfig, ToFeatures
from .interlaced_rows import COARSE_ROW, OCTAVE_ROWS, ROW_COUNT, Placed, place, scale_row
from .interlacing import Surroundings, View, coarse_view, phase_views
from .threads import in_threads

_BAND_PLACES = 2**14  # how many places of a plane the network looks at at once, so that caches hold them


@dataclass(frozen=True, slots=True)
class TilePlanes:
    """A tile's size, how many of Y, Co, Cg are coded, bits of a sample, and the levels of its picture's tiles."""

    height: int
    width: int
    colours: int
    depth: int
    levels: int

    @property
    def steps(self) -> int:
        return self.levels + 1


class Exchange(Protocol):
    """One group: its place in the planes and what is known of it, to the samples int16 (n,)."""

    def __call__(self, step: int, colour: int, view: View, placed: Placed, /) -> Symbols: ...


class ExactInterlaced(Interlaced):
    """The networks on integers, and their walk over a tile."""

    def __init__(self, config: InterlacedConfig, kernels: Kernels = float64_kernels) -> None:
        super().__init__(ExactArithmetic(kernels), config)
        self.kernels = kernels
        self.n_rows = ROW_COUNT

    def prepare(self, device: torch.device) -> None:
        """Prove its bounds and move to a device; raises ValueError. To be called once, after loading."""
        prepare(self, device)

    def walk(self, tile: TilePlanes, exchange: Exchange, device: torch.device) -> Tensor:
        """Run all steps: the samples (3, H, W), whole numbers of the carrier's type; planes not coded are 0."""
        planes = torch.zeros(1, 3, tile.height, tile.width, dtype=self.kernels.CARRIER, device=device)
        view = coarse_view(tile.levels)
        for colour in range(tile.colours):
            place_of = planes[0, colour][view]
            mean = torch.zeros(place_of.numel(), dtype=torch.int64)
            placed = place(mean, torch.full_like(mean, COARSE_ROW + OCTAVE_ROWS[tile.depth - 8]))
            place_of.copy_(self._samples(exchange(0, colour, view, placed), place_of))
        for step in range(1, tile.steps):
            level = tile.levels - step
            known = [planes[:, :, *coarse_view(level + 1)]]
            for index, view in enumerate(phase_views(level)):
                wanted = planes[:, :, *view]
                if wanted.numel():
                    self._phase(tile, step, index, view, known, wanted, exchange)
                known.append(wanted)
        return planes[0]

    def _phase(
        self,
        tile: TilePlanes,
        step: int,
        index: int,
        view: View,
        known: list[Tensor],
        wanted: Tensor,
        exchange: Exchange,
    ) -> None:
        """Code one phase of one level into `wanted`, a view of the planes."""
        network, feature = self.phase(index), self._to_features(tile.depth)
        level = min(tile.levels - step, DEEPEST) * KNOT_STEPS
        height, width = wanted.shape[2:]
        bands = _bands(height, width)
        share = partial(in_threads, device=wanted.device)

        def features_of(band: tuple[int, int]) -> tuple[Tensor, Tensor]:
            base, found = network.features(index, Surroundings(known, *band, width, MARGIN), level, feature)
            return base, found.to(torch.int16)  # as what they are saturated to; all of a phase are kept

        bases, features = zip(*share(features_of, bands), strict=True)
        missed: list[list[Tensor]] = [[] for _ in bands]
        for colour in range(tile.colours):

            def parameters_of(band: int, colour: int = colour) -> tuple[Tensor, Tensor]:
                found = features[band].to(self.kernels.CARRIER)
                correction, log_scale = network.parameters_of(colour, found, missed[band])
                mean = bases[band][:, colour] + (correction[:, 0] * (1 << (tile.depth - 8)))
                return mean, scale_row(log_scale[:, 0], tile.depth, self.kernels)

            means, scales = zip(*share(parameters_of, range(len(bands))), strict=True)
            mean = torch.cat(means, 1)[0]
            placed = place(mean.flatten(), torch.cat(scales, 1).flatten())
            own = wanted[0, colour]
            own.copy_(self._samples(exchange(step, colour, view, placed), own))
            for (top, bottom), before in zip(bands, missed, strict=True):
                difference = own[top:bottom] * (1 << MEAN_BITS) - mean[top:bottom]
                before.append(feature(difference)[None, None])

    def _samples(self, samples: Symbols, like: Tensor) -> Tensor:
        return torch.from_numpy(samples).to(like.device, like.dtype).view(like.shape)

    def _to_features(self, depth: int) -> ToFeatures:
        def feature(difference: Tensor) -> Tensor:
            scaled = difference * 8
            if depth > 8:
                scaled = self.kernels.scale_down(scaled, depth - 8)
            return scaled.clamp(-(ACTIVATION_LIMIT + 1), ACTIVATION_LIMIT)

        return feature


def _bands(height: int, width: int) -> list[tuple[int, int]]:
    rows = max(1, _BAND_PLACES // width)
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]
