"""Bits of pictures under the interlaced network in float arithmetic: what training minimises."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .fixed import KNOTS, MEAN_BITS
from .float_twin import saturate
from .interlaced import COLOURS, DEEPEST, MARGIN, Interlaced
from .interlacing import PHASES, Surroundings, coarse_view, level_count, phase_views
from .rate import scale_of

_LOGISTIC_SHARE = 3**0.5 / torch.pi  # the scale of a logistic distribution with a standard deviation of one


def to_features(difference: Tensor) -> Tensor:
    """An `interlaced.ToFeatures` of 8 bits."""
    return saturate(difference / (4 << MEAN_BITS))


def picture_bits(network: Interlaced, planes: Tensor) -> Tensor:
    """Bits (B,) of Y, Co, Cg (B, 3, H, W), whole numbers of 8-bit pictures, Y less 128; but for the coarsest level."""
    bits = planes.new_zeros(planes.shape[0])
    for level in range(level_count(max(planes.shape[2:]))):
        depth = torch.tensor([min(level, DEEPEST) / (KNOTS - 1)], device=planes.device)
        known = [planes[:, :, *coarse_view(level + 1)]]
        for index, view in enumerate(phase_views(level)):
            wanted = planes[:, :, *view]
            if wanted.numel():
                bits = bits + _phase_bits(network, index, known, wanted, depth)
            known.append(wanted)
    return bits


def _phase_bits(network: Interlaced, index: int, known: list[Tensor], wanted: Tensor, depth: Tensor) -> Tensor:
    assert index < PHASES
    phase = network.phase(index)
    around = Surroundings(known, 0, wanted.shape[2], wanted.shape[3], MARGIN)
    base, features = phase.features(index, around, depth, to_features)
    bits = wanted.new_zeros(wanted.shape[0])
    missed: list[Tensor] = []
    for colour in range(COLOURS):
        own = slice(colour, colour + 1)
        correction, log_scale = phase.parameters_of(colour, features, missed)
        distance = wanted[:, own] - base[:, own] / (1 << MEAN_BITS) - correction.float()
        bits = bits + logistic_bits(distance, scale_of(log_scale.float())).sum((1, 2, 3))
        missed.append(to_features(distance * (1 << MEAN_BITS)))
    return bits


def logistic_bits(distance: Tensor, scale: Tensor) -> Tensor:
    """Bits of whole numbers so far from a mean under a logistic distribution of standard deviation `scale`."""
    inverse = 1 / (scale * _LOGISTIC_SHARE)
    distance = distance.abs()
    # sigmoid(a) - sigmoid(b) is sigmoid(a) sigmoid(-b) (1 - exp(b - a)), which stays precise far from the mean.
    a, b = (0.5 - distance) * inverse, (-0.5 - distance) * inverse
    log_probability = F.logsigmoid(a) + F.logsigmoid(-b) + torch.log(-torch.expm1(-inverse))
    return log_probability * (-1 / 0.6931471805599453)
