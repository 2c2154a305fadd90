"""What a context network keeps from one coding step of a walk to the next, by names of its own."""

from torch import Tensor

Memory = dict[str, list[Tensor]]
