"""Random numbers of a fit's own: the generators of the process are left as they are.

Fits in threads then draw what they would draw one after the other.
"""

from contextvars import ContextVar

import torch

from .context import having
from .shares import drawn_for_all


class Draws:
    """The generators of one fit: one for each device, all of one seed."""

    def __init__(self, seed):
        self.seed = seed
        self._generators = {}

    def on(self, device):
        """The generator of a device."""
        place = device.type, device.index or 0
        if place not in self._generators:
            self._generators[place] = torch.Generator(device).manual_seed(self.seed)
        return self._generators[place]

    def state(self):
        """The states of the generators, by device."""
        return {f"{kind}:{i}": g.get_state() for (kind, i), g in self._generators.items()}

    def restore(self, states):
        """Go on from what `state` gave."""
        for name, state in states.items():
            device = torch.device("cpu" if name == "cpu:0" else name)
            self.on(device).set_state(state)


DRAWS = ContextVar("DRAWS", default=None)  # each thread has one of its own


def drawing(draws):
    """Draw from these generators within."""
    return having(DRAWS, draws)


def generator(device):
    """The generator to draw from at the moment; None, which is torch's own, outside `drawing`."""
    draws = DRAWS.get()
    return None if draws is None else draws.on(device)


def rand_like(x):
    """Uniform on [0, 1)."""
    return rand(x.shape, x)


def rand(shape, like, axis=0):
    """Uniform on [0, 1), in the precision and on the device of ``like``; ``axis``: of the rows."""
    of = {"generator": generator(like.device), "dtype": like.dtype, "device": like.device}
    return drawn_for_all(lambda shape: torch.rand(shape, **of), shape, axis)


def randn(shape, like, axis=0):
    """Standard normal, in the precision and on the device of ``like``; ``axis``: of the rows."""
    of = {"generator": generator(like.device), "dtype": like.dtype, "device": like.device}
    return drawn_for_all(lambda shape: torch.randn(shape, **of), shape, axis)


def randint(high, shape, device):
    """Integers below ``high``, for each row."""
    made_by = generator(device)
    return drawn_for_all(
        lambda shape: torch.randint(high, shape, generator=made_by, device=device), shape
    )


def kept(x, p):
    """1 for the share p of the entries of rows and 0 for the others, in the precision of ``x``."""
    made_by = generator(x.device)
    return drawn_for_all(lambda shape: x.new_empty(shape).bernoulli_(p, generator=made_by), x.shape)
