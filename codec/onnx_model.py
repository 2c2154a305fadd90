"""A model that onnxruntime computes: decodes tiles to the same latents as `coding_model`, and draws them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..entropy import known_answer
from ..entropy.coded_step import CodedStep
from ..entropy.coder import CoderError, RowCoder
from ..entropy.exchange import Means, decoded
from ..entropy.fixed import GAIN_STEPS, HYPER_STRIDE, MEAN_BITS
from ..entropy.puller import Puller
from ..entropy.selection import Block, on_grid, selection_of
from ..formats.container import Tile
from ..formats.errors import ModelError
from ..formats.pictures import Samples
from .onnx_folder import OnnxFolder
from .tile_model import Decoded, In, Out, Terms
from .tiles import Box
from .transforms.stride import STRIDE
from .windows import draw_windows, surroundings

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Values = dict[str, npt.NDArray[Any]]


class OnnxModel:
    """A `DrawingModel`. Tiles and windows come one after the other; onnxruntime has its own threads within each."""

    stride = STRIDE

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        """threads: of onnxruntime, None for all cores.

        Raises ModelError as `OnnxFolder.read` does, and where this onnxruntime does not compute exactly; ImportError
        where there is none.
        """
        found = OnnxFolder.read(folder)
        self.about = found.about
        self.synthesis_margin = found.about.reach
        self._coder = RowCoder(found.rows, found.about.first_row)
        try:
            self._sessions = {name: _session(data, threads) for name, data in found.graphs.items()}
        except RuntimeError as error:
            raise ModelError(f"onnxruntime cannot use {folder}: {str(error).splitlines()[0]}") from None
        if not np.array_equal(self._run("check", {"x": known_answer.inputs()})["y"], known_answer.outputs()):
            raise ModelError("this onnxruntime does not multiply integers exactly on this processor")

    def each(self, work: Callable[[In], Out], items: Iterable[In]) -> list[Out]:
        return [work(item) for item in items]

    def decode_tile(self, coded: Tile, tile: Box, terms: Terms, partial: bool = False) -> tuple[Decoded, int]:
        if coded.way:
            raise CoderError("a tile is drawn, which only those of lossless files can be")
        size = tile.inside(tile).latents()
        puller = Puller(self._coder, coded.steps, self.step_count(terms), partial)
        y_hat = self._walk(terms.gain_index, (size.height, size.width), puller)
        return y_hat.astype(np.float32) / (1 << MEAN_BITS), puller.symbols_crc

    def nothing(self, tile: Box) -> Decoded:
        size = tile.inside(tile).latents()
        return np.zeros((1, self.about.latents, size.height, size.width), np.float32)

    def step_count(self, terms: Terms) -> int:
        return self.about.schedule.steps + 1

    def draw_area(self, plane: Decoded, held: Box, area: Box, terms: Terms) -> Samples:
        highest = 2**terms.depth - 1
        quality = np.array([terms.gain_index / GAIN_STEPS], np.float32)

        def draw(window: Box) -> Samples:
            seen = surroundings(window, held, self.synthesis_margin)
            latents = np.ascontiguousarray(plane[:, :, *seen.inside(held).latents().slices])
            rgb = self._run("synthesis", {"latents": latents, "quality": quality})["rgb"]
            levels = np.rint(rgb[0, :, *window.inside(seen).slices] * highest).clip(0, highest)
            pixels: Samples = levels.astype(np.uint8 if terms.depth == 8 else np.uint16).transpose(1, 2, 0)
            return pixels

        return draw_windows(area, terms.depth, draw, self.each, 1)

    def _walk(self, gain_index: int, size: tuple[int, int], puller: Puller) -> Means:
        """As `StepModel.walk`, but for decoding only: y (1, M, h, w)."""
        about, gain = self.about, np.array([gain_index])
        hyper_size = about.hyper, -(-size[0] // HYPER_STRIDE), -(-size[1] // HYPER_STRIDE)
        first = self._run("factorised", {"gain": gain})
        mean, row = (np.broadcast_to(first[name][0, :, None, None], hyper_size).reshape(-1) for name in ("mean", "row"))
        z = decoded(puller("z", None, mean, row.astype(np.int16)), mean).reshape(hyper_size)
        lengths = {"height": np.array([size[0]]), "width": np.array([size[1]])}
        known: Values = self._run("hyper", {"gain": gain, "z": _channels_last(z), **lengths})
        latents = np.zeros((*size, about.latents), np.int32)
        flat = latents.reshape(-1, about.latents)
        known["latents"] = latents[None]
        for index in range(about.schedule.steps):
            selection = selection_of(about.schedule, index, about.latents, size)
            step = CodedStep(selection)
            self._predict(index, step, known, size[1])
            step.put(puller("y", selection, *step.parameters()))
            for block in selection.blocks:
                values = decoded(selection.stripe(step.symbols, block), selection.stripe(step.mean, block))
                flat[block.places, slice(block.channels.start, block.channels.stop, block.channels.step)] = values.T
        return latents.transpose(2, 0, 1)[None]

    def _predict(self, index: int, step: CodedStep, known: Values, width: int) -> None:
        """Fill in the parameters of a step, and keep what the network keeps."""
        schedule, latents = self.about.schedule, self.about.latents
        first = schedule.channels(index, latents).start
        blocks: dict[int, Block] = {block.channels.start - first: block for block in step.selection.blocks}
        for own in schedule.groups(index, latents):
            block = blocks.get(own.start - first)
            places = np.zeros(0, np.intp) if block is None else on_grid(block.places, width, schedule.stride(index))
            known[f"places-{own.start - first}"] = places.astype(np.int64)
        found = self._run(f"step-{index}", known)
        for group, block in blocks.items():
            step.selection.stripe(step.mean, block)[:] = found[f"mean-{group}"]
            step.selection.stripe(step.row, block)[:] = found[f"row-{group}"]
        known |= {name.removesuffix("-after"): value for name, value in found.items() if name.endswith("-after")}

    def _run(self, name: str, values: Values) -> Values:
        """The outputs of a graph, of whose inputs these are all or more."""
        session = self._sessions[name]
        wanted = [output.name for output in session.get_outputs()]
        feeds = {given.name: values[given.name] for given in session.get_inputs()}
        return dict(zip(wanted, session.run(wanted, feeds), strict=True))


def _channels_last(plane: Means) -> Means:
    return np.ascontiguousarray(plane.transpose(1, 2, 0)[None])


def _session(model: bytes, threads: int | None) -> "InferenceSession":
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError("decoding with ONNX needs onnxruntime: pip install 'lcodec[runtime]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
