"""Weights on this machine: those that ship lie in the package, all others in a cache folder.

    place of the weights ──► bytes ──► SHA-256 is theirs ──► use
      │ nothing there                                         ▲
      └► release address ──► bytes ──► SHA-256 is theirs ──► cache

The cache is a folder of files named by what they hold, so no other bytes are ever right under a name: whoever comes
first puts the file there whole, whoever comes second puts the same. Delete any of them at will.
"""

import os
import sys
from pathlib import Path

from ..formats.errors import ModelError
from ..formats.files import write_output
from .registry import PACKAGED, Entry
from .release import ENVIRONMENT_VARIABLE as RELEASES
from .release import download, release_address

ENVIRONMENT_VARIABLE = "LCODEC_HOME"
SUFFIX = ".safetensors"


def cache_folder() -> Path:
    """The folder of weights that do not ship: under LCODEC_HOME, else where this system keeps such things."""
    return home_folder() / "weights"


def weights_path(entry: Entry) -> Path:
    """The one place of these weights, whether they are there or not."""
    if entry.standing == "shipped":
        return PACKAGED / f"{entry.name}{SUFFIX}"
    return cache_folder() / f"{entry.full_name}{SUFFIX}"


def find_weights(entry: Entry) -> Path:
    """The file of these weights. Raises ModelError that says how to get them if it is not there."""
    path = weights_path(entry)
    if not path.is_file():
        raise _absent(entry)
    return path


def fetch_weights(entry: Entry) -> Path:
    """The file of these weights, downloaded if it is absent or damaged. Raises ModelError."""
    path = weights_path(entry)
    data = _read(path)
    if data is None or not entry.matches(data):
        _download(entry)
    return path


def read_weights(entry: Entry) -> bytes:
    """The bytes of these weights and no others, downloaded if need be. Raises ModelError."""
    path = weights_path(entry)
    data = _read(path)
    if data is None:
        return _download(entry)
    if not entry.matches(data):
        remedy = "install lcodec again" if entry.standing == "shipped" else f"lcodec models --fetch {entry.full_name}"
        raise ModelError(f"the weights {path} are damaged, their SHA-256 is another: {remedy}")
    return data


def intact(entry: Entry) -> bool | None:
    """Whether the file of these weights holds them; None if there is no file. Raises ModelError if unreadable."""
    data = _read(weights_path(entry))
    return None if data is None else entry.matches(data)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"cannot read the weights {path}: {error.strerror}") from None


def _download(entry: Entry) -> bytes:
    path = weights_path(entry)
    address = None if entry.standing == "shipped" else release_address(path.name)
    if address is None:
        raise _absent(entry)
    try:
        data = download(address)
    except ModelError as error:
        raise ModelError(f"{error}; the file may also be put at {path}") from None
    if not entry.matches(data):
        raise ModelError(f"refused: what {address} holds is not {entry.full_name}, its SHA-256 is another")
    store_weights(entry, data)
    return data


def store_weights(entry: Entry, data: bytes) -> Path:
    """Put the bytes of these weights into the cache; where they are then. Raises ModelError."""
    path = weights_path(entry)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"cannot make {path.parent}: {error.strerror}; {ENVIRONMENT_VARIABLE} names another") from None
    write_output(str(path), data, overwrite=True)
    return path


def _absent(entry: Entry) -> ModelError:
    path = weights_path(entry)
    if entry.standing == "shipped":
        return ModelError(f"the weights {path} are damaged or missing: install lcodec again")
    return ModelError(
        f"the weights {entry.full_name} ({entry.standing}: {entry.description}) are not on this machine: put the file "
        f"at {path}, or set {RELEASES} to the address of a folder that has {path.name} to download it from there"
    )


def home_folder() -> Path:
    """The folder of all that is kept between runs: LCODEC_HOME, else where this system keeps such things.

    Raises ModelError if there is no such place.
    """
    if named := os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(named).absolute()
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA") if sys.platform == "win32" else ("XDG_CACHE_HOME",):
        folder = Path(os.environ.get(variable, ""))
        if folder.is_absolute():
            return folder / "lcodec"
    try:
        user = Path.home()
    except RuntimeError:
        raise ModelError(f"there is no home folder for weights: set {ENVIRONMENT_VARIABLE}") from None
    return user / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "lcodec"
