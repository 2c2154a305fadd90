"""A model as a folder of ONNX graphs: what `lcodec export --to onnx` writes, and decoders without torch read.

```
about.json        what follows, and the SHA-256 of every other file
rows.bin          the probability tables, uint16, little-endian, one row after the other
check.onnx        a layer whose result is known: `entropy.known_answer`
factorised.onnx, hyper.onnx, step-0.onnx ...   the exact entropy model: `entropy.graphs`
synthesis.onnx    latents (1, M, h, w), quality (1,) -> rgb (1, 3, 16 h, 16 w), float32
```
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..entropy.schedule import Schedule
from ..entropy.tables import Rows
from ..formats.errors import ModelError
from ..formats.files import read_input, write_output

FORMAT = "lcodec-onnx-1"
ABOUT, ROWS = "about.json", "rows.bin"


@dataclass(frozen=True, slots=True)
class About:
    """What a decoder has to know of a model.

    `weights` are those of the model file, hexadecimal; M `latents` and Z `hyper`-latents; `reach` of the synthesis in
    pixels; `first_row` of the tables that is coded.
    """

    name: str
    wire_id: int
    weights: str
    latents: int
    hyper: int
    reach: int
    first_row: int
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class OnnxFolder:
    """The folder's contents: `graphs` are models by the names of their files without suffix."""

    about: About
    rows: Rows
    graphs: dict[str, bytes]

    def write(self, folder: Path, overwrite: bool) -> None:
        """Write the files, about.json last. Raises OSError, and as `write_output`."""
        folder.mkdir(parents=True, exist_ok=True)
        entries, sizes = self.rows.pack()
        files = {f"{name}.onnx": data for name, data in self.graphs.items()}
        files[ROWS] = entries.astype("<u2").tobytes()
        for name, data in files.items():
            write_output(str(folder / name), data, overwrite)
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        about = {"format": FORMAT, "about": asdict(self.about), "row_sizes": sizes.tolist(), "files": digests}
        write_output(str(folder / ABOUT), json.dumps(about, indent=1).encode(), overwrite)

    @classmethod
    def read(cls, folder: Path) -> "OnnxFolder":
        """Raises ModelError for what is not such a folder, or damaged."""
        if not (folder / ABOUT).is_file():
            raise ModelError(f"{folder} has no {ABOUT}: it is no model that `lcodec export --to onnx` wrote")
        try:
            stored = json.loads(read_input(str(folder / ABOUT)))
            if stored["format"] != FORMAT:
                raise ModelError(f"{folder} is of another format: {stored['format']!r}")
            files = {name: _intact(folder / name, digest) for name, digest in stored["files"].items()}
            entries = np.frombuffer(files.pop(ROWS), "<u2").astype(np.int32)
            sizes = np.array(stored["row_sizes"], np.int32)
            about = About(**{**stored["about"], "schedule": _schedule(stored["about"]["schedule"])})
            rows = Rows.unpack(entries, sizes, sizes.size)
            return cls(about, rows, {Path(name).stem: data for name, data in files.items()})
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{folder / ABOUT} is damaged: {str(error).splitlines()[0]}") from None


def _intact(path: Path, digest: str) -> bytes:
    data = read_input(str(path))
    if hashlib.sha256(data).hexdigest() != digest:
        raise ModelError(f"{path} is damaged, its SHA-256 is another: export the model again")
    return data


def _schedule(stored: dict[str, Any]) -> Schedule:
    cell = tuple(tuple(tuple(row) for row in group) for group in stored["cell"])
    return Schedule(stored["name"], cell, tuple(stored["strides"]), tuple(stored["slices"]))
