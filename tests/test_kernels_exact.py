"""The carriers equal the int64 oracle, bit for bit, on random and extreme integers."""

import decimal

import pytest
import torch
from carriers import CARRIERS, FASTER

from lcodec.kernels import exact, exact_int8, exact_reference
from lcodec.kernels.exponential import exponential_table
from lcodec.kernels.gelu import gelu_table

LIMIT = 2**15 - 1


def layer(kernels, weight, bias, shift, of_layer="layer"):
    return getattr(kernels, of_layer)(weight, bias + (1 << (shift - 1)), shift)


def features(shape, kind, generator):
    if kind == "random":
        return torch.randint(-LIMIT - 1, LIMIT + 1, shape, generator=generator)
    value = {"lowest": -LIMIT - 1, "highest": LIMIT}[kind]
    return torch.full(shape, value)


@CARRIERS
@pytest.mark.parametrize("kind", ["random", "lowest", "highest"])
@pytest.mark.parametrize("size", [(1, 1), (17, 31), (63, 1)])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("least_shift, most", [(1, 8127), (8, 8127), (8, 127)])
def test_layers_equal_the_oracle(carrier, kind, size, batch, least_shift, most):
    g = torch.Generator().manual_seed(1)
    x = features((batch, 21, *size), kind, g)
    shift = torch.randint(least_shift, 31, (21,), generator=g)
    bias = torch.randint(-(2**28), 2**28, (21,), generator=g) * (1 if least_shift == 8 else 2**12)
    for name, inputs in (("pointwise", 21), ("depthwise", 9), ("convolution", 9 * 21)):
        weight = torch.randint(-most, most + 1, (21, inputs), generator=g)
        weight[0], weight[1] = most, -most
        of_layer = "depthwise_layer" if name == "depthwise" else "layer"
        fast, slow = (
            getattr(kernels, name)(x.to(kernels.CARRIER), layer(kernels, weight, bias, shift, of_layer))
            for kernels in (carrier, exact_reference)
        )
        assert fast.dtype == carrier.CARRIER and torch.equal(fast.long(), slow)
        if name == "pointwise":
            rows = x.permute(0, 2, 3, 1).reshape(-1, 21)
            fast = carrier.places(rows.to(carrier.CARRIER), layer(carrier, weight, bias, shift))
            assert torch.equal(fast.long(), slow.transpose(0, 1).flatten(1))


@pytest.mark.parametrize("carrier", FASTER)
def test_layers_of_any_width_equal_the_oracle(carrier):
    """As far as 32 bits go, and beyond: 8127 * 2**15 * 1100 is more than a shift by 8 leaves."""
    g = torch.Generator().manual_seed(2)
    for inputs in (1, 640, 1100):
        for value in (-LIMIT - 1, LIMIT):
            x, weight = torch.full((1, inputs, 2, 3), value), torch.full((3, inputs), 8127)
            weight[1] *= -1
            weight[2] = torch.randint(-8127, 8128, (inputs,), generator=g)
            arguments = weight, torch.tensor([2**20, -(2**20), 5]), torch.tensor([30, 24, 20])
            own = layer(carrier, *arguments)
            if carrier is exact_int8:
                assert (own[0].dtype == torch.int8) == (inputs < 1100)
            found = carrier.pointwise(x.int(), own)
            assert torch.equal(found.long(), exact_reference.pointwise(x, layer(exact_reference, *arguments)))


@pytest.mark.parametrize("kind", ["random", "lowest", "highest"])
@pytest.mark.parametrize("tokens", [1, 3, 10])
@CARRIERS
def test_attention_equals_the_oracle(carrier, kind, tokens):
    g = torch.Generator().manual_seed(tokens)
    query, *others = (features((2, 32, 5, 3), kind, g) for _ in range(2 * tokens + 1))
    keys, values = others[:tokens], others[tokens:]
    for scale in (1, 64):  # weights of one token, and of several
        inputs = query // scale, [key // scale for key in keys], values
        query_in, *tokens_in = [[x.to(carrier.CARRIER) for x in part] for part in ([inputs[0]], *inputs[1:])]
        fast = carrier.attend(*query_in, *tokens_in, 16, 14)
        slow = exact_reference.attend(*inputs, 16, 14)
        assert torch.equal(fast.long(), slow)
        assert min(map(torch.amin, values)) <= slow.amin() and slow.amax() <= max(map(torch.amax, values))


@pytest.mark.parametrize("kind", ["random", "lowest", "highest"])
@pytest.mark.parametrize("size, shift", [((1, 1), 0), ((5, 9), 2), ((8, 4), 0), ((3, 7), 1)])
@CARRIERS
def test_window_attention_equals_the_oracle(carrier, kind, size, shift):
    g = torch.Generator().manual_seed(shift)
    planes = [features((2, 8, *size), kind, g) for _ in range(3)]
    bias = torch.randint(-500, 500, (2, 16, 16), generator=g)
    for known in (torch.zeros(size, dtype=torch.bool), torch.rand(size, generator=g) < 0.5):
        for scale in (1, 64):
            query, key, value = planes[0] // scale, planes[1], planes[2]
            planes_in = (t.to(carrier.CARRIER) for t in (query, key, value))
            fast = carrier.attend_windows(*planes_in, known, bias.to(carrier.CARRIER), 4, shift, 14)
            slow = exact_reference.attend_windows(query, key, value, known, bias, 4, shift, 14)
            assert torch.equal(fast.long(), slow)
        if not known.any():
            assert torch.equal(slow, value)  # each place sees itself alone


