"""The log of a run: a CSV file beside its checkpoint, a row per interval."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path

from .update import BANDS

COLUMNS = (
    *("step", "seconds", "learning_rate", "loss", "gradient_norm", "skipped", "pictures_per_s", "gmac_per_s"),
    *(f"bpp_{band}" for band in range(BANDS)),
    *(f"psnr_db_{band}" for band in range(BANDS)),
    "validation",
)


class RunLog:
    """Rows of COLUMNS; a value that was not measured is empty. `bpp_0` is that of the lowest sixth of qualities."""

    def __init__(self, path: Path, step: int) -> None:
        """Go on after `step`: later rows, of a part of a run that was lost, are dropped."""
        rows = [row for row in read_log(path) if int(row["step"]) <= step] if step and path.exists() else []
        temporary = path.with_name(path.name + ".partial")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        os.replace(temporary, path)
        self._path = path

    def add(self, row: Mapping[str, float | None]) -> None:
        """Append a row at once, so that a killed run keeps it."""
        with self._path.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow({k: f"{v:.6g}" for k, v in row.items() if v is not None})


def read_log(path: Path) -> list[dict[str, str]]:
    """The rows of a log. Raises ValueError for a file that is none."""
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ValueError(f"{path} is not the log of a training run")
            # The last row of a killed run may be cut.
            return [row for row in reader if row["validation"] is not None]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"cannot read the log {path}: {error}") from None
