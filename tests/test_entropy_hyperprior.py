"""The hyperprior models on integers: equal to the oracle, near their float twin, coded and decoded."""

import pytest
import torch

from lcodec.entropy import walk
from lcodec.entropy.coder import RowCoder
from lcodec.entropy.convert import to_exact_hyperprior
from lcodec.entropy.float_twin import FLOAT
from lcodec.entropy.hyperprior import KINDS, ExactHyperprior, Hyperprior, HyperpriorConfig
from lcodec.entropy.tables import Rows, gaussian_rows
from lcodec.kernels import exact_reference

CPU = torch.device("cpu")
SIZE = (9, 7)


def twin_of(kind, seed=0):
    torch.manual_seed(seed)
    config = HyperpriorConfig(kind, 6, 0 if kind == "factorised" else 4, (9, 10, 8))
    twin = Hyperprior(FLOAT, config).eval()
    twin.median = torch.randint(-64, 64, twin.median.shape, dtype=torch.int16)
    if kind != "factorised":
        twin.threshold = (1.15 ** torch.arange(63) * 10).to(torch.int16)
    return twin


def pair(twin):
    """On the float64 carrier and on the int64 oracle."""
    fast = to_exact_hyperprior(twin)
    slow = ExactHyperprior(twin.config, exact_reference)
    slow.load_state_dict(fast.state_dict())
    for network in (fast, slow):
        network.prepare(CPU)
    return fast, slow


def coder_for(network):
    gaussian = gaussian_rows().frequencies
    return RowCoder(Rows((*gaussian, *gaussian[20 : 20 + network.config.factorised_channels])), 0)


@pytest.mark.parametrize("kind", ["scale", "mean-scale"])
def test_exact_network_equals_the_oracle_and_stays_near_its_float_twin(kind):
    twin = twin_of(kind)
    fast, slow = pair(twin)
    z = torch.randint(-8000, 8000, (2, 4, 3, 2), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        triples = zip(
            fast.latents(z.double(), SIZE), slow.latents(z, SIZE), twin.latents(z.float() / 2**9, SIZE), strict=True
        )
    for (exact, oracle, real), places in zip(triples, (5, 7), strict=True):
        assert exact.shape == (2, 6, *SIZE)
        assert torch.equal(exact.long(), oracle)
        assert (exact / 2**places - real).abs().max() < 0.05
        assert real.abs().max() > 1 or (kind == "scale" and places == 5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), SIZE])
def test_coding_round_trip_on_either_carrier(kind, size):
    fast, slow = pair(twin_of(kind))
    coder = coder_for(fast)
    torch.manual_seed(1)
    y, z = 9 * torch.randn(1, 6, *size), 3 * torch.randn(1, 4, -(-size[0] // 4), -(-size[1] // 4))
    coded = walk.encode(fast, coder, y, z, 0, CPU)
    assert len(coded.steps) == fast.steps == (1 if kind == "factorised" else 2)
    for network in (fast, slow):
        again = walk.encode(network, coder, y, z, 0, CPU)
        assert (again.steps, again.symbols_crc) == (coded.steps, coded.symbols_crc)
        y_hat, crc = walk.decode(network, coder, coded.steps, 0, size, CPU)
        assert crc == coded.symbols_crc and torch.equal(y_hat, coded.y_hat)
    assert (coded.y_hat - y).abs().max() <= 0.5


def test_thresholds_must_rise():
    network = to_exact_hyperprior(twin_of("scale"))
    network.threshold[5] = 9000
    with pytest.raises(ValueError, match="do not rise"):
        network.prepare(CPU)


@pytest.mark.parametrize(
    "values", [("other", 6, 4), ("scale", 6, 0), ("factorised", 6, 4), ("scale", 0, 4), ("scale", 6, 4, (5, 5, 15))]
)
def test_impossible_configurations_are_refused(values):
    with pytest.raises(ValueError, match=r"model cannot|kind must|binary places"):
        HyperpriorConfig(*values)