@pytest.mark.parametrize("kind", ["random", "lowest", "highest"])
@pytest.mark.parametrize("size", [(1, 1), (9, 13)])
@CARRIERS
def test_linear_attention_equals_the_oracle(carrier, kind, size):
    g = torch.Generator().manual_seed(1)
    query, key, value = (features((2, 12, *size), kind, g) for _ in range(3))
    key[:, 0] = -1  # a feature without weight
    key[1, 4:8] = -1  # a head without weight
    fast = carrier.attend_all(*(plane.to(carrier.CARRIER) for plane in (query, key, value)), 4)
    slow = exact_reference.attend_all(query, key, value, 4)
    assert torch.equal(fast.long(), slow) and not slow[1, 4:8].any()


def test_linear_attention_refuses_more_places_than_it_is_exact_for():
    many = torch.zeros(1, 1, 2**10, 2**9 + 1, dtype=torch.float64)
    with pytest.raises(ValueError, match="524288 places at most"):
        exact.attend_all(many, many, many, 1)


def test_the_table_is_that_of_the_exponential():
    table = exponential_table()
    assert table[0] == 2**14 and table[-1] == 0 and len(table) == 2663
    exact_values = torch.exp(-torch.arange(2663, dtype=torch.float64) / 256) * 2**14
    assert (torch.tensor(table) - exact_values).abs().max() <= 0.5


def test_the_table_is_that_of_the_gelu():
    table = torch.tensor(gelu_table(10))
    x = torch.arange(len(table), dtype=torch.float64) / 1024
    assert (table - 1024 * (x - torch.nn.functional.gelu(x))).abs().max() <= 0.5
    assert table[-1] == 0 and table.max() == 174


@pytest.mark.parametrize("kernels", [exact, exact_int8, exact_reference])
def test_gelu_of_every_value_is_the_nearest(kernels):
    values = torch.arange(-(2**15), 2**15)
    found = kernels.gelu(values.to(kernels.CARRIER), 10).double()
    assert (found - 1024 * torch.nn.functional.gelu(values.double() / 1024)).abs().max() <= 0.5


@pytest.mark.parametrize("table", [exponential_table, lambda: gelu_table(10)])
def test_a_table_does_not_depend_on_the_context_of_decimal(table):
    expected = table()
    exponential_table.cache_clear()
    gelu_table.cache_clear()
    with decimal.localcontext(prec=4, rounding=decimal.ROUND_UP):
        assert table() == expected


def test_requantisation_floors_and_saturates():
    one = torch.ones(1, 1, dtype=torch.int64)
    for value, shift, expected in (
        (-3, 1, -1),
        (3, 1, 2),
        (-1, 1, 0),
        (1, 1, 1),
        (-5, 2, -1),
        (2**17, 1, LIMIT),
    ):
        for kernels in (exact, exact_int8, exact_reference):
            x = torch.full((1, 1, 1, 1), value).to(kernels.CARRIER)
            out = kernels.pointwise(x, layer(kernels, one, torch.zeros(1).long(), torch.tensor([shift])))
            assert out.item() == expected


@CARRIERS
def test_gate_leak_add_and_shift_equal_the_oracle(carrier):
    g = torch.Generator().manual_seed(2)
    a, b = (torch.randint(-LIMIT - 1, LIMIT + 1, (2, 5, 7, 3), generator=g) for _ in range(2))
    a[0, 0], b[0, 0] = LIMIT, -LIMIT - 1
    own = a.to(carrier.CARRIER), b.to(carrier.CARRIER)
    fast = [
        carrier.gate(*own, 10),
        carrier.leaky(own[0], 164, 14),
        carrier.add(*own),
        carrier.scale_down(own[0], 2),
    ]
    slow = [
        exact_reference.gate(a, b, 10),
        exact_reference.leaky(a, 164, 14),
        exact_reference.add(a, b),
        exact_reference.scale_down(a, 2),
    ]
    for x, y in zip(fast, slow, strict=True):
        assert torch.equal(x.long(), y)


@CARRIERS
def test_interpolation_equals_the_oracle_at_every_position(carrier):
    table = torch.randint(-LIMIT - 1, LIMIT + 1, (9, 4), generator=torch.Generator().manual_seed(3))
    table[0], table[1] = -LIMIT - 1, LIMIT
    for position in range(0, 8193):
        fast = carrier.interpolate(table.to(carrier.CARRIER), position, 1024)
        assert torch.equal(fast.long(), exact_reference.interpolate(table, position, 1024))
        if position % 1024 == 0:
            assert torch.equal(fast.long(), table[position // 1024])


def test_bytes_whose_sums_saturate_are_noticed(monkeypatch):
    """As the instructions before VNNI do: sums of two products at 16 bits."""

    def saturating(a, b):
        pairs = a.int()[:, :, None] * b.int()[None]
        pairs = torch.nn.functional.pad(pairs, (0, 0, 0, pairs.shape[1] % 2)).unflatten(1, (-1, 2)).sum(2)
        return pairs.clamp(-LIMIT - 1, LIMIT).sum(1, dtype=torch.int32)

    monkeypatch.setattr(torch, "_int_mm", saturating)
    assert not exact_int8.is_exact()


def test_a_device_with_inexact_products_is_refused(monkeypatch):
    exact.check_device(torch.device("cpu"))
    matmul = torch.matmul
    monkeypatch.setattr(torch, "matmul", lambda a, b: matmul(a.float(), b.float()).to(a.dtype))
    with pytest.raises(ValueError, match="not exact on cpu"):
        exact.check_device(torch.device("cpu"))
