"""Rows of the latents' plane, as one thread walks them step after step."""

from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from ..kernels.packed_rows import packed_rows
from .coded_step import CodedStep
from .exact import ExactPointwise, Kernels, Numbers, fused
from .exchange import decoded
from .fixed import MEAN_BITS, ROW_CENTRE, ROW_GAIN, SCALE_ROWS
from .known_parts import KnownParts
from .memory import Memory
from .prior import LatentPrior
from .selection import on_grid

_ROW_SHIFT = MEAN_BITS - ROW_GAIN.bit_length() + 1


class Band:
    """Some rows of latents (1, M, h, w) in an exact prior; of a local network, it sees one more on either side.

    Whatever rows make a band, its results are those of the whole plane.
    """

    def __init__(
        self,
        prior: LatentPrior,
        kernels: Kernels,
        rows: range,
        size: tuple[int, int],
        z_hat: Tensor,
        gain_index: int,
        past: Tensor | None = None,
    ) -> None:
        """size: (h, w) of the plane; z_hat: features of all hyper-latents; past: of the whole plane, see `Past`."""
        height, self._width = size
        seen = range(max(rows.start - 1, 0), min(rows.stop + 1, height)) if prior.context.local else rows
        self._prior = prior
        self._fused = fused(kernels)
        self._rows, self._seen = rows, seen
        self._hyper = prior.hyper_synthesis(z_hat, gain_index, size, seen, past)
        shape = (1, prior.config.latents, len(seen), self._width)
        self._y_hat = torch.empty(shape, dtype=kernels.CARRIER, device=z_hat.device, memory_format=kernels.LAYOUT)
        self._wanted = slice(rows.start - seen.start, rows.stop - seen.start)
        self._known = KnownParts(prior.context, prior.schedule, self._y_hat, seen.start, self._wanted, kernels)
        self._memory: Memory = {}
        self._coded: list[CodedStep] = []

    def predict(self, step: CodedStep) -> None:
        """Fill in its part of the parameters of the next step. The symbols of the one before are known now."""
        index, prior = len(self._coded), self._prior
        if index:
            self._put_last()
            self._known.add(index - 1)
        self._coded.append(step)
        features = prior.context(index, self._hyper, self._known, self._memory)
        by_place = features[0].flatten(1).t()  # (h' w', P)
        channels, head = prior.schedule.channels(index, prior.config.latents), prior.heads[index]
        assert isinstance(head, ExactPointwise)
        for block in step.selection.blocks:
            own = block.within(self._rows.start * self._width, self._rows.stop * self._width)
            if own.start == own.stop:
                continue
            outputs = outputs_of(block.channels, channels)
            places = block.places[own] - self._rows.start * self._width
            places = on_grid(places, self._width, prior.schedule.stride(index))
            mean, row = step.selection.stripe(step.mean, block)[:, own], step.selection.stripe(step.row, block)[:, own]
            if self._fused is not None:
                layer, whole = head.of_outputs(outputs, by_place.device), MEAN_BITS if prior.config.whole_means else 0
                self._fused.head(by_place, layer, places, mean, row, _ROW_SHIFT, ROW_CENTRE, whole)
                continue
            seen = by_place.index_select(0, torch.from_numpy(places).to(by_place.device))
            mean[:], row[:] = _on_host(head, seen, outputs, prior.config.whole_means)

    def latents(self) -> Tensor:
        """The decoded latents (1, M, rows, w), after the last step."""
        self._put_last()
        return self._y_hat[:, :, self._wanted]

    def _put_last(self) -> None:
        """Write the decoded latents of the last step where the band sees them."""
        step, flat = self._coded[-1], self._y_hat[0].flatten(1)
        assert flat.data_ptr() == self._y_hat.data_ptr(), "a plane whose rows do not lie evenly"
        for block in step.selection.blocks:
            seen = block.within(self._seen.start * self._width, self._seen.stop * self._width)
            symbols = step.selection.stripe(step.symbols, block)[:, seen]
            mean = step.selection.stripe(step.mean, block)[:, seen]
            own = block.places[seen] - self._seen.start * self._width
            if self._fused is not None:
                self._fused.put(self._y_hat, block.channels, own, symbols, mean, MEAN_BITS)
                continue
            values = torch.from_numpy(decoded(symbols, mean)).to(flat.device, flat.dtype)
            places = torch.from_numpy(own).to(flat.device)
            flat[block.channels.start : block.channels.stop : block.channels.step].index_copy_(1, places, values)


def outputs_of(own: range, channels: range) -> Numbers:
    """Which outputs of a head are the means and the log-scales of some of the channels of its step."""
    first = own.start - channels.start
    return tuple(range(first + n, len(channels) + n, own.step) for n in (0, len(channels)))


def parameters(head: ExactPointwise, features: Tensor, outputs: Numbers, whole_means: bool) -> tuple[Tensor, Tensor]:
    """Means and table rows (C, n) of C channels at n places, from their features (n, P) and the outputs of C."""
    mean, log_scale = head.at_places(features, outputs).chunk(2)
    if whole_means:
        mean = head.kernels.scale_down(mean, MEAN_BITS) * (1 << MEAN_BITS)
    return mean, rows_of(log_scale, head.kernels)


def _on_host(
    head: ExactPointwise, features: Tensor, outputs: Numbers, whole_means: bool
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """`parameters` as arrays."""
    if features.is_cuda and features.dtype == torch.int32:
        found = head.at_places(features, outputs)
        packed = packed_rows(found, _ROW_SHIFT, ROW_CENTRE, MEAN_BITS if whole_means else 0).cpu().numpy()
        return packed // SCALE_ROWS, packed % SCALE_ROWS
    mean, row = parameters(head, features, outputs, whole_means)
    return mean.cpu().numpy(), row.cpu().numpy()


def rows_of(log_scale: Tensor, kernels: Kernels) -> Tensor:
    """Table rows of integer log-scales with MEAN_BITS places."""
    return (kernels.scale_down(log_scale, _ROW_SHIFT) + ROW_CENTRE).clamp(0, SCALE_ROWS - 1)
