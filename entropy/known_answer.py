"""An exact layer with extreme weights and inputs, and what comes out: for programs that multiply integers for us."""

import numpy as np
import numpy.typing as npt

from .fixed import ACTIVATION_LIMIT, WEIGHT_LIMIT

Numbers = npt.NDArray[np.int64]

_ROWS, _INPUTS, _OUTPUTS = 35, 300, 24


def layer() -> tuple[Numbers, Numbers, Numbers]:
    """Weight (O, I), bias (O,) with the rounding half added, and shift (O,)."""
    generator = np.random.default_rng(0)
    weight = generator.integers(-WEIGHT_LIMIT, WEIGHT_LIMIT + 1, (_OUTPUTS, _INPUTS))
    weight[0], weight[1, ::2], weight[2] = WEIGHT_LIMIT, -WEIGHT_LIMIT, -WEIGHT_LIMIT
    shift = np.arange(1, _OUTPUTS + 1)
    return weight, generator.integers(-(2**50), 2**50, _OUTPUTS) // 2 ** (30 - shift), shift


def inputs() -> npt.NDArray[np.int32]:
    """Activations (N, I)."""
    rows = np.random.default_rng(1).integers(-ACTIVATION_LIMIT - 1, ACTIVATION_LIMIT + 1, (_ROWS, _INPUTS), np.int32)
    rows[0], rows[1], rows[2, ::2] = ACTIVATION_LIMIT, -ACTIVATION_LIMIT - 1, ACTIVATION_LIMIT
    return rows


def outputs() -> npt.NDArray[np.int32]:
    """What `exact.places` makes of them: (O, N)."""
    weight, bias, shift = layer()
    total = (weight @ inputs().T.astype(np.int64) + bias[:, None]) >> shift[:, None]
    saturated: npt.NDArray[np.int32] = np.clip(total, -ACTIVATION_LIMIT - 1, ACTIVATION_LIMIT).astype(np.int32)
    return saturated
