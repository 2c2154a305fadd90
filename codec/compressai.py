"""`lcodec import`: a checkpoint of CompressAI becomes a model file, its entropy model converted to exact arithmetic.

Known are the architectures without autoregression: bmshj2018-factorized, bmshj2018-hyperprior, mbt2018-mean. The
binary places of the hidden layers are chosen on pictures, on which the loss of conversion is measured too.
"""

import math
import pickle
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..datasets.folders import pictures
from ..entropy.convert import to_exact_hyperprior
from ..entropy.fixed import ACTIVATION_LIMIT, MEAN_BITS, SCALE_BITS, SCALE_MAX, SCALE_MIN, SCALE_ROWS
from ..entropy.float_twin import FLOAT, FloatConvolution
from ..entropy.hyperprior import Hyperprior, Kind
from ..entropy.rate import gaussian_bits
from ..entropy.tables import Rows, gaussian_rows
from ..formats.pictures import read_picture
from .coding_model import CodingModel
from .compressai_bottleneck import Bottleneck
from .evaluation.metrics import psnr_db
from .gdn_model import GdnConfig, GdnTransforms
from .model import tensors_under
from .model_file import pack_model, unpack_model

_KNOWN = "bmshj2018-factorized, bmshj2018-hyperprior, mbt2018-mean"
_NAMES: dict[Kind, str] = {
    "factorised": "bmshj2018-factorized",
    "scale": "bmshj2018-hyperprior",
    "mean-scale": "mbt2018-mean",
}
_PICTURES = 8
_SIDE = 1024  # of a picture no more than so many rows and columns are looked at
_HEADROOM = 2.0  # over the largest value seen on the pictures
_MOST_PLACES = 10
# `_matrices.0`, then `_matrix0`, now `matrices.0`.
_LISTS = {"matri": "matrices", "bias": "biases", "factor": "factors"}
_OLD_LISTS = re.compile(r"^(entropy_bottleneck\.)_(matri|bias|factor)[a-z]*\.?(\d)$")
# Parameters of GDN are stored as roots, so that training keeps them positive.
_PEDESTAL = 2.0**-36
_LEAST_BETA = 1e-6


def import_checkpoint(checkpoint: Path, folder: Path, first_row: int) -> tuple[bytes, list[str]]:
    """The bytes of the model file and the lines of a report.

    Raises ValueError, one line, for a file that is none of these checkpoints or a folder without pictures.
    """
    seen = _pictures(folder)
    state = _read(checkpoint)
    try:
        kind, transforms = _transforms(state)
        bottleneck = Bottleneck(tensors_under(state, "entropy_bottleneck."))
        twin = _twin(state, transforms, bottleneck, seen)
        rows = Rows((*gaussian_rows().frequencies, *bottleneck.rows()))
        packed = pack_model(transforms, to_exact_hyperprior(twin), rows, first_row)
    except (KeyError, RuntimeError, ValueError) as error:
        what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise ValueError(f"{checkpoint}: cannot be converted: {what}") from None
    coding = unpack_model(packed, torch.device("cpu"))
    config = transforms.config
    head = f"{_NAMES[kind]}, {config.width} and {config.latents} channels, {len(packed)} bytes"
    loss = conversion_loss(twin, bottleneck, coding, seen)
    return packed, [head, f"on {len(seen)} pictures of {folder}: {loss}"]


@dataclass(frozen=True, slots=True)
class Loss:
    """Ideal bits of the float model and bits of the real payloads, mean PSNR of each, over some pictures."""

    float_bits: float
    coded_bits: float
    float_psnr_db: float
    coded_psnr_db: float
    pixels: int

    def __str__(self) -> str:
        change = 100 * (self.coded_bits / self.float_bits - 1)
        gain = self.coded_psnr_db - self.float_psnr_db
        return (
            f"{self.coded_bits / self.pixels:.4f} bpp, {self.coded_psnr_db:.2f} dB; "
            f"conversion {change:+.2f} % bits, {gain:+.3f} dB"
        )


