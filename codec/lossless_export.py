"""`lcodec export` of a lossless model: the exact network, with rows counted on photographs, and what files take."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..datasets.folders import data_root
from ..datasets.photographs import Photograph, photographs, split_photographs
from ..entropy import interlaced_walk
from ..entropy.convert import to_exact_interlaced
from ..entropy.exact_interlaced import ExactInterlaced, TilePlanes
from ..entropy.exchange import Symbols
from ..entropy.fitting import RowCounter
from ..entropy.interlaced_rate import picture_bits
from ..entropy.interlaced_rows import logistic_rows
from ..entropy.interlacing import level_count
from ..entropy.tables import Rows
from ..formats.pictures import read_picture
from .colour import to_planes
from .lossless_file import pack_lossless
from .lossless_model import LosslessModel
from .model_file import load_model
from .tile_model import Terms
from .tiles import Box
from .training.lossless import LosslessCheckpoint

_PICTURES = 8
_FITTING_PICTURES = 60  # of those trained on, evenly spread
_FITTING_SIDE = 384
_CPU = torch.device("cpu")


class _CountingWriter:
    """Counts the groups of a step in place of coding them."""

    def __init__(self, counter: RowCounter) -> None:
        self._counter = counter

    def push(self, symbols: Symbols, row: npt.NDArray[np.int16]) -> None:
        self._counter.push(symbols, row)

    def uniform(self, values: npt.NDArray[np.int32], bits: int) -> None:
        pass

    def bytes(self) -> bytes:
        return b""


class _Counting:
    """`interlaced_walk.Writers` that count."""

    def __init__(self, counter: RowCounter) -> None:
        self._counter = counter

    def writer(self) -> _CountingWriter:
        return _CountingWriter(self._counter)


def export_lossless(checkpoint: Path, data: Path | None) -> tuple[bytes, list[str]]:
    """The bytes of the model file and the lines of the report. Raises ValueError for a bad checkpoint."""
    record, twin = LosslessCheckpoint.read(checkpoint)
    exact = to_exact_interlaced(twin)
    exact.prepare(_CPU)
    kept, held_out = split_photographs(photographs(data or data_root() / "train"))
    rows = _fitted_rows(exact, kept[:: max(1, len(kept) // _FITTING_PICTURES)])
    packed = pack_lossless(exact, rows)
    model = load_model(packed, _CPU)
    assert isinstance(model, LosslessModel)
    float_bits = coded_bits = samples = 0.0
    for photograph in held_out[:_PICTURES]:
        planes = _planes(photograph)
        with torch.inference_mode():
            float_bits += float(picture_bits(twin, planes[None].float()).sum())
        coded_bits += 8 * sum(map(len, _steps(model, photograph)))
        samples += planes.numel()
    change = 100 * (coded_bits / float_bits - 1)
    return packed, [
        f"{record.recipe.name}: step {record.step} of {record.steps}, {len(packed)} bytes",
        f"{coded_bits / samples:.4f} bits a sample of {min(_PICTURES, len(held_out))} held-out photographs, "
        f"{change:+.2f} % against the float twin with logistic rows",
    ]


def _steps(model: LosslessModel, photograph: Photograph) -> tuple[bytes, ...]:
    pixels = read_picture(photograph.data).eight_bits()
    height, width = pixels.shape[:2]
    terms = Terms(0, 8, False, max(height, width))
    return model.encode_tile(model.source(pixels, 8), Box.whole(height, width), terms, 0).steps


def _fitted_rows(exact: ExactInterlaced, pictures: Sequence[Photograph]) -> Rows:
    """Rows for what the network codes of some photographs, at most a square of each."""
    counter = RowCounter(logistic_rows(), 0, symmetric=False)
    for photograph in pictures:
        planes = _planes(photograph)[:, :_FITTING_SIDE, :_FITTING_SIDE].to(torch.int16).numpy()
        height, width = planes.shape[1:]
        sizes = TilePlanes(height, width, len(planes), 8, level_count(max(height, width)))
        interlaced_walk.encode(exact, _Counting(counter), planes, sizes, _CPU)
    counter.weigh()
    return counter.fitted()


def _planes(photograph: Photograph) -> Tensor:
    """Y, Co, Cg (3, H, W)."""
    return to_planes(torch.from_numpy(read_picture(photograph.data).eight_bits()).permute(2, 0, 1), 8)
