"""A finished benchmark as a table for people or as JSON for programs."""

import json
from dataclasses import asdict
from pathlib import Path

from ...datasets.curves import Curve
from .bench import Bench


def as_table(bench: Bench) -> str:
    """Markdown tables: rate and distortion per quality, then BD-rates with the range they cover."""
    lines = [
        f"lcodec {bench.model}, weights {bench.weights}, on {bench.n_images} pictures of {bench.folder} "
        f"({bench.machine})",
        f"curve {bench.curve().digest()}; means over pictures of bpp (file size), RGB PSNR and MS-SSIM; median seconds",
        "",
        "| quality | bpp | PSNR dB | MS-SSIM | encode s | decode s |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for p in bench.points:
        score = "-" if p.ms_ssim is None else f"{p.ms_ssim:.5f}"
        lines.append(
            f"| {p.quality:g} | {p.bpp:.4f} | {p.psnr_db:.3f} | {score} "
            f"| {p.encode_seconds:.3f} | {p.decode_seconds:.3f} |"
        )
    if bench.comparisons:
        lines += ["", "| anchor | BD-rate | over PSNR | curve |", "|---|---:|---|---|"]
    for c in bench.comparisons:
        lines.append(
            f"| {c.curve.name} | {c.bd.percent:+.1f} % | {c.bd.low_db:.1f} to {c.bd.high_db:.1f} dB "
            f"| {c.curve.digest()}, {c.curve.settings.split('|')[0].strip()} |"
        )
    return "\n".join(lines)


def as_json(bench: Bench) -> str:
    """Everything in the table at full precision, one JSON object."""
    return json.dumps(asdict(bench) | {"digest": bench.curve().digest()}, indent=1)


def read_curve(path: Path) -> Curve:
    """The curve of an earlier run from what `as_json` made of it. Raises ValueError for any other file."""
    try:
        run = json.loads(path.read_text())
        points = run["points"]
        return Curve(
            name=f"lcodec {run['model']} {run['weights']}",
            dataset=run["folder"],
            source=str(path),
            settings="an earlier run",
            n_images=run["n_images"],
            bpp=tuple(p["bpp"] for p in points),
            psnr_db=tuple(p["psnr_db"] for p in points),
        )
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the JSON of an earlier run: {error}") from None
