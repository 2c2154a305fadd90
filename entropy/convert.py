"""From the trained float twin to the exact network, integers and shifts, layer by layer; and back."""

import torch
from torch import Tensor, nn

from ..kernels.exponential import SCORE_BITS
from .exact import ExactConvolution, ExactDepthwise, ExactKnots, ExactPointwise, ExactWindowBias
from .exact_interlaced import ExactInterlaced
from .exact_prior import ExactPrior
from .fixed import ACTIVATION_LIMIT, FEATURE_BITS, MAX_SHIFT, WEIGHT_LIMIT
from .float_twin import FLOAT, FloatConvolution, FloatDepthwise, FloatKnots, FloatPointwise, FloatWindowBias
from .hyperprior import ExactHyperprior, Hyperprior
from .interlaced import Interlaced
from .prior import LatentPrior


def to_exact(twin: LatentPrior) -> ExactPrior:
    """The exact network that approximates a float one; call its `prepare` before use."""
    network = ExactPrior(twin.config)
    _convert(twin, network)
    return network


def to_exact_hyperprior(twin: Hyperprior) -> ExactHyperprior:
    """Likewise for the models of the hyperprior papers."""
    network = ExactHyperprior(twin.config)
    _convert(twin, network)
    return network


def to_exact_interlaced(twin: Interlaced) -> ExactInterlaced:
    """Likewise for the network of lossless coding."""
    network = ExactInterlaced(twin.config)
    _convert(twin, network)
    return network


def _convert(twin: nn.Module, network: nn.Module) -> None:
    for (name, source), (same_name, target) in zip(twin.named_modules(), network.named_modules(), strict=True):
        assert name == same_name
        match source, target:
            case FloatPointwise(), ExactPointwise():
                _convert_linear(source.weight, source.bias, source.bits, target)
            case FloatDepthwise(), ExactDepthwise():
                _convert_linear(source.weight, source.bias, FEATURE_BITS, target)
            case FloatConvolution(), ExactConvolution():
                _convert_linear(source.weight.flatten(1), source.bias, source.bits, target, source.input_bits)
            case FloatKnots(), ExactKnots():
                scaled = (source.table.detach().double() * 2**source.bits).round()
                target.table = scaled.clamp(-ACTIVATION_LIMIT - 1, ACTIVATION_LIMIT).to(torch.int16)
            case FloatWindowBias(), ExactWindowBias():
                scaled = (source.table.detach().double() * 2**SCORE_BITS).round()
                target.table = scaled.clamp(-ACTIVATION_LIMIT - 1, ACTIVATION_LIMIT).to(torch.int16)
            case _:
                assert not list(source.parameters(recurse=False)), f"no conversion for {name}"
                for key, value in source.named_buffers(recurse=False):
                    setattr(target, key, value.clone())


def to_float(network: ExactPrior) -> LatentPrior:
    """The float twin of an exact network: what `to_exact` turns into the same integers again."""
    twin = LatentPrior(FLOAT, network.config)
    with torch.no_grad():
        for source, target in zip(network.modules(), twin.modules(), strict=True):
            match source, target:
                case ExactPointwise(), FloatPointwise():
                    _restore_linear(source, target.bits, target)
                case ExactDepthwise(), FloatDepthwise():
                    _restore_linear(source, FEATURE_BITS, target)
                case ExactKnots(), FloatKnots():
                    target.table.copy_(source.table / 2**target.bits)
                case ExactWindowBias(), FloatWindowBias():
                    target.table.copy_(source.table / 2**SCORE_BITS)
    return twin


def _restore_linear(
    source: ExactPointwise | ExactDepthwise, bits: int, target: FloatPointwise | FloatDepthwise
) -> None:
    places = source.shift.double() - FEATURE_BITS + bits
    target.weight.copy_(source.weight * torch.exp2(-places)[:, None])
    target.bias.copy_(source.bias * torch.exp2(-places - FEATURE_BITS))


def _convert_linear(
    weight: Tensor,
    bias: Tensor,
    bits: int,
    target: ExactPointwise | ExactDepthwise | ExactConvolution,
    input_bits: int = FEATURE_BITS,
) -> None:
    """Each output channel gets the largest power of two that keeps its weights within WEIGHT_LIMIT.

    A float sum y = w x + b becomes floor(((w 2**k) (x 2**input_bits) + b 2**(k + input_bits) + half) / 2**shift)
    with shift = k + input_bits - bits.
    """
    weight = weight.detach().double()
    bias = bias.detach().double()
    peak = weight.abs().amax(1).clamp_min(2.0**-40)
    places = torch.floor(torch.log2(WEIGHT_LIMIT / peak))
    shift = (places + input_bits - bits).clamp(1, MAX_SHIFT)
    places = shift - input_bits + bits
    target.weight = (weight * torch.exp2(places)[:, None]).round().to(torch.int16)
    target.bias = (bias * torch.exp2(places + input_bits)).round().long()
    target.shift = shift.to(torch.uint8)
    if int(target.weight.abs().max()) > WEIGHT_LIMIT:
        raise ValueError("a weight is too large for the exact format")
