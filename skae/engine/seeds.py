"""Seeds, and the generators that they are given to."""

from contextlib import contextmanager
from numbers import Integral

import numpy as np
import torch
from sklearn.utils import check_random_state


def draw_seed(random_state):
    """An integer seed: the one given, so that PCA starts where ``PCA(random_state=...)`` ends."""
    if isinstance(random_state, Integral):
        return int(random_state)
    return check_random_state(random_state).randint(np.iinfo(np.int32).max)


def generators(device):
    """The global generators that training on a device draws from: the CPU's, and its own."""
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        return [torch.default_generator, torch.cuda.default_generators[index]]
    if device.type == "mps":
        return [torch.default_generator, torch.mps._get_default_mps_generator()]
    return [torch.default_generator]


def seed_all(seed, device):
    """Seed them. `torch.manual_seed` would seed, and not give back, those of other devices too."""
    for generator in generators(device):
        generator.manual_seed(seed)


@contextmanager
def local_seed(seed, device):
    """Seed torch's generators for a while; afterwards they are as they were."""
    states = [(generator, generator.get_state()) for generator in generators(device)]
    seed_all(seed, device)
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)
