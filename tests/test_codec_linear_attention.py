"""Linear attentions against their formulas written out over all pairs of positions, or a position at a time."""

import math

import pytest
import torch
import torch.nn.functional as F
from bench_attention import CHANNELS, SIDES, all_pairs, growth, seconds
from torch.autograd import gradcheck
from torch.utils.flop_counter import FlopCounterMode

from lcodec.codec.transforms import (
    linear_delta,
    linear_feature_maps,
    linear_gated,
    linear_landmarks,
    linear_local,
    linear_reweighted,
    linear_toeplitz,
)
from lcodec.codec.transforms.linear_attention import KERNELS, LinearAttention
from lcodec.codec.transforms.linear_heads import merge_heads, split_heads
from lcodec.kernels import linear_scan

HEIGHT, WIDTH = 5, 7
ALL_PAIRS = ("elu", "focused", "hedgehog", "transnormer", "inline", "rala", "flow")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def heads(n=HEIGHT * WIDTH, d=4, dtype=torch.float64, batch=2, count=2):
    return [torch.randn(batch, count, n, d, dtype=dtype) for _ in range(3)]


def over_sum(weights):
    return weights / (weights.sum(-1, keepdim=True))


def elu_feature(x):
    return torch.where(x > 0, x + 1, x.exp())


def focused_feature(x):
    x = x.clamp_min(0) + 1e-6
    return x**3 * x.norm(dim=-1, keepdim=True) / (x**3).norm(dim=-1, keepdim=True)


def hedgehog_feature(x):
    return torch.cat([F.softmax(x, -1), F.softmax(-x, -1)], -1)


def products(q, k):
    return torch.einsum("bhid,bhjd->bhij", q, k)


def dense_weights(kernel, q, k):
    """(B, heads, n, n): how much of v_j is in the output at i."""
    n, d = q.shape[-2:]
    if kernel == "elu":
        return over_sum(products(elu_feature(q), elu_feature(k)))
    if kernel == "focused":
        return over_sum(products(focused_feature(q), focused_feature(k)))
    if kernel == "hedgehog":
        return over_sum(products(hedgehog_feature(q), hedgehog_feature(k)))
    if kernel == "transnormer":
        return products(elu_feature(q), elu_feature(k)) / n
    if kernel == "inline":
        scores = products(q, k) / math.sqrt(d)
        return (scores - scores.mean(-1, keepdim=True) + 1) / n
    if kernel == "rala":
        q, k = elu_feature(q), elu_feature(k)
        asked = n * F.softmax(products(q.mean(-2, keepdim=True), k) / math.sqrt(d), -1)
        return over_sum(asked * products(q, k))
    flow = products(q.sigmoid(), k.sigmoid())
    # The flow from every source is made 1, then what a sink receives decides its share; and the other way round.
    sinks = (flow / flow.sum(-2, keepdim=True)).sum(-1, keepdim=True)
    sources = (flow / flow.sum(-1, keepdim=True)).sum(-2, keepdim=True).clamp(-1, 1)
    return over_sum(flow) * n * F.softmax(sources, -1) * sinks.sigmoid()


def core(kernel, q, k, v):
    maps = linear_feature_maps
    if kernel == "elu":
        return maps.kernelised(maps.elu_map(q), maps.elu_map(k), v)
    if kernel == "focused":
        return maps.kernelised(maps.focused_map(q), maps.focused_map(k), v)
    if kernel == "hedgehog":
        return maps.kernelised(maps.hedgehog_map(q), maps.hedgehog_map(k), v)
    if kernel == "transnormer":
        return maps.unnormalised(maps.elu_map(q), maps.elu_map(k), v)
    if kernel == "inline":
        return linear_reweighted.inline_attention(q, k, v)
    if kernel == "rala":
        return linear_reweighted.rala_attention(maps.elu_map(q), maps.elu_map(k), v)
    return linear_reweighted.flow_attention(q.sigmoid(), k.sigmoid(), v)


