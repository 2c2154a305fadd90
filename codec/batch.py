"""Whole folders: every picture into a coded file, or every coded file into a picture, several at a time.

A file that is there already is not made again, so an interrupted run goes on where it stood: outputs appear whole or
not at all.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from ..formats.container import DEFAULT_MAX_PIXELS, MAGIC
from ..formats.errors import LcodecError
from ..formats.files import read_input, write_output
from .api import codec, codec_for
from .codec import Device, Rate
from .jobs import DecodeJob, EncodeJob

SUFFIX = ".lcc"


@dataclass(frozen=True, slots=True)
class Batch:
    """A folder's work. `suffix` is that of pictures to decode to, or None to encode with the other options."""

    source: Path
    target: Path
    suffix: str | None = None
    quality: Rate | None = None
    model: str = "base"
    effort: int = 0
    tile: int | None = None
    strip: bool = False
    force: bool = False
    device: Device = "auto"
    threads: int = 1  # of each process
    max_pixels: int = DEFAULT_MAX_PIXELS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: the bytes of it and of what was made, or why nothing was."""

    path: Path
    source_bytes: int = 0
    target_bytes: int = 0
    failure: str | None = None


# Called with the number of outcomes so far, the number there will be, and the newest.
Progress = Callable[[int, int, Outcome], None]


def plan(batch: Batch) -> tuple[list[Path], int]:
    """The files of the folder to work on, by their paths within it, and how many of them were done before.

    Raises ValueError where the folder holds none.
    """
    if not batch.source.is_dir():
        raise ValueError(f"not a folder: {batch.source}")
    target = batch.target.resolve()
    found = [path for path in sorted(_files(batch.source)) if not path.resolve().is_relative_to(target)]
    coded = [path for path in found if _is_coded(path)]
    chosen = coded if batch.suffix is not None else [path for path in found if _may_be_picture(path)]
    if not chosen:
        kind = "coded files" if batch.suffix is not None else "pictures"
        raise ValueError(f"no {kind} in {batch.source}")
    relative = [path.relative_to(batch.source) for path in chosen]
    left = relative if batch.force else [path for path in relative if not _target(batch, path).exists()]
    return left, len(relative) - len(left)


def run_batch(batch: Batch, paths: Sequence[Path], jobs: int, progress: Progress, ray: bool = False) -> list[Outcome]:
    """Work on files in so many processes. A file that fails stops none of the others.

    `ray`: as tasks of a Ray cluster, each of `batch.threads` processors, so many at a time as it has; the folders must
    be there on all of its machines. Raises ImportError where Ray is absent.
    """
    outcomes = []
    for outcome in _outcomes_by_ray(batch, paths) if ray else _outcomes(batch, paths, jobs):
        outcomes.append(outcome)
        progress(len(outcomes), len(paths), outcome)
    return outcomes


def _outcomes(batch: Batch, paths: Sequence[Path], jobs: int) -> Iterator[Outcome]:
    if min(jobs, len(paths)) <= 1:
        yield from (work(batch, path) for path in paths)
        return
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(min(jobs, len(paths)), mp_context=context) as pool:
        try:
            yield from (done.result() for done in as_completed([pool.submit(work, batch, path) for path in paths]))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _outcomes_by_ray(batch: Batch, paths: Sequence[Path]) -> Iterator[Outcome]:
    try:
        import ray
    except ImportError as error:
        raise ImportError("a cluster needs Ray: pip install 'lcodec[ray]'") from error
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False)  # the cluster that RAY_ADDRESS names, or one of this machine alone
    try:
        task = ray.remote(num_cpus=batch.threads)(work)
        waiting = [task.remote(batch, path) for path in paths]
        while waiting:
            done, waiting = ray.wait(waiting)
            yield from ray.get(done)
    finally:
        if started:
            ray.shutdown()


def work(batch: Batch, path: Path) -> Outcome:
    """Make the file that belongs to one of the folder, named by its path within it."""
    import torch

    target = _target(batch, path)
    torch.set_num_threads(batch.threads)
    try:
        data = read_input(str(batch.source / path))
        made = _made(batch, data)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_output(str(target), made, batch.force)
    except (LcodecError, ValueError, OSError, MemoryError, RuntimeError) as error:
        return Outcome(path, failure=" ".join(str(error).split()) or type(error).__name__)
    return Outcome(path, len(data), len(made))


def _made(batch: Batch, data: bytes) -> bytes:
    if batch.suffix is not None:
        decode = DecodeJob(batch.suffix, max_pixels=batch.max_pixels)
        return decode.run(data, lambda file: codec_for(file, batch.device)).data
    encode = EncodeJob(batch.quality, effort=batch.effort, tile=batch.tile, strip=batch.strip)
    return encode.run(data, lambda: codec(batch.model, batch.device)).data


def _target(batch: Batch, path: Path) -> Path:
    """`a/b.png` becomes `a/b.png.lcc`, since there may be an `a/b.jpg` too; that becomes `a/b.png` again."""
    if batch.suffix is None:
        return batch.target / path.parent / (path.name + SUFFIX)
    return batch.target / path.parent / (Path(path.name.removesuffix(SUFFIX)).stem + batch.suffix)


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def _is_coded(path: Path) -> bool:
    return _start(path).startswith(MAGIC)


def _may_be_picture(path: Path) -> bool:
    """By its first bytes: folders of photographs hold notes and catalogues too."""
    from ..formats.pictures import looks_like_picture

    return looks_like_picture(_start(path))


def _start(path: Path) -> bytes:
    """The first bytes of a file, none of one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError:
        return b""
