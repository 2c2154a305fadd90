"""Model files of the lossless model: safetensors with its exact network and its rows. Identity as in `model_file`."""

import json
from dataclasses import asdict
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from ..entropy.carrier import carrier
from ..entropy.exact_interlaced import ExactInterlaced
from ..entropy.interlaced import InterlacedConfig
from ..entropy.tables import Rows
from .lossless_model import LosslessModel
from .model import tensors_under

FORMAT = "lcodec model 1"
METADATA = "lcodec"
TRANSFORM = "lossless"  # what `config` says in place of a transform
_NETWORK, _ENTRIES, _SIZES = "network.", "rows.entries", "rows.sizes"


def pack_lossless(network: ExactInterlaced, rows: Rows) -> bytes:
    """The bytes of a model file."""
    tensors = {_NETWORK + name: value.contiguous() for name, value in network.state_dict().items()}
    entries, sizes = rows.pack()
    tensors[_ENTRIES] = torch.from_numpy(entries).to(torch.uint16)
    tensors[_SIZES] = torch.from_numpy(sizes)
    about = {"format": FORMAT, "config": {"transform": TRANSFORM, **asdict(network.config)}, "first_row": 0}
    return save(tensors, {METADATA: json.dumps(about)})


def built_lossless(config: dict[str, Any], tensors: dict[str, Tensor], device: torch.device) -> LosslessModel:
    """The model of a file's config and tensors. Raises as the constructors do where they do not fit."""
    sizes = InterlacedConfig(**{key: value for key, value in config.items() if key != "transform"})
    network = ExactInterlaced(sizes, carrier(device))
    network.load_state_dict(tensors_under(tensors, _NETWORK))
    rows = Rows.unpack(tensors[_ENTRIES].to(torch.int32).numpy(), tensors[_SIZES].numpy(), network.n_rows)
    return LosslessModel(network, rows, device)
