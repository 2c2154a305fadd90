"""What the entropy stage of decoding takes with each context model: `make bench-contexts`, a table of ABLATIONS.md.

Exact networks of the sizes of `base` with random weights, latents of a 768x512 picture, two threads. Each repetition
goes once through all models, so that a disturbance meets them alike.
"""

import statistics
import time

import torch

from lcodec.codec.training.roofline import count_macs
from lcodec.entropy import walk
from lcodec.entropy.coder import RowCoder
from lcodec.entropy.contexts import CONTEXTS
from lcodec.entropy.convert import to_exact
from lcodec.entropy.float_twin import FLOAT
from lcodec.entropy.prior import LatentPrior, PriorConfig
from lcodec.entropy.tables import gaussian_rows

SIZE = (32, 48)
LATENTS, WIDTH, HYPER = 320, 192, 96
REPEATS = 5
CPU = torch.device("cpu")


def main():
    torch.set_num_threads(2)
    torch.manual_seed(0)
    coder = RowCoder(gaussian_rows(), 6)
    y, z = torch.randn(1, LATENTS, *SIZE), torch.randn(1, HYPER, -(-SIZE[0] // 4), -(-SIZE[1] // 4))
    calls, macs = {}, {}
    for name in CONTEXTS:
        exact = to_exact(LatentPrior(FLOAT, PriorConfig(LATENTS, WIDTH, HYPER, name)))
        exact.prepare(CPU)
        steps = walk.encode(exact, coder, y, z, 4000, CPU).steps
        calls[name] = lambda exact=exact, steps=steps: walk.decode(exact, coder, steps, 4000, SIZE, CPU)
        macs[name] = count_macs(calls[name])
    taken = {name: [] for name in CONTEXTS}
    for _ in range(REPEATS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
    first = taken["one-step"]
    print("| context model | steps | exact kMAC/px | entropy stage, s | times one-step |\n|---|---:|---:|---:|---:|")
    for name, seconds in taken.items():
        ratio = statistics.median(a / b for a, b in zip(seconds, first, strict=True))
        kilo = macs[name] / (256 * SIZE[0] * SIZE[1] * 1000)
        steps = CONTEXTS[name].schedule.steps
        print(f"| {name} | {steps} | {kilo:.1f} | {statistics.median(seconds):.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