@torch.inference_mode()
def conversion_loss(twin: Hyperprior, bottleneck: Bottleneck, coding: CodingModel, seen: Sequence[Tensor]) -> Loss:
    """Compare the float model with the coded path on uint8 pictures (H, W, 3)."""
    float_bits = coded_bits = 0.0
    float_psnr: list[float] = []
    coded_psnr: list[float] = []
    for pixels in seen:
        y, z = coding.latents(pixels, 0)
        y_hat, ideal_bits = _float_coding(twin, bottleneck, y, z)
        float_bits += ideal_bits
        encoded = coding.compress(pixels, 0)
        coded_bits += 8 * sum(map(len, encoded.steps))
        for latents, psnr in ((y_hat, float_psnr), (encoded.y_hat, coded_psnr)):
            psnr.append(psnr_db(coding.synthesise(latents, 0, *pixels.shape[:2]).numpy(), pixels.numpy()))
    n_pixels = sum(pixels.shape[0] * pixels.shape[1] for pixels in seen)
    return Loss(float_bits, coded_bits, float(np.mean(float_psnr)), float(np.mean(coded_psnr)), n_pixels)


def _float_coding(twin: Hyperprior, bottleneck: Bottleneck, y: Tensor, z: Tensor) -> tuple[Tensor, float]:
    """(y_hat, bits) in float arithmetic."""
    median = (twin.median.float() / 2**MEAN_BITS)[:, None, None]
    factorised = twin.config.kind == "factorised"
    symbols = torch.round((y if factorised else z) - median)
    bits = bottleneck.bits(symbols[0].flatten(1))
    if factorised:
        return symbols + median, bits
    mean, scale = twin.latents(symbols + median, (y.shape[2], y.shape[3]))
    y_hat = torch.round(y - mean) + mean
    return y_hat, bits + float(gaussian_bits(y_hat, mean, scale.clamp(SCALE_MIN, SCALE_MAX)).sum())


