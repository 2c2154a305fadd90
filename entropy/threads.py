"""Work on many things at once, on as many threads as torch may use."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier, Lock
from typing import TypeVar

import torch

In = TypeVar("In")
Out = TypeVar("Out")


def in_threads(work: Callable[[In], Out], items: Iterable[In], device: torch.device, alone: bool = True) -> list[Out]:
    """`work` of every item, as many at a time as torch has threads on a CPU, each with one.

    A single item is worked on by the caller, with all threads, or, not `alone`, like any other: with one, which is
    faster where there are many small products, for which threads would wait for each other.
    """
    items = list(items)
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1 or (alone and len(items) == 1):
        return [work(item) for item in items]
    with _LOCK:
        pool = _pool(threads)
    inference = torch.is_inference_mode_enabled()  # a thread does not know by itself

    def begun(item: In) -> Out:
        with torch.inference_mode(inference):
            return work(item)

    return list(pool.map(begun, items))


_LOCK = Lock()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads for the life of the process in which torch works with one.

    What torch.set_num_threads says is also what threads that begin later go by, so it is said once for all of these,
    and then taken back: pixels may differ by a level between numbers of threads.
    """
    ready = Barrier(threads + 1)

    def begin() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # a thread takes the number over when it first asks
        ready.wait()

    pool = ThreadPoolExecutor(threads, "lcodec", initializer=begin)
    for _ in range(threads):
        pool.submit(int)  # each begins a thread, since none is idle yet
    ready.wait()
    torch.set_num_threads(threads)
    return pool
