"""`lcodec export --to onnx`: a model as graphs that onnxruntime decodes with."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ..entropy.exact_prior import ExactPrior
from ..formats.errors import ModelError
from .coding_model import CodingModel
from .model_file import load_model
from .onnx_folder import About, OnnxFolder
from .registry import Entry
from .weights_cache import read_weights

_EXAMPLE = (9, 7)  # h and w of the latents that are traced; in the graph they are open


def export_onnx(entry: Entry) -> OnnxFolder:
    """The graphs of a model. Raises ModelError for one that there are no graphs of; ImportError without onnx."""
    try:
        import onnxscript  # noqa: F401, torch.onnx imports it

        from ..entropy.graphs import check_graph, exact_graphs
    except ImportError as error:
        raise ImportError("exporting needs onnx and onnxscript: pip install 'lcodec[onnx]'") from error
    model = load_model(read_weights(entry), torch.device("cpu"))
    if not isinstance(model, CodingModel) or not isinstance(model.prior, ExactPrior):
        raise ModelError(f"there is no export of {entry.full_name} yet: only of models of our own with transforms")
    try:
        graphs = {"check": check_graph(), **exact_graphs(model.prior)}
    except ValueError as error:
        raise ModelError(f"there is no export of {entry.full_name} yet: {error}") from None
    config = model.transforms.config
    graphs["synthesis"] = _synthesis_graph(model.transforms.synthesis, config.latents)
    about = About(
        name=entry.name,
        wire_id=entry.wire_id,
        weights=entry.weights,
        latents=config.latents,
        hyper=model.prior.config.hyper,
        reach=model.synthesis_margin,
        first_row=model.coder.first_row,
        schedule=model.prior.schedule,
    )
    return OnnxFolder(about, model.rows, graphs)


def _synthesis_graph(synthesis: nn.Module, latents: int) -> bytes:
    example = torch.zeros(1, latents, *_EXAMPLE), torch.tensor([0.5])
    h, w = (torch.export.Dim(name, min=1) for name in ("h", "w"))
    with _quiet():
        program = torch.onnx.export(
            synthesis,
            example,
            dynamo=True,
            dynamic_shapes=({2: h, 3: w}, {}),
            input_names=["latents", "quality"],
            output_names=["rgb"],
            verbose=False,
        )
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
    """torch's exporter tells of what it does, and of what it will do otherwise in later versions."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
