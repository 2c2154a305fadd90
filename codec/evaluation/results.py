"""What a benchmark found: one record of samples, from which curves, tables, plots and pages are made.

```
Results ─┬─ pictures: name, size, SHA-256
         ├─ codecs ──── samples: one picture at one quality ── points(): means over the pictures
         └─ absent: a line for each codec that could not be measured
```
"""

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...datasets.curves import Curve

Kind = Literal["lcodec", "anchor", "peer"]
_FORMAT = "lcodec bench 1"


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """A picture that was coded: `name` without folder, SHA-256 of its file in hexadecimal."""

    name: str
    width_px: int
    height_px: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture at one quality of a codec's own scale.

    `file_bytes` is the size of the whole file. PSNR is limited to 100 dB, so that pictures that came back unchanged
    have a mean; `psnr_yuv_db`, `ssim` and `ms_ssim` as in `metrics`. Seconds are of one call: wall clock, and processor
    time of the process and of the programs it ran.
    """

    picture: str
    quality: float
    file_bytes: int
    psnr_db: float
    psnr_yuv_db: float
    ssim: float | None
    ms_ssim: float | None
    encode_seconds: float
    encode_cpu_seconds: float
    decode_seconds: float
    decode_cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Point:
    """Means over the pictures at one quality; seconds are medians over the pictures."""

    quality: float
    bpp: float
    psnr_db: float
    psnr_yuv_db: float
    ssim: float | None
    ms_ssim: float | None
    encode_seconds: float
    encode_cpu_seconds: float
    decode_seconds: float
    decode_cpu_seconds: float


@dataclass(frozen=True, slots=True)
class CodecResults:
    """One codec. `parameters` and kMAC per pixel are None where a codec has no network.

    `peak_memory_bytes` is of a fresh process that codes and decodes the first picture, interpreter and libraries
    included; None where it was not measured. `note` is a caveat to be shown beside the figures, or empty. Where
    `comparable` is false, as of a network with random weights, rate and distortion mean nothing and are not shown.
    """

    name: str
    kind: Kind
    settings: str
    version: str
    parameters: int | None
    encode_kmac_per_px: float | None
    decode_kmac_per_px: float | None
    peak_memory_bytes: int | None
    samples: tuple[Sample, ...]
    note: str = ""
    comparable: bool = True


@dataclass(frozen=True, slots=True)
class Results:
    """A finished run.

    `dataset` is `kodak` or another known set, else the folder's name; `pictures_digest` states which pictures, whatever
    their names. `commit` is empty where it is not known. `date` is ISO 8601, UTC.
    """

    dataset: str
    pictures_digest: str
    pictures: tuple[PictureFacts, ...]
    command: str
    machine: str
    version: str
    commit: str
    date: str
    threads: int
    jobs: int
    codecs: tuple[CodecResults, ...]
    absent: tuple[str, ...]

    def points(self, codec: CodecResults) -> tuple[Point, ...]:
        """The codec's rate-distortion points in order of rising rate."""
        n_pixels = {picture.name: picture.width_px * picture.height_px for picture in self.pictures}
        by_quality: dict[float, list[Sample]] = {}
        for sample in codec.samples:
            by_quality.setdefault(sample.quality, []).append(sample)
        points = [_point(quality, samples, n_pixels) for quality, samples in by_quality.items()]
        return tuple(sorted(points, key=lambda point: point.bpp))

    def curve(self, codec: CodecResults) -> Curve:
        """The same as a curve, so that it can be compared and its digest stated."""
        points = self.points(codec)
        scores = [point.ms_ssim for point in points]
        return Curve(
            name=codec.name,
            dataset=self.dataset,
            source="measured",
            settings=codec.settings,
            n_images=len(self.pictures),
            bpp=tuple(point.bpp for point in points),
            psnr_db=tuple(point.psnr_db for point in points),
            ms_ssim=None if None in scores else tuple(score for score in scores if score is not None),
        )

    def to_json(self) -> str:
        """Everything, at full precision."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Results":
        """The inverse of `to_json`. Raises ValueError for anything else."""
        try:
            values: dict[str, Any] = json.loads(text)
            if values.pop("format") != _FORMAT:
                raise KeyError("format")
            values["pictures"] = tuple(PictureFacts(**row) for row in values["pictures"])
            values["codecs"] = tuple(
                CodecResults(**{**row, "samples": tuple(Sample(**sample) for sample in row["samples"])})
                for row in values["codecs"]
            )
            return cls(**{**values, "absent": tuple(values["absent"])})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the JSON of a benchmark: {error}") from None


def _point(quality: float, samples: list[Sample], n_pixels: dict[str, int]) -> Point:
    def mean(value: Callable[[Sample], float | None]) -> float | None:
        found = [value(sample) for sample in samples]
        return None if None in found else statistics.fmean(v for v in found if v is not None)

    return Point(
        quality=quality,
        bpp=statistics.fmean(8 * sample.file_bytes / n_pixels[sample.picture] for sample in samples),
        psnr_db=statistics.fmean(sample.psnr_db for sample in samples),
        psnr_yuv_db=statistics.fmean(sample.psnr_yuv_db for sample in samples),
        ssim=mean(lambda sample: sample.ssim),
        ms_ssim=mean(lambda sample: sample.ms_ssim),
        encode_seconds=statistics.median(sample.encode_seconds for sample in samples),
        encode_cpu_seconds=statistics.median(sample.encode_cpu_seconds for sample in samples),
        decode_seconds=statistics.median(sample.decode_seconds for sample in samples),
        decode_cpu_seconds=statistics.median(sample.decode_cpu_seconds for sample in samples),
    )
