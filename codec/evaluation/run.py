"""A benchmark run: every picture through every codec, in this process or in several, less what is known already."""

import multiprocessing
import platform
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ... import __version__
from ...formats.pictures import read_picture
from ..weights_cache import home_folder
from .measure import Task, run_task
from .network_costs import network_costs
from .peak_memory import peak_memory_bytes
from .results import CodecResults, PictureFacts, Results, Sample
from .sample_cache import SampleCache
from .subjects import Subject, absent_unasked, find_subjects
from .test_sets import TestSet

if TYPE_CHECKING:
    from ..codec import Device

_PACKAGE = Path(__file__).parents[2]

# (tasks done, tasks in all, what was done last)
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure. `qualities` are for models of ours, None for the usual nine; other codecs have their ladders.

    `most_qualities` thins every ladder to so many, evenly. `jobs` processes work side by side, each with `threads`
    threads: more jobs end sooner and time worse. `fresh` measures anew what the cache knows.
    """

    pictures: TestSet
    codecs: tuple[str, ...]
    command: str
    device: "Device" = "auto"
    qualities: tuple[float, ...] | None = None
    most_qualities: int | None = None
    threads: int = 1
    jobs: int = 1
    fresh: bool = False


def run_bench(request: Request, progress: Progress) -> Results:
    """Measure. Interrupted, it goes on where it stood when called again.

    Raises ValueError for an unknown codec, if all codecs are absent, or where a codec fails on a picture.
    """
    subjects, absent = find_subjects(request.codecs, request.device)
    if not subjects:
        raise ValueError("; ".join(absent))
    machine = _machine()
    cache = None if request.fresh else SampleCache(home_folder(), f"{machine} {request.threads} {request.jobs}")
    tasks = [
        Task(subject.name, request.device, path, _ladder(subject, request), request.threads, cache)
        for subject in subjects
        for path in request.pictures.paths
    ]
    samples: dict[str, list[Sample]] = {subject.name: [] for subject in subjects}
    for done, (task, found) in enumerate(_run(tasks, request.jobs), 1):
        samples[task.codec] += found
        progress(done, len(tasks), f"{task.codec} {task.picture.name}")
    return Results(
        dataset=request.pictures.name,
        pictures_digest=request.pictures.digest,
        pictures=tuple(_facts(path) for path in request.pictures.paths),
        command=request.command,
        machine=machine,
        version=__version__,
        commit=_commit(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        threads=request.threads,
        jobs=request.jobs,
        codecs=tuple(_codec_results(subject, samples[subject.name], request) for subject in subjects),
        absent=(*absent, *absent_unasked(request.codecs)),
    )


def _ladder(subject: Subject, request: Request) -> tuple[float, ...]:
    ladder = subject.qualities
    if subject.kind == "lcodec" and request.qualities is not None and not subject.one_rate:
        ladder = request.qualities
    count = request.most_qualities
    if count is None or count >= len(ladder):
        return ladder
    return tuple(ladder[round((i + 1) * (len(ladder) - 1) / (count + 1))] for i in range(count))


def _run(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Task, list[Sample]]]:
    if jobs == 1:
        for task in tasks:
            yield task, run_task(task)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = {pool.submit(run_task, task): task for task in tasks}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _codec_results(subject: Subject, samples: list[Sample], request: Request) -> CodecResults:
    costs = network_costs(subject.name) if subject.kind == "lcodec" else None
    order = {path.name: position for position, path in enumerate(request.pictures.paths)}
    middle = _ladder(subject, request)[len(_ladder(subject, request)) // 2]
    return CodecResults(
        name=subject.name,
        kind=subject.kind,
        settings=subject.settings,
        version=subject.version,
        parameters=None if costs is None else costs.parameters,
        encode_kmac_per_px=None if costs is None else costs.encode_kmac_per_px,
        decode_kmac_per_px=None if costs is None else costs.decode_kmac_per_px,
        peak_memory_bytes=peak_memory_bytes(
            subject.name, request.device, request.threads, request.pictures.paths[0], middle
        ),
        samples=tuple(sorted(samples, key=lambda sample: order[sample.picture])),
    )


def _facts(path: Path) -> PictureFacts:
    data = path.read_bytes()
    height, width = read_picture(data).eight_bits().shape[:2]
    return PictureFacts(path.name, width, height, sha256(data).hexdigest())


def _machine() -> str:
    """Processor and system, for people."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        name = f"{models[0]}, {len(models)} logical processors" if models else name
    return f"{name}, {platform.system()}, Python {platform.python_version()}"


def _commit() -> str:
    """The commit of the checkout that this package runs in, or empty: an installed package has none."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(_PACKAGE), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        project = Path(git("rev-parse", "--show-toplevel"), "pyproject.toml")
        return git("rev-parse", "--short", "HEAD") if 'name = "lcodec"' in project.read_text() else ""
    except (OSError, subprocess.CalledProcessError):
        return ""
