"""Blocks of large depthwise convolutions: ConvNeXt and HorNet."""

from itertools import pairwise

import pytest
import torch

from lcodec.codec.transforms.convnext import ConvNextBlock
from lcodec.codec.transforms.hornet import HorNetBlock, RecursiveGatedConvolution, order_of

BLOCKS = pytest.mark.parametrize("make", [ConvNextBlock, HorNetBlock])


@BLOCKS
@pytest.mark.parametrize("size", [(1, 1), (17, 5), (2, 31)])
def test_blocks_keep_any_shape_and_have_finite_gradients(make, size):
    torch.manual_seed(0)
    block, x = make(16), torch.randn(2, 16, *size, requires_grad=True)
    out = block(x)
    assert out.shape == x.shape
    out.square().mean().backward()
    for gradient in [x.grad, *(p.grad for p in block.parameters())]:
        assert gradient.isfinite().all()
    assert all(p.grad.any() for p in block.parameters())


@BLOCKS
def test_bfloat16_stays_near_float32(make):
    torch.manual_seed(1)
    block, x = make(32), torch.randn(1, 32, 9, 7)
    with torch.no_grad():
        exact = block(x)
        with torch.autocast("cpu", torch.bfloat16):
            coarse = block(x)
    assert (coarse.float() - exact).abs().max() < 0.05


def test_convnext_sees_three_positions_around():
    torch.manual_seed(2)
    block, x = ConvNextBlock(8), torch.zeros(1, 8, 9, 9, requires_grad=True)
    block(x)[..., 4, 4].sum().backward()
    seen = x.grad.abs().sum((0, 1)) > 0
    assert seen[1:8, 1:8].all() and seen.sum() == 49


@pytest.mark.parametrize(("channels", "order"), [(4, 3), (16, 3), (64, 4), (96, 4), (128, 5), (160, 5), (192, 5)])
def test_order_follows_the_width(channels, order):
    assert order_of(channels) == order
    parts = RecursiveGatedConvolution(channels, order).parts
    assert parts[-1] == channels and parts[0] + sum(parts) == 2 * channels
    assert all(b == 2 * a for a, b in pairwise(parts))


def test_width_that_cannot_be_split_is_refused():
    with pytest.raises(ValueError, match="multiple of 4, not 18"):
        HorNetBlock(18)


@pytest.mark.parametrize("order", [3, 4, 5])
def test_recursive_gated_convolution_is_its_definition(order):
    torch.manual_seed(3)
    channels, height, width = 16, 3, 4
    mixer, x = RecursiveGatedConvolution(channels, order).double(), torch.randn(1, 16, 3, 4, dtype=torch.float64)
    linear = {name: (m.weight.flatten(1), m.bias) for name, m in mixer.named_modules() if name and hasattr(m, "weight")}

    def apply(name, vector):
        weight, bias = linear[name]
        return weight @ vector + bias

    entered = torch.stack([torch.stack([apply("enter", x[0, :, i, j]) for j in range(width)]) for i in range(height)])
    first = channels // 2 ** (order - 1)
    with torch.no_grad():
        out = mixer(x)
        for i in range(height):
            for j in range(width):
                mixed = mixer.mix.bias.clone()
                for di in range(max(-3, -i), min(4, height - i)):
                    for dj in range(max(-3, -j), min(4, width - j)):
                        mixed += mixer.mix.weight[:, 0, 3 + di, 3 + dj] * entered[i + di, j + dj, first:]
                mixed /= 3
                p = entered[i, j, :first] * mixed[:first]
                start = first
                for step in range(order - 1):
                    p = apply(f"grow.{step}", p)
                    p *= mixed[start : start + len(p)]
                    start += len(p)
                assert torch.allclose(out[0, :, i, j], apply("leave", p), rtol=0, atol=1e-12)
