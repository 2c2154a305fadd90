"""The entropy model: schedules, the float twin and its exact conversion, overflow bounds."""

import copy

import numpy as np
import pytest
import spec_decoder
import torch
from checks import picture

from lcodec.codec.model import ModelConfig, new_model
from lcodec.codec.model_file import pack_model, unpack_model
from lcodec.codec.registry import MODELS, by_name
from lcodec.codec.weights_cache import read_weights
from lcodec.entropy import walk
from lcodec.entropy.band import rows_of
from lcodec.entropy.contexts import CONTEXTS
from lcodec.entropy.convert import to_exact
from lcodec.entropy.exact_prior import ExactPrior
from lcodec.entropy.fixed import GAIN_STEPS, MEAN_BITS, ROW_CENTRE, ROW_GAIN
from lcodec.entropy.float_twin import FLOAT, saturate
from lcodec.entropy.masks import step_masks
from lcodec.entropy.prior import LatentPrior, PriorConfig
from lcodec.entropy.rate import latent_rate, scale_of
from lcodec.entropy.tables import gaussian_rows
from lcodec.kernels import exact as exact_float64
from lcodec.kernels import exact_reference

CPU = torch.device("cpu")


def float_prior(schedule="two-step", seed=0):
    torch.manual_seed(seed)
    return with_bias(LatentPrior(FLOAT, PriorConfig(latents=20, width=16, hyper=6, schedule=schedule)).eval())


def with_bias(prior):
    """Window biases begin as zero: here they shall count."""
    for name, parameter in prior.named_parameters():
        if name == "bias.table":
            torch.nn.init.normal_(parameter)
    return prior


def exact_pair(twin):
    """The exact network on the float64 carrier and on the int64 oracle."""
    fast = to_exact(twin)
    slow = ExactPrior(twin.config, exact_reference)
    slow.load_state_dict(fast.state_dict())
    for network in (fast, slow):
        network.prepare(CPU)
    return fast, slow


