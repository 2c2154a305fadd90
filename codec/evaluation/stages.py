"""Where the time of one picture goes: what encoder and decoder do, one stage after the other, with a clock between.

The stages are those of `coding_model`, called as it calls them, so that a file written here is the one that `encode`
writes. The exact context is what the walk takes beside the coder.
"""

import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from ...entropy import walk
from ...entropy.coder import RowCoder
from ...entropy.exchange import Symbols
from ...formats.container import Header, Stream, pack, unpack
from ...formats.picture_writing import write_picture
from ...formats.pictures import read_picture
from ..codec import gain_index_of
from ..coding_model import CodingModel
from ..machine import this_machine
from ..model_file import unpack_model
from ..registry import by_name
from ..tiles import WHOLE_PIXELS
from ..weights_cache import read_weights

Out = TypeVar("Out")

_START_UP = """
import time
start = time.perf_counter()
import torch
then = time.perf_counter()
import lcodec.codec.codec
after = time.perf_counter()
lcodec.codec.codec.Codec({model!r}, "cpu")
print(then - start, after - then, time.perf_counter() - after)
"""


@dataclass(frozen=True, slots=True)
class Profile:
    """Median seconds by stage, in order, of a fresh process that gets ready, of encoding and of decoding.

    `carrier` names the kernels of the exact networks, `blocks` the numbers that those of the transforms compute with.
    """

    width: int
    height: int
    file_bytes: int
    carrier: str
    blocks: str
    start_up: dict[str, float]
    encode: dict[str, float]
    decode: dict[str, float]


def profile_picture(path: Path, model: str, quality: float, device: torch.device, repeats: int) -> Profile:
    """Code a picture `repeats` times and once more before. Raises as `Codec` and `read_picture` do.

    ValueError too for a model without transforms, and for pictures that are coded in tiles.
    """
    entry, gain_index, source = by_name(model), gain_index_of(quality), path.read_bytes()
    if entry.lossless:
        raise ValueError("a profile is of a model with transforms, not of the lossless one")
    coding = unpack_model(read_weights(entry), device)
    height, width = read_picture(source).pixels.shape[:2]
    if height * width > WHOLE_PIXELS:
        raise ValueError(f"a profile is of pictures of one tile, at most {WHOLE_PIXELS} pixels, not {width} x {height}")
    header = Header(width, height, entry.wire_id, bytes.fromhex(entry.weights), gain_index)
    encode, decode = _Clock(device), _Clock(device)
    for repeat in range(repeats + 1):
        data = _encode(coding, source, header, encode)
        _decode(coding, data, decode)
        if repeat == 0:
            encode.forget()
            decode.forget()
    machine = this_machine(device)
    stages = _start_up(model, repeats), encode.medians(), decode.medians()
    return Profile(width, height, len(data), machine.carrier, machine.blocks, *stages)


@dataclass
class _Clock:
    """Seconds by stage, of every repetition."""

    device: torch.device
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def of(self, stage: str, work: Callable[[], Out]) -> Out:
        start = time.perf_counter()
        result = work()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds[stage].append(time.perf_counter() - start)
        return result

    def split(self, stage: str, other: str, seconds: float) -> None:
        """Of what a stage just took, so much belongs to another."""
        self.seconds[stage][-1] -= seconds
        self.seconds[other].append(seconds)

    def forget(self) -> None:
        self.seconds.clear()

    def medians(self) -> dict[str, float]:
        return {stage: statistics.median(seconds) for stage, seconds in self.seconds.items()}


class _TimedCoder(RowCoder):
    """A row coder that counts the seconds of its own."""

    def __init__(self, coder: RowCoder) -> None:
        self.__dict__.update(coder.__dict__)
        self.seconds = 0.0

    def push(self, symbols: Symbols, row: npt.NDArray[np.int16]) -> bytes:
        start = time.perf_counter()
        data = super().push(symbols, row)
        self.seconds += time.perf_counter() - start
        return data

    def pull(self, data: bytes, row: npt.NDArray[np.int16]) -> Symbols:
        start = time.perf_counter()
        symbols = super().pull(data, row)
        self.seconds += time.perf_counter() - start
        return symbols


def _encode(coding: CodingModel, source: bytes, header: Header, clock: _Clock) -> bytes:
    coder, gain_index, device = _TimedCoder(coding.coder), header.gain_index, coding.device
    picture = clock.of("picture", lambda: read_picture(source))
    pixels = coding.source(picture.pixels, picture.depth)
    y, z = clock.of("analysis", lambda: coding.latents(pixels, gain_index))
    coded = clock.of("exact context", lambda: walk.encode(coding.prior, coder, y, z, gain_index, device))
    clock.split("exact context", "range coder", coder.seconds)
    return clock.of("container", lambda: pack(Stream(header, coded.steps, coded.symbols_crc, picture.metadata)))


def _decode(coding: CodingModel, data: bytes, clock: _Clock) -> None:
    coder = _TimedCoder(coding.coder)
    stream = clock.of("container", lambda: unpack(data))
    header = stream.header
    size = tuple(-(-side // coding.stride) for side in (header.height, header.width))
    found = clock.of(
        "exact context",
        lambda: walk.decode(coding.prior, coder, stream.steps, header.gain_index, (size[0], size[1]), coding.device),
    )
    clock.split("exact context", "range coder", coder.seconds)
    arguments = found[0], header.gain_index, header.height, header.width
    pixels = clock.of("synthesis", lambda: coding.synthesise(*arguments).numpy())
    clock.of("picture", lambda: write_picture(pixels, ".png"))


def _start_up(model: str, repeats: int) -> dict[str, float]:
    found = []
    for _ in range(repeats):
        done = subprocess.run(
            [sys.executable, "-c", _START_UP.format(model=model)], capture_output=True, check=True, text=True
        )
        found.append([float(part) for part in done.stdout.split()])
    names = ("import torch", "import lcodec", "weights")
    return {name: statistics.median(part) for name, part in zip(names, zip(*found, strict=True), strict=True)}


def as_table(profile: Profile) -> str:
    """Milliseconds by stage, as Markdown."""
    lines = [
        f"{profile.width} x {profile.height} pixels, {profile.file_bytes} bytes; exact networks on {profile.carrier}, "
        f"blocks of the transforms in {profile.blocks}",
        "",
    ]
    lines += ["| stage | ms | share |", "|---|---:|---:|"]
    for name, stages in (("start-up", profile.start_up), ("encode", profile.encode), ("decode", profile.decode)):
        total = sum(stages.values())
        lines += [f"| {name}: {stage} | {1e3 * s:.1f} | {s / total:.0%} |" for stage, s in stages.items()]
        lines.append(f"| {name} | {1e3 * total:.1f} | |")
    return "\n".join(lines)
