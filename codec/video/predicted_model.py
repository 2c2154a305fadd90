"""The model of predicted frames as it codes: float transforms around the exact entropy stage."""

import copy
from functools import partial

import torch
from torch import Tensor, nn

from ...entropy.coder import RowCoder
from ...entropy.exact_prior import ExactPrior
from ...entropy.fixed import GAIN_STEPS
from ...entropy.tables import Rows
from ...entropy.threads import in_threads
from ...entropy.vectors import ROW_COUNT, motion_bits
from ..coding_model import full_precision
from ..half_blocks import half_is_faster, with_half_blocks
from ..in_windows import in_windows
from ..tiles import Box
from ..transforms.stride import STRIDE
from ..windows import surroundings
from .mixture import Prediction
from .model import FrameTransforms
from .motion_rate import MotionBits


class PredictedModel:
    """Transforms and entropy model on one device. Holds no state between calls; threads may share it."""

    def __init__(
        self, transforms: FrameTransforms, prior: ExactPrior, rows: Rows, first_row: int, device: torch.device
    ) -> None:
        """rows: those of latents, then those of motion. ValueError where they do not fit, or a bound does not hold."""
        if len(rows) != prior.n_rows + ROW_COUNT:
            raise ValueError(f"a model of predicted frames has {prior.n_rows + ROW_COUNT} rows, not {len(rows)}")
        prior.prepare(device)
        self.transforms = transforms.float().to(device).eval()
        self.transforms.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        own = with_half_blocks if half_is_faster(device) else nn.Identity()
        halves = {"analysis": own(transforms.analysis), "synthesis": own(transforms.synthesis)}
        self._in_use = copy.copy(self.transforms)
        self._in_use._modules = {**self.transforms._modules, **halves}
        self.prior = prior
        self.coder = RowCoder(rows, first_row)
        self.motion_row = prior.n_rows
        self.motion_bits = MotionBits(motion_bits(rows, prior.n_rows))
        self.device = device

    @torch.inference_mode()
    def latents(self, rgb: Tensor, predicted: Prediction, gain_index: int) -> tuple[Tensor, Tensor]:
        """Float latents y (1, M, h, w) and z, in quantisation steps, of rgb and its prediction (1, 3, 16h, 16w)."""
        whole = Box.whole(rgb.shape[2], rgb.shape[3])
        work = partial(self._analysed, rgb, predicted, gain_index, whole)
        y = in_windows(whole, work, self.device, STRIDE)
        return y, in_threads(self.transforms.hyper_analysis, [y], self.device)[0]

    @torch.inference_mode()
    def rgb(self, y_hat: Tensor, predicted: Prediction, gain_index: int) -> Tensor:
        """y_hat (1, M, h, w) and the prediction (1, 3, 16h, 16w) -> rgb, black 0 and white 1, not limited to them."""
        whole = Box.whole(predicted.rgb.shape[2], predicted.rgb.shape[3])
        return in_windows(whole, partial(self._drawn, y_hat, predicted, gain_index, whole), self.device)

    def _analysed(self, rgb: Tensor, predicted: Prediction, gain_index: int, whole: Box, window: Box) -> Tensor:
        seen = surroundings(window, whole, self.transforms.reach[0])
        own = _laid_out(rgb[:, :, *seen.slices])
        with full_precision(self.device):
            y = self._in_use.analysed(own, predicted.part(seen.slices, _laid_out), self._quality(gain_index))
        return y[:, :, *window.inside(seen).latents().slices]

    def _drawn(self, y_hat: Tensor, predicted: Prediction, gain_index: int, whole: Box, window: Box) -> Tensor:
        seen = surroundings(window, whole, self.transforms.reach[1])
        own = _laid_out(y_hat[:, :, *seen.latents().slices])
        with full_precision(self.device):
            rgb = self._in_use.synthesised(own, predicted.part(seen.slices, _laid_out), self._quality(gain_index))
        return rgb[:, :, *window.inside(seen).slices]

    def _quality(self, gain_index: int) -> Tensor:
        return torch.tensor([gain_index / GAIN_STEPS], device=self.device)


def _laid_out(planes: Tensor) -> Tensor:
    """As convolutions like it."""
    return planes.contiguous(memory_format=torch.channels_last)
