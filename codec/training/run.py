"""`lcodec train`: recipe and photographs in, checkpoint out."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ...datasets.folders import data_root
from ...datasets.photographs import is_permissive, photographs, split_photographs
from .crops import Crops
from .loop import Session, train
from .lossless import train_lossless
from .lossless_recipe import LosslessRecipe, is_lossless
from .recipe import Recipe
from .update import Mode
from .validation import CROP
from .video_recipe import is_video
from .workers import Workers


def run_training(
    recipe_path: Path,
    changes: Sequence[str],
    checkpoint: Path,
    data: Path | None,
    session: Session,
    clips: Path | None = None,
) -> None:
    """Train on the training part of a folder of photographs, plain or packed; predicted frames also on prepared clips.

    Raises ValueError for a bad recipe, folder, start or budget, before anything is trained.
    """
    if is_video(recipe_path):
        # Not at the top: it needs the models and the registry, as other runs do not.
        from .video_run import run_video_training

        run_video_training(recipe_path, changes, checkpoint, clips, data, session)
        return
    lossless = is_lossless(recipe_path)
    recipe = (LosslessRecipe if lossless else Recipe).read(recipe_path, changes)
    if session.minutes <= 0 or (session.pause_minutes is not None and session.pause_minutes <= 0):
        raise ValueError("a budget of minutes must be positive")
    if lossless and (session.resume or session.start is not None or session.pause_minutes is not None):
        raise ValueError("the lossless model is trained in one run from the start")
    if checkpoint.exists() and not session.resume:
        raise ValueError(f"{checkpoint} exists; go on with --resume, or name another")
    if session.resume and not checkpoint.exists():
        raise ValueError(f"there is no {checkpoint} to resume")
    if not checkpoint.parent.is_dir():
        raise ValueError(f"there is no folder {checkpoint.parent}")
    folder = data or data_root() / "train"
    kept, held_out = split_photographs(photographs(folder))
    if not held_out:
        raise ValueError(f"none of the {len(kept)} photographs in {folder} is held out for validation: more are needed")
    if recipe.permissive:
        kept = [photograph for photograph in kept if is_permissive(photograph.licence)]
        if not kept:
            raise ValueError("no photograph has a licence known to be permissive")
    if isinstance(recipe, LosslessRecipe):
        device = torch.device("cpu")
        pictures, held = Crops(kept, recipe.crop, device), Crops(held_out, recipe.crop, device)
        train_lossless(recipe, pictures, held, checkpoint, session.minutes, session.steps)
        return
    workers = Workers.join()
    try:
        pictures = Crops(kept, recipe.crop, workers.device)
        train(recipe, pictures, Crops(held_out, CROP, workers.device), checkpoint, session, workers)
        workers.agree(0.0)  # none leaves while another may still speak to it
    finally:
        workers.leave()


def default_mode() -> Mode:
    """How a step runs unless told: recorded where there is a GPU, operation by operation on a CPU."""
    return "graph" if torch.cuda.is_available() else "eager"
