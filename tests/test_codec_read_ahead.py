"""A file that is read while others work."""

import pytest

from lcodec.codec.video.read_ahead import ReadAhead


def test_reading_ahead_gives_all_and_what_was_raised():
    def items():
        yield from range(10)
        raise OSError("gone")

    ahead = ReadAhead(items())
    found = []
    with pytest.raises(OSError, match="gone"):
        while (item := ahead.next(True)) is not None:
            found.append(item)
    assert found == list(range(10)) and ahead.next(True) is None


def test_reading_ahead_can_be_left():
    taken = []

    def items():
        for n in range(10**9):
            taken.append(n)
            yield n

    ahead = ReadAhead(items(), depth=2)
    assert ahead.next(True) == 0
    ahead.leave()
    assert ahead.next(False) is None and len(taken) < 100
