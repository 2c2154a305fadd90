"""Curves from files: of an earlier benchmark, or measured elsewhere and written down by hand."""

import json
from pathlib import Path

from ...datasets.curves import Curve
from .results import Results


def read_curves(path: Path) -> list[Curve]:
    """All curves of a file.

    It is the JSON of a benchmark, or an object of curves by name, each with `bpp`, `psnr_db` and optionally `ms_ssim`
    as lists of equal length, `source` and `settings` as text. The caller sees to it that the pictures are the same.

    Raises ValueError, one line, for any other file.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text)
        if isinstance(values, dict) and "format" in values:
            results = Results.from_json(text)
            return [results.curve(codec) for codec in results.codecs if codec.comparable]
        return [_curve(name, row, path.name) for name, row in values.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} holds no curves: {error}") from None


def _curve(name: str, row: dict[str, object], file: str) -> Curve:
    columns: list[tuple[float, ...] | None] = []
    for key in ("bpp", "psnr_db", "ms_ssim"):
        values = row.get(key)
        if values is None and key == "ms_ssim":
            columns.append(None)
            continue
        if not isinstance(values, list) or not all(type(v) in (int, float) for v in values):
            raise ValueError(f"{name!r} has no list of numbers {key!r}")
        columns.append(tuple(float(v) for v in values))
    bpp, psnr_db, ms_ssim = columns
    assert bpp is not None and psnr_db is not None
    return Curve(
        name=name,
        dataset="",
        source=str(row.get("source", file)),
        settings=str(row.get("settings", "not stated")),
        n_images=None,
        bpp=bpp,
        psnr_db=psnr_db,
        ms_ssim=ms_ssim,
    )