@pytest.mark.parametrize("kernel", ALL_PAIRS)
def test_sums_equal_the_matrix_of_all_pairs(kernel):
    q, k, v = heads()
    # The guards against empty sums, 1e-6, are not in the formulas.
    torch.testing.assert_close(core(kernel, q, k, v), dense_weights(kernel, q, k) @ v, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel", ALL_PAIRS)
def test_sums_follow_a_permutation_of_positions(kernel):
    q, k, v = heads()
    order = torch.randperm(q.shape[2])
    mixed = core(kernel, q, k, v)
    torch.testing.assert_close(core(kernel, q[:, :, order], k[:, :, order], v[:, :, order]), mixed[:, :, order])


@pytest.mark.parametrize("kernel", ALL_PAIRS)
def test_gradients_of_sums(kernel):
    q, k, v = (t.requires_grad_() for t in heads(n=5, d=3, batch=1))
    assert gradcheck(lambda *given: core(kernel, *given), (q, k, v))


def test_inline_weights_tell_collinear_queries_apart():
    q, k, v = heads()
    assert not torch.allclose(core("inline", q, k, v), core("inline", 2 * q, k, v))
    torch.testing.assert_close(core("inline", q, k, torch.ones_like(v)), torch.ones_like(v))


def test_landmarks_equal_the_dense_nystrom_form():
    q, _, v = heads(n=20 * 9, d=6)
    q = 4 * q  # landmarks far enough apart for the inverse to be found in full
    centres = torch.stack([t.mean((3, 5)) for t in _cells(q)], 0).squeeze(0)
    rows = torch.exp(-torch.cdist(q, centres).square() / (2 * math.sqrt(6)))
    middle = torch.exp(-torch.cdist(centres, centres).square() / (2 * math.sqrt(6)))
    full = rows @ torch.linalg.inv(middle) @ rows.transpose(-1, -2)
    weight = full.sum(-1, keepdim=True).clamp_min(1).rsqrt()
    expected = weight * full * weight.transpose(-1, -2) @ v
    torch.testing.assert_close(linear_landmarks.soft_attention(q, v, 20, 9), expected, rtol=1e-6, atol=1e-8)


def _cells(q):
    """Means over the 7 x 7 cells of a plane of 20 x 9, in a loop."""
    plane = q.reshape(*q.shape[:2], 20, 9, -1)
    means = []
    for i in range(7):
        for j in range(7):
            top, bottom, left, right = i * 20 // 7, -(-(i + 1) * 20 // 7), j * 9 // 7, -(-(j + 1) * 9 // 7)
            means.append(plane[:, :, top:bottom, left:right].mean((2, 3)))
    return [torch.stack(means, 2)[:, :, :, None, :, None]]


def test_newton_inverts_and_its_gradient_is_that_of_the_inverse():
    root = torch.randn(3, 6, 6, dtype=torch.float64)
    a = torch.eye(6, dtype=torch.float64) + 0.2 * root @ root.transpose(-1, -2)
    torch.testing.assert_close(linear_landmarks.newton_inverse(a), torch.linalg.inv(a))
    assert gradcheck(linear_landmarks.newton_inverse, a.requires_grad_())
    alike = linear_landmarks.newton_inverse(torch.ones(49, 49))
    torch.testing.assert_close(alike, torch.ones(49, 49) / 49**2)


def log_decays(n, d=4, lowest=-0.5):
    return lowest * torch.rand(2, 2, n, d, dtype=torch.float64)


@pytest.mark.parametrize("n", [1, 16, 61])
def test_gated_forms_agree_and_equal_all_pairs(n):
    q, k, v = heads(n)
    logs = log_decays(n)
    total = logs.cumsum(2)
    weights = torch.einsum("bhid,bhjd,bhijd->bhij", q, k, (total[:, :, :, None] - total[:, :, None]).exp()).tril()
    torch.testing.assert_close(linear_scan.scan_steps(q, k, v, logs), weights @ v)
    torch.testing.assert_close(linear_scan.scan_chunks(q, k, v, logs), weights @ v, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("lowest", [-5.0, 0.0])
def test_long_planes_and_strong_decays_stay_exact(lowest):
    q, k, v = heads(3001, dtype=torch.float32)
    logs = torch.full_like(q, lowest)
    steps = linear_scan.scan_steps(*(t.double() for t in (q, k, v, logs)))
    torch.testing.assert_close(linear_scan.scan_chunks(q, k, v, logs), steps.float(), rtol=1e-3, atol=1e-3)


def test_retention_forms_agree_and_decay_with_the_distance_both_ways():
    n = 53
    q, k, v = heads(n)
    logs = torch.tensor([-0.03, -0.2], dtype=torch.float64)[None, :, None, None]
    given = [linear_gated.there_and_back(t) for t in (q, k, v)]
    chunks = linear_gated.averaged(linear_scan.scan_chunks(*given, logs.expand(-1, -1, n, -1)))
    steps = linear_gated.averaged(linear_scan.scan_steps(*given, logs.expand(-1, -1, n, -1)))
    distance = (torch.arange(n)[:, None] - torch.arange(n)).abs()
    weights = products(q, k) * (logs * distance).exp() * (0.5 + 0.5 * (distance == 0))
    torch.testing.assert_close(chunks, weights @ v, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(steps, weights @ v)


@pytest.mark.parametrize("n", [1, 32, 75])
def test_delta_forms_agree_and_equal_the_products_of_reflections(n):
    q, k, v = heads(n)
    k, beta = linear_feature_maps.unit(k), torch.rand(2, 2, n, 1, dtype=torch.float64)
    state, expected = torch.zeros(2, 2, 4, 4, dtype=torch.float64), []
    for t in range(n):
        key, value, b = k[:, :, t, :, None], v[:, :, t, None, :], beta[:, :, t, None]
        state = (torch.eye(4) - b * key @ key.transpose(-1, -2)) @ state + b * key @ value
        expected.append(q[:, :, t, None] @ state)
    expected = torch.cat(expected, 2)
    torch.testing.assert_close(linear_delta.delta_steps(q, k, v, beta), expected)
    torch.testing.assert_close(linear_delta.delta_chunks(q, k, v, beta), expected, rtol=1e-9, atol=1e-9)


def test_delta_replaces_what_a_key_held():
    _, k, v = heads(2)
    k = linear_feature_maps.unit(k[:, :, :1]).expand(-1, -1, 2, -1)
    read = linear_delta.delta_chunks(k, k, v, torch.ones(2, 2, 2, 1, dtype=torch.float64))
    torch.testing.assert_close(read, v, rtol=1e-4, atol=1e-4)


def test_gradients_of_scans_agree_in_both_forms():
    q, k, v = (t.requires_grad_() for t in heads(37))
    logs, beta = log_decays(37).requires_grad_(), torch.rand(2, 2, 37, 1, dtype=torch.float64, requires_grad=True)
    for chunks, steps, last in (
        (linear_scan.scan_chunks, linear_scan.scan_steps, logs),
        (linear_delta.delta_chunks, linear_delta.delta_steps, beta),
    ):
        given = (q, linear_feature_maps.unit(k), v, last)
        upstream = torch.randn_like(v)
        by_chunks = torch.autograd.grad(chunks(*given), (q, k, v, last), upstream, retain_graph=True)
        by_steps = torch.autograd.grad(steps(*given), (q, k, v, last), upstream)
        for a, b in zip(by_chunks, by_steps, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (12, 23)])
def test_toeplitz_by_fft_equals_all_pairs(size):
    height, width = size
    n, reach = height * width, 3
    q, k, v = heads(n)
    q, k = q.exp(), k.exp()
    near, far = torch.rand(2, 7, 7, dtype=torch.float64) + 0.1, torch.rand(2, 1, 1, dtype=torch.float64) + 0.1
    factors = torch.zeros(2, n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            down, right = i // width - j // width, i % width - j % width
            inside = max(abs(down), abs(right)) <= reach
            factors[:, i, j] = near[:, down + reach, right + reach] if inside else far[:, 0, 0]
    expected = over_sum(products(q, k) * factors) @ v
    torch.testing.assert_close(linear_toeplitz.toeplitz_attention(q, k, v, near, far, height, width), expected)


def test_gradients_of_toeplitz():
    q, k, v = heads(6, d=2, batch=1)
    near, far = torch.rand(2, 3, 3, dtype=torch.float64) + 0.1, torch.rand(2, 1, 1, dtype=torch.float64) + 0.1
    given = [t.detach().requires_grad_() for t in (q.exp(), k.exp(), v, near, far)]
    assert gradcheck(lambda *t: linear_toeplitz.toeplitz_attention(*t, 2, 3), given)


def test_positive_features_estimate_the_exponential():
    a, b = (linear_feature_maps.unit(torch.randn(1, 1, 5, 4, dtype=torch.float64)) for _ in range(2))
    directions = torch.randn(1, 4, 200_000, dtype=torch.float64)
    features = [linear_toeplitz.positive_features(t, directions) for t in (a, b)]
    estimate = products(*features) / directions.shape[-1]
    torch.testing.assert_close(estimate, products(a, b).exp(), rtol=0.05, atol=0.02)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (17, 11)])
def test_clear_equals_softmax_in_the_circle(size):
    height, width = size
    q, k, v = heads(height * width)
    rows, columns = (t.flatten() for t in torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"))
    apart = (rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2
    scores = (products(q, k) / 2).masked_fill(apart > 16, -math.inf)
    torch.testing.assert_close(linear_local.clear_attention(q, k, v, height, width), F.softmax(scores, -1) @ v)


def test_gradients_of_clear():
    q, k, v = (t.requires_grad_() for t in heads(6, d=2, batch=1))
    assert gradcheck(lambda *given: linear_local.clear_attention(*given, 2, 3), (q, k, v))


def test_heads_come_back_as_they_were():
    x = torch.randn(2, 12, 3, 5)
    parts = split_heads(x, 3)
    assert parts.shape == (2, 3, 15, 4)
    assert torch.equal(parts[1, 2, 7], x[1, 8:, 1, 2])
    assert torch.equal(merge_heads(parts, 3, 5), x)


def test_the_mixer_is_projections_attention_and_a_local_term():
    mixer = LinearAttention(64, "elu").double()
    x = torch.randn(2, 64, 4, 5, dtype=torch.float64)
    attention = mixer.mixer
    q, k, v = F.conv2d(x, attention.enter.weight, attention.enter.bias).chunk(3, 1)
    weights = dense_weights("elu", split_heads(q, 2), split_heads(k, 2))
    mixed = merge_heads(weights @ split_heads(v, 2), 4, 5) + attention.local(v)
    torch.testing.assert_close(mixer(x), attention.leave(mixed), rtol=1e-5, atol=1e-5)


def test_care_joins_attention_of_a_third_and_convolution_of_the_rest():
    mixer = LinearAttention(24, "care").double()
    x = torch.randn(2, 24, 4, 5, dtype=torch.float64)
    care = mixer.mixer
    q, k, v = care.attention.enter(x[:, :8]).chunk(3, 1)
    weights = dense_weights("elu", split_heads(q, 1), split_heads(k, 1))
    far = care.attention.leave(merge_heads(weights @ split_heads(v, 1), 4, 5) + care.attention.local(v))
    near = care.convolution(x[:, 8:])
    joined = torch.cat([far * care.gate_far(near).sigmoid(), near * care.gate_near(far).sigmoid()], 1)
    torch.testing.assert_close(mixer(x), care.leave(care.fuse(joined)), rtol=1e-5, atol=1e-5)


def test_inline_adds_weights_of_the_mean_of_the_plane():
    rule = linear_reweighted.Inline(8, 2).double()
    q, k, v = heads(20)
    x = torch.randn(2, 8, 4, 5, dtype=torch.float64)
    taps = rule.residual(x.mean((2, 3), keepdim=True)).reshape(2, 8, 3, 3)
    padded = F.pad(merge_heads(v, 4, 5), (1, 1, 1, 1))
    local = sum(taps[:, :, i, j, None, None] * padded[:, :, i : i + 4, j : j + 5] for i in range(3) for j in range(3))
    torch.testing.assert_close(rule(q, k, v, x), core("inline", q, k, v) + split_heads(local, 2))


def test_gated_gives_each_direction_its_own_decay():
    rule = linear_gated.Gated(8, 2).double()
    q, k, v = heads(20)
    x = torch.randn(2, 8, 4, 5, dtype=torch.float64)
    there, back = (split_heads(F.logsigmoid(t) / 16, 2) for t in rule.decay(x).chunk(2, 1))
    forward = linear_scan.scan_steps(q / 2, k, v, there)
    reverse = linear_scan.scan_steps(*(t.flip(2) for t in (q / 2, k, v, back))).flip(2)
    share = split_heads(rule.share(x).sigmoid(), 2)
    local = rule.norm_local(split_heads(x, 2))
    expected = share * rule.norm_scan((forward + reverse) / 2) + (1 - share) * local
    torch.testing.assert_close(rule(q, k, v, x), expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (17, 31)])
@pytest.mark.parametrize("kernel", KERNELS)
def test_any_size_and_every_parameter_learns(kernel, size):
    mixer = LinearAttention(24, kernel)
    x = torch.randn(2, 24, *size, requires_grad=True)
    y = mixer(x)
    assert y.shape == x.shape
    (y * torch.randn_like(y)).sum().backward()
    gradients = {name: p.grad for name, p in mixer.named_parameters()} | {"x": x.grad}
    assert all(g is not None and g.isfinite().all() for g in gradients.values())
    if size == (17, 31):
        assert [name for name, g in gradients.items() if not g.any()] == []


@pytest.mark.parametrize("kernel", KERNELS)
def test_zeros_and_large_features_stay_finite(kernel):
    mixer = LinearAttention(32, kernel)
    for scale in (0.0, 100.0):
        x = (scale * torch.randn(1, 32, 9, 10)).requires_grad_()
        y = mixer(x)
        y.sum().backward()
        assert y.isfinite().all() and x.grad.isfinite().all()
    for parameter in mixer.parameters():
        parameter.data.zero_()
    x = torch.zeros(1, 32, 5, 6, requires_grad=True)
    y = mixer(x)
    y.sum().backward()
    assert y.isfinite().all() and x.grad.isfinite().all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_bfloat16_is_near_float32(kernel):
    mixer = LinearAttention(64, kernel)
    x = torch.randn(2, 64, 13, 11)
    y = mixer(x)
    with torch.autocast("cpu", torch.bfloat16):
        half = mixer(x)
    assert half.dtype == torch.bfloat16
    assert (half.float() - y).norm() < 0.03 * y.norm()


@pytest.mark.parametrize("kernel", KERNELS)
def test_pictures_of_a_batch_are_apart(kernel):
    mixer = LinearAttention(64, kernel)
    x = torch.randn(3, 64, 6, 7)
    torch.testing.assert_close(mixer(x)[1:2], mixer(x[1:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_both_corners_hear_of_each_other_unless_attention_is_local(kernel):
    mixer = LinearAttention(24, kernel).double()
    x = torch.randn(1, 24, 14, 14, dtype=torch.float64, requires_grad=True)
    y = mixer(x)
    for here, there in ((0, -1), (-1, 0)):
        (heard,) = torch.autograd.grad(y[..., here, here].sum(), x, retain_graph=True)
        assert bool(heard[..., there, there].any()) == (kernel != "clear")


class _Saved:
    """Elements that the forward pass keeps for the backward one."""

    def __init__(self):
        self.elements = 0

    def pack(self, tensor):
        self.elements += tensor.numel()
        return tensor


@pytest.mark.parametrize("kernel", KERNELS)
def test_work_and_memory_grow_with_the_number_of_positions(kernel):
    mixer = LinearAttention(32, kernel)
    flops, elements = [], []
    for side in (32, 64):
        saved = _Saved()
        with (
            FlopCounterMode(display=False) as counter,
            torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda tensor: tensor),
        ):
            mixer(torch.randn(1, 32, side, side))
        flops.append(counter.get_total_flops())
        elements.append(saved.elements)
    assert flops[1] <= 4.4 * flops[0]
    assert elements[1] <= 4.4 * elements[0]


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS)
def test_time_grows_with_the_number_of_positions(kernel):
    mixer = LinearAttention(CHANNELS, kernel)
    # More than in proportion, since the larger size leaves the cache; the operations are counted above.
    assert growth([seconds(mixer, side) for side in SIDES], SIDES) < 1.7


@pytest.mark.slow
def test_time_of_all_pairs_grows_with_the_square():
    assert growth([seconds(all_pairs, side, 1) for side in SIDES], SIDES) > 1.85


def test_unknown_kernels_and_uneven_heads_are_refused():
    with pytest.raises(ValueError, match="no linear attention 'quadratic'"):
        LinearAttention(32, "quadratic")
    for kernel in KERNELS:
        with pytest.raises(ValueError, match="multiple of 32"):
            LinearAttention(48, kernel)
