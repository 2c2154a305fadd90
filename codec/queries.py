"""Jobs as the queries of requests to a server, and back."""

from dataclasses import fields
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from .jobs import DecodeJob, EncodeJob
from .target import Target

if TYPE_CHECKING:
    from .codec import Rate

NOTE = "Lcodec-Note"  # the header of a line that the user should read
_TARGETS = ("size", "bpp", "psnr", "ssim")


def encode_query(job: EncodeJob, model: str) -> str:
    """The query of a job and the model that shall do it."""
    target = {} if job.target is None else {name: getattr(job.target, name) for name in _TARGETS}
    values = {"model": model, "quality": job.quality, "effort": job.effort, "tile": job.tile, "comment": job.comment}
    return _query({**values, **target, "strip": job.strip})


def encode_job(query: str) -> tuple[EncodeJob, str]:
    """The inverse of `encode_query`. Raises ValueError for what is none."""
    given = _parsed(query, ("model", "quality", "effort", "tile", "comment", "strip", *_TARGETS))
    target = None
    if any(name in given for name in _TARGETS):
        size = int(given["size"]) if "size" in given else None
        bpp, psnr, ssim = (float(given[name]) if name in given else None for name in _TARGETS[1:])
        target = Target(size, bpp, psnr, ssim)
        if "quality" in given:
            raise ValueError("a file has a quality or a target, not both")
    job = EncodeJob(
        quality=_rate(given.get("quality")),
        target=target,
        effort=int(given.get("effort", 0)),
        tile=int(given["tile"]) if "tile" in given else None,
        comment=given.get("comment"),
        strip=_flag(given.get("strip")),
    )
    return job, given.get("model", "base")


def decode_query(job: DecodeJob) -> str:
    """The query of a job."""
    region = None if job.region is None else ",".join(map(str, job.region))
    return _query({field.name: getattr(job, field.name) for field in fields(job)} | {"region": region})


def decode_job(query: str, max_pixels: int) -> DecodeJob:
    """The inverse of `decode_query`, for pictures of `max_pixels` at most. Raises ValueError for what is none."""
    given = _parsed(query, tuple(field.name for field in fields(DecodeJob)))
    region = None
    if "region" in given:
        x, y, width, height = map(int, given["region"].split(","))
        region = x, y, width, height
    return DecodeJob(
        suffix=given.get("suffix", ".png"),
        region=region,
        partial=_flag(given.get("partial")),
        salvage=_flag(given.get("salvage")),
        max_pixels=min(max_pixels, int(given.get("max_pixels", max_pixels))),
    )


def _query(values: dict[str, object]) -> str:
    kept = {name: value for name, value in values.items() if value is not None and value is not False}
    return urlencode({name: 1 if value is True else value for name, value in kept.items()})


def _parsed(query: str, names: tuple[str, ...]) -> dict[str, str]:
    given = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := [name for name in given if name not in names]:
        raise ValueError(f"there is no option {unknown[0]!r}; the options are {', '.join(names)}")
    return given


def _flag(text: str | None) -> bool:
    if text not in (None, "0", "1"):
        raise ValueError(f"what is on or off is 1 or 0, not {text!r}")
    return text == "1"


def _rate(text: str | None) -> "Rate | None":
    if text == "lossless":
        return "lossless"
    return None if text is None else float(text)
