"""The exact entropy model as ONNX graphs, for decoders without torch: the networks of `exact_prior`, recorded.

```
factorised:  gain ─────────────────────────► mean and row of the channels of z
hyper:       gain, z, size of the plane ───► hyper
step n:      hyper, latents so far, places ─► mean and row of the latents at these places
```
Features are int32 (1, h, w, C), what networks keep from step to step too, under its own names.
"""

from typing import cast

import numpy as np
import torch
from torch import Tensor

from ..kernels.exact_graph import GraphKernels
from ..kernels.graph import Graph, Plane, Rows, Value
from . import known_answer
from .band import outputs_of, parameters, rows_of
from .exact import ExactPointwise, Kernels
from .exact_prior import ExactPrior
from .fixed import FEATURE_BITS, MEAN_BITS
from .known import KnownPlane
from .known_parts import features_of
from .memory import Memory
from .progressive_context import ProgressiveContext


def exact_graphs(prior: ExactPrior) -> dict[str, bytes]:
    """Models by name. Raises ValueError for networks that no graph can be made of, such as those with attention."""
    if not (prior.context.local or isinstance(prior.context, ProgressiveContext)):
        raise ValueError(f"no graph can be made of the context model {prior.config.schedule} yet")
    kernels = GraphKernels()
    network = ExactPrior(prior.config, cast(Kernels, kernels))
    network.load_state_dict(prior.state_dict())
    network.prepare(torch.device("cpu"))
    graphs = {"factorised": _factorised(network, kernels), "hyper": _hyper(network, kernels)}
    kept: dict[str, list[int]] = {}  # channels of what the network keeps, by name
    for step in range(network.schedule.steps):
        graphs[f"step-{step}"] = _step(network, kernels, step, kept)
    return graphs


def check_graph() -> bytes:
    """The layer of `known_answer`: x (n, I) -> y (O, n)."""
    kernels = GraphKernels()
    weight, *rest = (torch.from_numpy(part) for part in known_answer.layer())
    rows = Rows(kernels.graph, kernels.graph.input("x", np.int32, ("n", weight.shape[1])), weight.shape[1])
    return kernels.graph.model({"y": kernels.places(rows, kernels.layer(weight, *rest))})


def _factorised(network: ExactPrior, kernels: GraphKernels) -> bytes:
    graph = kernels.graph = Graph()
    means, log_scales = network.hyper_latents(cast(int, graph.input("gain", np.int64, (1,))))
    return graph.model({"mean": _value(means), "row": _value(rows_of(log_scales, network.kernels))})


def _hyper(network: ExactPrior, kernels: GraphKernels) -> bytes:
    graph = kernels.graph = Graph()
    gain = graph.input("gain", np.int64, (1,))
    z_hat = Plane.input(graph, "z", network.config.hyper, ("hz", "wz"))
    features = (z_hat * (1 << (FEATURE_BITS - MEAN_BITS))).clamp(-(2**15), 2**15 - 1)
    height, width = (graph.input(name, np.int64, (1,)) for name in ("height", "width"))
    rows, columns = slice(None, height), slice(None, width)
    hyper = network.hyper_features(cast(Tensor, features), cast(int, gain), rows, columns, slice(None))
    return graph.model({"hyper": _value(hyper)})


def _step(network: ExactPrior, kernels: GraphKernels, step: int, kept: dict[str, list[int]]) -> bytes:
    """The graph of a step. What is kept after it takes the place of what was `kept` before."""
    graph, config, schedule = Graph(), network.config, network.schedule
    kernels.graph = graph
    plane = ("h", "w")
    hyper = Plane.input(graph, "hyper", config.width, plane)
    y_hat = Plane.input(graph, "latents", config.latents, plane)
    memory = {
        name: [Plane.input(graph, f"{name}-{n}", count, (f"h-{name}", f"w-{name}")) for n, count in enumerate(counts)]
        for name, counts in kept.items()
    }
    known = KnownPlane(network.context, features_of(cast(Tensor, y_hat), cast(Kernels, kernels)))
    features = network.context(step, cast(Tensor, hyper), known, cast(Memory, memory))
    outputs: dict[str, Value] = {}
    channels, head = schedule.channels(step, config.latents), network.heads[step]
    assert isinstance(head, ExactPointwise)
    rows = cast(Plane, features).rows()
    for own in schedule.groups(step, config.latents):
        group = own.start - channels.start
        at = rows.at(graph.input(f"places-{group}", np.int64, (f"n-{group}",)))
        mean, row = parameters(head, cast(Tensor, at), outputs_of(own, channels), config.whole_means)
        outputs |= {f"mean-{group}": _value(mean), f"row-{group}": _value(row)}
    kept.clear()
    for name, planes in memory.items():
        kept[name] = [part.channels for part in planes]
        outputs |= {f"{name}-{n}-after": part for n, part in enumerate(planes)}
    return graph.model(outputs)


def _value(value: Tensor) -> Value:
    return cast(Value, value)
