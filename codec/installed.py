"""What `lcodec models` tells: the weights that this version lists or the cache holds, and the state of their files."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from .registry import MODELS, RETIRED, Entry, Standing, by_name
from .weights_cache import SUFFIX, cache_folder, intact, weights_path

State = Literal["here", "not here", "ok", "damaged"]


@dataclass(frozen=True, slots=True)
class Installed:
    """Weights and their file: `state` is ok or damaged where that was looked at; `file_bytes` is None for no file."""

    model_id: int
    model: str
    weights: str
    standing: Standing
    description: str
    path: str
    file_bytes: int | None
    state: State


def known() -> tuple[Entry, ...]:
    """All weights that this version lists, and any others of its models that lie in the cache."""
    cached = []
    for path in sorted(cache_folder().glob(f"*-*{SUFFIX}")):
        with suppress(ValueError):  # a file that is none of ours
            cached.append(by_name(path.stem))
    return tuple(dict.fromkeys((*MODELS, *RETIRED, *cached)))


def look(entries: Iterable[Entry], verify: bool) -> list[Installed]:
    """The state of their files, with `verify` by reading them and comparing the SHA-256."""
    return [_look(entry, verify) for entry in entries]


def _look(entry: Entry, verify: bool) -> Installed:
    path = weights_path(entry)
    present = path.is_file()
    state: State = "here" if present else "not here"
    if present and verify:
        state = "ok" if intact(entry) else "damaged"
    return Installed(
        model_id=entry.wire_id,
        model=entry.name,
        weights=entry.weights,
        standing=entry.standing,
        description=entry.description,
        path=str(path),
        file_bytes=path.stat().st_size if present else None,
        state=state,
    )


def as_lines(rows: Sequence[Installed]) -> list[str]:
    """A table for people: id, name, weights, size, standing, state, place, description."""
    cells = [_cells(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]


def _cells(row: Installed) -> list[str]:
    size = "" if row.file_bytes is None else f"{row.file_bytes / 2**20:6.2f} MiB"
    place = "" if row.state == "not here" else row.path
    return [f"{row.model_id:3d}", row.model, row.weights, size, row.standing, row.state, place, row.description]