@pytest.mark.parametrize("schedule", [c.schedule for c in CONTEXTS.values()], ids=CONTEXTS)
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (2, 3)])
def test_a_schedule_codes_every_latent_once_and_shares_evenly(schedule, size):
    masks = step_masks(schedule, 20, *size, CPU)
    assert len(masks) == schedule.steps
    assert torch.equal(sum(mask.int() for mask in masks), torch.ones(20, *size, dtype=torch.int32))
    for step, mask in enumerate(masks):
        own = torch.zeros_like(mask)
        own[schedule.view(step, 20)[1:]] = True
        assert not (mask & ~own).any()
    if size[0] * size[1] > 1 and schedule.slices == (1,) and len(schedule.cell[0]) <= 2:
        counts = [int(mask[:, : size[0] // 2 * 2, : size[1] // 2 * 2].sum()) for mask in masks]
        assert len(set(counts)) == 1


@pytest.mark.parametrize("schedule", CONTEXTS)
def test_exact_network_equals_the_oracle_and_stays_near_its_float_twin(schedule):
    twin = float_prior(schedule)
    fast, slow = exact_pair(twin)
    g = torch.Generator().manual_seed(4)
    z = torch.randint(-300, 300, (2, 6, 3, 2), generator=g)
    known = torch.randint(-2000, 2000, (2, 20, 9, 7), generator=g)
    index, q = 3000, torch.tensor([3000 / GAIN_STEPS] * 2)
    hyper = [
        fast.hyper_synthesis(z.double(), index, (9, 7)),
        slow.hyper_synthesis(z, index, (9, 7)),
        twin.hyper_synthesis(z.float() / 1024, q, (9, 7)),
    ]
    assert torch.equal(hyper[0].long(), hyper[1])
    assert (hyper[0] / 1024 - hyper[2]).abs().max() < 0.02
    memories = {}, {}, {}
    for step in range(fast.schedule.steps):
        a = fast.step(step, hyper[0], known.double(), memories[0])
        b = slow.step(step, hyper[1], known, memories[1])
        c = twin.step(step, hyper[2], known.float() / 1024, memories[2])
        for exact_value, oracle, real in zip(a, b, c, strict=True):
            assert torch.equal(exact_value.long(), oracle)
            assert (exact_value / 2**MEAN_BITS - real).abs().max() < 0.05


@pytest.mark.parametrize("schedule", CONTEXTS)
@pytest.mark.parametrize("size", [(1, 1), (5, 9)])
def test_coding_round_trip_on_either_carrier(schedule, size, row_coder):
    fast, slow = exact_pair(float_prior(schedule))
    torch.manual_seed(1)
    y = 4 * torch.randn(1, 20, *size)
    z = 2 * torch.randn(1, 6, -(-size[0] // 4), -(-size[1] // 4))
    coded = walk.encode(fast, row_coder, y, z, 5000, CPU)
    assert len(coded.steps) == fast.schedule.steps + 1
    again = walk.encode(slow, row_coder, y, z, 5000, CPU)
    assert (again.steps, again.symbols_crc) == (coded.steps, coded.symbols_crc)
    for network in (fast, slow):
        y_hat, crc = walk.decode(network, row_coder, coded.steps, 5000, size, CPU)
        assert crc == coded.symbols_crc and torch.equal(y_hat, coded.y_hat)
    assert (coded.y_hat - y).abs().max() < 0.52 or (y.abs() < 1).any()


@pytest.mark.parametrize("schedule", CONTEXTS)
def test_decoder_written_from_the_specification_follows_every_schedule(schedule, cut):
    config = ModelConfig(latents=24, prior_width=16, hyper=6, schedule=schedule, transform="dct")
    model = new_model(config, 3)
    packed = pack_model(model.transforms, to_exact(with_bias(model.prior)), gaussian_rows(), 6)
    coded = unpack_model(packed, CPU).compress(torch.from_numpy(cut), 5000)
    _, crc = spec_decoder.symbols_of(packed, coded.steps, 5000, *cut.shape[:2])
    assert crc == coded.symbols_crc and len(coded.steps) == CONTEXTS[schedule].schedule.steps + 1


def test_rate_of_the_twin_is_the_size_of_the_file(row_coder):
    twin = float_prior()
    fast, _ = exact_pair(twin)
    torch.manual_seed(2)
    y, z = 1.5 * torch.randn(1, 20, 40, 52), torch.randn(1, 6, 10, 13)
    with torch.no_grad():
        y_hat, y_bits, z_bits = latent_rate(twin, y, z, torch.tensor([0.5]))
    coded = walk.encode(fast, row_coder, y, z, GAIN_STEPS // 2, CPU)
    assert 8 * sum(map(len, coded.steps)) == pytest.approx(float(y_bits + z_bits), rel=0.02)
    assert float((coded.y_hat - y_hat).abs().mean()) < 0.03


def test_a_copy_has_a_network_of_its_own():
    prior = float_prior()
    other = copy.deepcopy(prior)
    assert other.context is not prior.context and other.context.heads[0] is other.heads[0]
    assert other.heads[0] is not prior.heads[0]


class Priced:
    """Takes symbols like a `RowCoder`, writes them with it, and prices them by its tables."""

    def __init__(self, rows, coder):
        self.first_row, self.rows, self.coder, self.bits = coder.first_row, rows, coder, []

    def push(self, symbols, row):
        bits = 0.0
        for r in np.unique(row[row >= self.first_row]).tolist():
            values, bound = symbols[row == r].astype(int), self.rows.bound(r)
            escaped = np.abs(values) > bound
            bits += self.rows.bits(r)[np.where(escaped, 2 * bound + 1, values + bound)].sum() + 16 * escaped.sum()
        self.bits.append(bits)
        return self.coder.push(symbols, row)


@pytest.mark.parametrize("schedule", CONTEXTS)
def test_coded_length_is_the_price_by_the_tables(schedule, row_coder):
    """Random weights and latents, skipped rows and escapes among them."""
    fast, _ = exact_pair(float_prior(schedule))
    torch.manual_seed(3)
    y = 3 * torch.randn(1, 20, 30, 41)
    y[:, :, ::7] *= 300
    priced = Priced(gaussian_rows(), row_coder)
    coded = walk.encode(fast, priced, y, 2 * torch.randn(1, 6, 8, 11), 4000, CPU)
    for data, bits in zip(coded.steps, priced.bits, strict=True):
        assert 8 * len(data) == pytest.approx(bits, rel=0.001, abs=64)


def test_non_finite_latents_still_make_a_decodable_file(row_coder):
    fast, _ = exact_pair(float_prior())
    y = torch.full((1, 20, 4, 4), float("nan"))
    y[0, 0] = float("inf")
    coded = walk.encode(fast, row_coder, y, torch.zeros(1, 6, 1, 1), 0, CPU)
    assert walk.decode(fast, row_coder, coded.steps, 0, (4, 4), CPU)[1] == coded.symbols_crc


def test_rows_follow_the_scale_of_the_twin():
    log_scale = torch.arange(-3 * 32, 6 * 32)
    rows = rows_of(log_scale.double(), exact_float64)
    assert torch.equal(rows.long(), rows_of(log_scale, exact_reference))
    real = (ROW_CENTRE + ROW_GAIN * log_scale / 32).clamp(0, 63).double()
    assert (rows - real).abs().max() <= 0.5
    assert torch.allclose(scale_of(torch.zeros(1)), torch.ones(1), rtol=0.02)


@pytest.mark.parametrize(
    "name, value", [("weight", 8128), ("shift", 0), ("shift", 31), ("bias", 2**52), ("bias", -(2**63))]
)
def test_a_network_that_could_overflow_is_refused(name, value):
    network = to_exact(float_prior())
    getattr(network.enter, name).view(-1)[3] = value
    with pytest.raises(ValueError, match="exact layer"):
        network.prepare(CPU)


def test_saturation_is_that_of_sixteen_bits():
    assert saturate(torch.tensor([-99.0, 99.0])).tolist() == [-32.0, 32767 / 1024]


@pytest.mark.parametrize("name", [entry.name for entry in MODELS if not entry.lossless and not entry.moving])
def test_batches_decode_like_single_pictures(name):
    """The exact network gives each picture of a batch what it gives it alone."""
    coding = unpack_model(read_weights(by_name(name)), CPU)
    pictures = [torch.from_numpy(picture(48, 80, seed)) for seed in range(3)]
    z = torch.cat([coding.latents(p, 4000)[1] for p in pictures])
    carrier = coding.prior.kernels.CARRIER
    z = (z * 1024).round().clamp(-32768, 32767).to(carrier)
    together = coding.prior.hyper_synthesis(z, 4000, (3, 5))
    for n in range(3):
        assert torch.equal(together[n : n + 1], coding.prior.hyper_synthesis(z[n : n + 1], 4000, (3, 5)))
        known = torch.zeros(1, coding.prior.config.latents, 3, 5, dtype=carrier)
        alone = coding.prior.step(1, together[n : n + 1], known, {})
        for a, b in zip(alone, coding.prior.step(1, together, known.expand(3, -1, -1, -1), {}), strict=True):
            assert torch.equal(a[0], b[n])
