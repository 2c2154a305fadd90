"""The 100 colour photographs of Tecnick's TESTIMAGES at full size: a test set, never to be trained or tuned on.

1200x1200 pixels, 8-bit RGB PNG, by Nicola Asuni, CC BY-NC-SA 3.0. Not to be mistaken for the 40 of the newer SAMPLING
archive. The checksum of the archive is not known here.
"""

from pathlib import Path

from .published import PublishedSet

TECNICK = PublishedSet(
    title="Tecnick",
    folder="tecnick",
    n_images=100,
    names=tuple(f"RGB_OR_1200x1200_{number:03}.png" for number in range(1, 101)),
    source="RGB/RGB_OR_1200x1200 in https://sourceforge.net/projects/testimages/files/OLD/OLD_SAMPLING/testimages.zip",
    archive_sha256=None,
)


def tecnick() -> list[Path]:
    """The 100 pictures under LCODEC_DATA/tecnick. Raises ValueError as `PublishedSet.paths` does."""
    return TECNICK.paths()
