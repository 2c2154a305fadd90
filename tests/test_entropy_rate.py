"""The differentiable rate."""

import math

import pytest
import torch

from lcodec.entropy.rate import gaussian_bits, round_through, scale_of


def test_bits_are_those_of_the_integrated_gaussian():
    x = torch.arange(-3.0, 4.0)
    for scale in (0.3, 1.0, 5.0):
        bits = gaussian_bits(x, torch.tensor(0.2), torch.tensor(scale))
        normal = torch.distributions.Normal(0.2, scale)
        exact = -torch.log2(normal.cdf(x + 0.5) - normal.cdf(x - 0.5))
        near = (x - 0.2).abs() < 4 * scale
        assert torch.allclose(bits[near], exact[near], rtol=1e-3, atol=1e-4)


def test_an_outlier_costs_much_and_still_widens_its_scale():
    log_scale = torch.tensor([-2.25], requires_grad=True)  # the narrowest row
    bits = gaussian_bits(torch.tensor([64.0]), torch.tensor([0.0]), scale_of(log_scale))
    bits.backward()
    assert 100 < float(bits.detach()) < 300
    assert -40 < float(log_scale.grad) < -10


def test_scale_is_clamped_with_gradients_that_lead_back():
    for value, sign, passes in ((-9.0, 1.0, False), (-9.0, -1.0, True), (9.0, -1.0, False), (9.0, 1.0, True)):
        log_scale = torch.tensor([value], requires_grad=True)
        scale = scale_of(log_scale)
        (sign * scale).backward()
        assert float(scale.detach()) == pytest.approx(0.11 if value < 0 else 256.0, rel=1e-4)
        assert (float(log_scale.grad) != 0) == passes
    assert math.isclose(float(scale_of(torch.zeros(1)).detach()), 1.0, rel_tol=0.02)


def test_rounding_passes_the_gradient():
    x = torch.tensor([0.4, 1.6], requires_grad=True)
    y = round_through(x)
    y.sum().backward()
    assert y.tolist() == [0.0, 2.0] and x.grad.tolist() == [1.0, 1.0]