def _pictures(folder: Path) -> list[Tensor]:
    paths = pictures(folder)
    count = min(_PICTURES, len(paths))
    chosen = [paths[i * len(paths) // count] for i in range(count)]
    return [torch.from_numpy(read_picture(path.read_bytes()).eight_bits()[:_SIDE, :_SIDE].copy()) for path in chosen]


def _read(checkpoint: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by the names that CompressAI 1.2.8 gives them; nothing in the file is executed."""
    try:
        stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError):
        raise ValueError(f"{checkpoint}: not a checkpoint, or one that holds more than weights") from None
    if isinstance(stored, dict):
        stored = stored.get("state_dict", stored)
    if not isinstance(stored, dict) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise ValueError(f"{checkpoint}: not a checkpoint of a model: it holds no table of tensors")
    return {_name(str(key)): value for key, value in stored.items()}


def _name(key: str) -> str:
    """A parameter's name today: without the prefix of parallel training, and as a member of a list."""
    key = key.removeprefix("module.")
    return _OLD_LISTS.sub(lambda found: f"{found[1]}{_LISTS[found[2]]}.{found[3]}", key)


def _transforms(state: dict[str, Tensor]) -> tuple[Kind, GdnTransforms]:
    """The kind of a model and its float half. ValueError for another architecture or weights that are not finite."""
    if "g_a.6.weight" not in state or "g_a.1.beta" not in state or any("context_prediction" in key for key in state):
        raise ValueError(f"not one of the architectures that can be imported: {_KNOWN}")
    if broken := [key for key, value in state.items() if not torch.isfinite(value).all()]:
        raise ValueError(f"{broken[0]} is not finite")
    latents, width = state["g_a.6.weight"].shape[:2]
    kind: Kind = "factorised"
    if "h_s.4.weight" in state:
        kind = "mean-scale" if state["h_s.4.weight"].shape[0] == 2 * latents else "scale"
    transforms = GdnTransforms(GdnConfig(kind=kind, width=width, latents=latents, places=(MEAN_BITS,) * 3))
    for part, prefix in (
        (transforms.analysis.layers, "g_a."),
        (transforms.synthesis.layers, "g_s."),
        (transforms.hyper_analysis.layers, "h_a."),
    ):
        own = {key: tensors_under(state, prefix)[key] for key in part.state_dict()}
        part.load_state_dict({key: _effective(key, value) for key, value in own.items()})
    return kind, transforms


def _effective(name: str, value: Tensor) -> Tensor:
    """What a stored parameter stands for."""
    if not name.endswith((".beta", ".gamma")):
        return value
    least = _LEAST_BETA if name.endswith(".beta") else 0.0
    return value.clamp_min((least + _PEDESTAL) ** 0.5) ** 2 - _PEDESTAL


@torch.inference_mode()
def _twin(
    state: dict[str, Tensor], transforms: GdnTransforms, bottleneck: Bottleneck, seen: Sequence[Tensor]
) -> Hyperprior:
    """The float twin of the entropy model; its binary places are chosen and put into the configuration of both."""
    twin = _hyperprior(state, transforms.config, bottleneck)
    if transforms.config.kind == "factorised":
        return twin
    coding = CodingModel(transforms, to_exact_hyperprior(twin), gaussian_rows(), 0, torch.device("cpu"))
    largest = [0.0, 0.0, 0.0]
    for pixels in seen:
        z = coding.latents(pixels, 0)[1]
        for i, layer in enumerate((z, *twin.hidden(z))):
            largest[i] = max(largest[i], float(layer.abs().max()))
    transforms.config = GdnConfig(
        kind=transforms.config.kind,
        width=transforms.config.width,
        latents=transforms.config.latents,
        places=(_places(largest[0]), _places(largest[1]), _places(largest[2])),
    )
    return _hyperprior(state, transforms.config, bottleneck)


def _places(largest: float) -> int:
    """As many as leave headroom over the largest value, from MEAN_BITS to _MOST_PLACES."""
    fit = math.floor(math.log2(ACTIVATION_LIMIT / (_HEADROOM * max(largest, 1.0))))
    return min(max(fit, MEAN_BITS), _MOST_PLACES)


def _hyperprior(state: dict[str, Tensor], config: GdnConfig, bottleneck: Bottleneck) -> Hyperprior:
    twin = Hyperprior(FLOAT, config.prior()).eval()
    twin.median = bottleneck.median
    if config.kind == "factorised":
        return twin
    twin.threshold = _thresholds()
    _load(twin.up1, *_as_3x3(state["h_s.0.weight"], state["h_s.0.bias"]))
    _load(twin.up2, *_as_3x3(state["h_s.2.weight"], state["h_s.2.bias"]))
    kernels, biases = state["h_s.4.weight"], state["h_s.4.bias"]
    _load(twin.scale, kernels[: config.latents], biases[: config.latents])
    if config.kind == "mean-scale":
        _load(twin.mean, kernels[config.latents :], biases[config.latents :])
    return twin


def _load(layer: nn.Module, kernel: Tensor, bias: Tensor) -> None:
    """Into a 3x3 layer: kernel (O, I, 3, 3), bias (O,)."""
    assert isinstance(layer, FloatConvolution)
    layer.load_state_dict({"weight": kernel.flatten(2).transpose(1, 2), "bias": bias})


def _as_3x3(kernel: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """A transposed 5x5 convolution of stride 2, (I, O, 5, 5), as a 3x3 one to 4 O channels before a pixel shuffle.

    The output at 2 m + p draws on the input at m + 1 - k for the kernel's row p + 2 k, so far as there is one; columns
    likewise.
    """
    inputs, outputs = kernel.shape[:2]
    padded = torch.zeros(inputs, outputs, 6, 6, dtype=kernel.dtype)
    padded[..., :5, :5] = kernel
    phases = padded.view(inputs, outputs, 3, 2, 3, 2).flip(2, 4)  # (I, O, tap row, p, tap column, q)
    return phases.permute(1, 3, 5, 0, 2, 4).reshape(4 * outputs, inputs, 3, 3), bias.repeat_interleave(4)


def _thresholds() -> Tensor:
    """Between the scales of neighbouring rows, in proportion half-way."""
    step = math.log(SCALE_MAX / SCALE_MIN) / (SCALE_ROWS - 1)
    edges = [SCALE_MIN * math.exp(step * (row + 0.5)) for row in range(SCALE_ROWS - 1)]
    return torch.tensor([round(edge * 2**SCALE_BITS) for edge in edges], dtype=torch.int16)
