"""The entropy model of predicted frames: the same integers on every carrier, and of use."""

import numpy as np
import pytest
import torch

from lcodec.codec.registry import PACKAGED
from lcodec.codec.video.model_file import load_predicted
from lcodec.entropy.exact_prior import ExactPrior
from lcodec.entropy.past import MOTION_CHANNELS, Earlier
from lcodec.kernels import exact_reference

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def prior():
    return load_predicted((PACKAGED / "video.safetensors").read_bytes(), CPU).prior


def test_the_carrier_computes_what_integers_do(prior):
    """The entropy model of a frame with what earlier ones say, on the carrier of this machine and on int64."""
    fast = prior
    slow = ExactPrior(fast.config, exact_reference)
    slow.load_state_dict(fast.state_dict())
    slow.prepare(CPU)
    rng = np.random.default_rng(0)
    size, latents = (5, 7), fast.config.latents
    for extreme in (40, 2**15 - 1):
        planes = [rng.integers(-extreme, extreme, (1, latents, *size)) for _ in range(2)]
        motion = rng.integers(0, min(extreme, 2000), (1, MOTION_CHANNELS, *size))
        symbols = {}
        seen = {}
        for name, own in (("fast", fast), ("slow", slow)):
            earlier = Earlier(*(torch.from_numpy(p).to(own.kernels.CARRIER) for p in (*planes, motion)))
            rows = seen[name] = []

            def exchange(plane, selection, mean, row, rows=rows, symbols=symbols):
                rows.append((mean.copy(), row.copy()))
                known = symbols.setdefault(len(rows), rng.integers(-3, 4, mean.size).astype(np.int16))
                return np.where(row < 6, 0, known).astype(np.int16)

            own.walk(4000, size, exchange, CPU, earlier)
        for (mean_a, row_a), (mean_b, row_b) in zip(seen["fast"], seen["slow"], strict=True):
            assert np.array_equal(mean_a, mean_b) and np.array_equal(row_a, row_b)


def test_what_coded_frames_say_matters(prior):
    """Rows of the same symbols differ with the frame before: else the network of `past` would be for nothing."""
    size, latents = (4, 4), prior.config.latents
    zero = torch.zeros(1, latents, *size, dtype=prior.kernels.CARRIER)
    busy = zero + 5 * 32
    still = torch.zeros(1, MOTION_CHANNELS, *size, dtype=prior.kernels.CARRIER)
    found = []
    for last in (zero, busy):
        rows = []

        def exchange(plane, selection, mean, row, rows=rows):
            rows.append(row.copy())
            return np.zeros(mean.size, np.int16)

        prior.walk(4000, size, exchange, CPU, Earlier(zero, last, still))
        found.append(np.concatenate(rows[1:]))
    assert (found[0] != found[1]).mean() > 0.2
