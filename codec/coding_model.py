"""A model as it codes: float transforms around the exact entropy stage."""

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

from ..entropy import walk
from ..entropy.coder import RowCoder
from ..entropy.exchange import StepModel
from ..entropy.fixed import GAIN_STEPS
from ..entropy.tables import Rows
from .gdn_model import GdnTransforms
from .model import Transforms
from .transforms.frame import STRIDE


class CodingModel:
    """Compresses and decompresses pixels on one device. Holds no state between calls; threads may share it."""

    def __init__(
        self,
        transforms: Transforms | GdnTransforms,
        prior: StepModel,
        rows: Rows,
        first_row: int,
        device: torch.device,
    ) -> None:
        """Raises ValueError when a bound of its arithmetic does not hold."""
        prior.prepare(device)
        self.transforms = transforms.float().to(device).eval()
        self.transforms.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.prior = prior
        self.coder = RowCoder(rows, first_row)
        self.device = device

    @torch.inference_mode()
    def compress(self, pixels: Tensor, gain_index: int) -> walk.Encoded:
        """pixels uint8 (H, W, 3) of any size from 1x1 -> bytes of the coding steps, checksum, decoded latents."""
        y, z = self.latents(pixels, gain_index)
        return walk.encode(self.prior, self.coder, y, z, gain_index, self.device)

    @torch.inference_mode()
    def latents(self, pixels: Tensor, gain_index: int) -> tuple[Tensor, Tensor]:
        """Float latents y (1, M, h, w) and z of pixels uint8 (H, W, 3), in quantisation steps."""
        height, width = pixels.shape[:2]
        rgb = pixels.to(self.device).permute(2, 0, 1)[None].float() / 255
        rgb = F.pad(rgb, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        y = self.transforms.analysis(rgb.contiguous(memory_format=torch.channels_last), self._quality(gain_index))
        return y, self.transforms.hyper_analysis(y)

    def decode_latents(self, steps: tuple[bytes, ...], gain_index: int, height: int, width: int) -> tuple[Tensor, int]:
        """The exact half: y_hat (1, M, h, w) and the checksum of the symbols. Raises CoderError on bad bytes."""
        size = (-(-height // STRIDE), -(-width // STRIDE))
        return walk.decode(self.prior, self.coder, steps, gain_index, size, self.device)

    @torch.inference_mode()
    def synthesise(self, y_hat: Tensor, gain_index: int, height: int, width: int) -> Tensor:
        """The float half: y_hat (1, M, h, w) -> pixels uint8 (H, W, 3) on the CPU."""
        y_hat = y_hat.contiguous(memory_format=torch.channels_last)
        with _full_precision(self.device):
            rgb = self.transforms.synthesis(y_hat, self._quality(gain_index))[0, :, :height, :width]
        pixels: Tensor = (rgb * 255).round_().clamp_(0, 255).to(torch.uint8)
        return pixels.permute(1, 2, 0).contiguous().cpu()

    def _quality(self, gain_index: int) -> Tensor:
        return torch.tensor([gain_index / GAIN_STEPS], device=self.device)


def _full_precision(device: torch.device) -> AbstractContextManager[None]:
    """No TF32 in convolutions, CUDA's default: with its 11 bits, pixels would differ by more than one level."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
