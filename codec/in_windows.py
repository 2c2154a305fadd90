"""Work on the pixels of an area window by window, on as many threads as there are."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..entropy.threads import hands, in_threads
from .tiles import Box
from .windows import windows


def in_windows(area: Box, work: Callable[[Box], Tensor], device: torch.device, stride: int = 1) -> Tensor:
    """What `work` makes of windows, planes (1, C, h, w) with a place for `stride` pixels, put together:

    (1, C, H, W).
    """
    boxes = windows(area, hands(device))
    parts = in_threads(work, boxes, device)
    if len(parts) == 1:
        return parts[0]
    size = area.inside(area).divided(stride)
    whole = parts[0].new_empty(1, parts[0].shape[1], size.height, size.width)
    for box, part in zip(boxes, parts, strict=True):
        whole[:, :, *box.inside(area).divided(stride).slices] = part
    return whole
