"""What this machine computes with: the choices that tests of its processor made."""

from dataclasses import dataclass

import torch

from ..entropy.carrier import carrier
from .half_blocks import half_is_faster


@dataclass(frozen=True, slots=True)
class Machine:
    """`carrier` names the kernels of exact networks, `blocks` the numbers that gated blocks are computed in.

    Symbols do not depend on either. Pixels of blocks in bfloat16 may differ by a level, in extremes by two.
    """

    carrier: str
    blocks: str
    threads: int


def this_machine(device: torch.device | None = None) -> Machine:
    """Of a device, the CPU by default."""
    device = device or torch.device("cpu")
    blocks = "bfloat16" if half_is_faster(device) else "float32"
    return Machine(carrier(device).NAME, blocks, torch.get_num_threads())
