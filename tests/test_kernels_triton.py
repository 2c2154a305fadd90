"""Triton's kernels agree with their references: in Triton's interpreter on a CPU, compiled on a GPU (-m gpu)."""

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="Triton is made for Linux only")

from lcodec.codec.transforms.gated import GatedBlock
from lcodec.entropy.band import rows_of
from lcodec.kernels import (
    exact_int8,
    exact_reference,
    gated_block,
    linear_scan,
    packed_rows,
    triton_exact,
    triton_gated_block,
    triton_linear_scan,
    triton_packed_rows,
    triton_ready,
    triton_window_attention,
    window_attention,
)

CPU, LIMIT = torch.device("cpu"), 2**15 - 1
DEVICES = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


@pytest.fixture(autouse=True)
def only_where_it_runs(device):
    if (device == "cuda") != torch.cuda.is_available():
        pytest.skip("interpreted without a GPU, compiled with one")


def near(found, expected, tolerance=2e-4):
    difference = (found.detach() - expected.detach()).abs().max()
    return bool(difference <= tolerance * expected.detach().abs().max())


@DEVICES
@pytest.mark.parametrize("length, width, windows, hidden", [(64, 16, 5, 1), (16, 8, 6, 3), (49, 24, 4, 2)])
def test_window_attention_and_its_gradients(device, length, width, windows, hidden):
    torch.manual_seed(0)
    heads = 2
    values = [torch.randn(windows, heads, length, width, device=device) for _ in range(3)]
    values.append(torch.randn(heads, length, length, device=device))
    outside = torch.rand(hidden, length, device=device) < 0.3 if hidden > 1 else None
    above = torch.randn(windows, heads, length, width, device=device)
    found = []
    for attend in (triton_window_attention.attention, window_attention.reference):
        own = [value.clone().requires_grad_() for value in values]
        out = attend(*own, outside)
        found.append([out, *torch.autograd.grad(out, own, above)])
    for a, b in zip(*found, strict=True):
        assert near(a, b)


@DEVICES
def test_window_attention_in_half_precision(device):
    torch.manual_seed(5)
    values = [torch.randn(3, 2, 16, 16, device=device).to(torch.float16) for _ in range(3)]
    bias, own = torch.randn(2, 16, 16, device=device), []
    by_triton, by_torch = triton_window_attention.attention, window_attention.reference
    for attend, kind in ((by_triton, torch.float16), (by_torch, torch.float32)):
        parts = [part.to(kind).requires_grad_() for part in values]
        out = attend(*parts, bias)
        assert out.dtype == kind
        own.append([part.float() for part in (out, *torch.autograd.grad(out.float().square().sum(), parts))])
    for a, b in zip(*own, strict=True):
        assert near(a, b, 5e-3)


@DEVICES
@pytest.mark.parametrize("length, width", [(1, 8), (37, 16), (64, 24)])
@pytest.mark.parametrize("shared", [False, True])
def test_linear_scan(device, length, width, shared):
    torch.manual_seed(1)
    q, k, v = (torch.randn(2, 3, length, width, device=device) for _ in range(3))
    shape = (1, 3, 1, 1) if shared else (2, 3, length, width)
    decay = (linear_scan.LOWEST_LOG * torch.rand(shape, device=device)).expand(-1, -1, length, -1)
    found = triton_linear_scan.scan_forward(q, k, v, decay)
    assert near(found, linear_scan.scan_chunks(q, k, v, decay)) and near(found, linear_scan.scan_steps(q, k, v, decay))


@DEVICES
def test_gradients_of_the_scan_are_those_of_the_reference(device):
    torch.manual_seed(2)
    inputs = [torch.randn(1, 2, 20, 16, device=device) for _ in range(3)]
    inputs.append(-torch.rand(1, 2, 20, 16, device=device))
    found = []
    for scan in (linear_scan._Scan.apply, linear_scan.scan_chunks):
        own = [value.clone().requires_grad_() for value in inputs]
        found.append(torch.autograd.grad(scan(*own).square().sum(), own))
    for a, b in zip(*found, strict=True):
        assert near(a, b)


