"""How far the exact layers of an entropy model are from its float twin, layer by layer, on a real picture.

    python tests/exact_errors.py run.checkpoint        # or the name of a model, whose twin has the rounded weights

`alone`: both layers on the same inputs, those of the exact network. `together`: what has gathered by then.
"""

import copy
import sys
from pathlib import Path

import torch
from torch import nn

from lcodec.codec.codec import gain_index_of
from lcodec.codec.coding_model import CodingModel
from lcodec.codec.model_file import unpack_model
from lcodec.codec.registry import by_name
from lcodec.codec.training.checkpoint import load_average
from lcodec.codec.weights_cache import read_weights
from lcodec.entropy import walk
from lcodec.entropy.convert import to_exact, to_float
from lcodec.entropy.exact import ExactDepthwise, ExactPointwise
from lcodec.entropy.fixed import FEATURE_BITS, GAIN_STEPS
from lcodec.entropy.rate import latent_rate
from lcodec.entropy.tables import gaussian_rows
from lcodec.formats.pictures import read_picture

CPU = torch.device("cpu")


class Counter:
    """Takes every symbol, and writes nothing."""

    first_row = 0

    def push(self, symbols, row):
        return b""


def errors(exact, twin, y, z, gain_index):
    """name -> (largest output, largest error alone, its proven bound, largest error together), in real units."""
    seen, received, gathered = {}, {}, {}
    twins = dict(twin.named_modules())
    hooks = []

    def on_exact(name, layer):
        def hook(module, inputs, output):
            x = inputs[0].double() / 2**FEATURE_BITS
            received.setdefault(name, x)
            twin_layer = copy.deepcopy(twins[name]).double()
            places = getattr(twin_layer, "bits", FEATURE_BITS)
            real = output.double() / 2**places
            alone = float((real - twin_layer(x)).abs().max())
            seen.setdefault(name, []).append((real, alone, bound_of(layer, x, places)))

        return hook

    def on_twin(name):
        def hook(module, inputs, output):
            gathered.setdefault(name, []).append(output.double())

        return hook

    for name, layer in exact.named_modules():
        if isinstance(layer, ExactPointwise | ExactDepthwise):
            hooks.append(layer.register_forward_hook(on_exact(name, layer)))
    with torch.inference_mode():
        coded = walk.encode(exact, Counter(), y, z, gain_index, CPU)
        for hook in hooks:
            hook.remove()
        hooks = [twins[name].register_forward_hook(on_twin(name)) for name in seen]
        # The decoded values, so that nothing is rounded another way.
        latent_rate(twin, coded.y_hat, received["enter"].float(), torch.tensor([gain_index / GAIN_STEPS]))
    for hook in hooks:
        hook.remove()
    return {
        name: (
            max(float(real.abs().max()) for real, _, _ in calls),
            max(alone for _, alone, _ in calls),
            max(bound for _, _, bound in calls),
            max(float((real - other).abs().max()) for (real, _, _), other in zip(calls, gathered[name], strict=True)),
        )
        for name, calls in seen.items()
    }


def bound_of(layer, x, places):
    """The first bound of entropy/EXACT.md: rounding of the weights, of the bias, and of the result."""
    step = torch.exp2(-(layer.shift.double() - FEATURE_BITS + places))  # of a weight, by output channel
    if isinstance(layer, ExactDepthwise):
        mass = nn.functional.avg_pool2d(nn.functional.pad(x.abs(), (1, 1, 1, 1)), 3, 1) * 9
    else:
        mass = x.abs().sum(1, keepdim=True)
    rounding = step[:, None, None] / 2 * (mass + 2.0**-FEATURE_BITS) + 2.0 ** -(places + 1)
    return float(rounding.max())


def parts(name):
    """The exact network and its twin, and what makes latents for them."""
    if not Path(name).exists():
        coding = unpack_model(read_weights(by_name(name)), CPU)
        return coding, to_float(coding.prior).eval()
    model = load_average(Path(name))[1]
    return CodingModel(model.transforms, to_exact(model.prior), gaussian_rows(), 6, CPU), model.prior


def main(name):
    coding, twin = parts(name)
    pixels = torch.from_numpy(read_picture((Path(__file__).parent / "kodim23.png").read_bytes()).pixels)
    gain_index = gain_index_of(50.0)
    y, z = coding.latents(pixels, gain_index)
    print("| layer | largest output | error alone | its bound | error together |\n|---|---:|---:|---:|---:|")
    for layer, (largest, alone, bound, together) in errors(coding.prior, twin, y, z, gain_index).items():
        print(f"| {layer} | {largest:.2f} | {alone:.5f} | {bound:.5f} | {together:.4f} |")


if __name__ == "__main__":
    main(sys.argv[1])
