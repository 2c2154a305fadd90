"""In which order frames are coded: groups of frames, the last one first, then halves of what is left between.

| shown | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 |
|---|---|---|---|---|---|---|---|---|---|
| coded | before | 4th | 3rd | 5th | 2nd | 7th | 6th | 8th | 1st |
| level | | 3 | 2 | 3 | 1 | 3 | 2 | 3 | 0 |

A frame of level 0 is predicted from the last one of the group before, all others from the nearest two frames of lower
level (hierarchical B-frames; Schwarz, Marpe and Wiegand, "Analysis of hierarchical B pictures and MCTF", 2006).
"""

from collections.abc import Iterator
from dataclasses import dataclass

MAX_GROUP = 8


@dataclass(frozen=True, slots=True)
class Slot:
    """A frame, and the one or two that it is predicted from, by their numbers."""

    frame: int
    references: tuple[int, ...]
    level: int


def group_slots(before: int, length: int) -> Iterator[Slot]:
    """The frames before + 1 ... before + length as they are coded."""
    last = before + length
    yield Slot(last, (before,), 0)
    yield from _between(before, last, 1)


def _between(first: int, last: int, level: int) -> Iterator[Slot]:
    if last - first > 1:
        middle = (first + last) // 2
        yield Slot(middle, (first, last), level)
        yield from _between(first, middle, level + 1)
        yield from _between(middle, last, level + 1)


class FrameOrder:
    """Which frame each section of a clip holds, and when it is shown: for who writes and for who reads.

    The methods raise ValueError where such a frame cannot come.
    """

    def __init__(self, first: int = 0) -> None:
        """first: the number of the first frame, an intra frame."""
        self.anchor = first - 1  # the last frame of the group
        self.waiting: list[Slot] = []  # of the group, in their order
        self._times: dict[int, int] = {}  # of the frames that others may be predicted from

    def intra(self) -> Slot:
        self._ended("an intra frame")
        return Slot(self.anchor + 1, (), 0)

    def predicted(self, ahead: int) -> Slot:
        """The end of a group, in which so many frames are shown before it."""
        self._begun()
        self._ended("another group")
        if not 0 <= ahead < MAX_GROUP:
            raise ValueError(f"a group of {ahead + 1} frames: at most {MAX_GROUP} are allowed")
        return next(group_slots(self.anchor, ahead + 1))

    def between(self) -> Slot:
        self._begun()
        if not self.waiting:
            raise ValueError("a frame between others, but the group has all its frames")
        return self.waiting[0]

    def repeat(self) -> Slot:
        """The next frame, whichever it is, with the earlier one of its references alone."""
        self._begun()
        slot = self.waiting[0] if self.waiting else self.predicted(0)
        return Slot(slot.frame, slot.references[:1], slot.level)

    def time_before(self, slot: Slot) -> int:
        """Of the earlier reference."""
        return self._times[slot.references[0]]

    def put(self, slot: Slot, time: int) -> None:
        """The frame has come, and is shown at a time."""
        lower = self._times.get(slot.references[0] if slot.references else self.anchor)
        whole = self.waiting[0] if self.waiting else slot
        upper = self._times[whole.references[1]] if len(whole.references) == 2 else None
        if (lower is not None and time <= lower) or (upper is not None and time >= upper):
            raise ValueError(f"frame {slot.frame} is shown at {time}: times must rise")
        if self.waiting:
            del self.waiting[0]
            self._times[slot.frame] = time
            return
        if slot.references:
            self.waiting = list(group_slots(self.anchor, slot.frame - self.anchor))[1:]
        self._times = {number: then for number, then in self._times.items() if number == self.anchor}
        self._times[slot.frame] = time
        self.anchor = slot.frame

    def _begun(self) -> None:
        if not self._times:
            raise ValueError("the first frame is an intra frame")

    def _ended(self, what: str) -> None:
        if self.waiting:
            raise ValueError(f"{what} where frame {self.waiting[0].frame} of the group before must be")
