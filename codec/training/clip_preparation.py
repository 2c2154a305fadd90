"""Clips of any kind into those of `clips`."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...formats.clip_reading import ClipFrame, ClipSource
from ...formats.clip_records import HALVED
from .clips import Clip


def prepare_clips(paths: list[Path], folder: Path, progress: Callable[[int, int, str], None]) -> int:
    """Write what training needs of clips into a folder; how many were of use.

    Those that are not of 8 bits and 4:2:0, or have one frame, are passed over, and those that are there already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for n, path in enumerate(paths):
        target = folder / f"{path.stem}.npz"
        if not target.exists() and (clip := prepared(path)) is not None:
            clip.write(target)
        count += target.exists()
        progress(n + 1, len(paths), path.name)
    return count


def prepared(path: Path) -> Clip | None:
    """The clip of a file; None where it is not of use. Raises as `ClipSource` does."""
    with ClipSource(str(path), path.name) as source:
        if source.picture.depth != 8 or source.picture.chroma != HALVED:
            return None
        frames = [event.planes for event in source.events() if isinstance(event, ClipFrame)]
    if len(frames) < 2:
        return None
    return Clip(
        path.stem,
        hashlib.sha256(path.read_bytes()).hexdigest(),
        np.stack([planes[0] for planes in frames]),
        np.stack([np.stack(planes[1:]) for planes in frames]),
    )
