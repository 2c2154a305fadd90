"""Clips to train on, prepared: the planes of all frames."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...datasets.split import is_validation


@dataclass(frozen=True, slots=True)
class Clip:
    """T frames of 4:2:0, 8 bits: luma (T, H, W), chroma (T, 2, H', W').

    `digest` is the SHA-256 of the file that it was made of.
    """

    name: str
    digest: str
    luma: npt.NDArray[np.uint8]
    chroma: npt.NDArray[np.uint8]

    def write(self, path: Path) -> None:
        np.savez(path, digest=self.digest, luma=self.luma, chroma=self.chroma)

    @classmethod
    def read(cls, path: Path) -> "Clip":
        """Raises ValueError for a file that is none."""
        try:
            with np.load(path, allow_pickle=False) as parts:
                return cls(path.stem, str(parts["digest"]), parts["luma"], parts["chroma"])
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"{path} is no prepared clip: {error}") from None


def read_clips(folder: Path) -> tuple[list[Clip], list[Clip]]:
    """The clips of a folder as (training, validation), which share no scene. Raises ValueError where either is empty.

    Clips are held out as photographs are, by their digest; with one, all of its scene, `dog_0` with `dog_1`.
    """
    clips = [Clip.read(path) for path in sorted(folder.glob("*.npz"))]
    held_out = [clip for clip in clips if is_validation(clip.digest)]
    scenes = {_scene(clip) for clip in held_out}
    kept = [clip for clip in clips if _scene(clip) not in scenes]
    if not kept or not held_out:
        raise ValueError(f"{folder} has {len(kept)} prepared clips to train on and {len(held_out)} to validate with")
    return kept, held_out


def _scene(clip: Clip) -> str:
    return clip.name.rpartition("_")[0] or clip.name
