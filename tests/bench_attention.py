"""How the time of the attentions grows with the picture: `make bench-attention` prints the table of ABLATIONS.md.

Forward passes of one mixer at N channels, float32, one thread. Attention over all pairs stands beside them.
"""

import math
import statistics
import time

import torch
import torch.nn.functional as F

from lcodec.codec.transforms.linear_attention import KERNELS, LinearAttention
from lcodec.codec.transforms.swin import WINDOW, WindowAttention, alternating
from lcodec.codec.transforms.token_block import HEAD_CHANNELS, heads_of

CHANNELS = 96
SIDES = (48, 96, 192)  # positions at 1/8 of pictures of 384, 768 and 1536 pixels
REPEATS = 5


def all_pairs(x):
    """Softmax attention over all positions, projections aside: the quadratic cost itself."""
    heads = x.flatten(2).unflatten(1, (-1, HEAD_CHANNELS)).transpose(2, 3).contiguous()
    return F.scaled_dot_product_attention(heads, heads, heads)


@torch.inference_mode()
def seconds(call, side, repeats=REPEATS):
    """Median of a forward pass over (1, N, side, side)."""
    x = torch.randn(1, CHANNELS, side, side)
    call(x)
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call(x)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def growth(taken, sides):
    """The power of the number of positions that the time follows between the last two sizes."""
    return math.log(taken[-1] / taken[-2]) / (2 * math.log(sides[-1] / sides[-2]))


def mixers():
    """(name, forward) of everything in the table."""
    torch.manual_seed(0)
    for kernel in KERNELS:
        yield f"linear-{kernel}", LinearAttention(CHANNELS, kernel)
    yield "swin window", WindowAttention(CHANNELS, heads_of(CHANNELS), alternating(WINDOW, 0))
    yield "all pairs", all_pairs


def main():
    torch.set_num_threads(1)
    print(f"| mixer | {' | '.join(f'{side}x{side}, ms' for side in SIDES)} | time ~ positions to the power |")
    print("|---|" + "---:|" * (len(SIDES) + 1))
    for name, call in mixers():
        taken = [seconds(call, side, 1 if call is all_pairs else REPEATS) for side in SIDES]
        print(f"| {name} | {' | '.join(f'{1000 * t:.1f}' for t in taken)} | {growth(taken, SIDES):.2f} |", flush=True)


if __name__ == "__main__":
    main()
