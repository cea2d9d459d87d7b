"""Where the work is done: the device, and how many threads of the CPU."""

import ctypes
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

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


def step_threads(net, rows):
    """As many threads as a step of training on these rows can use."""
    return threads_for(net.module_, len(rows) // net.n_batches)


@contextmanager
def threads_for(module, n_rows):
    """As many threads as so many rows at once can use; afterwards as many as there were."""
    n_threads = torch.get_num_threads()
    work = sum(p.numel() for p in module.parameters())
    work += sum(getattr(part, "multiplications", 0) for part in module.modules())
    useful = work * n_rows // MULTIPLICATIONS_PER_THREAD
    with threads_of_this_thread(max(1, min(n_threads, useful))):
        yield


@lru_cache
def openmp():
    """The OpenMP libraries in the process, torch's among them: to find them takes milliseconds."""
    found = ThreadpoolController().lib_controllers
    return [library for library in found if library.internal_api == "openmp"]


@lru_cache
def set_mkl_threads():
    """The function of the MKL in torch that sets the threads of the one that calls it.

    It gives the number before. Where there is no MKL, nor anything to set, it does nothing.
    """
    try:
        (path,) = (Path(torch.__file__).parent / "lib").glob("*torch_cpu.*")
        return ctypes.CDLL(str(path)).MKL_Set_Num_Threads_Local
    except (ValueError, OSError, AttributeError):
        return lambda n: 0


def set_threads(n):
    """Let this thread, and no other, work with so many."""
    torch.get_num_threads()  # torch would else set those of the process when it first works here
    for library in openmp():
        library.set_num_threads(n)
    set_mkl_threads()(n)


@contextmanager
def threads_of_this_thread(n):
    """So many threads for what this one calls; afterwards as many as there were.

    `torch.set_num_threads` is of the whole process. OpenMP keeps the number for each thread, and
    MKL takes OpenMP's unless that function was called, by the user or by Accelerate.
    """
    torch.get_num_threads()
    before = [(library, library.get_num_threads()) for library in openmp()]
    of_mkl = set_mkl_threads()(0)
    set_threads(n)
    try:
        yield
    finally:
        set_mkl_threads()(of_mkl)
        for library, n_threads in before:
            library.set_num_threads(n_threads)
