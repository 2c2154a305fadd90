"""What a data set's MANIFEST.csv states about the licence of a picture, and whether that allows free use."""

import csv
import re
from pathlib import Path

MANIFEST_CSV = "MANIFEST.csv"

# Each is looked for as a whole word (so that "licence" is no "nc", BSDS500 no "bsd") in the lower-cased text.
_REFUSED = re.compile(
    r"\b(non-?commercial|nc|nd|sa|l?gpl|agpl|unstated|own terms|research|s-lab|nvidia|per-image list)\b"
)
_PERMISSIVE = re.compile(r"\b(cc0|public domain|cc-by|mit|apache|bsd|unsplash|pexels)\b")


def is_permissive(licence: str) -> bool:
    """Whether a model trained on the picture may be given away freely, as far as the manifest's text can tell.

    True when it names CC0, the public domain, CC-BY, MIT, Apache, BSD, Unsplash or Pexels; false when it is
    empty or mentions anything stricter or unclear, even beside a permissive licence.
    """
    text = licence.lower()
    return _PERMISSIVE.search(text) is not None and _REFUSED.search(text) is None


def stated_licences(folder: Path) -> dict[str, str]:
    """SHA-256 of a file to its licence, from MANIFEST.csv in `folder` or else its parent; empty if neither has one.

    Columns `sha256` and `licence`; others are passed over. Raises ValueError if the file is no such table.
    """
    for path in (folder / MANIFEST_CSV, folder.resolve().parent / MANIFEST_CSV):
        if path.is_file():
            return _read(path)
    return {}


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["sha256"]: row["licence"] or "" for row in csv.DictReader(file)}
    except (UnicodeDecodeError, csv.Error, KeyError) as error:
        raise ValueError(f"{path} is not a table with the columns sha256 and licence") from error
