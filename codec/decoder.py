"""A decoder without torch: models that were exported to ONNX, run by onnxruntime."""

from os import PathLike
from pathlib import Path

from ..formats.container import Header
from ..formats.errors import ModelError
from .decoding import Decoding
from .onnx_model import OnnxModel
from .registry import by_file


class Decoder(Decoding):
    """Decodes files of the models in some folders. Threads may share it; it holds no state between calls.

    The symbols are those of every machine, and pixels within one level of `Codec`'s.
    """

    def __init__(self, *folders: str | PathLike[str], threads: int | None = None) -> None:
        """folders: of `lcodec export --to onnx`; threads: of onnxruntime, None for all cores.

        Raises ValueError without folders, ModelError for one that cannot be used, ImportError without onnxruntime.
        """
        if not folders:
            raise ValueError("a decoder needs the folder of a model at least")
        models = [OnnxModel(Path(folder), threads) for folder in folders]
        self._models = {(model.about.wire_id, model.about.weights): model for model in models}

    def _model_of(self, header: Header) -> OnnxModel:
        entry = by_file(header.model_id, header.weights_hash)
        if model := self._models.get((header.model_id, header.weights_hash.hex())):
            return model
        names = ", ".join(f"{model.about.name}-{model.about.weights}" for model in self._models.values())
        raise ModelError(f"the file was written with {entry.full_name!r}, and this decoder has {names}")
