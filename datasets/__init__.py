"""Pictures to train and test on, and the published curves to be measured against. Imports nothing of ours."""

from .curves import Curve, anchor, anchor_names
from .folders import data_root, pictures
from .kodak import kodak
from .split import split

__all__ = ["Curve", "anchor", "anchor_names", "data_root", "kodak", "pictures", "split"]
