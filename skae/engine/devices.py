"""Where the work is done: the device, and how many threads of the CPU."""

from contextlib import contextmanager
from functools import lru_cache

import torch
from threadpoolctl import ThreadpoolController


def resolve_device(device):
    """A `torch.device`; "auto" is the accelerator at hand, else the CPU."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    try:
        device = torch.device(device)
        if device.type == "meta":
            raise NotImplementedError("it holds no numbers")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device={str(device)!r} is not available here ({str(error).splitlines()[0]}): give "
            "'auto', 'cpu', or what torch.cuda.device_count() allows."
        ) from error
    return device


def available(device):
    """The device if it is here, else the CPU: what was trained on a GPU is of use without one."""
    try:
        return resolve_device(device)
    except ValueError:
        return torch.device("cpu")


# Below this many multiplications a step, waking a second thread costs more than it saves.
MULTIPLICATIONS_PER_THREAD = 2**25


@contextmanager
def step_threads(net, rows):
    """As many threads as a step of this size can use; afterwards as many as there were."""
    n_threads = torch.get_num_threads()  # also makes torch set up those of this thread
    work = sum(p.numel() for p in net.module_.parameters())
    work += sum(getattr(module, "multiplications", 0) for module in net.module_.modules())
    useful = work * len(rows) // net.n_batches // MULTIPLICATIONS_PER_THREAD
    with threads_of_this_thread(max(1, min(n_threads, useful))):
        yield


@lru_cache
def openmp():
    """The OpenMP libraries in the process, torch's among them: to find them takes milliseconds."""
    found = ThreadpoolController().lib_controllers
    return [library for library in found if library.internal_api == "openmp"]


@contextmanager
def threads_of_this_thread(n):
    """So many threads for what this one calls; afterwards as many as there were.

    `torch.set_num_threads` is of the whole process. OpenMP keeps the number for each thread.
    """
    before = [(library, library.get_num_threads()) for library in openmp()]
    for library, _ in before:
        library.set_num_threads(n)
    try:
        yield
    finally:
        for library, n_threads in before:
            library.set_num_threads(n_threads)
