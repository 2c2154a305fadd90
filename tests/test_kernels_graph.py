"""Exact layers in ONNX graphs equal the int64 oracle, bit for bit, as onnxruntime computes them."""

import numpy as np
import onnxruntime
import pytest
import torch

from lcodec.entropy import known_answer
from lcodec.entropy.graphs import check_graph
from lcodec.kernels import exact_reference
from lcodec.kernels.exact_graph import GraphKernels
from lcodec.kernels.graph import Plane, Rows

LIMIT = 2**15 - 1


def run(model, **values):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, values)[0]


def recorded(operation, *planes):
    """What an operation of kernels makes of planes (1, C, h, w), in a graph."""
    kernels = GraphKernels()
    inputs = [Plane.input(kernels.graph, f"x{n}", plane.shape[1], ("h", "w")) for n, plane in enumerate(planes)]
    model = kernels.graph.model({"y": operation(kernels, *inputs)})
    values = {f"x{n}": plane.permute(0, 2, 3, 1).to(torch.int32).numpy() for n, plane in enumerate(planes)}
    return torch.from_numpy(run(model, **values)).permute(0, 3, 1, 2).long()


def features(shape, kind, generator):
    if kind == "random":
        return torch.randint(-LIMIT - 1, LIMIT + 1, shape, generator=generator)
    return torch.full(shape, {"lowest": -LIMIT - 1, "highest": LIMIT}[kind])


@pytest.mark.parametrize("kind", ["random", "lowest", "highest"])
@pytest.mark.parametrize("size", [(1, 1), (17, 31), (63, 1)])
def test_layers_equal_the_oracle(kind, size):
    g = torch.Generator().manual_seed(1)
    x = features((1, 21, *size), kind, g)
    shift = torch.randint(1, 31, (21,), generator=g)
    bias = torch.randint(-(2**40), 2**40, (21,), generator=g) + (1 << (shift - 1))
    for name, count in (("pointwise", 21), ("depthwise", 9)):
        weight = torch.randint(-8127, 8128, (21, count), generator=g)
        weight[0], weight[1] = 8127, -8127
        make = "depthwise_layer" if name == "depthwise" else "layer"
        parts = weight, bias, shift
        slow = getattr(exact_reference, name)(x, getattr(exact_reference, make)(*parts))

        def fast(kernels, plane, name=name, make=make, parts=parts):
            return getattr(kernels, name)(plane, getattr(kernels, make)(*parts))

        assert torch.equal(recorded(fast, x), slow)


def test_places_and_the_known_answer():
    assert np.array_equal(run(check_graph(), x=known_answer.inputs()), known_answer.outputs())
    weight, bias, shift = map(torch.from_numpy, known_answer.layer())
    oracle = exact_reference.places(
        torch.from_numpy(known_answer.inputs()).long(), exact_reference.layer(weight, bias, shift)
    )
    assert np.array_equal(oracle.numpy(), known_answer.outputs())
    assert {known_answer.outputs().min(), known_answer.outputs().max()} == {-LIMIT - 1, LIMIT}
    assert run(check_graph(), x=np.zeros((0, weight.shape[1]), np.int32)).shape == (weight.shape[0], 0)


@pytest.mark.parametrize("kind", ["random", "lowest", "highest"])
def test_small_operations_equal_the_oracle(kind):
    g = torch.Generator().manual_seed(2)
    a, b = features((1, 6, 5, 7), kind, g), features((1, 6, 5, 7), "random", g)
    for operation in (lambda k, x, y: k.gate(x, y, 10), lambda k, x, y: k.add(x, y)):
        assert torch.equal(recorded(operation, a, b), operation(exact_reference, a, b))
    for shift in (1, 2, 5, 10):
        assert torch.equal(recorded(lambda k, x, s=shift: k.scale_down(x, s), a), exact_reference.scale_down(a, shift))


@pytest.mark.parametrize("position", [0, 1, 511, 1024, 5000, 8191, 8192])
def test_tables_are_interpolated_as_by_the_oracle(position):
    table = torch.randint(-LIMIT - 1, LIMIT + 1, (9, 11), generator=torch.Generator().manual_seed(3))
    kernels = GraphKernels()
    graph = kernels.graph
    made = kernels.interpolate(table, graph.input("position", np.int64, (1,)), 1024)
    found = run(graph.model({"y": made}), position=np.array([position]))
    assert np.array_equal(found[0], exact_reference.interpolate(table, position, 1024).numpy())


def test_planes_are_cut_joined_and_spread_as_tensors_are():
    x = torch.arange(12 * 5 * 7).view(1, 12, 5, 7)
    operations = (
        lambda p: p[:, 2:9:3, ::2, ::4],
        lambda p: p[:, :, 1:3, : p[:, :, :, 2:].shape[3]],
        lambda p: torch.cat([p, p.abs() * 3], 1),
        lambda p: p.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, : p.shape[2], : p.shape[3]],
        lambda p: p.chunk(3, 1)[1].clamp(9, 50) + 4,
        lambda p: torch.nn.functional.pixel_shuffle(p, 2),
        lambda p: torch.nn.functional.relu(p + -200),
        lambda p: torch.zeros_like(p),
    )
    for operation in operations:
        assert torch.equal(recorded(lambda kernels, p, do=operation: do(p), x), operation(x).long())


def test_what_has_no_graph_says_so():
    kernels = GraphKernels()
    plane = Plane.input(kernels.graph, "x", 4, ("h", "w"))
    with pytest.raises(ValueError, match="no graph can be made of gelu"):
        torch.nn.functional.gelu(plane)
    with pytest.raises(ValueError, match="too large"):
        kernels.layer(torch.full((1, 2000), 8127), torch.zeros(1, dtype=torch.long), torch.ones(1, dtype=torch.long))
    assert isinstance(plane.rows(), Rows)
