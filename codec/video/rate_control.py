"""The quality of each frame of a clip that is to have a certain size, in two passes.

The first pass codes the clip at a quality near the right one, and keeps what each frame took. The second goes through
it again: before each frame it asks which quality lets the frames that are left take the bytes that are left, if all
of them follow one law.
"""

import math
from dataclasses import dataclass

# Bytes grow by e for so many steps of quality, on clips that are held out.
_STEPS_TO_E = 22.0
_MOST_CHANGE = 1.5  # of quality from frame to frame
_RESERVE = 0.01  # of the bytes, so that the last frames need not make up for all


@dataclass(frozen=True, slots=True)
class FirstPass:
    """The bytes of each frame at a quality, those of all else in the file, and how long the clip is."""

    quality: float
    frame_bytes: tuple[int, ...]
    other_bytes: int
    seconds: float

    def quality_for(self, frame_bytes: float) -> float:
        """At which quality the frames would take so many bytes."""
        ratio = max(frame_bytes, 1.0) / max(1, sum(self.frame_bytes))
        return limited(self.quality + _STEPS_TO_E * math.log(ratio))


class RateControl:
    """Asked for the quality of each frame, and told what it took."""

    def __init__(self, first: FirstPass, file_bytes: float) -> None:
        """Raises ValueError where what is not frames already takes more than `file_bytes`."""
        self._first = first
        self._left_bytes = (file_bytes - first.other_bytes) * (1 - _RESERVE)
        if self._left_bytes <= 0:
            raise ValueError(f"sound and all else but frames takes {first.other_bytes} bytes already")
        self._ahead_bytes = float(sum(first.frame_bytes))
        self._frame = 0
        self.quality = first.quality_for(self._left_bytes)

    def next(self) -> float:
        """The quality of the next frame."""
        if self._frame and self._ahead_bytes > 0:
            ratio = max(self._left_bytes, 1.0) / self._ahead_bytes
            wanted = self._first.quality + _STEPS_TO_E * math.log(ratio)
            change = min(_MOST_CHANGE, max(-_MOST_CHANGE, wanted - self.quality))
            self.quality = limited(self.quality + change)
        return self.quality

    def took(self, count: int) -> None:
        """The bytes of the frame."""
        self._left_bytes -= count
        self._ahead_bytes -= self._first.frame_bytes[min(self._frame, len(self._first.frame_bytes) - 1)]
        self._frame += 1


def limited(quality: float) -> float:
    return min(100.0, max(0.0, quality))
