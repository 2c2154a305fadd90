"""Model files: safetensors with the transforms, the exact entropy model as integers, and its tables.

Transforms of our own are stored in half precision, imported ones in single, as they came.

The identity of a model in a coded file is its wire id and the first 8 bytes of the SHA-256 of its model file.
"""

import json
from dataclasses import asdict
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..entropy.carrier import carrier
from ..entropy.exact import Kernels
from ..entropy.exact_prior import ExactPrior
from ..entropy.hyperprior import ExactHyperprior
from ..entropy.tables import Rows
from ..formats.errors import ModelError
from .coding_model import CodingModel
from .gdn_model import GdnConfig, GdnTransforms
from .lossless_file import FORMAT, METADATA, TRANSFORM, built_lossless
from .lossless_model import LosslessModel
from .model import ModelConfig, Transforms, tensors_under
from .quality import LAMBDAS

_TRANSFORMS, _PRIOR, _ENTRIES, _SIZES = "transforms.", "prior.", "rows.entries", "rows.sizes"


def pack_model(
    transforms: Transforms | GdnTransforms,
    prior: ExactPrior | ExactHyperprior,
    rows: Rows,
    first_row: int,
    lambdas: tuple[float, float] = LAMBDAS,
) -> bytes:
    """The bytes of a model file. lambdas: what the model was trained for, see `quality`."""
    precision = torch.float16 if isinstance(transforms, Transforms) else torch.float32
    tensors = {_TRANSFORMS + name: value.to(precision) for name, value in transforms.state_dict().items()}
    tensors |= {_PRIOR + name: value for name, value in prior.state_dict().items()}
    entries, sizes = rows.pack()
    tensors[_ENTRIES] = torch.from_numpy(entries).to(torch.uint16)
    tensors[_SIZES] = torch.from_numpy(sizes)
    config = asdict(transforms.config)
    if config["transform"] == "gated":  # as in files from before there was another
        del config["transform"]
    about: dict[str, Any] = {"format": FORMAT, "config": config, "first_row": first_row}
    if lambdas != LAMBDAS:
        about["lambdas"] = lambdas
    # One key only: safetensors writes several in random order, and the bytes are the model's identity.
    metadata = {METADATA: json.dumps(about)}
    return save({name: value.contiguous() for name, value in tensors.items()}, metadata)


def unpack_model(data: bytes, device: torch.device) -> CodingModel:
    """A model with transforms, ready to code on `device`. Raises as `load_model`, and for the lossless model."""
    model = load_model(data, device)
    if isinstance(model, LosslessModel):
        raise ModelError("cannot use the model file: it has no transforms, but codes without loss")
    return model


def load_model(data: bytes, device: torch.device) -> CodingModel | LosslessModel:
    """A model ready to code on `device`. Raises ModelError when the file is not a model or its bounds do not hold."""
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        about = json.loads(header["__metadata__"][METADATA])
        if about["format"] != FORMAT:
            raise ModelError(f"model file of another format: {about['format']!r}")
        tensors = load(data)
        if about["config"].get("transform") == TRANSFORM:
            return built_lossless(about["config"], tensors, device)
        transforms, prior = _built(about["config"], carrier(device))
        transforms.load_state_dict(tensors_under(tensors, _TRANSFORMS))
        prior.load_state_dict(tensors_under(tensors, _PRIOR))
        rows = Rows.unpack(tensors[_ENTRIES].to(torch.int32).numpy(), tensors[_SIZES].numpy(), prior.n_rows)
        low, high = map(float, about.get("lambdas", LAMBDAS))
        return CodingModel(transforms, prior, rows, int(about["first_row"]), device, (low, high))
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"cannot use the model file: {str(error).splitlines()[0]}") from None


def _built(
    config: dict[str, Any], kernels: Kernels
) -> tuple[Transforms, ExactPrior] | tuple[GdnTransforms, ExactHyperprior]:
    """The parts of a model, their weights still to be loaded."""
    if config.get("transform") == "gdn":
        gdn = GdnConfig(**config)
        return GdnTransforms(gdn), ExactHyperprior(gdn.prior(), kernels)
    sizes = ModelConfig(**config)
    return Transforms(sizes), ExactPrior(sizes.prior(), kernels)
