"""`lcodec train` of a recipe of predicted frames: prepared clips and photographs in, checkpoint out."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ...datasets.folders import data_root
from ...datasets.photographs import photographs, split_photographs
from ...formats.pictures import read_picture
from ..registry import by_name
from ..weights_cache import find_weights
from .clips import read_clips
from .loop import Session
from .video import begun_with, train_video
from .video_recipe import VideoRecipe
from .video_start import read_video_start
from .warm_start import read_start

_LEAST_SIDE = 200  # of a photograph that a camera moves over
_EVERY = 3  # of the photographs: they lie decoded in memory


def run_video_training(
    recipe_path: Path, changes: Sequence[str], checkpoint: Path, clips: Path | None, data: Path | None, session: Session
) -> None:
    """Raises ValueError for a bad recipe, folder, start or budget, before anything is trained."""
    recipe = VideoRecipe.read(recipe_path, changes)
    if session.resume or session.pause_minutes is not None:
        raise ValueError("a model of predicted frames is trained in one run; go on with --start FILE")
    if clips is None:
        raise ValueError("name the folder that `lcodec data prepare-clips` made: --clips DIR")
    if checkpoint.exists():
        raise ValueError(f"{checkpoint} exists; name another")
    kept, held_out = read_clips(clips)
    intra, _ = read_start(find_weights(by_name(recipe.intra)))
    start = begun_with(intra, recipe) if session.start is None else read_video_start(session.start)
    if start.transforms.config != recipe.model:
        raise ValueError("the start has other sizes than the recipe")
    pictures = _pictures(data) if recipe.synthetic else []
    train_video(recipe, kept, held_out, pictures, intra, start, checkpoint, session.minutes, session.steps)


def _pictures(data: Path | None) -> list[torch.Tensor]:
    found, _ = split_photographs(photographs(data or data_root() / "train"))
    decoded = [torch.from_numpy(read_picture(photograph.data).eight_bits()) for photograph in found[::_EVERY]]
    return [pixels for pixels in decoded if min(pixels.shape[:2]) >= _LEAST_SIDE]
