"""Files from which a fit that was killed goes on, to the same bits."""

import hashlib
import os
import time
from pathlib import Path
from types import CodeType

import numpy as np
import torch
from torch import nn

from .._version import __version__
from ..nn.randomness import DRAWS
from .batches import SparseRows

# Writing may take this share of the time of training.
SHARE_OF_TIME = 0.05
PLAIN = (str, bool, int, float, type(None), torch.Tensor)


class NoCheckpoint:
    """Keeps nothing."""

    def read(self, run, nets):
        return False

    def restore_callbacks(self, nets):
        pass

    def write(self, run, nets, ended=False):
        pass


class Checkpoint:
    """Where one training of nets stands, in a file of its own.

    The state of module, objective, optimizer, generators and callbacks, the step that the schedule
    has come to, and the `Run`: what training reads, and nothing that it makes anew. Attributes of
    callbacks are kept that end in an underscore, as those do that a callback learns.

    Parameters
    ----------
    folder : str or path-like
        Where it is; made if it is not there.
    key : str
        Names what is trained, on which rows, and how. That of another training is another file.
    """

    def __init__(self, folder, key):
        self.path = Path(folder) / f"{key}.pt"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._next, self._callbacks = 0.0, None

    def read(self, run, nets):
        """Bring nets and run to where the file says that they were; whether training had ended."""
        if not self.path.exists():
            return False
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise ValueError(
                f"{self.path} is damaged, or no checkpoint of skae: remove it to train anew."
            ) from error
        for net, kept in zip(nets, state["nets"], strict=True):
            net.module_.load_state_dict(kept["module"])
            net.criterion_.load_state_dict(kept["criterion"])
            net.optimizer_.load_state_dict(kept["optimizer"])
            net.history.extend(kept["history"])
            net.step_, net.module_.progress = kept["step"], kept["progress"]
        vars(run).update(state["run"])
        DRAWS.get().restore(state["draws"])
        self._callbacks = [kept["callbacks"] for kept in state["nets"]]
        return state["ended"]

    def restore_callbacks(self, nets):
        """Give callbacks what they had learned, after they were told that training begins."""
        for net, kept in zip(nets, self._callbacks or (), strict=bool(self._callbacks)):
            for name, callback in net.callbacks_of_users:
                for attribute, value in kept.get(name, {}).items():
                    now = getattr(callback, attribute, None)
                    if hasattr(now, "load_state_dict"):
                        now.load_state_dict(value)
                    else:
                        setattr(callback, attribute, value)

    def write(self, run, nets, ended=False):
        """Keep where nets and run are, unless that would take too long so soon after the last."""
        start = time.monotonic()
        if start < self._next and not ended:
            return
        state = {
            "version": __version__,
            "ended": ended,
            "run": vars(run),
            "draws": DRAWS.get().state(),
            "nets": [state_of(net) for net in nets],
        }
        beside = self.path.with_suffix(f".{os.getpid()}")
        with open(beside, "wb") as file:
            torch.save(plain(state, "the fit"), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.path)  # there is no moment without a whole file
        now = time.monotonic()
        self._next = now + (now - start) / SHARE_OF_TIME


def state_of(net):
    """What training reads of a net."""
    learned = {name: learned_by(callback) for name, callback in net.callbacks_of_users}
    return {
        "module": net.module_.state_dict(),
        "criterion": net.criterion_.state_dict(),
        "optimizer": net.optimizer_.state_dict(),
        "step": net.step_,
        "progress": net.module_.progress,
        "history": list(net.history),
        "callbacks": learned,
    }


def learned_by(callback):
    """The attributes of a callback that end in an underscore; of what has a state, the state.

    Classes and functions are made anew.
    """
    learned = {n: v for n, v in vars(callback).items() if n.endswith("_") and not callable(v)}
    return {n: v.state_dict() if hasattr(v, "state_dict") else v for n, v in learned.items()}


def plain(value, where):
    """The value in types that can be read without running code."""
    if type(value) in PLAIN:  # np.float64 is a float, but is read by code
        return value
    if isinstance(value, np.generic | np.ndarray):
        return value.item() if value.ndim == 0 else torch.from_numpy(np.array(value))
    if isinstance(value, dict):
        return {plain(k, where): plain(v, f"{where}, {k}") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(part, where) for part in value)
    raise TypeError(
        f"checkpoint= cannot keep {where}: it is of {type(value).__name__}, and only numbers, "
        "strings, arrays, tensors, and lists and dictionaries of these are read without running "
        "code."
    )


def key_of(*parts):
    """A name for values that only the same values have, in this version."""
    digest = hashlib.blake2b(digest_size=16)
    feed(digest, (__version__, torch.__version__.split("+")[0], *parts))
    return digest.hexdigest()


def feed(digest, value):
    """Add a value to a digest: by what it is, never by where it lies in memory."""
    digest.update(f"<{type(value).__module__}.{type(value).__qualname__}>".encode())
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)
    elif isinstance(value, dict):
        for name in value:
            feed(digest, (str(name), value[name]))
    elif isinstance(value, list | tuple | np.ndarray):
        for part in value:
            feed(digest, part)
    elif isinstance(value, set | frozenset):
        feed(digest, sorted(map(repr, value)))
    elif isinstance(value, type):
        digest.update(f"{value.__module__}.{value.__qualname__}".encode())
    elif isinstance(value, CodeType):
        digest.update(value.co_code)
        feed(digest, (value.co_names, value.co_consts))
    elif hasattr(value, "__code__"):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        feed(digest, (value.__module__, value.__qualname__, value.__code__, cells))
    elif isinstance(value, nn.Module):
        digest.update(repr(value).encode())
        feed(digest, value.state_dict())
    elif isinstance(value, SparseRows):
        matrix = value.matrix
        feed(digest, (matrix.shape, matrix.data, matrix.indices, matrix.indptr, value.absent))
    elif hasattr(value, "__dict__") and not callable(value):
        feed(digest, vars(value))
    else:
        digest.update(repr(value).encode())
