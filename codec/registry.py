"""The models that files may name. Wire ids are permanent: an id never changes its meaning and is never reused."""

from dataclasses import dataclass
from pathlib import Path

from ..formats.errors import UnsupportedError

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered model: its id in files, its name for people."""

    wire_id: int
    name: str
    description: str

    @property
    def path(self) -> Path:
        return WEIGHTS / f"{self.name}.safetensors"


MODELS = (
    Entry(1, "tiny", "for tests only"),
    Entry(2, "base", "the default: one model for all qualities"),
)

if len({entry.wire_id for entry in MODELS}) != len(MODELS) or len({entry.name for entry in MODELS}) != len(MODELS):
    raise AssertionError("duplicate model id or name")


def by_name(name: str) -> Entry:
    """The model of that name. Raises ValueError naming the known ones."""
    for entry in MODELS:
        if entry.name == name:
            return entry
    raise ValueError(f"there is no model {name!r}; the models are {', '.join(e.name for e in MODELS)}")


def by_id(wire_id: int) -> Entry:
    """The model that a file names. Raises UnsupportedError for an id this version does not know."""
    for entry in MODELS:
        if entry.wire_id == wire_id:
            return entry
    raise UnsupportedError(f"the file needs model {wire_id}, which this version of lcodec does not have")
