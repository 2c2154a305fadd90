"""One picture through one codec: code, decode, compare, and time both ways."""

import functools
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...formats.errors import LcodecError
from ...formats.pictures import read_picture
from .metrics import ms_ssim, psnr_db, psnr_yuv_db, ssim
from .results import Sample
from .sample_cache import SampleCache
from .subjects import Pixels, Subject, find_subject, is_model

if TYPE_CHECKING:
    from ..codec import Device

PSNR_LIMIT_DB = 100.0

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Task:
    """A picture to be coded by a codec at some qualities, on so many threads; picklable, for another process."""

    codec: str
    device: "Device"
    picture: Path
    qualities: tuple[float, ...]
    threads: int
    cache: SampleCache | None


def run_task(task: Task) -> list[Sample]:
    """The samples of a task, in the order of its qualities; what the cache has is not measured again.

    Raises ValueError, naming codec and picture, when a codec fails or a picture comes back in another size.
    """
    data = task.picture.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    subject = _ready_subject(task.codec, task.device, task.threads)
    codec = f"{subject.name} {subject.settings} {subject.version}"
    samples: list[Sample] = []
    pixels: Pixels | None = None
    for quality in task.qualities:
        sample = None if task.cache is None else task.cache.get(digest, codec, quality)
        if sample is None:
            if pixels is None:
                pixels = read_picture(data).eight_bits()
            sample = _measured(subject, pixels, task.picture.name, quality)
            if task.cache is not None:
                task.cache.put(digest, codec, sample)
        samples.append(replace(sample, picture=task.picture.name))
    return samples


def _measured(subject: Subject, pixels: Pixels, picture: str, quality: float) -> Sample:
    try:
        _warm_up(subject, pixels)
        data, encode_seconds, encode_cpu_seconds = _timed(lambda: subject.encode(pixels, quality))
        rebuilt, decode_seconds, decode_cpu_seconds = _timed(lambda: subject.decode(data))
    except LcodecError as error:
        raise ValueError(f"{picture}: {error}") from None
    if rebuilt.shape != pixels.shape:
        raise ValueError(f"{picture}: {subject.name} made {rebuilt.shape} of {pixels.shape}")
    return Sample(
        picture=picture,
        quality=quality,
        file_bytes=len(data),
        psnr_db=min(psnr_db(pixels, rebuilt), PSNR_LIMIT_DB),
        psnr_yuv_db=min(psnr_yuv_db(pixels, rebuilt), PSNR_LIMIT_DB),
        ssim=ssim(pixels, rebuilt),
        ms_ssim=ms_ssim(pixels, rebuilt),
        encode_seconds=encode_seconds,
        encode_cpu_seconds=encode_cpu_seconds,
        decode_seconds=decode_seconds,
        decode_cpu_seconds=decode_cpu_seconds,
    )


def _timed(call: Callable[[], _Result]) -> tuple[_Result, float, float]:
    """(result, wall seconds, processor seconds of this process and of the programs it ran)."""
    wall, cpu = time.perf_counter(), _cpu_seconds()
    result = call()
    return result, time.perf_counter() - wall, _cpu_seconds() - cpu


def _cpu_seconds() -> float:
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


@functools.cache
def _ready_subject(codec: str, device: "Device", threads: int) -> Subject:
    if is_model(codec):
        import torch

        torch.set_num_threads(threads)
    return find_subject(codec, device)


_warm: set[str] = set()


def _warm_up(subject: Subject, pixels: Pixels) -> None:
    """The first call in a process pays for loading; it shall not count."""
    if subject.name not in _warm:
        subject.decode(subject.encode(pixels, subject.qualities[0]))
        _warm.add(subject.name)
