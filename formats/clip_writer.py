"""The writer of clips, section by section: CLIP-SPEC.md.

file = signature  HEAD  (INTRA | PREDICTED | BETWEEN | REPEAT | TRACKS | ancillary)*  INDEX  END
"""

from .clip_head import pack_head
from .clip_kinds import MAGIC
from .clip_order import FrameOrder, Slot
from .clip_records import MAJOR, MINOR, ClipHead, Output
from .clip_sections import BETWEEN, END, HEAD, INDEX, INTRA, PREDICTED, REPEAT, SYNC, TRACKS
from .container import MAX_GAIN_INDEX
from .fields import pack_uint, pack_varint
from .sections import pack_section

_MAX_TIME = 2**63 - 1


class ClipWriter:
    """Writes a clip section by section, each whole when the method returns, so that what is there can be played."""

    def __init__(self, file: Output, head: ClipHead) -> None:
        self._file = file
        self._offset = 0
        self._order = FrameOrder()
        self._intra: list[tuple[int, int]] = []
        signature = MAGIC + bytes((MAJOR, MINOR))
        self._put(signature + pack_section(HEAD, pack_head(head), before=signature))

    @property
    def offset(self) -> int:
        """Bytes written so far."""
        return self._offset

    def intra(self, time: int, gain_index: int, symbols_crc: int, data: bytes) -> None:
        """A frame that needs no other. Raises ValueError for frames that cannot come so, as the others do."""
        slot = self._order.intra()
        if not -_MAX_TIME <= time <= _MAX_TIME:
            raise ValueError(f"a frame at {time}: at most {_MAX_TIME} either way is allowed")
        number = pack_varint(slot.frame, "number")
        stamp = time.to_bytes(8, "little", signed=True)
        entry = slot.frame, self._offset
        self._frame(slot, time, INTRA, SYNC + number + stamp + _pack_coded(gain_index, symbols_crc) + data)
        self._intra.append(entry)

    def predicted(self, ahead: int, time: int, gain_index: int, symbols_crc: int, data: bytes) -> None:
        """A frame that needs the last one of the group before; so many are shown before it, and come after it."""
        slot = self._order.predicted(ahead)
        coded = pack_varint(ahead, "ahead") + self._step(slot, time) + _pack_coded(gain_index, symbols_crc)
        self._frame(slot, time, PREDICTED, coded + data)

    def between(self, time: int, gain_index: int, symbols_crc: int, data: bytes) -> None:
        """The next frame of the group, which needs two."""
        slot = self._order.between()
        self._frame(slot, time, BETWEEN, self._step(slot, time) + _pack_coded(gain_index, symbols_crc) + data)

    def repeat(self, time: int) -> None:
        """The next frame, with the samples of its earlier reference."""
        slot = self._order.repeat()
        self._frame(slot, time, REPEAT, self._step(slot, time))

    def tracks(self, data: bytes) -> None:
        if data:
            self._put(pack_section(TRACKS, data))

    def finish(self, duration: int) -> None:
        """The last frame is shown so long."""
        if self._order.waiting:
            raise ValueError(f"the clip ends where frame {self._order.waiting[0].frame} must be")
        index_offset = self._offset
        index, last = [pack_varint(len(self._intra), "count")], (0, 0)
        for number, offset in self._intra:
            index += [pack_varint(number - last[0], "number"), pack_varint(offset - last[1], "offset")]
            last = number, offset
        self._put(pack_section(INDEX, b"".join(index)))
        end = pack_uint(self._order.anchor + 1, 4, "frames") + pack_uint(min(duration, 2**32 - 1), 4, "duration")
        self._put(pack_section(END, end + pack_uint(index_offset, 8, "index_offset")))

    def _step(self, slot: Slot, time: int) -> bytes:
        """Time since the earlier reference."""
        return pack_varint(max(0, time - self._order.time_before(slot)), "step")

    def _frame(self, slot: Slot, time: int, kind: int, payload: bytes) -> None:
        self._order.put(slot, time)
        self._put(pack_section(kind, payload))

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        self._offset += len(data)


def _pack_coded(gain_index: int, symbols_crc: int) -> bytes:
    if gain_index > MAX_GAIN_INDEX:
        raise ValueError(f"gain_index is {gain_index}, at most {MAX_GAIN_INDEX} is allowed")
    return pack_uint(gain_index, 2, "gain_index") + pack_uint(symbols_crc, 4, "symbols_crc")
