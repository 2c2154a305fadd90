"""What only the compiled carrier has: limits of 32 bits, operations in one pass, threads of its own."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from carriers import NATIVE
from checks import run_python

from lcodec.entropy.exact import ExactArithmetic, fused
from lcodec.entropy.known_parts import features_of
from lcodec.kernels import exact, exact_reference, packed_rows
from lcodec.kernels.exact_native import native_kernels
from lcodec.kernels.share import set_share

pytestmark = pytest.mark.skipif(not NATIVE, reason="lcodec was installed without a compiler")
EACH = pytest.mark.parametrize("carrier", NATIVE)


@pytest.fixture
def shares():
    yield set_share
    set_share(1)


def integers(shape, largest, seed=0):
    return torch.randint(-largest, largest, shape, generator=torch.Generator().manual_seed(seed))


def laid(x):
    return x.int().contiguous(memory_format=torch.channels_last)


def layers_of(kernels, width, most=8127, shift=16):
    """Of a gated block: enter, mix, leave, expand, reduce."""
    made = []
    for seed, (name, outputs, inputs) in enumerate(
        (("layer", width, width), ("depthwise_layer", width, 9), *(("layer", n * width, width) for n in (1, 2, 1)))
    ):
        weight, bias = integers((outputs, inputs), most, seed), integers((outputs,), 2**20, seed)
        made.append(getattr(kernels, name)(weight, bias + 2**15, torch.full((outputs,), shift)))
    return tuple(made)


def by_layers(kernels, x, rows, layers):
    enter, mix, leave, expand, reduce = layers
    mixed = kernels.depthwise(kernels.pointwise(x, enter).clamp_min(0), mix)
    x = kernels.add(x, kernels.pointwise(mixed, leave))
    x = kernels.add(x, kernels.pointwise(kernels.gate(*kernels.pointwise(x, expand).chunk(2, 1), 10), reduce))
    return x[:, :, rows.start : rows.stop]


@EACH
def test_sums_about_the_limit_of_32_bits_are_right(carrier):
    """Features along the weights: there the bound of Cauchy and Schwarz is the sum itself."""
    weight = torch.full((1, 9), 8127)
    for bias in (0, 2**30 - 1, -(2**30) + 1):
        given = weight, torch.tensor([bias]), torch.tensor([16])
        value = (2**31 - abs(bias)) // (9 * 8127)
        for sign in (1, -1):
            x = sign * torch.arange(value - 20, value + 20).clamp_max(2**15 - 1)[None, None].expand(9, 1, -1)[None]
            found = carrier.pointwise(laid(x), carrier.layer(*given))
            assert torch.equal(found.long(), exact_reference.pointwise(x.contiguous(), exact_reference.layer(*given)))


@EACH
@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (23, 31)])
@pytest.mark.parametrize("largest", [700, 2**15])
def test_a_block_in_one_pass_is_that_of_its_layers(carrier, threads, size, largest, shares):
    shares(threads)
    width = 150 if size == (23, 31) else 19
    x = integers((2, width, *size), largest)
    for rows in (range(size[0]), range(size[0] // 2, size[0])):
        found = carrier.gated_block(laid(x), rows, layers_of(carrier, width), 10)
        expected = by_layers(exact, x.double(), rows, layers_of(exact, width))
        assert torch.equal(found.double(), expected)


@EACH
def test_a_block_of_which_a_layer_is_too_large_is_left_to_its_layers(carrier):
    weight, bias, shift = torch.ones(4, 4).long(), torch.full((4,), 2**40), torch.full((4,), 30)
    large = carrier.layer(weight, bias, shift)
    *others, _ = layers_of(carrier, 4)
    assert carrier.gated_block(laid(integers((1, 4, 3, 3), 9)), range(3), (*others, large), 10) is None


@EACH
def test_features_and_magnitudes_are_those_of_the_oracle(carrier):
    own, oracle = ExactArithmetic(carrier), ExactArithmetic(exact_reference)
    assert fused(carrier) is carrier and fused(exact_reference) is None
    values = torch.arange(-(2**15), 2**15)[None, None].expand(3, 2, -1)[None]
    assert torch.equal(own.magnitude(laid(values)).long(), oracle.magnitude(values))
    y_hat = laid(integers((1, 12, 9, 7), 2**20))
    y_hat[0, 0, 0, :4] = torch.tensor([8191, 8192, -8192, -8193])
    for part in (y_hat, y_hat[:, 1::3, 1::2, ::2], y_hat[:, :, :, 3:3]):
        assert torch.equal(features_of(part, carrier).long(), features_of(part.long(), exact_reference))


@EACH
@pytest.mark.parametrize("whole", [0, 5])
@pytest.mark.parametrize("bias", [2**20, 2**35])
def test_a_head_writes_what_its_layer_says(carrier, whole, bias, shares):
    shares(3)
    rows, places = laid(integers((1, 40, 50, 60), 2**12))[0].flatten(1).t(), np.arange(1, 3000, 3)
    weight, shift = integers((2 * 50, 40), 8127), torch.full((100,), 18)
    given = weight, integers((100,), bias), shift
    tables = np.zeros((51, 1100), np.int32), np.zeros((51, 1100), np.int16)
    mean, row = (table[1:, 20:1020] for table in tables)
    carrier.head(rows, carrier.layer(*given), places, mean, row, 2, 18, whole)
    found = exact_reference.places(rows[torch.from_numpy(places)].long(), exact_reference.layer(*given))
    expected = packed_rows.reference(found, 2, 18, whole).numpy()
    assert np.array_equal(mean, expected // 64) and np.array_equal(row, expected % 64)
    assert all(table.any() and not table[0].any() and not table[:, :20].any() for table in tables)


@EACH
def test_latents_are_put_where_they_belong(carrier):
    plane, places = laid(torch.zeros(1, 10, 6, 7)), np.array([0, 3, 8, 41])
    symbols, mean = np.arange(-10, 10).reshape(4, 5).astype(np.int16), np.arange(20, dtype=np.int32).reshape(4, 5)
    carrier.put(plane, range(1, 9, 2), places, symbols[:, 1:], mean[:, 1:], 5)
    expected = torch.zeros(10, 42).int()
    expected[1:9:2, torch.from_numpy(places)] = torch.from_numpy(symbols[:, 1:] * 32 + mean[:, 1:])
    assert torch.equal(plane[0].flatten(1), expected)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12 on
def test_callers_in_many_threads_and_a_forked_child_all_get_their_results():
    carrier = native_kernels()[-1]
    x, layers = laid(integers((1, 64, 40, 50), 700)), layers_of(carrier, 64)
    expected = carrier.gated_block(x, range(40), layers, 10).numpy()

    def again(_):
        set_share(2)
        # Compared by numpy: the OpenMP threads of torch do not outlive a fork.
        return np.array_equal(carrier.gated_block(x, range(40), layers, 10).numpy(), expected)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(again, range(200)))
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, b"1" if again(0) else b"0")
        os._exit(0)
    os.close(writing)
    assert os.waitpid(child, 0)[1] == 0 and os.read(reading, 1) == b"1"
    os.close(reading)


def test_arguments_that_are_none_raise():
    from lcodec.kernels import _native

    with pytest.raises(TypeError, match="4 arguments, not 5"):
        _native.add(0, 0, 0, 0)
    for number in (-1, len(_native.SETS)):
        with pytest.raises(ValueError, match="no such set"):
            _native.add(number, 0, 0, 0, 0)
    with pytest.raises(TypeError):
        _native.add(0, None, 0, 0, 0)


def test_without_the_extension_other_kernels_compute():
    code = (
        "import sys; sys.modules['lcodec.kernels._native'] = None; import torch\n"
        "from lcodec.entropy.carrier import carrier; print(carrier(torch.device('cpu')).NAME)"
    )
    assert run_python("-c", code).stdout.decode().strip() in ("int8", "float64")
