"""`lcodec export` of a model of predicted frames:

exact networks, and rows counted on clips that it was trained with.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ...entropy.convert import to_exact
from ...entropy.exchange import Symbols
from ...entropy.fitting import RowCounter
from ...entropy.tables import Rows, gaussian_rows
from ...entropy.vectors import MODE_ROW, ROW_COUNT, laplacian_rows
from ..coding_model import CodingModel
from ..model_file import unpack_model
from ..registry import by_name
from ..training.clips import Clip, read_clips
from ..training.video import VideoCheckpoint
from ..weights_cache import read_weights
from .colour import Colours
from .encoder import ClipEncoder
from .frame_coder import FrameCoder
from .model_file import load_predicted, pack_predicted
from .planes import FrameShape
from .predicted_model import PredictedModel

_QUALITIES = (5.0, 30.0, 60.0, 90.0)
_TIMES = 2  # what the encoder codes of motion depends on the rows
_CLIPS = 10
_GROUPS = (8, 4, 8, 2)  # of the clips in turn
_FRAMES = 9
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
    start = rows = Rows((*gaussian_rows().frequencies, *laplacian_rows().frequencies))
    for _ in range(_TIMES):
        coding = load_predicted(pack_predicted(model.transforms, exact, rows, first_row), _CPU)
        rows = _fitted(coding, start, intra, kept[:: max(1, len(kept) // _CLIPS)])
    packed = pack_predicted(model.transforms, exact, rows, first_row)
    return packed, [f"{record.recipe.name}: step {record.step} of {record.steps}, {len(packed)} bytes"]


def _fitted(coding: PredictedModel, start: Rows, intra: CodingModel, clips: Sequence[Clip]) -> Rows:
    """Rows for what the model codes of some clips, at all qualities alike."""
    modes = range(coding.motion_row + MODE_ROW, coding.motion_row + ROW_COUNT)
    counter = RowCounter(start, coding.coder.first_row, skewed=modes)
    real, coding.coder = coding.coder, _CountingCoder(counter)  # type: ignore[assignment]
    for quality in _QUALITIES:
        for n, clip in enumerate(clips):
            _code(FrameCoder(intra, coding, shape_of(clip)), clip, quality, _GROUPS[n % len(_GROUPS)])
        counter.weigh()
    coding.coder = real
    return counter.fitted()


def _code(coder: FrameCoder, clip: Clip, quality: float, group: int) -> None:
    encoder = ClipEncoder(coder, lambda: quality, group=group, skips=False)
    for luma, chroma in zip(clip.luma[:_FRAMES], clip.chroma[:_FRAMES], strict=True):
        for _ in encoder.put(coder.shape.load((luma, chroma[0], chroma[1]), coder.device)):
            pass
    for _ in encoder.finish():
        pass


def shape_of(clip: Clip) -> FrameShape:
    return FrameShape(clip.luma.shape[1], clip.luma.shape[2], Colours())
