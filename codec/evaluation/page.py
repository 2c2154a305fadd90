"""A benchmark as one HTML file that needs no network: curves to hover over, tables, and pictures to slide across.

The template `page.html` holds markup, style and script; this module puts the figures and pictures into it as JSON.
"""

import base64
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ...datasets.curves import Curve
from .comparison import Comparison, relative_percents, tested_codec
from .equal_rate import Triple
from .results import CodecResults, Results

_TEMPLATE = Path(__file__).with_name("page.html")
_PLACE = "{{data}}"

# What `json.dumps` takes: records for the page's script.
_Record = dict[str, object]


def as_page(
    results: Results, comparisons: Sequence[Comparison], extra_curves: Sequence[Curve], triples: Sequence[Triple]
) -> str:
    """The page. Its size is that of the pictures, and a third more."""
    tested = tested_codec(results)
    percents = relative_percents(results, comparisons)
    data: _Record = {
        "run": {
            "dataset": results.dataset,
            "pictures": len(results.pictures),
            "pictures_digest": results.pictures_digest,
            "command": results.command,
            "machine": results.machine,
            "version": results.version,
            "commit": results.commit,
            "date": results.date,
            "threads": results.threads,
            "jobs": results.jobs,
        },
        "tested": None if tested is None else tested.name,
        "codecs": [_codec(results, codec, percents.get(codec.name)) for codec in results.codecs],
        "curves": [asdict(curve) for curve in extra_curves],
        "comparisons": [asdict(comparison) for comparison in comparisons],
        "absent": list(results.absent),
        "triples": [_triple(triple) for triple in triples],
    }
    # Inside a script element only "<" can end it, or begin a comment; JSON allows it in strings alone.
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    return _TEMPLATE.read_text(encoding="utf-8").replace(_PLACE, text)


def _codec(results: Results, codec: CodecResults, relative_percent: float | None) -> _Record:
    """A codec's figures; those that mean nothing are left out here, so that the page cannot show them."""
    points = results.points(codec) if codec.comparable else ()
    return {
        "name": codec.name,
        "kind": codec.kind,
        "settings": codec.settings,
        "version": codec.version,
        "parameters": codec.parameters,
        "encode_kmac_per_px": codec.encode_kmac_per_px,
        "decode_kmac_per_px": codec.decode_kmac_per_px,
        "peak_memory_bytes": codec.peak_memory_bytes,
        "note": codec.note,
        "comparable": codec.comparable,
        "relative_percent": relative_percent,
        "encode_seconds": statistics.median(point.encode_seconds for point in points) if points else None,
        "decode_seconds": statistics.median(point.decode_seconds for point in points) if points else None,
        "points": [asdict(point) for point in points],
    }


def _triple(triple: Triple) -> _Record:
    original: _Record = {"name": "original", "source": _uri(triple.original), "bytes": None, "psnr_db": None}
    return {
        "picture": triple.picture,
        "width_px": triple.width_px,
        "height_px": triple.height_px,
        "images": [
            original,
            _image(triple.ours_name, triple.ours, triple.ours_bytes, triple.ours_psnr_db),
            _image(triple.other_name, triple.other, triple.other_bytes, triple.other_psnr_db),
        ],
    }


def _image(name: str, webp: bytes, n_bytes: int, psnr_db: float) -> _Record:
    """`psnr_db` is None for a picture that came back unchanged, as JSON knows no infinity."""
    return {
        "name": name,
        "source": _uri(webp),
        "bytes": n_bytes,
        "psnr_db": psnr_db if math.isfinite(psnr_db) else None,
    }


def _uri(webp: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode('ascii')}"
