"""What the networks of a model cost: parameters, and multiply-accumulates per pixel each way."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ...entropy.threads import all_here
from ..api import codec
from ..coding_model import CodingModel
from ..model_file import unpack_model
from ..training.roofline import count_macs
from ..weights_cache import read_weights
from .subjects import ladder

_SIZE = (512, 768)  # of the pictures that published figures are stated for
_QUALITY = 50.0


@dataclass(frozen=True, slots=True)
class NetworkCosts:
    """`parameters` of transforms and entropy model, tables included; kMAC per pixel of a 768x512 picture."""

    parameters: int
    encode_kmac_per_px: float
    decode_kmac_per_px: float


def network_costs(model: str) -> NetworkCosts:
    """Counted on the CPU while a grey picture is coded; of several models of one rate, those of the largest.

    Raises as `codec` does for a model that cannot be had.
    """
    return max((_costs(entry.full_name) for entry in ladder(model)), key=lambda costs: costs.parameters)


def _costs(model: str) -> NetworkCosts:
    loaded = codec(model, "cpu")
    pixels = np.full((*_SIZE, 3), 128, np.uint8)
    quality = None if loaded.entry.one_rate else _QUALITY
    data = loaded.encode(pixels, quality)
    kilo_pixels = 1000 * pixels.shape[0] * pixels.shape[1]
    with all_here():
        encode_macs = count_macs(lambda: loaded.encode(pixels, quality))
        decode_macs = count_macs(lambda: loaded.decode(data))
    parameters = _parameters(unpack_model(read_weights(loaded.entry), torch.device("cpu")))
    return NetworkCosts(parameters, encode_macs / kilo_pixels, decode_macs / kilo_pixels)


def _parameters(model: CodingModel) -> int:
    assert isinstance(model.prior, nn.Module)
    learned = sum(p.numel() for p in model.transforms.parameters())
    stored = ("weight", "bias", "table")  # of the exact layers; shifts belong to the number format
    exact = (value.numel() for name, value in model.prior.named_buffers() if name.rsplit(".", 1)[-1] in stored)
    return learned + sum(exact)
