"""What motion is expected: parts of the way that is known."""

import numpy as np
import pytest

from lcodec.codec.video.motion_base import expected, fields_after
from lcodec.entropy.vectors import LIMIT
from lcodec.formats.clip_order import Slot, group_slots


def constant(y, x):
    return np.broadcast_to(np.array([y, x], np.int32)[:, None, None], (2, 3, 4))


@pytest.mark.parametrize("length", range(1, 9))
def test_what_moves_evenly_is_expected_as_it_moves(length):
    """16 quarter pixels down and 8 to the left with every frame: vectors point back, to where a block came from."""
    fields = {}
    for before in (0, length):
        for slot in group_slots(before, length):
            found = expected(fields, slot)
            right = tuple(constant(-16 * (slot.frame - n), 8 * (slot.frame - n)) for n in slot.references)
            if (before, slot.level) == (0, 0):
                assert found is None
            else:
                assert all(np.array_equal(a, b) for a, b in zip(found, right, strict=True))
            fields = fields_after(fields, slot, right)
    assert all(pair[0] >= length for pair in fields)


def test_parts_are_rounded():
    fields = {(0, 3): constant(-5, 4)}
    first, second = expected(fields, Slot(1, (0, 3), 1))
    assert first[:, 0, 0].tolist() == [-2, 1] and second[:, 0, 0].tolist() == [3, -3]
    (alone,) = expected(fields, Slot(4, (3,), 0))
    assert alone[:, 0, 0].tolist() == [-2, 1]


def test_after_a_repeated_frame_nothing_is_expected():
    fields = {(0, 8): constant(1, 1)}
    assert expected(fields, Slot(4, (0, 8), 1)) is not None
    for slot in (Slot(2, (0, 4), 2), Slot(6, (4, 8), 2), Slot(10, (9,), 0)):
        assert expected(fields, slot) is None


def test_no_file_makes_vectors_grow_without_end():
    fields = {(0, 1): constant(LIMIT, -LIMIT)}
    (far,) = expected(fields, Slot(9, (1,), 0))
    assert far[:, 0, 0].tolist() == [LIMIT, -LIMIT]
