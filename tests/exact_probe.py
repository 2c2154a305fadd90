"""Prints, as JSON, digests of what the exact path makes of fixed latents and of fixed bytes; run in fresh processes.

`python exact_probe.py MODEL ...`: a model of the registry, or the name of a context model, whose weights are random
integers then. The latents are drawn by numpy, so no floating-point layer comes before the coder.
"""

import hashlib
import json
import sys
from itertools import product

import numpy as np
import torch
from checks import onednn

from lcodec.codec.model_file import unpack_model
from lcodec.codec.registry import by_name
from lcodec.codec.weights_cache import read_weights
from lcodec.entropy import walk
from lcodec.entropy.coder import RowCoder
from lcodec.entropy.contexts import CONTEXTS
from lcodec.entropy.exact_prior import ExactPrior
from lcodec.entropy.prior import PriorConfig
from lcodec.entropy.tables import gaussian_rows
from lcodec.kernels import exact, exact_int8
from lcodec.kernels.exact_native import native_kernels

# These see every combination of threads, layout and oneDNN; the layers of all others are the same ones, and larger.
EVERYWHERE = ("tiny", "dct")
GAIN_INDEX = 5000
SIZE = (9, 14)


def random_prior(schedule: str) -> ExactPrior:
    """A small entropy model whose layers keep about the size of what goes through them."""
    prior = ExactPrior(PriorConfig(latents=20, width=16, hyper=6, schedule=schedule))
    rng = np.random.default_rng(3)
    for name, value in prior.state_dict().items():
        match name.rpartition(".")[2]:
            case "weight":
                drawn = rng.integers(-4000, 4001, value.shape)
            case "shift":
                inputs = prior.state_dict()[name.removesuffix("shift") + "weight"].shape[1]
                drawn = np.full(value.shape, round(np.log2(2300 * inputs**0.5)))
            case _:
                drawn = rng.integers(-500, 501, value.shape)
        value.copy_(torch.from_numpy(drawn))
    prior.prepare(torch.device("cpu"))
    return prior


def parts(model: str) -> tuple[ExactPrior, RowCoder]:
    if model in CONTEXTS:
        return random_prior(model), RowCoder(gaussian_rows(), 6)
    coding = unpack_model(read_weights(by_name(model)), torch.device("cpu"))
    return coding.prior, coding.coder


def probe(model: str) -> dict[str, object]:
    prior, coder = parts(model)
    config, device = prior.config, torch.device("cpu")
    rng = np.random.default_rng(11)
    y = torch.from_numpy(rng.standard_t(2, (1, config.latents, *SIZE)).astype(np.float32) * 3)
    z = torch.from_numpy(rng.normal(0, 3, (1, config.hyper, 3, 4)).astype(np.float32))
    layouts = (torch.contiguous_format, torch.channels_last)
    circumstances = list(product((1, 2), layouts, (True, False)))
    if model not in EVERYWHERE:
        circumstances = [circumstances[0], circumstances[-1]]
    found = {}
    for kernels in (exact, *([exact_int8] if exact_int8.is_exact() else []), *native_kernels()):
        carried = ExactPrior(config, kernels)
        carried.load_state_dict(prior.state_dict())
        carried.prepare(device)
        # Without oneDNN, products of bytes are a plain loop, which takes long.
        for threads, layout, enabled in circumstances if kernels is exact else [(2, layouts[0], True)]:
            torch.set_num_threads(threads)
            with onednn(enabled):
                laid = y.contiguous(memory_format=layout), z.contiguous(memory_format=layout)
                coded = walk.encode(carried, coder, *laid, GAIN_INDEX, device)
                again, crc = walk.decode(carried, coder, coded.steps, GAIN_INDEX, SIZE, device)
            assert crc == coded.symbols_crc and torch.equal(again, coded.y_hat)
            digest = hashlib.sha256(b"".join(coded.steps) + again.contiguous().numpy().tobytes()).hexdigest()
            found[digest] = crc
    assert len(found) == 1, "carrier, threads, layout or oneDNN changed the result"
    return {"digest": next(iter(found)), "crc": next(iter(found.values()))}


if __name__ == "__main__":
    print(json.dumps([probe(model) for model in sys.argv[1:]]))