@DEVICES
@pytest.mark.parametrize("kind", ["random", "lowest", "highest"])
@pytest.mark.parametrize("inputs, outputs, count", [(21, 17, 1), (70, 80, 77), (640, 16, 16)])
def test_exact_products_equal_the_oracle(device, kind, inputs, outputs, count):
    g = torch.Generator().manual_seed(3)
    rows = torch.randint(-LIMIT - 1, LIMIT + 1, (count, inputs), generator=g)
    if kind != "random":
        rows[:] = {"lowest": -LIMIT - 1, "highest": LIMIT}[kind]
    most = 8127 if inputs < 100 else 1000
    weight = torch.randint(-most, most + 1, (outputs, inputs), generator=g)
    weight[0], weight[1] = most, -most
    shift = torch.randint(8, 31, (outputs,), generator=g)
    bias = torch.randint(-(2**28), 2**28, (outputs,), generator=g) + (1 << (shift - 1))
    layer = exact_int8.layer(weight, bias, shift)
    assert layer[0].dtype == torch.int8
    found = triton_exact.product(rows.to(device, torch.int32), tuple(part.to(device) for part in layer))
    oracle = exact_reference.places(rows, exact_reference.layer(weight, bias, shift)).t()
    assert torch.equal(found.cpu().long(), oracle)


@DEVICES
def test_exact_layers_of_planes_equal_the_oracle(device):
    g = torch.Generator().manual_seed(4)
    x = torch.randint(-LIMIT - 1, LIMIT + 1, (2, 5, 4, 7), generator=g)
    shift = torch.randint(1, 31, (6,), generator=g)  # those below 8 are too small for bytes
    for least in (1, 8):
        parts = (shift.clamp_min(least),)
        for name, inputs in (("pointwise", 5), ("convolution", 45)):
            weight = torch.randint(-8127, 8128, (6, inputs), generator=g)
            whole = weight, torch.randint(-(2**20), 2**20, (6,), generator=g) + (1 << (parts[0] - 1)), parts[0]
            layer = tuple(part.to(device) for part in triton_exact.layer(*whole))
            found = getattr(triton_exact, name)(x.to(device, torch.int32), layer)
            oracle = getattr(exact_reference, name)(x, exact_reference.layer(*whole))
            assert found.dtype == torch.int32 and torch.equal(found.cpu().long(), oracle)


@DEVICES
@pytest.mark.parametrize("whole", [0, 5])
def test_packed_rows_are_those_of_the_exact_carrier(device, whole):
    found = torch.randint(-LIMIT - 1, LIMIT + 1, (10, 77), generator=torch.Generator().manual_seed(7))
    found[:, 0], found[:, 1] = LIMIT, -LIMIT - 1
    packed = triton_packed_rows.packed(found.to(device, torch.int32), 2, 18, whole).cpu()
    assert torch.equal(packed, packed_rows.reference(found.to(torch.int32), 2, 18, whole))
    mean, log_scale = found.chunk(2)
    if whole:
        mean = exact_reference.scale_down(mean, whole) * (1 << whole)
    assert np.array_equal(packed.numpy() // 64, mean.numpy())
    assert np.array_equal(packed.numpy() % 64, rows_of(log_scale, exact_reference).numpy())


@DEVICES
@pytest.mark.parametrize("channels, size", [(24, (1, 5, 7)), (40, (2, 1, 33)), (64, (1, 9, 3))])
def test_gated_block(device, channels, size):
    x, weights = gated_block.example(channels, size, torch.device(device))
    assert near(triton_gated_block.block(x, weights), gated_block.reference(x, weights))


@DEVICES
def test_a_kernel_that_fails_or_is_wrong_is_not_used(device):
    where = torch.device(device)

    def fails(device):
        raise RuntimeError("out of shared memory\nand more")

    def wrong(device):
        return triton_ready.Trial(False, int, int, 0)

    with pytest.warns(UserWarning, match="cannot run on .*: out of shared memory$"):
        assert not triton_ready.triton_pays("failing", where, fails)
    with pytest.warns(UserWarning, match="is wrong on"):
        assert not triton_ready.triton_pays("wrong", where, wrong)
    assert not triton_ready.triton_pays("wrong", where, wrong)  # found out once


@DEVICES
@pytest.mark.parametrize("module", [window_attention, linear_scan, gated_block, triton_exact, packed_rows])
def test_every_kernel_has_a_trial_that_it_passes(device, module, monkeypatch):
    where = torch.device(device)
    tried = module.trial(where)
    assert tried.agrees
    if device == "cpu":  # nothing to time
        times = iter([1.0, 2.0, 2.0, 1.0])
        monkeypatch.setattr(triton_ready, "milliseconds", lambda work: next(times))
    for name in ("faster", "slower"):
        found = triton_ready.triton_pays(f"{module.__name__} {name}", where, lambda _: tried)
        assert found is (name == "faster") or device == "cuda"


@DEVICES
def test_a_block_of_a_model_hands_over_its_weights(device):
    torch.manual_seed(6)
    block = GatedBlock(24).to(device).requires_grad_(False)
    x = torch.randn(2, 24, 5, 7, device=device)
    found = triton_gated_block.block(x.permute(0, 2, 3, 1), block._weights()).permute(0, 3, 1, 2)
    with torch.enable_grad():
        assert near(found, block(x))
