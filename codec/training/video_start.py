"""Begin a run of predicted frames with the weights of another: of a checkpoint, or of a model file."""

from pathlib import Path

import torch

from ...entropy.convert import to_float
from ...formats.errors import ModelError
from ..video.model import FrameModel
from .video import VideoCheckpoint


def read_video_start(path: Path) -> FrameModel:
    """A float model to begin with; of a model file, the integers become floats again.

    Raises ValueError when the file is neither checkpoint nor model file.
    """
    try:
        return VideoCheckpoint.read(path)[1]
    except ValueError as not_a_checkpoint:
        # Not at the top: it needs the range coder, which a machine that only trains may lack.
        from ..video.model_file import load_predicted

        try:
            coding = load_predicted(path.read_bytes(), torch.device("cpu"))
        except (OSError, ModelError):
            raise not_a_checkpoint from None
    model = FrameModel(coding.transforms.config)
    model.transforms.load_state_dict(coding.transforms.state_dict())
    model.prior = to_float(coding.prior)
    return model.eval()
