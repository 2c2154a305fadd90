"""Triton's kernels against their references on a GPU: milliseconds, bytes a second, and their share of a copy's."""

import sys

import torch

from lcodec.codec.training.roofline import measure_machine
from lcodec.kernels import gated_block, linear_scan, packed_rows, window_attention
from lcodec.kernels.triton_ready import milliseconds

if __name__ == "__main__":
    if not torch.cuda.is_available():
        sys.exit("a GPU is needed: in Triton's interpreter, times mean nothing")
    from lcodec.kernels import triton_exact

    device = torch.device("cuda")
    peak = measure_machine(device).bytes_per_s
    print(f"{torch.cuda.get_device_name()}: a copy moves {peak / 1e9:.0f} GB/s")
    print("| kernel | agrees | ms | reference, ms | GB/s | share of a copy |")
    print("|---|---|---:|---:|---:|---:|")
    for module in (triton_exact, window_attention, linear_scan, gated_block, packed_rows):
        trial = module.trial(device)
        kernel, reference = milliseconds(trial.kernel), milliseconds(trial.reference)
        speed = trial.bytes_moved / (1e-3 * kernel)
        name = module.__name__.rsplit(".", 1)[1]
        print(f"| {name} | {trial.agrees} | {kernel:.3f} | {reference:.3f} | {speed / 1e9:.0f} | {speed / peak:.0%} |")
