"""`lcodec export` of a model of predicted frames:

exact networks, and rows counted on clips that it was trained with.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ...entropy.convert import to_exact
from ...entropy.exchange import Symbols
from ...entropy.fitting import RowCounter
from ...entropy.tables import Rows, gaussian_rows
from ...entropy.vectors import laplacian_rows
from ..codec import gain_index_of
from ..coding_model import CodingModel
from ..model_file import unpack_model
from ..registry import by_name
from ..training.clips import Clip, read_clips
from ..training.video import VideoCheckpoint
from ..weights_cache import read_weights
from .colour import Colours
from .frame_coder import FrameCoder, State
from .model_file import load_predicted, pack_predicted
from .motion_cost import bit_cost
from .planes import FrameShape
from .predicted_model import PredictedModel

_QUALITIES = (5.0, 25.0, 50.0, 75.0, 95.0)
_CLIPS = 10
_FRAMES = 3
_CPU = torch.device("cpu")


class _CountingCoder:
    """Counts in place of coding: what `FrameWriter` asks of a `RowCoder`, and the writer that it gets."""

    def __init__(self, counter: RowCounter) -> None:
        self.counter = counter
        self.first_row = counter.first_row

    def writer(self) -> "_CountingCoder":
        return self

    def push(self, symbols: Symbols, row: npt.NDArray[np.int16]) -> None:
        self.counter.push(symbols, row)

    def bytes(self) -> bytes:
        return b""


def export_predicted(checkpoint: Path, first_row: int, clips: Path) -> tuple[bytes, list[str]]:
    """The bytes of the model file and the lines of the report. Raises ValueError for a bad checkpoint."""
    record, model = VideoCheckpoint.read(checkpoint)
    exact = to_exact(model.prior)
    intra = unpack_model(read_weights(by_name(record.recipe.intra)), _CPU)
    kept, _ = read_clips(clips)
    start = Rows((*gaussian_rows().frequencies, *laplacian_rows().frequencies))
    coding = load_predicted(pack_predicted(model.transforms, exact, start, first_row), _CPU)
    rows = _fitted(coding, start, intra, kept[:: max(1, len(kept) // _CLIPS)])
    packed = pack_predicted(model.transforms, exact, rows, first_row)
    return packed, [f"{record.recipe.name}: step {record.step} of {record.steps}, {len(packed)} bytes"]


def _fitted(coding: PredictedModel, start: Rows, intra: CodingModel, clips: Sequence[Clip]) -> Rows:
    """Rows for what the model codes of some clips, at all qualities alike."""
    counter = RowCounter(start, coding.coder.first_row)
    real, coding.coder = coding.coder, _CountingCoder(counter)  # type: ignore[assignment]
    for quality in _QUALITIES:
        gain_index = gain_index_of(quality)
        for clip in clips:
            for _ in coded_states(FrameCoder(intra, coding, shape_of(clip)), clip, gain_index, _FRAMES):
                pass
        counter.weigh()
    coding.coder = real
    return counter.fitted()


def shape_of(clip: Clip) -> FrameShape:
    return FrameShape(clip.luma.shape[1], clip.luma.shape[2], Colours())


def coded_states(coder: FrameCoder, clip: Clip, gain_index: int, count: int) -> Iterator[tuple[int, State]]:
    """Bytes and state after each of the first frames of a clip, one quality for all."""
    state: State | None = None
    for luma, chroma in zip(clip.luma[:count], clip.chroma[:count], strict=True):
        planes = coder.shape.load((luma, chroma[0], chroma[1]), coder.device)
        if state is None:
            coded = coder.encode_intra(planes, gain_index)
        else:
            coded = coder.encode_predicted(planes, state, gain_index, bit_cost(gain_index))
        state = coded.state
        yield len(coded.data), state
