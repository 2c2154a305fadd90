"""The models that files may name. Wire ids are permanent: an id never changes its meaning and is never reused.

A file names a model by its wire id and the first 8 bytes of the SHA-256 of its weights; people, folders and release
addresses by `base-90bd4ae3c818b516`. Plain `base` is the model with the weights that this version writes files with.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..formats.container import WEIGHTS_HASH_BYTES
from ..formats.errors import UnsupportedError

PACKAGED = Path(__file__).parent / "weights"

# In use, inside the package or to be downloaded; replaced by better ones; a user's own; or not known to this version.
Standing = Literal["shipped", "released", "retired", "brought", "unlisted"]

_DIGITS = 2 * WEIGHTS_HASH_BYTES
_DIGEST = re.compile(rf"[0-9a-f]{{{_DIGITS}}}|[0-9a-f]{{64}}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A model with certain weights. `sha256` is as much of their digest as is known: 64 digits, or a file's 16.

    `former_jpegs` names the model that the encoder may use in its place for pictures that were JPEGs before. A model of
    `one_rate` was trained for it and has no quality to choose; of a `lossless` one, decoded pictures are what they were
    made of. `intra` names the model of intra frames of one that is for the frames of clips, and codes no picture.
    """

    wire_id: int
    name: str
    sha256: str
    standing: Standing
    description: str
    former_jpegs: str | None = None
    one_rate: bool = False
    lossless: bool = False
    intra: str | None = None

    def __post_init__(self) -> None:
        # The digits become part of a file name and of an address: nothing else may come in with them.
        if not _DIGEST.fullmatch(self.sha256):
            raise ValueError(f"weights are named by {_DIGITS} hexadecimal digits, not {self.sha256!r}")

    @property
    def weights(self) -> str:
        """What identifies the weights in files, hexadecimal."""
        return self.sha256[:_DIGITS]

    @property
    def moving(self) -> bool:
        """Whether it is for the frames of clips."""
        return self.intra is not None

    @property
    def full_name(self) -> str:
        """Name and weights, as `by_name` takes them."""
        return f"{self.name}-{self.weights}"

    def matches(self, data: bytes) -> bool:
        """Whether these bytes are the weights."""
        return hashlib.sha256(data).hexdigest().startswith(self.sha256)


# To put better weights in: write the new model file over weights/NAME.safetensors, state its `sha256sum` in the row
# here, and add a row to RETIRED with the old digest and the versions that shipped it. The old file, renamed to
# NAME-<first 16 digits>.safetensors, belongs at the release address; its bytes stay in the history of this repository.
MODELS = (
    Entry(
        1,
        "tiny",
        "67e70a383c8f66a8feb620c6dbf7e61f7cdc4f9590c62147f79ab0c7019a4ecd",
        "shipped",
        "for tests only",
    ),
    Entry(
        2,
        "base",
        "fa05ad7d39d284d03dbc128d238975abc5ed28844b58acbb4e0896674b4ee818",
        "shipped",
        "the default: one model for all qualities",
        former_jpegs="lattice",
    ),
    Entry(
        3,
        "lattice",
        "49fd39e921ea70e31fc0f84a0da981ecb3562ed64ebbf2dfb7a08e13704f988b",
        "shipped",
        "JPEG's coefficients, for pictures that were JPEGs before",
    ),
    Entry(
        6,
        "dct",
        "9ddb05b226e3d3b96ccf1e92a5876f348f348b4ffedfd541e3f51d660c8bcb5c",
        "shipped",
        "the fast one: a DCT with learned quantisation and entropy model",
    ),
    Entry(
        7,
        "high",
        "e9c22525ccd59dbc6c6451d6cb48850266c90b79fcfe006630075cd7463b2025",
        "shipped",
        "base of 0.6 with twice the blocks",
        former_jpegs="lattice",
    ),
    Entry(
        8,
        "lossless",
        "9d2f9470bd13760c174ff91a632717065a85c25487874a99d02e90989199c40a",
        "shipped",
        "that of -q lossless: every sample comes back as it is",
        one_rate=True,
        lossless=True,
    ),
    Entry(
        9,
        "video",
        "772f82748f9e9f670cf8bf761e8b17867a6b7a379506dd5b284037a953a2fb30",
        "shipped",
        "frames of clips, predicted from others; intra frames are base's",
        intra="base",
    ),
    Entry(
        10,
        "tinyvideo",
        "254a0b2b4f31f90ca11b4af863c5763347c38db46b54d9b9e891c1a1ff693f68",
        "shipped",
        "for tests only: frames of clips",
        intra="tiny",
    ),
)
RETIRED = (
    Entry(
        2,
        "base",
        "90bd4ae3c818b516af0c88f948c59fab72c11cda28e2a2d3c488a30b0579b5e6",
        "retired",
        "the first base, of lcodec 0.1",
    ),
    Entry(
        2,
        "base",
        "d0436bf76d0284b2b7950f80f69806077558602386706e053e08101f1e1c9af4",
        "retired",
        "the base of lcodec 0.2 and 0.3",
    ),
    Entry(
        2,
        "base",
        "539ebb52a9d31e82c3dfbe3b228387af5b27f66a8868c1a457b69429ce1d3d46",
        "retired",
        "the base of lcodec 0.4 to 0.7",
    ),
    Entry(
        9,
        "video",
        "979ddaeaacf79cd111e327e3c5270ad6ebf3531915d0e60361e4030907d22490",
        "retired",
        "the video of lcodec 0.11",
        intra="base",
    ),
    Entry(
        9,
        "video",
        "11e2ea73cc09b2de0c2f898ee10fbab797e70c1e40586ded986ae32487dc61b5",
        "retired",
        "the video of lcodec 0.12",
        intra="base",
    ),
)

