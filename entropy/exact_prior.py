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
from .selection import Selection


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

        y_hat = torch.zeros(1, config.latents, *size, dtype=kernels.CARRIER, device=device)
        y_hat = y_hat.contiguous(memory_format=kernels.LAYOUT)
        memory: Memory = {}
        for index in range(self.schedule.steps):
            selection = Selection(self.schedule, index, config.latents, size, device)
            known = (y_hat * (1 << (FEATURE_BITS - MEAN_BITS - CONTEXT_SHIFT))).clamp_(-(2**15), 2**15 - 1)
            mean, log_scale = self._of_selected(index, self.context(index, hyper, known, memory), selection)
            if config.whole_means:
                mean = kernels.scale_down(mean, MEAN_BITS) * (1 << MEAN_BITS)
            symbols = exchange("y", selection, mean, rows_of(log_scale, kernels))
            selection.put(y_hat[0], decoded(symbols, mean))
        return y_hat

    def _of_selected(self, index: int, features: Tensor, selection: Selection) -> tuple[Tensor, Tensor]:
        """(mean, log_scale), each (n,), of the latents that a step codes: `step` would compute those of all places.

        features (1, P, h, w).
        """
        head, channels = self.heads[index], self.schedule.channels(index, self.config.latents)
        assert isinstance(head, ExactPointwise)
        rows = features[0].flatten(1).t()  # (h w, P)
        means, log_scales = [], []
        for block in selection.blocks:
            own = torch.arange(len(channels), device=features.device)[block.channels.start - channels.start :: block.channels.step]
            places = rows.index_select(0, block.on_grid).t()[None, :, :, None]
            mean, log_scale = head.of_some(places, torch.cat([own, own + len(channels)]))[0, :, :, 0].chunk(2)
            means.append(mean)
            log_scales.append(log_scale)
        return selection.ordered(means), selection.ordered(log_scales)


def rows_of(log_scale: Tensor, kernels: Kernels) -> Tensor:
    """Table rows of integer log-scales with MEAN_BITS places."""
    shift = MEAN_BITS - ROW_GAIN.bit_length() + 1
    return (kernels.scale_down(log_scale, shift) + ROW_CENTRE).clamp(0, SCALE_ROWS - 1)
