"""`packed_rows` on a GPU: reads two numbers a latent, writes one; PyTorch's seven operations move seventeen.

A dozen integer operations on 12 bytes: bound by memory, and at the size of ordinary pictures by the start of a kernel.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from .packed_rows import ROWS
from .triton_launch import tuned


def packed(found: Tensor, shift: int, centre: int, whole: int) -> Tensor:
    """As `packed_rows.reference`."""
    channels, places = found.shape[0] // 2, found.shape[1]
    found = found.contiguous()
    out = torch.empty(channels, places, dtype=torch.int32, device=found.device)
    if count := out.numel():
        _packed[lambda sizes: (triton.cdiv(count, sizes["BLOCK"]),)](
            found, out, count, centre, SHIFT=shift, WHOLE=whole
        )
    return out


@tuned(["count"], {"BLOCK": 256, "num_warps": 4}, {"BLOCK": 1024, "num_warps": 4})
@triton.jit  # type: ignore[untyped-decorator]
def _packed(  # type: ignore[no-untyped-def]
    found, out, count, centre, SHIFT: tl.constexpr, WHOLE: tl.constexpr, BLOCK: tl.constexpr
):
    n = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mean = tl.load(found + n, n < count, other=0)
    log_scale = tl.load(found + count + n, n < count, other=0)
    row = ((log_scale + (1 << (SHIFT - 1))) >> SHIFT) + centre
    row = tl.minimum(tl.maximum(row, 0), 63)
    if WHOLE:
        mean = ((mean + (1 << (WHOLE - 1))) >> WHOLE) << WHOLE
    tl.store(out + n, mean * 64 + row, n < count)


assert ROWS == 64, "as the kernel has it"
