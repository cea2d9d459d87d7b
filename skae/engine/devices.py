"""Where the work is done: the device, and how many threads of the CPU."""

from contextlib import contextmanager

import torch


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
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device={str(device)!r} is not to be had here ({str(error).splitlines()[0]}): give "
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
    n_threads = torch.get_num_threads()
    work = sum(p.numel() for p in net.module_.parameters())
    work += sum(getattr(module, "multiplications", 0) for module in net.module_.modules())
    useful = work * len(rows) // net.n_batches // MULTIPLICATIONS_PER_THREAD
    torch.set_num_threads(max(1, min(n_threads, useful)))
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
