"""The spatial-channel entropy model on integers, and its walk.

Step 0 codes z, step s >= 1 codes the latents y of the schedule's step s - 1.
"""

import torch
from torch import Tensor

from ..kernels import exact as float64_kernels
from .exact import ExactArithmetic, ExactPointwise, Kernels, prepare
from .exchange import Exchange, decoded
from .fixed import CONTEXT_SHIFT, FEATURE_BITS, GAIN_STEPS, MEAN_BITS, ROW_CENTRE, ROW_GAIN, SCALE_ROWS
from .memory import Memory
from .prior import HYPER_STRIDE, LatentPrior, PriorConfig


class ExactPrior(LatentPrior):
    """An `exchange.StepModel`."""

    def __init__(self, config: PriorConfig, kernels: Kernels = float64_kernels) -> None:
        super().__init__(ExactArithmetic(kernels), config)
        self.kernels = kernels
        self.steps = self.schedule.steps + 1
        self.n_rows = SCALE_ROWS

    def prepare(self, device: torch.device) -> None:
        prepare(self, device)

    def walk(self, gain_index: int, size: tuple[int, int], exchange: Exchange, device: torch.device) -> Tensor:
        """As `StepModel.walk`. ValueError for a gain index outside 0..GAIN_STEPS."""
        if not 0 <= gain_index <= GAIN_STEPS:
            raise ValueError(f"gain index must be in 0..{GAIN_STEPS}, not {gain_index}")
        kernels, config = self.kernels, self.config
        hyper_size = (config.hyper, -(-size[0] // HYPER_STRIDE), -(-size[1] // HYPER_STRIDE))

        mean, log_scale = (value[0].expand(hyper_size).flatten() for value in self.hyper_latents(gain_index))
        z_hat = decoded(exchange("z", None, mean, rows_of(log_scale, kernels)), mean).view(1, *hyper_size)
        features = (z_hat * (1 << (FEATURE_BITS - MEAN_BITS))).clamp_(-(2**15), 2**15 - 1)
        hyper = self.hyper_synthesis(features, gain_index, size)

        y_hat = torch.zeros(config.latents, *size, dtype=kernels.CARRIER, device=device)
        memory: Memory = {}
        for index, mask in enumerate(self.schedule.masks(config.latents, *size, device)):
            view = self.schedule.view(index, config.latents)[1:]
            known = (y_hat * (1 << (FEATURE_BITS - MEAN_BITS - CONTEXT_SHIFT))).clamp_(-(2**15), 2**15 - 1)[None]
            mean, log_scale = self._of_masked(index, self.context(index, hyper, known, memory), mask[view])
            if config.whole_means:
                mean = kernels.scale_down(mean, MEAN_BITS) * (1 << MEAN_BITS)
            y_hat[mask] = decoded(exchange("y", mask, mean, rows_of(log_scale, kernels)), mean)
        return y_hat[None]

    def _of_masked(self, index: int, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(mean, log_scale), each (n,), of the latents that a step codes: `step` would compute those of all places.

        features (1, P, h, w), mask (C, h, w). All channels of a group have the same places.
        """
        head, groups, channels = self.heads[index], len(self.schedule.cell), mask.shape[0]
        assert isinstance(head, ExactPointwise)
        values = torch.empty(2, *mask.shape, dtype=self.kernels.CARRIER, device=features.device)
        for first in range(min(groups, channels)):
            places = mask[first].flatten().nonzero()[:, 0]
            if not len(places):
                continue
            own = torch.arange(first, channels, groups, device=features.device)
            part = head.of_some(features.flatten(2)[:, :, places, None], torch.cat([own, own + channels]))
            values.flatten(2)[:, own[:, None], places] = part.view(2, len(own), len(places))
        return values[0][mask], values[1][mask]


def rows_of(log_scale: Tensor, kernels: Kernels) -> Tensor:
    """Table rows of integer log-scales with MEAN_BITS places."""
    shift = MEAN_BITS - ROW_GAIN.bit_length() + 1
    return (kernels.scale_down(log_scale, shift) + ROW_CENTRE).clamp(0, SCALE_ROWS - 1)
