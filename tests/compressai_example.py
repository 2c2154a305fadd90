"""Small checkpoints as CompressAI 1.2.8 stores them, and what its models make of a picture, written from the papers.

Nothing of the package is used: the arithmetic is torch's convolutions on the stored tensors.
"""

import numpy as np
import torch
import torch.nn.functional as F

WIDTH, LATENTS = 4, 6
PEDESTAL = 2.0**-36


def checkpoint(kind, seed=0):
    """The state of a model with random weights, large enough that latents reach tens of quantisation steps."""
    g = torch.Generator().manual_seed(seed)
    state = {}

    def layer(name, *shape, outputs, gain=1.0):
        fan = np.prod(shape) / outputs
        state[f"{name}.weight"] = torch.randn(*shape, generator=g) * gain / fan**0.5
        state[f"{name}.bias"] = torch.randn(outputs, generator=g) * 0.1

    def gdn(name, channels):
        gamma = 0.1 * torch.eye(channels) + 0.01 * torch.rand(channels, channels, generator=g)
        state[f"{name}.beta"] = (1 + torch.rand(channels, generator=g) + PEDESTAL).sqrt()
        state[f"{name}.gamma"] = (gamma + PEDESTAL).sqrt()
        state[f"{name}.gamma"][0, 1] = 0  # below the bound that training keeps

    n, m = WIDTH, LATENTS
    for i, (inputs, outputs) in enumerate(((3, n), (n, n), (n, n), (n, m))):
        layer(f"g_a.{2 * i}", outputs, inputs, 5, 5, outputs=outputs, gain=8 if i == 3 else 2)
    for i, (inputs, outputs) in enumerate(((m, n), (n, n), (n, n), (n, 3))):
        layer(f"g_s.{2 * i}", inputs, outputs, 5, 5, outputs=outputs, gain=0.3)
    for i in (1, 3, 5):
        gdn(f"g_a.{i}", n)
        gdn(f"g_s.{i}", n)
    first, second = (n, n) if kind == "scale" else (m, m * 3 // 2)
    if kind != "factorised":
        layer("h_a.0", n, m, 3, 3, outputs=n)
        layer("h_a.2", n, n, 5, 5, outputs=n, gain=2)
        layer("h_a.4", n, n, 5, 5, outputs=n, gain=4)
        layer("h_s.0", n, first, 5, 5, outputs=first)
        layer("h_s.2", first, second, 5, 5, outputs=second)
        wide = m if kind == "scale" else 2 * m
        layer("h_s.4", wide, second, 3, 3, outputs=wide)
        state["h_s.4.bias"][:m] += 6  # scales like those of the latents
        state["gaussian_conditional.scale_table"] = torch.empty(0)
    channels = m if kind == "factorised" else n
    filters = (1, 3, 3, 3, 3, 1)
    for i in range(5):
        shape = (channels, filters[i + 1], filters[i])
        start = np.log(np.expm1(10**-0.2 / filters[i + 1]))  # together a distribution about ten steps wide
        state[f"entropy_bottleneck.matrices.{i}"] = start + 0.1 * torch.randn(*shape, generator=g)
        state[f"entropy_bottleneck.biases.{i}"] = torch.rand(channels, filters[i + 1], 1, generator=g) - 0.5
        if i < 4:
            state[f"entropy_bottleneck.factors.{i}"] = torch.randn(channels, filters[i + 1], 1, generator=g) * 0.1
    median = torch.randint(-80, 80, (channels, 1, 1), generator=g) / 32
    state["entropy_bottleneck.quantiles"] = torch.cat([median - 60, median, median + 49.5], 2)
    state["entropy_bottleneck._quantized_cdf"] = torch.IntTensor()
    return state


def analysis(kind, state, rgb):
    """rgb (1, 3, H, W) -> y and z, not yet quantised; z is None in a factorised model."""
    y = rgb
    for i in range(0, 7, 2):
        y = F.conv2d(y, state[f"g_a.{i}.weight"], state[f"g_a.{i}.bias"], stride=2, padding=2)
        if i < 6:
            y = y / _norm(state, f"g_a.{i + 1}", y)
    if kind == "factorised":
        return y, None
    act = F.relu if kind == "scale" else F.leaky_relu
    z = F.conv2d(y.abs() if kind == "scale" else y, state["h_a.0.weight"], state["h_a.0.bias"], padding=1)
    z = F.conv2d(act(z), state["h_a.2.weight"], state["h_a.2.bias"], stride=2, padding=2)
    return y, F.conv2d(act(z), state["h_a.4.weight"], state["h_a.4.bias"], stride=2, padding=2)


def hyper_synthesis(kind, state, z_hat):
    """(mean, scale) of y."""
    act = F.relu if kind == "scale" else F.leaky_relu
    x = act(_up(state, "h_s.0", z_hat))
    x = act(_up(state, "h_s.2", x))
    x = F.conv2d(x, state["h_s.4.weight"], state["h_s.4.bias"], padding=1)
    if kind == "scale":
        return torch.zeros_like(x), F.relu(x)
    scale, mean = x.chunk(2, 1)
    return mean, scale


def synthesis(state, y_hat):
    """rgb (1, 3, H, W), not limited."""
    x = y_hat
    for i in range(0, 7, 2):
        x = _up(state, f"g_s.{i}", x)
        if i < 6:
            x = x * _norm(state, f"g_s.{i + 1}", x)
    return x


def medians(state):
    return state["entropy_bottleneck.quantiles"][:, 0, 1][:, None, None]


def _up(state, name, x):
    return F.conv_transpose2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=2, padding=2, output_padding=1)


def _norm(state, name, x):
    beta = state[f"{name}.beta"].clamp_min((1e-6 + PEDESTAL) ** 0.5) ** 2 - PEDESTAL
    gamma = state[f"{name}.gamma"].clamp_min(PEDESTAL**0.5) ** 2 - PEDESTAL
    return F.conv2d(x * x, gamma[:, :, None, None], beta).sqrt()
