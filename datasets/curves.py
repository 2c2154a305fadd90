"""Rate-distortion curves of other codecs, to measure ours against.

`anchors/published.json` holds figures that others published, `anchors/measured.json` figures
measured for this project. Both have one shape, {dataset: {name: {source, settings, n_images, bpp,
psnr_db, ms_ssim}}}, points in order of rising rate, numbers rounded to six decimals.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

_FOLDER = Path(__file__).with_name("anchors")


@dataclass(frozen=True, slots=True)
class Curve:
    """Rate against distortion, averaged over the pictures of a data set; one entry a point.

    `bpp` is bits per pixel, `psnr_db` is PSNR over RGB, `ms_ssim` lies in 0..1 (None where it was
    not published); `n_images` is None where the source does not state it.
    Raises ValueError if the columns differ in length or are empty.
    """

    name: str
    dataset: str
    source: str
    settings: str
    n_images: int | None
    bpp: tuple[float, ...]
    psnr_db: tuple[float, ...]
    ms_ssim: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.bpp), len(self.psnr_db), len(self.bpp if self.ms_ssim is None else self.ms_ssim)}
        if len(lengths) != 1 or not self.bpp:
            raise ValueError(f"curve {self.name!r}: columns are empty or differ in length")

    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 of the points (six decimals), to name the curve in a table."""
        columns: list[Sequence[float]] = [self.bpp, self.psnr_db]
        if self.ms_ssim is not None:
            columns.append(self.ms_ssim)
        rows = (" ".join(f"{value:.6f}" for value in point) for point in zip(*columns, strict=True))
        return hashlib.sha256("\n".join(rows).encode("ascii")).hexdigest()[:12]


def anchor_datasets() -> tuple[str, ...]:
    """Data sets that have curves, sorted. The kodak-05-12-... ones are those few Kodak pictures only."""
    return tuple(sorted({dataset for dataset, _ in _curves()}))


def anchor_names(dataset: str = "kodak") -> tuple[str, ...]:
    """Names of the curves known for `dataset`, sorted. Raises ValueError for an unknown data set."""
    names = tuple(sorted(name for known, name in _curves() if known == dataset))
    if not names:
        raise ValueError(f"no curves for data set {dataset!r}; there are: {', '.join(anchor_datasets())}")
    return names


def anchor(name: str, dataset: str = "kodak") -> Curve:
    """The curve called `name` (in any case) on `dataset`: anchor("vtm"), anchor("LALIC", "tecnick").

    Raises ValueError, listing what there is, for an unknown name or data set.
    """
    names = anchor_names(dataset)
    if name.lower() not in names:
        raise ValueError(f"no curve {name!r} for {dataset}; there are: {', '.join(names)}")
    return _curves()[dataset, name.lower()]


class _Stored(TypedDict):
    source: str
    settings: str
    n_images: int | None
    bpp: list[float]
    psnr_db: list[float]
    ms_ssim: list[float] | None


@functools.cache
def _curves() -> dict[tuple[str, str], Curve]:
    found: dict[tuple[str, str], Curve] = {}
    for file in ("published.json", "measured.json"):
        stored: dict[str, dict[str, _Stored]] = json.loads((_FOLDER / file).read_text(encoding="utf-8"))
        for dataset, rows in stored.items():
            for name, row in rows.items():
                assert (dataset, name) not in found, f"{name} on {dataset} is there twice"
                found[dataset, name] = Curve(
                    name=name,
                    dataset=dataset,
                    source=row["source"],
                    settings=row["settings"],
                    n_images=row["n_images"],
                    bpp=tuple(row["bpp"]),
                    psnr_db=tuple(row["psnr_db"]),
                    ms_ssim=None if row["ms_ssim"] is None else tuple(row["ms_ssim"]),
                )
    return found
