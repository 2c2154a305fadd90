"""`lcodec bench`: code every picture of a folder at several qualities, as files, and measure what comes back."""

import hashlib
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...datasets.curves import Curve, anchor
from ...datasets.folders import pictures
from ...datasets.kodak import checksums
from ...datasets.split import split
from ...formats.pictures import read_picture
from ..api import codec
from ..codec import Codec, Device, Pixels
from .bd_rate import BdRate, bd_rate
from .metrics import ms_ssim, psnr_db

KODAK_ANCHORS = ("vtm", "av1", "avif-aom-s6", "bpg", "webp", "webp-m6", "jpeg2000", "jpeg-420")


@dataclass(frozen=True, slots=True)
class Point:
    """Means over the pictures at one quality; times are medians. `ms_ssim` is None if a picture is too small."""

    quality: float
    bpp: float
    psnr_db: float
    ms_ssim: float | None
    encode_seconds: float
    decode_seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """BD-rate against one anchor curve."""

    curve: Curve
    bd: BdRate


@dataclass(frozen=True, slots=True)
class Bench:
    """A finished run. `comparisons` is empty unless the pictures are those the anchor curves were made of."""

    folder: str
    n_images: int
    model: str
    weights: str
    machine: str
    points: tuple[Point, ...]
    comparisons: tuple[Comparison, ...]

    def curve(self) -> Curve:
        """Our own curve, so that its digest can be stated."""
        scores = [p.ms_ssim for p in self.points]
        return Curve(
            name=f"lcodec {self.model}",
            dataset=self.folder,
            source="measured",
            settings=f"weights {self.weights}",
            n_images=self.n_images,
            bpp=tuple(p.bpp for p in self.points),
            psnr_db=tuple(p.psnr_db for p in self.points),
            ms_ssim=None if None in scores else tuple(s for s in scores if s is not None),
        )


def run_bench(
    folder: Path,
    model: str,
    device: Device,
    qualities: Sequence[float],
    progress: Callable[[str], None],
    held_out: bool = False,
) -> Bench:
    """Code the pictures of a folder, all or those held out from training, at all qualities. ValueError for none."""
    paths = split(folder)[1] if held_out else pictures(folder)
    if not paths:
        raise ValueError(f"{folder} has no held-out picture")
    loaded = codec(model, device)
    decoded = [read_picture(path.read_bytes()).pixels for path in paths]
    loaded.decode(loaded.encode(decoded[0]))  # the first run pays for lazy set-up
    points = []
    for quality in qualities:
        points.append(_point(loaded, decoded, quality))
        progress(f"quality {quality:5.1f}: {points[-1].bpp:.4f} bpp, {points[-1].psnr_db:.2f} dB")
    bench = Bench(
        folder=folder.name,
        n_images=len(paths),
        model=model,
        weights=loaded.weights,
        machine=f"{platform.machine()}, {loaded.device}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        points=tuple(points),
        comparisons=(),
    )
    return compared(bench, [anchor(name, "kodak") for name in KODAK_ANCHORS]) if _is_kodak(paths) else bench


def _point(loaded: Codec, originals: list[Pixels], quality: float) -> Point:
    bpps, psnrs, scores, encode_seconds, decode_seconds = [], [], [], [], []
    for original in originals:
        start = time.perf_counter()
        data = loaded.encode(original, quality)
        middle = time.perf_counter()
        rebuilt = loaded.decode(data)
        encode_seconds.append(middle - start)
        decode_seconds.append(time.perf_counter() - middle)
        bpps.append(8 * len(data) / (original.shape[0] * original.shape[1]))
        psnrs.append(psnr_db(original, rebuilt))
        scores.append(ms_ssim(original, rebuilt))
    return Point(
        quality=quality,
        bpp=statistics.fmean(bpps),
        psnr_db=statistics.fmean(psnrs),
        ms_ssim=None if None in scores else statistics.fmean(s for s in scores if s is not None),
        encode_seconds=statistics.median(encode_seconds),
        decode_seconds=statistics.median(decode_seconds),
    )


def compared(bench: Bench, curves: Sequence[Curve]) -> Bench:
    """The same benchmark with BD-rates against more curves, which must be of the same pictures."""
    own = bench.curve()
    added = [Comparison(c, bd_rate(c.bpp, c.psnr_db, own.bpp, own.psnr_db)) for c in curves]
    return replace(bench, comparisons=(*bench.comparisons, *added))


def _is_kodak(paths: list[Path]) -> bool:
    """Whether these are exactly the 24 Kodak pictures, whatever their names."""
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths} == set(checksums().values())
