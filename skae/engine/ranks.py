"""Training by several processes at once, each on its share of every batch."""

import copy
from contextlib import contextmanager, nullcontext
from functools import lru_cache

import numpy as np
import torch

from ..nn.shares import Share, sharing

# How processes may talk to each other: the others split the net as well.
DATA_PARALLEL = ("NO", "MULTI_CPU", "MULTI_GPU", "MULTI_NPU", "MULTI_XPU", "MULTI_MLU")


class Alone:
    """One process, and no others."""

    rank, n = 0, 1  # this process's number, and how many there are

    @property
    def is_main(self):
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def sharing(self, batch):
        """The rows of a batch to work on, within."""
        return nullcontext(batch)

    def autocast(self):
        """The precision to compute in, within."""
        return nullcontext()

    def averaged(self, loss, optimizer):
        """The loss of the whole batch, from that of the rows here; and the gradients alike."""
        return loss

    def agreed(self, values):
        """The values of the first process: those that all go on with."""
        return values

    def start(self, nets):
        """Give all processes the same nets."""

    def wait(self):
        """Go on when all processes have come here."""

    def each_with_own_rows(self):
        """The same where each process reads rows of its own, instead of all of them."""
        return self

    def device(self, device):
        """The device to work on, where the one asked for may be "auto"."""
        return device


ALONE = Alone()


class InPrecision(Alone):
    """One process, in the precision and on the device of an `Accelerator`."""

    def __init__(self, accelerator):
        self.accelerator = accelerator

    def autocast(self):
        return self.accelerator.autocast()

    def device(self, device):
        return self.accelerator.device if device == "auto" else device


class Ranks(InPrecision):
    """The processes of an `Accelerator`, with the same rows in each.

    All of them do the same but in a step, and so agree on everything else without a word.
    """

    def __init__(self, accelerator):
        super().__init__(accelerator)
        self.rank, self.n = accelerator.process_index, accelerator.num_processes
        self.has_own_rows = False

    def sharing(self, batch):
        if self.has_own_rows:
            n = len(batch)
            return self._work_on(batch, Share(self.rank * n, n, self.n * n, self.n, add))
        start, stop = (i * len(batch) // self.n for i in (self.rank, self.rank + 1))
        if len(batch) < self.n:
            raise ValueError(
                f"A batch has {len(batch)} rows, fewer than the {self.n} processes of accelerator: "
                "raise batch_size, or train by fewer."
            )
        rows = batch.map(lambda tensor: tensor[start:stop])
        return self._work_on(rows, Share(start, stop - start, len(batch), self.n, add))

    @contextmanager
    def _work_on(self, rows, share):
        with sharing(share):
            yield rows

    def averaged(self, loss, optimizer):
        of_groups = [group["params"] for group in optimizer.param_groups]
        gradients = [p.grad for group in of_groups for p in group if p.grad is not None]
        # In one piece: to ask the others takes about as long, however much it is.
        whole = torch.cat([loss.reshape(1), *(gradient.reshape(-1) for gradient in gradients)])
        torch.distributed.all_reduce(whole)
        whole /= self.n
        loss, *parts = whole.split([1, *(gradient.numel() for gradient in gradients)])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
        return loss[0]

    def agreed(self, values):
        sent = torch.from_numpy(np.array(values, dtype=np.float64)).to(self.accelerator.device)
        torch.distributed.broadcast(sent, src=0)
        sent = sent.cpu().numpy()
        return type(values)(sent) if np.ndim(values) == 0 else sent

    def start(self, nets):
        for net in nets:
            for tensor in net.module_.state_dict().values():
                torch.distributed.broadcast(tensor, src=0)

    def wait(self):
        self.accelerator.wait_for_everyone()

    def each_with_own_rows(self):
        ranks = copy.copy(self)
        ranks.has_own_rows = True
        return ranks


class Add(torch.autograd.Function):
    """The sum of a tensor over the processes, each of which goes on with it."""

    @staticmethod
    def forward(ctx, x):
        x = x.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, gradient):
        return Add.forward(ctx, gradient)


add = Add.apply


def ranks_of(accelerator):
    """The processes that a parameter names.

    Raises
    ------
    ImportError
        If accelerate is not installed.
    TypeError, ValueError
        If the accelerator is none, or one that does more than to train on parts of batches.
    """
    if accelerator is None:
        return ALONE
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise ImportError(
            "accelerator= needs accelerate: pip install 'skae[accelerate]'."
        ) from error
    if isinstance(accelerator, str):
        accelerator = from_environment()
    if not isinstance(accelerator, Accelerator):
        raise TypeError(f"accelerator must be an Accelerator, 'auto' or None, got {accelerator!r}.")
    kind = accelerator.distributed_type.value
    if kind not in DATA_PARALLEL:
        raise ValueError(f"accelerator must train on parts of batches, and not by {kind}.")
    if accelerator.mixed_precision not in ("no", "bf16"):
        raise ValueError(
            f"accelerator asks for mixed_precision={accelerator.mixed_precision!r}, whose "
            "gradients would have to be scaled: set 'bf16' or 'no'."
        )
    if accelerator.gradient_accumulation_steps > 1:
        raise ValueError(
            "accelerator asks for gradient_accumulation_steps="
            f"{accelerator.gradient_accumulation_steps}: set batch_size instead."
        )
    if accelerator.num_processes > 1:
        return Ranks(accelerator)
    return ALONE if accelerator.mixed_precision == "no" else InPrecision(accelerator)


@lru_cache
def from_environment():
    """That of the launcher, or of this process where there is none."""
    from accelerate import Accelerator

    return Accelerator()
