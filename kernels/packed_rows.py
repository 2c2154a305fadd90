"""Means and table rows out of what a head says, in one number each: one kernel and one copy to the host.

Number = 64 mean + row, with row = clamp(floor((log-scale + 2**(shift-1)) / 2**shift) + centre, 0, 63), and means
rounded to whole ones of `whole` binary places where latents are whole numbers.
"""

import torch
from torch import Tensor

from .triton_ready import Trial, triton_pays

ROWS = 64


def packed_rows(found: Tensor, shift: int, centre: int, whole: int) -> Tensor:
    """Means, then log-scales, int32 (2 C, n) -> (C, n) int32; `whole` is 0 for means as they are."""
    if found.is_cuda and triton_pays("packed rows", found.device, trial):
        from .triton_packed_rows import packed

        return packed(found, shift, centre, whole)
    return reference(found, shift, centre, whole)


def reference(found: Tensor, shift: int, centre: int, whole: int) -> Tensor:
    """As `packed_rows`, by operations of PyTorch."""
    mean, log_scale = found.chunk(2)
    row = (((log_scale + (1 << (shift - 1))) >> shift) + centre).clamp_(0, ROWS - 1)
    if whole:
        mean = ((mean + (1 << (whole - 1))) >> whole) << whole
    return mean * ROWS + row


def trial(device: torch.device) -> Trial:
    """Of small and of real size."""
    from .triton_packed_rows import packed

    generator = torch.Generator().manual_seed(0)

    def made(channels: int, places: int) -> Tensor:
        return torch.randint(-(2**15), 2**15, (2 * channels, places), generator=generator).to(device, torch.int32)

    small, large = made(7, 131), made(80, 1536)
    agrees = all(torch.equal(packed(small, 2, 18, n), reference(small, 2, 18, n)) for n in (0, 5))
    return Trial(agrees, lambda: packed(large, 2, 18, 0), lambda: reference(large, 2, 18, 0), large.nbytes * 3 // 2)
