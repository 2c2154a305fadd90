"""Window attention of every kind against loops over positions, at any size."""

import math

import pytest
import torch
import torch.nn.functional as F

from lcodec.codec.transforms.frequency_aware import SHAPES, FrequencyWindowAttention, block_filter
from lcodec.codec.transforms.swin import CosineWindowAttention, SwinV2Block, WindowAttention, swin_block
from lcodec.codec.transforms.windows import Windows

SIZES = [(1, 1), (5, 3), (8, 8), (11, 9)]


def seeded(module, seed=0):
    """A module in double precision with all its parameters drawn anew, zeros too."""
    torch.manual_seed(seed)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module.double()


def window_of(y, x, windows):
    return (y + windows.shift[0]) // windows.size[0], (x + windows.shift[1]) // windows.size[1]


def by_loops(q, k, v, windows, score):
    """(N, H, W) of one head: for each position, softmax over the positions in its window; `score(q, k, dy, dx)`."""
    _, height, width = q.shape
    out = torch.zeros_like(v)
    places = [(y, x) for y in range(height) for x in range(width)]
    for y, x in places:
        seen = [(b, a) for b, a in places if window_of(b, a, windows) == window_of(y, x, windows)]
        scores = torch.stack([score(q[:, y, x], k[:, b, a], y - b, x - a) for b, a in seen])
        out[:, y, x] = sum(w * v[:, b, a] for w, (b, a) in zip(scores.softmax(0), seen, strict=True))
    return out


def planes(module, x, heads):
    """q, k, v of each head, (heads, d, H, W)."""
    qkv = F.conv2d(x, module.qkv.weight, module.qkv.bias)[0]
    return [part.view(heads, -1, *part.shape[1:]) for part in qkv.chunk(3)]


def bias_at(table, windows, dy, dx):
    rows, columns = windows.size
    return table[(dy + rows - 1) * (2 * columns - 1) + dx + columns - 1]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shift", [(0, 0), (2, 1)])
def test_windows_are_cut_and_joined(size, shift):
    windows = Windows((4, 3), shift)
    x = torch.randn(2, 5, *size)
    cut = windows.cut(x)
    assert cut.shape[1:] == (12, 5) and torch.equal(windows.join(cut, *size), x)
    outside = windows.outside(*size, x.device)
    inside = cut.shape[0] // 2 * 12 if outside is None else int((~outside).sum())
    assert inside == size[0] * size[1]
    assert outside is None or not outside.all(-1).any()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shift", [(0, 0), (4, 4)])
def test_swin_attention_is_that_of_loops(size, shift):
    windows = Windows((8, 8), shift)
    module = seeded(WindowAttention(6, 2, windows))
    x = torch.randn(1, 6, *size, dtype=torch.float64)
    q, k, v = planes(module, x, 2)
    heads = [
        by_loops(
            q[h], k[h], v[h], windows,
            lambda a, b, dy, dx, h=h: a @ b / math.sqrt(3) + bias_at(module.bias[h], windows, dy, dx),
        )
        for h in range(2)
    ]  # fmt: skip
    expected = F.conv2d(torch.cat(heads)[None], module.leave.weight, module.leave.bias)
    torch.testing.assert_close(module(x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_cosine_attention_is_that_of_loops(size):
    windows = Windows((8, 8), (4, 4))
    module = seeded(CosineWindowAttention(6, 2, windows)).float()
    x = torch.randn(1, 6, *size)
    q, k, v = planes(module, x, 2)

    def score(a, b, dy, dx, h):
        spaced = [math.copysign(math.log2(1 + 8 * abs(d) / 7) / 3, d) for d in (dy, dx)]
        bias = 16 * torch.sigmoid(module.bias(torch.tensor(spaced)))[h]
        return F.cosine_similarity(a, b, dim=0) * module.sharpness[h, 0, 0].exp() + bias

    heads = [by_loops(q[h], k[h], v[h], windows, lambda a, b, dy, dx, h=h: score(a, b, dy, dx, h)) for h in range(2)]
    expected = F.conv2d(torch.cat(heads)[None], module.leave.weight, module.leave.bias)
    torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("index", [0, 1])
def test_frequency_aware_attention_is_that_of_loops(index):
    module = seeded(FrequencyWindowAttention(8, index))
    x = torch.randn(1, 8, 9, 18, dtype=torch.float64)
    q, k, v = (part[0].chunk(4) for part in planes(module, x, 1))
    parts = []
    for i, (size, windows) in enumerate(zip(SHAPES, module.windows, strict=True)):
        assert windows.size == size and windows.shift == (tuple(s // 2 for s in size) if index else (0, 0))
        parts.append(
            by_loops(
                q[i], k[i], v[i], windows,
                lambda a, b, dy, dx, i=i, w=windows: a @ b / math.sqrt(2) + bias_at(module.bias[i][0], w, dy, dx),
            )
        )  # fmt: skip
    expected = F.conv2d(torch.cat(parts)[None], module.leave.weight, module.leave.bias)
    torch.testing.assert_close(module(x), expected, rtol=1e-9, atol=1e-9)


def test_filtering_blocks_is_a_circular_convolution_in_each():
    torch.manual_seed(0)
    kernel = torch.randn(8, 8)
    symmetric = kernel + kernel.flip(0, 1).roll((1, 1), (0, 1))  # its spectrum is real
    weight = torch.fft.rfft2(symmetric).real
    x = torch.randn(1, 1, 16, 8)
    expected = torch.zeros_like(x)
    for block in range(2):
        part = x[0, 0, 8 * block : 8 * block + 8]
        for dy in range(8):
            for dx in range(8):
                expected[0, 0, 8 * block : 8 * block + 8] += symmetric[dy, dx] * part.roll((dy, dx), (0, 1))
    torch.testing.assert_close(block_filter(x, weight[None]), expected, rtol=1e-4, atol=1e-3)
    odd = torch.randn(2, 3, 13, 1)
    torch.testing.assert_close(block_filter(odd, torch.ones(3, 8, 5)), odd, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", [swin_block, SwinV2Block])
def test_a_position_sees_its_window_only(make):
    block = make(16, 1).eval()
    x = torch.randn(1, 16, 24, 24)
    changed = x.clone()
    changed[0, :, 10, 10] += torch.randn(16)
    seen = ((block(changed) - block(x)).abs().amax(1)[0] > 1e-7).nonzero()
    assert seen.amin(0).tolist() == [4, 4] and seen.amax(0).tolist() == [11, 11]


def test_widths_that_do_not_come_out_even_are_refused():
    with pytest.raises(ValueError, match="multiple of 32"):
        swin_block(40, 0)
    with pytest.raises(ValueError, match="multiple of 4"):
        FrequencyWindowAttention(18, 0)
