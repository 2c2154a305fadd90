"""The spatial-channel entropy model on integers, and its walk.

Step 0 codes z, step s >= 1 codes the latents y of the schedule's step s - 1.
"""

from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from ..kernels import exact as float64_kernels
from .band import Band, rows_of
from .coded_step import CodedStep
from .exact import ExactArithmetic, Kernels, fused, prepare
from .exchange import Exchange, decoded
from .fixed import FEATURE_BITS, GAIN_STEPS, HYPER_STRIDE, MEAN_BITS, SCALE_ROWS
from .known_parts import features_of
from .past import MOTION_BITS, Earlier
from .prior import LatentPrior, PriorConfig
from .selection import selection_of
from .threads import hands, in_threads

_LEAST_ROWS = 4  # of a band: each repeats a little of the work of those beside it


class ExactPrior(LatentPrior):
    """A `step_model.StepModel`."""

    def __init__(self, config: PriorConfig, kernels: Kernels = float64_kernels) -> None:
        super().__init__(ExactArithmetic(kernels), config)
        self.kernels = kernels
        self.steps = self.schedule.steps + 1
        self.n_rows = SCALE_ROWS

    def prepare(self, device: torch.device) -> None:
        prepare(self, device)

    def walk(
        self,
        gain_index: int,
        size: tuple[int, int],
        exchange: Exchange,
        device: torch.device,
        earlier: Earlier | None = None,
    ) -> Tensor:
        """As `StepModel.walk`. earlier: of a predicted frame. ValueError for a gain index outside 0..GAIN_STEPS."""
        if not 0 <= gain_index <= GAIN_STEPS:
            raise ValueError(f"gain index must be in 0..{GAIN_STEPS}, not {gain_index}")
        walk = partial(self._walk, gain_index, size, exchange, device)
        return walk(earlier) if fused(self.kernels) is None else in_threads(walk, [earlier], device)[0]

    def _walk(
        self,
        gain_index: int,
        size: tuple[int, int],
        exchange: Exchange,
        device: torch.device,
        earlier: Earlier | None,
    ) -> Tensor:
        kernels, config = self.kernels, self.config
        hyper_size = (config.hyper, -(-size[0] // HYPER_STRIDE), -(-size[1] // HYPER_STRIDE))

        means, log_scales = (value[0].expand(hyper_size) for value in self.hyper_latents(gain_index))
        mean = means.to(torch.int32).cpu().numpy().reshape(-1)
        row = rows_of(log_scales, kernels).to(torch.int16).cpu().numpy().reshape(-1)
        z_hat = torch.from_numpy(decoded(exchange("z", None, mean, row), mean)).to(device, kernels.CARRIER)
        features = (z_hat * (1 << (FEATURE_BITS - MEAN_BITS))).clamp_(-(2**15), 2**15 - 1).view(1, *hyper_size)

        in_bands = partial(_in_bands, size[0], hands(device))
        rows = in_bands() if self.context.local else [range(size[0])]
        past = None
        if earlier is not None:
            past = torch.cat(in_threads(partial(self._past, earlier), in_bands(), device), 2)
        bands = in_threads(lambda own: Band(self, kernels, own, size, features, gain_index, past), rows, device)
        for index in range(self.schedule.steps):
            coded = CodedStep(selection_of(self.schedule, index, config.latents, size))
            in_threads(partial(Band.predict, step=coded), bands, device)
            coded.put(exchange("y", coded.selection, *coded.parameters()))
        return torch.cat(in_threads(Band.latents, bands, device), 2)

    def _past(self, earlier: Earlier, rows: range) -> Tensor:
        """Rows of what earlier frames say."""
        seen = slice(max(rows.start - 1, 0), rows.stop + 1)
        wanted = slice(rows.start - seen.start, rows.stop - seen.start)
        intra, last = (features_of(y_hat[:, :, seen], self.kernels) for y_hat in (earlier.intra, earlier.last))
        motion = (earlier.motion[:, :, seen] * (1 << (FEATURE_BITS - MOTION_BITS))).clamp(-(2**15), 2**15 - 1)
        past: Tensor = self.past(intra, last, motion, wanted)
        return past


def _in_bands(height: int, most: int) -> list[range]:
    count = max(1, min(most, height // _LEAST_ROWS))
    edges = [height * n // count for n in range(count + 1)]
    return [range(a, b) for a, b in pairwise(edges)]
