"""Work on many things at once, on as many threads as torch may use.

The threads live as long as the process, and each computes with one: no team of OpenMP meets in them, and what they
multiply with never ends with its thread. Threads of a caller's own that multiply matrices and end at the same time can
spin for ever in MKL's destructor of a thread's buffers (seen in `mm_cleanup_thread_cbk`, torch 2.13), so coding leaves
them nothing of that kind to do.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Lock, local
from typing import TypeVar

import torch

from ..kernels.share import set_share

In = TypeVar("In")
Out = TypeVar("Out")


def in_threads(work: Callable[[In], Out], items: Iterable[In], device: torch.device) -> list[Out]:
    """`work` of every item, as many at a time as `hands` says, each in a thread that has one.

    With one, one after the other, at once, here. Where there are fewer items, kernels have a `share` of what is over.
    """
    items = list(items)
    threads = hands(device)
    if threads == 1 and (device.type != "cpu" or getattr(_HERE, "hands", 0) == 1):
        return [work(item) for item in items]
    inference = torch.is_inference_mode_enabled()  # a thread does not know by itself
    waiting, turn = list(enumerate(items))[::-1], Lock()
    results: dict[int, Out] = {}

    def give_up() -> None:
        with turn:
            waiting.clear()

    at_once = min(threads, len(items))

    def go_on() -> None:
        set_share(threads // at_once)
        with torch.inference_mode(inference):
            while True:
                with turn:
                    if not waiting:
                        return
                    index, item = waiting.pop()
                try:
                    results[index] = work(item)
                except BaseException:
                    give_up()
                    raise

    pool = _pool(threads)
    try:
        for part in [pool.submit(go_on) for _ in range(at_once)]:
            part.result()
    except BaseException:  # also an interruption here, for which nobody shall work on
        give_up()
        raise
    return [results[index] for index in range(len(items))]


def beside(work: Callable[[], Out], device: torch.device, lane: int = 0, lanes: int = 1) -> "Future[Out]":
    """Begin work beside what this thread does, in a lane: a thread that does piece after piece in this order.

    lanes: how many are in use, which share the hands of this thread; the first ones get what is over. Where there are
    not as many, the work is done at once, here.
    """
    most = hands(device)
    if most < max(2, lanes):
        done: Future[Out] = Future()
        try:
            done.set_result(work())
        except Exception as error:
            done.set_exception(error)
        return done
    inference = torch.is_inference_mode_enabled()
    share = (most + lanes - 1 - lane) // lanes

    def go() -> Out:
        _HERE.hands = share
        with torch.inference_mode(inference):
            return work()

    with _LOCK:
        while len(_LANES) <= lane:
            _LANES.append(_new_pool(1))
    return _LANES[lane].submit(go)


def hands(device: torch.device) -> int:
    """How many pieces of work `in_threads` does at a time: as many as torch has threads, or as this thread may use."""
    return 1 if device.type != "cpu" else getattr(_HERE, "hands", 0) or torch.get_num_threads()


@contextmanager
def all_here() -> Iterator[None]:
    """Within, this thread does all work itself, so that what watches a thread sees it."""
    before = getattr(_HERE, "hands", 0)
    _HERE.hands = 1
    try:
        yield
    finally:
        _HERE.hands = before


_HERE = local()  # `hands`: of this thread, if they are not all that torch has
_LOCK = Lock()
_POOLS: list[ThreadPoolExecutor] = []  # the last one is in use
_LANES: list[ThreadPoolExecutor] = []  # of one thread each, once they are needed


def _pool(least: int) -> ThreadPoolExecutor:
    """Threads for the life of the process in which torch works with one: as many as there are cores, or `least`.

    What torch.set_num_threads says is also what threads that begin later go by, so it is said once for all of these,
    and then taken back: pixels may differ by a level between numbers of threads.
    """
    with _LOCK:
        if not _POOLS or _POOLS[-1]._max_workers < least:
            _POOLS.append(_new_pool(max(least, os.cpu_count() or 1)))
        return _POOLS[-1]


def _new_pool(count: int) -> ThreadPoolExecutor:
    ready = Barrier(count + 1)

    def begin() -> None:
        _HERE.hands = 1
        torch.set_num_threads(1)
        torch.get_num_threads()  # a thread takes the number over when it first asks
        ready.wait()

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, "lcodec", initializer=begin)
    for _ in range(count):
        pool.submit(int)  # each begins a thread, since none is idle yet
    ready.wait()
    torch.set_num_threads(before)
    return pool
