"""The 24 Kodak photographs: a test set, never to be trained or tuned on.

768x512 or 512x768 pixels, 8-bit RGB PNG, released by Kodak for unrestricted use. `kodak.sha256`
beside this file lists the checksums in the form that `sha256sum --check` reads.
"""

import hashlib
from pathlib import Path

from .folders import ENVIRONMENT_VARIABLE, data_root

SOURCE = "https://r0k.us/graphics/kodak/"
CHECKSUMS = Path(__file__).with_name("kodak.sha256")


def checksums() -> dict[str, str]:
    """File name to SHA-256 (64 hex digits) of the 24 files, in order."""
    rows = (line.split() for line in CHECKSUMS.read_text(encoding="ascii").splitlines())
    return {name: digest for digest, name in rows}


def kodak() -> list[Path]:
    """Paths of kodim01.png ... kodim24.png under LCODEC_DATA/kodak, every file verified.

    Raises ValueError if LCODEC_DATA is unset, if a file is absent (the message says what to
    download from where), or if its bytes are not the original ones.
    """
    folder = data_root() / "kodak"
    expected = checksums()
    absent = [name for name in expected if not (folder / name).is_file()]
    if absent:
        raise ValueError(
            f"{len(absent)} of the {len(expected)} Kodak pictures are absent, first {absent[0]}: download "
            f"kodim01.png ... kodim24.png from {SOURCE} into {folder} (the folder kodak inside "
            f"{ENVIRONMENT_VARIABLE}); their SHA-256 sums are listed in {CHECKSUMS}"
        )
    for name, digest in expected.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise ValueError(
                f"{folder / name} is not the original file from {SOURCE}: "
                f"its SHA-256 differs from the one in {CHECKSUMS}"
            )
    return [folder / name for name in expected]