# Models that users bring share an id and a name by where they come from; which one it is, the weights say.
_COMPRESSAI = Entry(4, "compressai", "0" * 64, "brought", "trained with CompressAI, one rate", one_rate=True)
_OWN = Entry(5, "own", "0" * 64, "brought", "trained with lcodec by its user")
BROUGHT = (_COMPRESSAI, _OWN)

_KNOWN = (*MODELS, *BROUGHT)
if len({entry.wire_id for entry in _KNOWN}) != len(_KNOWN) or len({entry.name for entry in _KNOWN}) != len(_KNOWN):
    raise AssertionError("duplicate model id or name")
if len({entry.sha256 for entry in (*MODELS, *RETIRED)}) != len(MODELS) + len(RETIRED):
    raise AssertionError("weights listed twice")
if any(entry.standing not in ("shipped", "released") for entry in MODELS):
    raise AssertionError("a model in use that is neither shipped nor released")
if any(entry.standing != "retired" for entry in RETIRED):
    raise AssertionError("a retired row that does not say so")


def by_name(name: str) -> Entry:
    """The model of that name, `base` or with its weights `base-90bd4ae3c818b516`. ValueError names the known ones."""
    model, _, weights = name.rpartition("-")
    for entry in MODELS:
        if entry.name == name:
            return entry
        if entry.name == model:
            return _with_weights(entry, weights)
    for entry in BROUGHT:
        if entry.name == model:
            return replace(entry, sha256=weights)
        if entry.name == name:
            raise ValueError(f"models that users bring are named with their weights, {name}-0123456789abcdef")
    raise ValueError(f"there is no model {name!r}; the models are {', '.join(e.name for e in MODELS)}")


def brought(name: str, data: bytes) -> Entry:
    """The model in the bytes of a model file that a user brings, under one of the names in BROUGHT."""
    (entry,) = (entry for entry in BROUGHT if entry.name == name)
    return replace(entry, sha256=hashlib.sha256(data).hexdigest())


def by_file(wire_id: int, weights_hash: bytes) -> Entry:
    """The model and weights that a file names. Raises UnsupportedError for an id this version does not know."""
    for entry in MODELS:
        if entry.wire_id == wire_id:
            return _with_weights(entry, weights_hash.hex())
    for entry in BROUGHT:
        if entry.wire_id == wire_id:
            return replace(entry, sha256=weights_hash.hex())
    raise UnsupportedError(f"the file needs model {wire_id}, which this version of lcodec does not have")


def _with_weights(model: Entry, weights: str) -> Entry:
    for entry in (*MODELS, *RETIRED):
        if entry.wire_id == model.wire_id and entry.weights == weights:
            return entry
    about = "unknown to this version of lcodec"
    return Entry(model.wire_id, model.name, weights, "unlisted", about, intra=model.intra)
