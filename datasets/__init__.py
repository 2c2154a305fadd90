"""Pictures to train and test on, and the published curves to be measured against. Imports nothing of ours."""

from .clic import clic_mobile, clic_professional
from .curves import Curve, anchor, anchor_names
from .folders import data_root, pictures
from .kodak import kodak
from .split import split
from .tecnick import tecnick

__all__ = [
    "Curve",
    "anchor",
    "anchor_names",
    "clic_mobile",
    "clic_professional",
    "data_root",
    "kodak",
    "pictures",
    "split",
    "tecnick",
]
