"""A file that is read while others work: its pieces, as soon as they are there."""

import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

_END = object()


class ReadAhead(Generic[Item]):
    """The items of an iterator, which a thread goes through; that reads only, and may be left behind."""

    def __init__(self, items: Iterator[Item], depth: int = 4) -> None:
        self._queue: queue.Queue[object] = queue.Queue(depth)
        self._left = threading.Event()
        threading.Thread(target=self._read, args=(items,), daemon=True).start()
        self._ended = False

    def next(self, wait: bool) -> Item | None:
        """The next one; None at the end, or where it would have to be waited for. Raises what the iterator raised."""
        if self._ended:
            return None
        try:
            item = self._queue.get(wait)
        except queue.Empty:
            return None
        if item is _END:
            self._ended = True
            return None
        if isinstance(item, BaseException):
            self._ended = True
            raise item
        return item  # type: ignore[return-value]

    def leave(self) -> None:
        """Nothing more is wanted."""
        self._left.set()
        self._ended = True

    def _read(self, items: Iterator[Item]) -> None:
        try:
            for item in items:
                if not self._put(item):
                    return
            self._put(_END)
        except BaseException as error:  # to be raised by who waits for it
            self._put(error)

    def _put(self, item: object) -> bool:
        while not self._left.is_set():
            try:
                self._queue.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False
