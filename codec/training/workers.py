"""One process or several: what `torchrun` started, and the mean of gradients over them."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Workers:
    """The place of this process among those that train one model; `rank` 0 speaks and writes."""

    rank: int
    count: int
    device: torch.device

    @classmethod
    def join(cls) -> "Workers":
        """Alone, or in the group that torchrun's environment describes: NCCL between GPUs, gloo between CPUs."""
        cuda = torch.cuda.is_available()
        if "TORCHELASTIC_RUN_ID" not in os.environ:
            return cls(0, 1, torch.device("cuda" if cuda else "cpu"))
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")
        if cuda:
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if cuda else "gloo")
        return cls(dist.get_rank(), dist.get_world_size(), device)

    def leave(self) -> None:
        """Leave the group, if there is one."""
        if self.count > 1:
            dist.destroy_process_group()

    def share(self, batch: int) -> slice:
        """This process's part of a batch. Raises ValueError when it does not divide."""
        if batch % self.count:
            raise ValueError(f"a batch of {batch} does not divide among {self.count} processes")
        return slice(self.rank, None, self.count)

    def mean_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace every gradient by its mean over the processes, in one exchange."""
        if self.count == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        flat /= self.count
        for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def total(self, values: Tensor) -> Tensor:
        """The sum of a tensor over the processes."""
        if self.count > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def agree(self, value: float) -> float:
        """Rank 0's value, everywhere."""
        if self.count == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return float(shared)
