"""A model as it codes: float transforms around the exact entropy stage."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..entropy import walk
from ..entropy.coder import CoderError, RowCoder
from ..entropy.convert import to_float
from ..entropy.exact_prior import ExactPrior
from ..entropy.fixed import GAIN_STEPS
from ..entropy.step_model import StepModel
from ..entropy.tables import Rows
from ..entropy.threads import hands, in_threads
from ..formats.container import Tile
from ..formats.pictures import Samples
from .gdn_model import GdnTransforms
from .half_blocks import half_is_faster, with_half_blocks
from .in_windows import in_windows
from .model import Transforms
from .quality import LAMBDAS, weight_of
from .refinement import Refiner
from .tile_model import CodedTile, Decoded, In, Out, Terms
from .tiles import Box, strips
from .transforms.stride import STRIDE
from .windows import draw_windows, surroundings


class CodingModel:
    """Compresses and decompresses pixels on one device. Holds no state between calls; threads may share it.

    As a `TileModel`, what its tiles decode to are latents (1, M, h, w).
    """

    stride = STRIDE

    def __init__(
        self,
        transforms: Transforms | GdnTransforms,
        prior: StepModel,
        rows: Rows,
        first_row: int,
        device: torch.device,
        lambdas: tuple[float, float] = LAMBDAS,
    ) -> None:
        """lambdas: what it was trained for, see `quality`. ValueError when a bound of its arithmetic does not hold."""
        prior.prepare(device)
        self.transforms = transforms.float().to(device).eval()
        self.transforms.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        own = with_half_blocks if half_is_faster(device) else nn.Identity()
        self.analysis, self.synthesis = own(self.transforms.analysis), own(self.transforms.synthesis)
        self.prior = prior
        self.rows = rows
        self.coder = RowCoder(rows, first_row)
        self.device = device
        self.lambdas = lambdas
        self.analysis_margin, self.synthesis_margin = transforms.reach

    def source(self, pixels: Samples, depth: int) -> Tensor:
        return torch.from_numpy(pixels if depth == 8 else pixels.astype(np.float32) * (255 / (2**depth - 1)))

    def encode_tile(self, source: Tensor, tile: Box, terms: Terms, iterations: int) -> CodedTile:
        encoded = self.compress_tile(source, tile, terms.gain_index, iterations)
        return CodedTile(encoded.steps, encoded.symbols_crc, encoded.y_hat.cpu().numpy())

    def each(self, work: Callable[[In], Out], items: Iterable[In]) -> list[Out]:
        return in_threads(work, items, self.device)

    def decode_tile(self, coded: Tile, tile: Box, terms: Terms, partial: bool = False) -> tuple[Decoded, int]:
        if coded.way:
            raise CoderError("a tile is drawn, which only those of lossless files can be")
        y_hat, crc = self.decode_latents(coded.steps, terms.gain_index, tile.height, tile.width, partial)
        return y_hat.cpu().numpy(), crc

    def nothing(self, tile: Box) -> Decoded:
        size = tile.inside(tile).latents()
        return np.zeros((1, self.transforms.config.latents, size.height, size.width), np.float32)

    def step_count(self, terms: Terms) -> int:
        return self.prior.steps

    def draw_area(self, plane: Decoded, held: Box, area: Box, terms: Terms) -> Samples:
        return self.draw(torch.from_numpy(plane).to(self.device), held, area, terms.gain_index, terms.depth)

    def compress(self, pixels: Tensor, gain_index: int, iterations: int = 0) -> walk.Encoded:
        """pixels uint8 (H, W, 3) of any size from 1x1, as one tile: see `compress_tile`."""
        return self.compress_tile(pixels, Box.whole(*pixels.shape[:2]), gain_index, iterations)

    def compress_tile(self, pixels: Tensor, tile: Box, gain_index: int, iterations: int = 0) -> walk.Encoded:
        """A tile of pixels (H, W, 3), uint8, or of any type from 0 to 255 -> coding steps, checksum, decoded latents.

        `iterations` of refinement follow the analysis; their result is taken where it costs less.
        Raises ValueError where a model has no latents to refine.
        """
        y, z = self._tile_latents(pixels, tile, gain_index)
        encoded = walk.encode(self.prior, self.coder, y, z, gain_index, self.device)
        if not iterations:
            return encoded
        own = pixels[tile.slices]
        with torch.inference_mode(False), torch.enable_grad(), full_precision(self.device):
            y, z = self._refiner(self._rgb(own), y.clone(), z.clone(), self._quality(gain_index), iterations)
        refined = walk.encode(self.prior, self.coder, y, z, gain_index, self.device)
        return min(encoded, refined, key=lambda result: self._cost(result, own, gain_index))

    def latents(self, pixels: Tensor, gain_index: int) -> tuple[Tensor, Tensor]:
        """Float latents y (1, M, h, w) and z of pixels uint8 (H, W, 3), in quantisation steps."""
        return self._tile_latents(pixels, Box.whole(*pixels.shape[:2]), gain_index)

    @torch.inference_mode()
    def _tile_latents(self, pixels: Tensor, tile: Box, gain_index: int) -> tuple[Tensor, Tensor]:
        """y as it is in the latents of the whole picture, and z of the tile by itself."""
        parts = strips(tile, hands(self.device))
        found = in_threads(lambda part: self._analysed(pixels, part, gain_index), parts, self.device)
        y = torch.cat(found, 2 if tile.height >= tile.width else 3)
        return y, in_threads(self.transforms.hyper_analysis, [y], self.device)[0]

    def _analysed(self, pixels: Tensor, tile: Box, gain_index: int) -> Tensor:
        seen = tile.grown(self.analysis_margin, Box.whole(*pixels.shape[:2]))
        rgb = F.pad(
            self._rgb(pixels[seen.slices]), (0, -seen.width % STRIDE, 0, -seen.height % STRIDE), mode="replicate"
        )
        rgb = rgb.contiguous(memory_format=torch.channels_last)
        y: Tensor = self.analysis(rgb, self._quality(gain_index))
        return y[:, :, *tile.inside(seen).latents().slices]

    def decode_latents(
        self, steps: tuple[bytes, ...], gain_index: int, height: int, width: int, partial: bool = False
    ) -> tuple[Tensor, int]:
        """The exact half: y_hat (1, M, h, w) and the checksum of the symbols. As `walk.decode`."""
        size = (-(-height // STRIDE), -(-width // STRIDE))
        return walk.decode(self.prior, self.coder, steps, gain_index, size, self.device, partial)

    def synthesise(self, y_hat: Tensor, gain_index: int, height: int, width: int) -> Tensor:
        """The float half: y_hat (1, M, h, w) -> pixels uint8 (H, W, 3) on the CPU."""
        whole = Box.whole(height, width)
        return torch.from_numpy(self.draw(y_hat, whole, whole, gain_index))

    def draw(self, y_hat: Tensor, held: Box, area: Box, gain_index: int, depth: int = 8) -> Samples:
        """The pixels (H, W, 3) of an area, uint8 or of more bits uint16, large ones window by window.

        y_hat: the latents of the box `held`, which holds the area and whatever of the picture is within
        `synthesis_margin` of it.
        """

        highest = 2**depth - 1

        def draw(window: Box) -> Samples:
            rgb = self._window(y_hat, held, window, gain_index)[0]
            pixels = (rgb * highest).round_().clamp_(0, highest).to(torch.uint8 if depth == 8 else torch.uint16)
            return np.asarray(pixels.permute(1, 2, 0).contiguous().cpu().numpy())

        return draw_windows(area, depth, draw, partial(in_threads, device=self.device), hands(self.device))

    def rgb(self, y_hat: Tensor, gain_index: int) -> Tensor:
        """y_hat (1, M, h, w) -> rgb (1, 3, 16h, 16w), black 0 and white 1, not limited to them."""
        whole = Box.whole(STRIDE * y_hat.shape[2], STRIDE * y_hat.shape[3])
        return in_windows(whole, lambda window: self._window(y_hat, whole, window, gain_index), self.device)

    @torch.inference_mode()
    def _window(self, y_hat: Tensor, held: Box, window: Box, gain_index: int) -> Tensor:
        """rgb (1, 3, h, w) of a window, from the latents of the box `held`."""
        seen = surroundings(window, held, self.synthesis_margin)
        y_hat = y_hat[:, :, *seen.inside(held).latents().slices].contiguous(memory_format=torch.channels_last)
        with full_precision(self.device):
            rgb: Tensor = self.synthesis(y_hat, self._quality(gain_index))
        return rgb[:, :, *window.inside(seen).slices]

    @cached_property
    def _refiner(self) -> Refiner:
        if not isinstance(self.transforms, Transforms) or not isinstance(self.prior, ExactPrior):
            raise ValueError("a model of another program can only be coded in one pass, without effort")
        if self.prior.config.whole_means:
            raise ValueError("latents that are whole numbers can only be coded in one pass, without effort")
        twin = to_float(self.prior).to(self.device).eval().requires_grad_(False)
        return Refiner(self.transforms, twin, self.coder.first_row, self.lambdas)

    def _cost(self, encoded: walk.Encoded, pixels: Tensor, gain_index: int) -> float:
        """Bits and weighted squared error, as training counts them."""
        height, width = pixels.shape[:2]
        rebuilt = self.synthesise(encoded.y_hat, gain_index, height, width)
        squared_error = float((rebuilt.double() - pixels.double()).square().mean())
        bits = 8 * sum(map(len, encoded.steps))
        return bits + float(weight_of(self._quality(gain_index), self.lambdas)) * squared_error * height * width

    def _rgb(self, pixels: Tensor) -> Tensor:
        """pixels uint8 (H, W, 3) -> rgb (1, 3, H, W) in [0, 1]."""
        return pixels.to(self.device).permute(2, 0, 1)[None].float() / 255

    def _quality(self, gain_index: int) -> Tensor:
        return torch.tensor([gain_index / GAIN_STEPS], device=self.device)


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """No TF32 in convolutions, CUDA's default: with its 11 bits, pixels would differ by more than one level."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
