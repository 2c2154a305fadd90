"""Model files of predicted frames: safetensors, as those of pictures. Identity as in `codec.model_file`."""

import json
from dataclasses import asdict, replace
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ...entropy.carrier import carrier
from ...entropy.exact_prior import ExactPrior
from ...entropy.tables import Rows
from ...entropy.vectors import ROW_COUNT
from ...formats.errors import ModelError
from ..lossless_file import FORMAT, METADATA
from ..model import ModelConfig, tensors_under
from .model import FrameTransforms
from .predicted_model import PredictedModel

_KIND = "predicted frames"
_TRANSFORMS, _PRIOR, _ENTRIES, _SIZES = "transforms.", "prior.", "rows.entries", "rows.sizes"


def pack_predicted(transforms: FrameTransforms, prior: ExactPrior, rows: Rows, first_row: int) -> bytes:
    """The bytes of a model file, its transforms in half precision."""
    tensors = {_TRANSFORMS + name: value.to(torch.float16) for name, value in transforms.state_dict().items()}
    tensors |= {_PRIOR + name: value for name, value in prior.state_dict().items()}
    entries, sizes = rows.pack()
    tensors[_ENTRIES] = torch.from_numpy(entries).to(torch.uint16)
    tensors[_SIZES] = torch.from_numpy(sizes)
    about = {"format": FORMAT, "kind": _KIND, "config": asdict(transforms.config), "first_row": first_row}
    return save({name: value.contiguous() for name, value in tensors.items()}, {METADATA: json.dumps(about)})


def load_predicted(data: bytes, device: torch.device) -> PredictedModel:
    """A model ready to code on `device`. Raises ModelError when the file is none or its bounds do not hold."""
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        about: dict[str, Any] = json.loads(header["__metadata__"][METADATA])
        if about["format"] != FORMAT or about.get("kind") != _KIND:
            raise ModelError("the model file is not one of predicted frames")
        tensors = load(data)
        config = ModelConfig(**about["config"])
        transforms = FrameTransforms(config)
        prior = ExactPrior(replace(config.prior(), past=True), carrier(device))
        transforms.load_state_dict(tensors_under(tensors, _TRANSFORMS))
        prior.load_state_dict(tensors_under(tensors, _PRIOR))
        count = prior.n_rows + ROW_COUNT
        rows = Rows.unpack(tensors[_ENTRIES].to(torch.int32).numpy(), tensors[_SIZES].numpy(), count)
        return PredictedModel(transforms, prior, rows, int(about["first_row"]), device)
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"cannot use the model file: {str(error).splitlines()[0]}") from None
