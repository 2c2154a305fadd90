"""The encoder's decisions: groups of frames, which frames are intra frames, which are only repeated, and the quality
of each.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...entropy.fixed import GAIN_STEPS
from ...formats.clip_order import MAX_GROUP, Slot, group_slots
from ...formats.clip_sections import BETWEEN, INTRA, PREDICTED, REPEAT
from ..codec import gain_index_of
from ..quality import LAMBDAS
from .distortion import frame_error
from .frame_coder import CodedFrame, FrameCoder, Known, Planes, Shown
from .motion import BLOCK
from .motion_cost import bit_cost
from .scene_cut import CUT, changed_share

DEFAULT_PERIOD = 120  # frames from one intra frame to the next, at most
# Quality of frames against what was asked for: the more others profit from one, the better it is. Of intra frames; of
# the last one of a group, by its length; of those between, by the distance to their references.
INTRA_QUALITY = 20.0
LAST_QUALITY = {1: -2.0, 2: 4.0, 3: 4.0, 4: 6.0, 5: 6.0, 6: 6.0, 7: 8.0, 8: 8.0}
BETWEEN_QUALITY = {1: -14.0, 2: -6.0, 3: -4.0, 4: 0.0}
# Without groups, of one frame after the other in turn.
TURNS = (-2.0,) * 7 + (8.0,)
# Of the last intra frame's bytes: where a frame takes more, coding it otherwise is tried as well.
_MUCH = 0.5
_MUCH_OF_GROUP = 0.8


@dataclass(frozen=True, slots=True)
class Choice:
    """What became of a frame. `coded` is None where it is repeated; `error` as `distortion.frame_error`.

    `ahead`: of a PREDICTED, how many frames of its group are shown before it.
    """

    kind: int
    number: int
    gain_index: int
    coded: CodedFrame | None
    shown: Shown
    error: float
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class _Frame:
    planes: Planes
    cut: bool  # whether another scene begins here


class ClipEncoder:
    """Codes the frames of a clip of one shape, some of them before those that are shown earlier."""

    def __init__(
        self,
        coder: FrameCoder,
        quality: Callable[[], float],
        period: int = DEFAULT_PERIOD,
        group: int = MAX_GROUP,
        skips: bool = True,
    ) -> None:
        """quality: asked before each frame, 0 to 100, which the frame's own follows.

        period: 1 is for intra frames alone. group: frames to a group at most; 1 is for no delay. skips: whether frames
        may be repeated.
        """
        self._coder, self._quality, self._period, self._group, self._skips = coder, quality, period, group, skips
        self._ahead: deque[_Frame] = deque()
        self._last: Planes | None = None  # the frame that came last, as it was
        self._anchor: Choice | None = None  # the last one of the group before, and the frame as it was
        self._anchor_planes: Planes | None = None
        self._known: Known | None = None
        self._intra_number = self._intra_bytes = 0
        self._intra_error = 0.0

    def put(self, planes: Planes) -> Iterator[Choice]:
        """The next frame, see `FrameShape.load`; what is coded now, in the order of coding."""
        cut = self._last is not None and self._changed(self._last, planes) > CUT
        self._ahead.append(_Frame(planes, cut))
        self._last = planes
        while self._ahead and (len(self._ahead) > self._length() or self._length() == self._most()):
            yield from self._next()

    def finish(self) -> Iterator[Choice]:
        """The rest."""
        while self._ahead:
            yield from self._next()

    def _most(self) -> int:
        """Frames that the next group may have, whatever they show."""
        if self._anchor is None:
            return 1
        return max(1, min(self._group, self._intra_number + self._period - 1 - self._anchor.number))

    def _length(self) -> int:
        """Frames of the next group among those that are there."""
        most = min(self._most(), len(self._ahead))
        cuts = (n for n, frame in enumerate(self._ahead) if frame.cut)
        return max(1, min(most, next(cuts, most)))

    def _next(self) -> Iterator[Choice]:
        """A group, or an intra frame."""
        anchor, frames = self._anchor, self._ahead
        quality = self._quality()
        if anchor is None or frames[0].cut or anchor.number + 1 >= self._intra_number + self._period:
            yield self._done(self._intra(frames[0].planes, quality))
            return
        if self._skips and self._anchor_planes is not None and _equal(self._anchor_planes, frames[0].planes):
            yield self._done(self._repeated(anchor, frames[0].planes))
            return
        length = self._length()
        while length > 1:
            last = self._predicted(length, quality)
            assert last.coded is not None
            fits = len(last.coded.data) <= _MUCH_OF_GROUP * self._intra_bytes and not self._is_dear(last)
            if fits and (group := self._grouped(anchor, last)) is not None:
                yield from group
                return
            length //= 2
        yield self._done(self._single(anchor, frames[0].planes, quality))

    def _grouped(self, anchor: Choice, last: Choice) -> list[Choice] | None:
        """A group whose last frame is coded; None where one between is dear, and nothing has happened."""
        first, before = anchor.number, self._known
        frames = [self._ahead[n].planes for n in range(last.number - first)]
        assert self._anchor_planes is not None and last.coded is not None
        originals = [self._anchor_planes, *frames]
        shown, group = {first: anchor, last.number: last}, [last]
        self._known = last.coded.known
        for slot in list(group_slots(first, last.number - first))[1:]:
            earlier = shown[slot.references[0]]
            wanted = originals[slot.frame - first]
            if self._skips and _equal(originals[slot.references[0] - first], wanted):
                choice = self._repeated(earlier, wanted, slot.frame)
            else:
                choice = self._between(slot, [shown[n] for n in slot.references], wanted)
                if self._is_dear(choice):
                    self._known = before
                    return None
            shown[slot.frame] = choice
            group.append(choice)
        known = self._known
        self._done(last)
        self._known = known
        return group

    def _between(self, slot: Slot, references: list[Choice], planes: Planes) -> Choice:
        gain_index = _index(self._quality() + BETWEEN_QUALITY[slot.frame - slot.references[0]])
        assert self._known is not None
        coded = self._coder.encode_predicted(
            planes, [reference.shown for reference in references], self._known, slot, gain_index, bit_cost(gain_index)
        )
        choice = self._choice(BETWEEN, slot.frame, gain_index, coded, planes)
        if self._is_repeat(references[0], choice, planes):
            return self._repeated(references[0], planes, slot.frame)
        self._known = coded.known
        return choice

    def _single(self, anchor: Choice, planes: Planes, quality: float) -> Choice:
        """The next frame alone."""
        choice = self._predicted(1, quality)
        assert choice.coded is not None
        if len(choice.coded.data) > _MUCH * self._intra_bytes or self._is_dear(choice):  # as of another scene
            intra = self._intra(planes, quality)
            assert intra.coded is not None
            if self._cost(intra, choice.gain_index) < self._cost(choice, choice.gain_index):
                return intra
        return self._repeated(anchor, planes) if self._is_repeat(anchor, choice, planes) else choice

    def _predicted(self, length: int, quality: float) -> Choice:
        """The last frame of a group."""
        assert self._anchor is not None and self._known is not None
        slot, planes = Slot(self._anchor.number + length, (self._anchor.number,), 0), self._ahead[length - 1].planes
        turn = TURNS[(self._anchor.number - self._intra_number) % len(TURNS)]
        gain_index = _index(quality + (turn if self._group == 1 else LAST_QUALITY[length]))
        coded = self._coder.encode_predicted(
            planes, [self._anchor.shown], self._known, slot, gain_index, bit_cost(gain_index)
        )
        return self._choice(PREDICTED, slot.frame, gain_index, coded, planes, length - 1)

    def _intra(self, planes: Planes, quality: float) -> Choice:
        number = 0 if self._anchor is None else self._anchor.number + 1
        gain_index = _index(quality + (INTRA_QUALITY if self._period > 1 else 0.0))
        return self._choice(INTRA, number, gain_index, self._coder.encode_intra(planes, gain_index), planes)

    def _repeated(self, earlier: Choice, planes: Planes, number: int | None = None) -> Choice:
        """A frame, the next one or one of the group, that shows what an earlier one did."""
        number = earlier.number + 1 if number is None else number
        error = frame_error(self._coder.shape.colours, earlier.shown.planes, planes)
        return Choice(REPEAT, number, 0, None, earlier.shown, error)

    def _is_repeat(self, earlier: Choice, choice: Choice, planes: Planes) -> bool:
        """Whether repeating an earlier frame is cheaper than `choice`, and no worse to see."""
        error = frame_error(self._coder.shape.colours, earlier.shown.planes, planes)
        cheaper = self._weighed(error, choice.gain_index) <= self._cost(choice, choice.gain_index)
        lumas = earlier.shown.planes[0], choice.shown.planes[0], planes[0]
        return self._skips and cheaper and _is_still(*lumas)

    def _done(self, choice: Choice) -> Choice:
        """It ends a group, or is one by itself: what comes is predicted from it."""
        if choice.kind == INTRA and choice.coded is not None:
            self._intra_number, self._intra_bytes, self._intra_error = (
                choice.number,
                len(choice.coded.data),
                choice.error,
            )
        if choice.coded is not None:
            self._known = choice.coded.known
        for _ in range(choice.ahead + 1):
            self._anchor_planes = self._ahead.popleft().planes
        self._anchor = choice
        return choice

    def _choice(
        self, kind: int, number: int, gain_index: int, coded: CodedFrame, planes: Planes, ahead: int = 0
    ) -> Choice:
        error = frame_error(self._coder.shape.colours, coded.shown.planes, planes)
        return Choice(kind, number, gain_index, coded, coded.shown, error, ahead)

    def _is_dear(self, choice: Choice) -> bool:
        """Whether a predicted frame takes more, error included, than the last intra frame did.

        Where a network meets what it was not made for, as text that jumps, its frames may be no likeness at all.
        """
        if choice.coded is None:
            return False
        intra = 8 * self._intra_bytes + self._weighed(self._intra_error, choice.gain_index)
        return self._cost(choice, choice.gain_index) > intra

    def _cost(self, choice: Choice, gain_index: int) -> float:
        assert choice.coded is not None
        return 8 * len(choice.coded.data) + self._weighed(choice.error, gain_index)

    def _weighed(self, error: float, gain_index: int) -> float:
        low, high = LAMBDAS
        weight = low * (high / low) ** (gain_index / GAIN_STEPS)
        height, width = self._coder.shape.height, self._coder.shape.width
        return float(weight * error * height * width)

    def _changed(self, before: Planes, now: Planes) -> float:
        return changed_share(before[0], now[0], self._coder.shape.colours.depth)


def _is_still(before: Tensor, now: Tensor, wanted: Tensor) -> bool:
    """Whether nothing moves that anyone would miss if the frame before were shown again in place of this one.

    In luminance, no block may become worse by more than the mean error of the frame. The mean alone would let small
    things stand still, and larger ones jerk.
    """
    errors = [F.avg_pool2d((plane - wanted).square(), BLOCK) for plane in (before, now)]
    return bool((errors[0] - errors[1]).max() <= errors[1].mean())


def _equal(one: Planes, other: Planes) -> bool:
    return all(map(torch.equal, one, other))


def _index(quality: float) -> int:
    return gain_index_of(min(100.0, max(0.0, quality)))
