"""Measured samples kept on disk, so that an interrupted benchmark goes on where it stood.

A sample is found by everything that decides it: the picture's bytes, codec, settings, versions, weights, the code of
this package, quality, threads, processes side by side and machine.
"""

import functools
import hashlib
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from .results import Sample

_FOLDER = "bench"
_PACKAGE = Path(__file__).parents[2]


class SampleCache:
    """Samples under a folder, one small JSON file each; several processes may use it."""

    def __init__(self, home: Path, conditions: str) -> None:
        """conditions: what else decides a sample, such as machine and threads."""
        self._folder = home / _FOLDER
        self._conditions = conditions

    def get(self, picture_sha256: str, codec: str, quality: float) -> Sample | None:
        """The sample, or None: unknown, or a file that cannot be read."""
        try:
            return Sample(**json.loads(self._path(picture_sha256, codec, quality).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def put(self, picture_sha256: str, codec: str, sample: Sample) -> None:
        """Keep a sample; the file appears whole or not at all."""
        path = self._path(picture_sha256, codec, sample.quality)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(asdict(sample), file)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise

    def _path(self, picture_sha256: str, codec: str, quality: float) -> Path:
        key = json.dumps([picture_sha256, codec, quality, self._conditions, source_digest()])
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / digest[:2] / f"{digest[2:]}.json"


@functools.cache
def source_digest() -> str:
    """SHA-256 of the package's Python files: other code, other samples."""
    total = hashlib.sha256()
    for path in sorted(_PACKAGE.glob("**/*.py")):
        if not {"tests", ".venv"} & set(path.relative_to(_PACKAGE).parts):
            total.update(path.read_bytes())
    return total.hexdigest()
