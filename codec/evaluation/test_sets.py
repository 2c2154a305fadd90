"""The pictures a benchmark runs on: a set that others publish figures for, or any folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...datasets.clic import clic_mobile, clic_professional
from ...datasets.curves import Curve, anchor
from ...datasets.folders import pictures
from ...datasets.kodak import kodak
from ...datasets.published import digest
from ...datasets.split import split
from ...datasets.tecnick import tecnick

_SETS: dict[str, Callable[[], list[Path]]] = {
    "kodak": kodak,
    "clic-professional": clic_professional,
    "clic-mobile": clic_mobile,
    "tecnick": tecnick,
}
# Curves that a run on the whole set is compared with unless told otherwise: (data set of the curves, names).
_PUBLISHED: dict[str, tuple[str, tuple[str, ...]]] = {
    "kodak": ("kodak", ("vtm", "av1", "avif-aom-s6", "bpg", "webp", "webp-m6", "jpeg2000", "jpeg-420")),
    "clic-professional": ("clic2020-professional", ("vtm", "av1", "bpg", "webp", "jpeg2000", "jpeg")),
    "clic-mobile": ("clic2020-mobile", ("vtm", "av1", "bpg", "webp", "jpeg2000", "jpeg")),
    "tecnick": ("tecnick", ("vtm",)),
}


@dataclass(frozen=True, slots=True)
class TestSet:
    """Pictures under a name. `curves` were measured on exactly these, and are empty for any other pictures."""

    name: str
    paths: tuple[Path, ...]
    curves: tuple[Curve, ...]

    @property
    def digest(self) -> str:
        """Which pictures these are, whatever their names: SHA-256 in hexadecimal."""
        return digest(self.paths)

    def first(self, count: int) -> "TestSet":
        """The first few pictures, evenly spread; a part of a set has no published curves."""
        if count >= len(self.paths):
            return self
        paths = tuple(self.paths[i * len(self.paths) // count] for i in range(count))
        return TestSet(f"{self.name} ({count} of {len(self.paths)} pictures)", paths, ())


def find_test_set(name: str, held_out: bool = False) -> TestSet:
    """`kodak`, `clic-professional`, `clic-mobile`, `tecnick`, or a folder of pictures.

    held_out: only the pictures that training leaves out.
    Raises ValueError, one line that says what to download from where, for a set or folder that is not whole.
    """
    if held_out:
        paths = split(Path(name))[1]
        if not paths:
            raise ValueError(f"{name} has no held-out picture")
        return TestSet(f"{Path(name).name} (held out)", tuple(paths), ())
    if name in _SETS:
        dataset, curves = _PUBLISHED[name]
        return TestSet(name, tuple(_SETS[name]()), tuple(anchor(curve, dataset) for curve in curves))
    if not Path(name).is_dir():
        raise ValueError(f"{name!r} is neither a folder nor one of {', '.join(_SETS)}")
    return TestSet(Path(name).resolve().name, tuple(pictures(Path(name))), ())
