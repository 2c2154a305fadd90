"""`lcodec train`: recipe and folder in, checkpoint out."""

from pathlib import Path

from ...datasets.folders import data_root
from ...datasets.split import split
from .crops import Crops
from .loop import train
from .recipe import Recipe


def run_training(recipe_path: Path, checkpoint: Path, minutes: float, resume: bool, data: Path | None) -> None:
    """Train on the training half of a folder of photographs. Raises ValueError for a bad recipe, folder or budget."""
    recipe = Recipe.read(recipe_path)
    if minutes <= 0:
        raise ValueError(f"--minutes must be positive, not {minutes}")
    if checkpoint.exists() and not resume:
        raise ValueError(f"{checkpoint} exists; go on with --resume, or name another")
    if resume and not checkpoint.exists():
        raise ValueError(f"there is no {checkpoint} to resume")
    pictures, held_out = split(data or data_root() / "train")
    train(recipe, Crops(pictures, recipe.crop), Crops(held_out, recipe.crop), checkpoint, minutes, resume)
