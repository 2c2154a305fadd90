"""The encoder's decisions: which frames are intra frames, which are only repeated, and the quality of each."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...entropy.fixed import GAIN_STEPS
from ...formats.clip_sections import INTRA, PREDICTED, REPEAT
from ..codec import gain_index_of
from ..quality import LAMBDAS
from .distortion import frame_error
from .frame_coder import CodedFrame, FrameCoder, Planes, State
from .motion import BLOCK
from .motion_cost import bit_cost

DEFAULT_PERIOD = 120  # frames from one intra frame to the next, at most
# Quality of frames against what was asked for: of intra frames, and of predicted ones in turn. Later frames profit from
# a good one.
INTRA_OFFSET = 16.0
OFFSETS = (-2.0,) * 7 + (8.0,)
_CUT = 0.5  # of the last intra frame's bytes: where predicting takes more, coding without is tried as well


@dataclass(frozen=True, slots=True)
class Choice:
    """What became of a frame. `coded` is None where it is repeated; `error` as `distortion.frame_error`."""

    kind: int
    gain_index: int
    coded: CodedFrame | None
    state: State
    error: float


class ClipEncoder:
    """Codes frame after frame of one shape."""

    def __init__(self, coder: FrameCoder, period: int = DEFAULT_PERIOD, skips: bool = True) -> None:
        """period: 1 is for intra frames alone. skips: whether frames may be repeated."""
        self._coder, self._period, self._skips = coder, period, skips
        self._state: State | None = None
        self._since = 0  # frames since the last intra frame
        self._intra_bytes = 0
        self._last: Planes | None = None  # the frame before, as it was

    def next(self, planes: Planes, quality: float) -> Choice:
        """planes: those of the frame, see `FrameShape.load`; quality: 0 to 100, which the frame's own follows."""
        choice = self._chosen(planes, quality)
        self._since = 0 if choice.kind == INTRA else self._since + 1
        if choice.kind == INTRA and choice.coded is not None:
            self._intra_bytes = len(choice.coded.data)
        self._state, self._last = choice.state, planes
        return choice

    def _chosen(self, planes: Planes, quality: float) -> Choice:
        state = self._state
        if state is None or self._since + 1 >= self._period:
            return self._intra(planes, quality)
        repeated = frame_error(self._coder.shape.colours, state.shown.planes, planes)
        if self._skips and self._last is not None and all(map(torch.equal, self._last, planes)):
            return Choice(REPEAT, 0, None, state, repeated)
        gain_index = _index(quality + OFFSETS[self._since % len(OFFSETS)])
        coded = self._coder.encode_predicted(planes, state, gain_index, bit_cost(gain_index))
        own = self._error(coded, planes)
        if len(coded.data) > _CUT * self._intra_bytes:  # it may be one of another scene
            intra = self._intra(planes, quality)
            assert intra.coded is not None
            if self._cost(intra.coded, intra.error, gain_index) < self._cost(coded, own, gain_index):
                return intra
        cheaper = self._weighed(repeated, gain_index) <= self._cost(coded, own, gain_index)
        if self._skips and cheaper and _is_still(state.shown.planes[0], coded.state.shown.planes[0], planes[0]):
            return Choice(REPEAT, 0, None, state, repeated)
        return Choice(PREDICTED, gain_index, coded, coded.state, own)

    def _intra(self, planes: Planes, quality: float) -> Choice:
        gain_index = _index(quality + (INTRA_OFFSET if self._period > 1 else 0.0))
        coded = self._coder.encode_intra(planes, gain_index)
        return Choice(INTRA, gain_index, coded, coded.state, self._error(coded, planes))

    def _error(self, coded: CodedFrame, planes: Planes) -> float:
        return frame_error(self._coder.shape.colours, coded.state.shown.planes, planes)

    def _cost(self, coded: CodedFrame, error: float, gain_index: int) -> float:
        return 8 * len(coded.data) + self._weighed(error, gain_index)

    def _weighed(self, error: float, gain_index: int) -> float:
        low, high = LAMBDAS
        weight = low * (high / low) ** (gain_index / GAIN_STEPS)
        height, width = self._coder.shape.height, self._coder.shape.width
        return float(weight * error * height * width)


def _is_still(before: Tensor, now: Tensor, wanted: Tensor) -> bool:
    """Whether nothing moves that anyone would miss if the frame before were shown again in place of this one.

    In luminance, no block may become worse by more than the mean error of the frame. The mean alone would let small
    things stand still, and larger ones jerk.
    """
    errors = [F.avg_pool2d((plane - wanted).square(), BLOCK) for plane in (before, now)]
    return bool((errors[0] - errors[1]).max() <= errors[1].mean())


def _index(quality: float) -> int:
    return gain_index_of(min(100.0, max(0.0, quality)))
