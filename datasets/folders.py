"""Where the data is, and which files of a folder are pictures."""

import os
from pathlib import Path

ENVIRONMENT_VARIABLE = "LCODEC_DATA"
SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def data_root() -> Path:
    """The folder named by the environment variable LCODEC_DATA.

    Raises ValueError if the variable is unset or empty, or names no folder.
    """
    value = os.environ.get(ENVIRONMENT_VARIABLE, "")
    if not value:
        raise ValueError(f"set the environment variable {ENVIRONMENT_VARIABLE} to the folder that holds the data sets")
    root = Path(value)
    if not root.is_dir():
        raise ValueError(f"{ENVIRONMENT_VARIABLE} names {value!r}, which is not a folder")
    return root


def pictures(folder: Path | str) -> list[Path]:
    """The picture files directly inside `folder`, sorted by name; hidden files are passed over.

    A file counts as a picture by its suffix, in either case: see `SUFFIXES`. Nothing is opened.
    Raises ValueError if `folder` is not a folder or holds no picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"not a folder: {folder}")
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    if not found:
        raise ValueError(f"no pictures in {folder} (looked for {' '.join(sorted(SUFFIXES))})")
    return sorted(found, key=lambda path: path.name)
