"""What the motion of frames that are coded says of the next one's, in whole numbers.

A frame between two others is crossed by what moves from one to the other: where blocks of the later one come from is
known, and of such a vector the frame has a part, and the rest the other way (temporal direct prediction, as in H.264).
The last frame of a group is expected to move on as the last frame of the group before did.
"""

from collections.abc import Mapping

import numpy as np

from ...entropy.vectors import LIMIT, Vectors
from ...formats.clip_order import Slot

# Of pairs of frames (earlier, later): where the blocks of the later one come from in the earlier one.
Fields = Mapping[tuple[int, int], Vectors]


def expected(fields: Fields, slot: Slot) -> tuple[Vectors, ...] | None:
    """Vectors (2, h, w) into each reference of a frame, None where nothing is known."""
    if len(slot.references) == 1:
        (last,) = slot.references
        before = min((pair for pair in fields if pair[1] == last), default=None)
        return None if before is None else (_part(fields[before], slot.frame - last, last - before[0]),)
    first, last = slot.references
    if (crossing := fields.get((first, last))) is None:
        return None
    length = last - first
    return _part(crossing, slot.frame - first, length), _part(-crossing, last - slot.frame, length)


def fields_after(fields: Fields, slot: Slot, vectors: tuple[Vectors, ...]) -> Fields:
    """With the motion of a frame. A new group leaves nothing of the one before."""
    if len(vectors) == 1:
        return {(slot.references[0], slot.frame): vectors[0]}
    first, last = slot.references
    return {**fields, (first, slot.frame): vectors[0], (slot.frame, last): -vectors[1]}


def _part(vectors: Vectors, count: int, of: int) -> Vectors:
    """count / of, rounded, halves up; as far as vectors go, whatever a file says."""
    part: Vectors = np.floor_divide(2 * count * vectors + of, 2 * of).clip(-LIMIT, LIMIT)
    return part
