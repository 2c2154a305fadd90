"""A loaded model for repeated use: pictures to bytes and back."""

import math
from dataclasses import replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch

from ..entropy.fixed import GAIN_STEPS
from ..formats.container import Header, Stream, pack
from ..formats.errors import ModelError
from ..formats.grid import check_tile_side
from ..formats.pictures import Picture, Samples
from .alpha import fill_transparent, pack_alpha
from .decoding import Decoding
from .drawn import is_mixed
from .former_jpeg import former_jpeg_quality
from .model_file import load_model
from .registry import by_file, by_name
from .samples import ImageLike, as_picture
from .tile_coding import CodedPicture, draw_tiles, encode_tiles
from .tile_model import TileModel
from .tiles import Box
from .weights_cache import read_weights

DEFAULT_QUALITY = 75.0
_MIXED_SIDE = 256  # of the tiles of lossless pictures that are drawn in part only
EFFORT_ITERATIONS = (0, 10, 20, 40, 60, 100, 160, 240, 350, 500)  # of refinement, by effort

Device = Literal["auto", "cpu", "cuda"]
Rate = float | Literal["lossless"]  # a quality, or none lost


class Codec(Decoding):
    """One model on one device. Threads may share it; it holds no state between calls."""

    def __init__(self, model: str = "base", device: Device = "auto") -> None:
        """Load a model by its name, `base`, or with certain weights, `base-90bd4ae3c818b516`.

        Raises ValueError for an unknown model or an absent device, ModelError for absent or unusable weights.
        """
        self.entry = by_name(model)
        if self.entry.moving:
            raise ValueError(f"{self.entry.full_name} is for clips, not for pictures")
        self.device = device_of(device)
        self._model: TileModel = load_model(read_weights(self.entry), self.device)

    @property
    def weights(self) -> str:
        """What identifies the weights in files, hexadecimal."""
        return self.entry.weights

    def encode(
        self,
        image: ImageLike,
        quality: Rate | None = None,
        comment: str | None = None,
        effort: int = 0,
        tile: int | None = None,
    ) -> bytes:
        """Compress a picture into the bytes of an .lcc file.

        A picture that was a JPEG before, at the same size and grid, is coded on the lattice of that JPEG, by the model
        that `entry.former_jpegs` names, where that file is smaller and no worse.

        Args:
            image: uint8 or uint16 array or tensor, (H, W) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4)
                RGB and alpha; or a PIL image or what `read_picture` made of a file, whose ICC, EXIF and XMP are kept.
                Any size from 1x1; uint16 is 16 bits. Alpha is kept without loss, colours that it hides are not.
            quality: 0 to 100, real; stored in steps of 100/8192. None is 75, and all that a model of one rate takes.
                "lossless" is coded by the model of that name, whichever this one is, and comes back bit for bit, with
                the colours that alpha hides; what is drawn, by a dictionary, and in tiles if only parts are.
            comment: text stored beside the picture.
            effort: 0 to 9; above 0, the latents of this picture are refined (`refinement`) in EFFORT_ITERATIONS passes
                forward and back, each longer than encoding it once; a decoder has no more to do than before.
            tile: side in pixels of the tiles that are coded by themselves, a multiple of 64 from 256 on, so that a part
                of the picture can be decoded without the rest. None is 1024 for pictures of more than 4 megapixels, and
                otherwise one tile, but for lossless ones that are drawn in part.

        Raises:
            ValueError: for an image, a quality, an effort or a tile that is none of these, or effort that the model has
                no use for.
            UnsupportedError: for a PIL image of several frames, or whose file has more than 8 bits of a colour.
        """
        if quality == "lossless" and not self.entry.lossless:
            return self._lossless.encode(image, None, comment, effort, tile)
        picture = as_picture(image)
        gain_index = self._gain_index(quality)
        iterations = _iterations(effort)
        if tile is not None:
            check_tile_side(tile)
        if picture.alpha is not None and not self.entry.lossless:
            picture = replace(picture, pixels=fill_transparent(picture.pixels, picture.alpha))
        if comment is not None:
            picture = replace(picture, metadata=replace(picture.metadata, comment=comment))
        pixels = picture.pixels
        data, coded = self._encode(picture, gain_index, tile, iterations)
        if (
            self.entry.former_jpegs is None
            or picture.depth > 8
            or (jpeg_quality := former_jpeg_quality(picture.eight_bits())) is None
        ):
            return data
        lattice = self._former_jpegs
        other, other_coded = lattice._encode(picture, gain_index_of(jpeg_quality), tile)
        if len(other) >= len(data):
            return data
        error, other_error = self._squared_error(pixels, coded), lattice._squared_error(pixels, other_coded)
        return other if other_error <= error else data

    def _gain_index(self, quality: Rate | None) -> int:
        if self.entry.lossless:
            if quality not in (None, "lossless"):
                raise ValueError(f"{self.entry.full_name} codes without loss: there is no quality to choose")
            return 0
        if not self.entry.one_rate:
            return gain_index_of(DEFAULT_QUALITY if quality is None else quality)
        if quality is not None:
            raise ValueError(f"{self.entry.full_name} was trained for one rate: there is no quality to choose")
        return 0

    def _encode(
        self, picture: Picture, gain_index: int, tile: int | None, iterations: int = 0
    ) -> tuple[bytes, CodedPicture]:
        """The file by this codec's own model, and what a decoder will have."""
        coded = encode_tiles(self._model, picture, gain_index, iterations, tile)
        if self.entry.lossless and tile is None and is_mixed(picture.pixels, _MIXED_SIDE):
            parts = encode_tiles(self._model, picture, gain_index, iterations, _MIXED_SIDE)
            coded = min(coded, parts, key=lambda found: sum(map(len, found.steps)))
        height, width = picture.pixels.shape[:2]
        weights = bytes.fromhex(self.weights)
        header = Header(width, height, self.entry.wire_id, weights, gain_index, picture.grey, picture.depth)
        alpha = None if picture.alpha is None else pack_alpha(picture.alpha)
        stream = Stream(header, coded.steps, coded.symbols_crc, picture.metadata, coded.grid, alpha, coded.ways)
        return pack(stream), coded

    def _squared_error(self, pixels: Samples, coded: CodedPicture) -> float:
        whole = Box.whole(*pixels.shape[:2])
        decoded = draw_tiles(self._model, coded.boxes, coded.decoded, whole, coded.terms)
        rows = zip(decoded, pixels, strict=True)
        return float(np.mean([np.square(a.astype(np.float32) - b).mean() for a, b in rows]))

    @cached_property
    def _former_jpegs(self) -> "Codec":
        """The codec that `entry.former_jpegs` names, loaded when first needed."""
        assert self.entry.former_jpegs is not None
        return Codec(self.entry.former_jpegs, "cpu" if self.device.type == "cpu" else "cuda")

    @cached_property
    def _lossless(self) -> "Codec":
        """The codec of "lossless", loaded when first needed."""
        return Codec("lossless", "cpu" if self.device.type == "cpu" else "cuda")

    def _model_of(self, header: Header) -> TileModel:
        """The model, of those that `encode` writes files with, that a file names. Raises ModelError for another."""
        entry = by_file(header.model_id, header.weights_hash)
        if entry == self.entry:
            return self._model
        if self.entry.former_jpegs == entry.name:
            return self._former_jpegs._model_of(header)
        if entry.lossless and not self.entry.lossless:
            return self._lossless._model_of(header)
        raise ModelError(f"the file was written with {entry.full_name!r}, and this codec is {self.entry.full_name!r}")


def gain_index_of(quality: Rate) -> int:
    """Quality 0 to 100 in the fixed-point steps that a file stores. Raises ValueError outside."""
    if (
        isinstance(quality, bool)
        or not isinstance(quality, int | float)
        or not math.isfinite(quality)
        or not 0 <= quality <= 100
    ):
        raise ValueError(f"quality is a number from 0 to 100, not {quality!r}")
    return round(quality * GAIN_STEPS / 100)


def _iterations(effort: int) -> int:
    if isinstance(effort, bool) or not isinstance(effort, int) or not 0 <= effort < len(EFFORT_ITERATIONS):
        raise ValueError(f"effort is a whole number from 0 to {len(EFFORT_ITERATIONS) - 1}, not {effort!r}")
    return EFFORT_ITERATIONS[effort]


def device_of(name: Device) -> torch.device:
    """The device that a name stands for here. ValueError where it is absent."""
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device is auto, cpu or cuda, not {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device cuda is not available here")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
