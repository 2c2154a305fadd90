"""`lcodec export`: a checkpoint becomes a model file; what the conversion costs is measured on held-out pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..datasets.folders import data_root
from ..datasets.photographs import Photograph, photographs, split_photographs
from ..entropy import walk
from ..entropy.convert import to_exact
from ..entropy.fitting import RowCounter
from ..entropy.fixed import GAIN_STEPS
from ..entropy.rate import latent_rate
from ..entropy.tables import Rows, gaussian_rows
from ..formats.pictures import read_picture
from .codec import gain_index_of
from .coding_model import CodingModel
from .evaluation.bd_rate import bd_rate
from .evaluation.metrics import psnr_db
from .model import Model
from .model_file import pack_model, unpack_model
from .training.checkpoint import load_average

_QUALITIES = (0.0, 25.0, 50.0, 75.0, 100.0)
_PICTURES = 8
_FITTING_PICTURES = 40  # of those trained on, evenly spread
_FITTING_SIDE = 512


@dataclass(frozen=True, slots=True)
class Loss:
    """Conversion at one quality: ideal bits of the float twin, bits of the real step payloads, mean PSNR of each."""

    quality: float
    float_bits: float
    coded_bits: float
    float_psnr_db: float
    coded_psnr_db: float

    def __str__(self) -> str:
        change = 100 * (self.coded_bits / self.float_bits - 1)
        gain = self.coded_psnr_db - self.float_psnr_db
        return f"quality {self.quality:5.1f}: {change:+.2f} % bits, {gain:+.3f} dB against the float twin"


def export(checkpoint: Path, first_row: int, data: Path | None) -> tuple[bytes, list[str]]:
    """The bytes of the model file and the lines of the report. Raises ValueError for a bad checkpoint."""
    record, model = load_average(checkpoint)
    lambdas = (record.recipe.lambda_low, record.recipe.lambda_high)
    exact = to_exact(model.prior)
    kept, held_out = split_photographs(photographs(data or data_root() / "train"))
    gaussian = CodingModel(model.transforms, exact, gaussian_rows(), first_row, torch.device("cpu"))
    rows = _fitted_rows(gaussian, kept[:: max(1, len(kept) // _FITTING_PICTURES)])
    packed = pack_model(model.transforms, exact, rows, first_row, lambdas)
    coding = unpack_model(packed, torch.device("cpu"))
    pictures = [torch.from_numpy(read_picture(photograph.data).eight_bits()) for photograph in held_out[:_PICTURES]]
    losses = [conversion_loss(model, coding, pictures, quality) for quality in _QUALITIES]
    total = bd_rate(
        [loss.float_bits for loss in losses],
        [loss.float_psnr_db for loss in losses],
        [loss.coded_bits for loss in losses],
        [loss.coded_psnr_db for loss in losses],
    )
    head = f"{record.recipe.name}: step {record.step} of {record.steps}, {len(packed)} bytes"
    return packed, [head, *map(str, losses), f"conversion, coder and uncoded rows: {total.percent:+.2f} % BD-rate"]


@torch.inference_mode()
def _fitted_rows(coding: CodingModel, pictures: Sequence[Photograph]) -> Rows:
    """Rows for what a model codes of some photographs, at most a square of each, at all qualities alike."""
    counter = RowCounter(gaussian_rows(), coding.coder.first_row)
    pixels = [torch.from_numpy(read_picture(picture.data).eight_bits()) for picture in pictures]
    for quality in _QUALITIES:
        gain_index = gain_index_of(quality)
        for whole in pixels:
            y, z = coding.latents(whole[:_FITTING_SIDE, :_FITTING_SIDE], gain_index)
            walk.encode(coding.prior, counter, y, z, gain_index, coding.device)
        counter.weigh()
    return counter.fitted()


@torch.inference_mode()
def conversion_loss(model: Model, coding: CodingModel, pictures: list[Tensor], quality: float) -> Loss:
    """Compare the float twin with the coded path on uint8 pictures (H, W, 3)."""
    gain_index = gain_index_of(quality)
    q = torch.tensor([gain_index / GAIN_STEPS])
    float_bits = coded_bits = 0.0
    float_psnr, coded_psnr = [], []
    for pixels in pictures:
        height, width = pixels.shape[:2]
        y, z = coding.latents(pixels, gain_index)
        y_hat, y_bits, z_bits = latent_rate(model.prior, y, z, q)
        float_bits += float(y_bits + z_bits)
        rebuilt = coding.synthesise(y_hat, gain_index, height, width)
        float_psnr.append(psnr_db(rebuilt.numpy(), pixels.numpy()))
        encoded = coding.compress(pixels, gain_index)
        coded_bits += 8 * sum(map(len, encoded.steps))
        rebuilt = coding.synthesise(encoded.y_hat, gain_index, height, width)
        coded_psnr.append(psnr_db(rebuilt.numpy(), pixels.numpy()))
    return Loss(quality, float_bits, coded_bits, float(np.mean(float_psnr)), float(np.mean(coded_psnr)))
