"""Where the work is done: the device, and how many threads of the CPU."""

import ctypes
import time
from collections import deque
from contextlib import contextmanager, nullcontext
from functools import lru_cache, partial
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
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


# Steps of each by which all threads and one are first compared, and from one trial to the next.
FIRST_TRIALS, UNTIL_NEXT = 3, 100


@contextmanager
def step_threads(net, rows):
    """As many threads as a step of training on these rows can use, within: its `StepThreads`."""
    n = useful_threads(net.module_, len(rows) // net.n_batches)
    with threads_of_this_thread(n):
        yield StepThreads(n if torch.device(net.device).type == "cpu" else 1)


class StepThreads:
    """All threads that a step can use, or one where that is quicker.

    Threads wait for each other. Where another process has one of the cores, each waits for the one
    that has none, several times in a step, which takes ten times as long. So both are timed at
    first, and the slower again now and then: at one of a hundred steps.

    Parameters
    ----------
    most : int
        Threads that a step can use.
    """

    def __init__(self, most):
        self.most = most
        self._seconds = {most: deque(maxlen=FIRST_TRIALS), 1: deque(maxlen=FIRST_TRIALS)}
        self._n_steps = 0

    def around(self, step):
        """The same step, by as many threads."""
        return step if self.most == 1 else partial(self._timed, step)

    def _timed(self, step, batch):
        set_threads(n := self._choose())
        start = time.perf_counter()
        answer = step(batch)
        self._seconds[n].append(time.perf_counter() - start)
        self._n_steps += 1
        return answer

    def _choose(self):
        if self._n_steps < 2 * FIRST_TRIALS:
            return (self.most, 1)[self._n_steps % 2]
        quick, slow = sorted(self._seconds, key=lambda n: np.median(self._seconds[n]))
        if self._n_steps % UNTIL_NEXT:
            return quick
        self._seconds[slow].clear()
        return slow


def multiplications(module):
    """How many of them one row takes."""
    if module not in MULTIPLICATIONS:
        work = sum(p.numel() for p in module.parameters())
        work += sum(getattr(part, "multiplications", 0) for part in module.modules())
        MULTIPLICATIONS[module] = work
    return MULTIPLICATIONS[module]


MULTIPLICATIONS = WeakKeyDictionary()  # by module: to count takes as long as the answer for a row


def useful_threads(module, n_rows):
    """How many threads so many rows at once can use."""
    useful = multiplications(module) * n_rows // MULTIPLICATIONS_PER_THREAD
    return max(1, min(torch.get_num_threads(), useful))


def threads_for(module, n_rows):
    """As many threads as so many rows at once can use, within."""
    if n_rows < 2:  # the one case in which no library wakes a thread
        return nullcontext()
    return threads_of_this_thread(useful_threads(module, n_rows))


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
