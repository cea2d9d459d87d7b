"""What of an estimator goes into pickles and files: what inference needs, and nothing else."""

import warnings

import numpy as np
import torch
from sklearn.exceptions import InconsistentVersionWarning

from .._errors import warn
from .._sklearn import DocumentedMixin
from .._version import __version__
from ..engine.devices import available
from ..engine.net import AutoencoderNet
from ..engine.seeds import Redirected
from ..nn.randomness import Draws, drawing
from ..storage import archive
from ..storage.codec import Writer
from ..storage.objects import is_own
from .naming import parameters_of

VERSION = "_skae_version"


class OtherVersionWarning(InconsistentVersionWarning):
    """A pickle is of another version of skae than the one that reads it."""

    def __init__(self, name, version):
        super().__init__(
            estimator_name=name,
            current_sklearn_version=__version__,
            original_sklearn_version=version,
        )

    def __str__(self):
        return (
            f"{self.estimator_name} was pickled by skae {self.original_sklearn_version}, and this "
            f"is skae {self.current_sklearn_version}: it may answer otherwise, or not at all. Fit "
            "it anew, or keep models in the files of save(path), which later versions read."
        )


def write_file(estimator, path):
    """An estimator, or a Pipeline of such, as a file; warns of what is not in it."""
    writer = Writer()
    root = writer.node(estimator)
    if writer.missing:
        names = sorted({name.rsplit("__", 1)[-1] for name in writer.missing})
        warn(
            f"{writer.missing} cannot be in a file without code, and must be given when it is "
            f"read: skae.load(path, {', '.join(f'{name}=...' for name in names)}).",
            UserWarning,
        )
    model = {"missing": writer.missing, "objects": writer.objects, "root": root}
    archive.write(path, type(estimator).__name__, model, writer.arrays)


class SavingMixin(DocumentedMixin):
    """`save`, and pickles that know the version of skae that they are of."""

    def save(self, path):
        """Write a file without code, which :func:`skae.load` reads.

        It holds the parameters, what was learned, and the weights, as JSON and arrays. Parameters
        that are code of your own (a module, a callable, callbacks) are not in it, nor are those
        that ``set_callbacks`` has set.

        Parameters
        ----------
        path : str, path-like or binary file object
            Where to write it; a file that is there is replaced.

        Raises
        ------
        ImportError
            If safetensors is not installed, which comes with ``skae[persistence]``.
        TypeError
            If the estimator, or an estimator that it holds, is of a class that such files do not
            know.

        Warns
        -----
        UserWarning
            Which parameters are not in the file and must be given to `skae.load`.
        """
        write_file(self, path)

    def __getstate__(self):
        return {**super().__getstate__(), VERSION: __version__}

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop(VERSION, "unknown")
        if version != __version__:
            warnings.warn(OtherVersionWarning(type(self).__name__, version), stacklevel=2)
        vars(self).update(state)
        for name, parameter in parameters_of(type(self)).items():
            if parameter.default is not parameter.empty:  # one may be newer than the state
                vars(self).setdefault(name, parameter.default)

    def _state_for_file(self):
        """The state as a file has it, which says its version itself."""
        state = self.__getstate__()
        del state[VERSION]
        state.pop("_skl_callbacks", None)  # those of set_callbacks, which only watch a training
        for name in ("checkpoint", "accelerator"):  # a folder and processes of this machine
            if name in state:
                state[name] = None
        return state

    def _take_state_from_file(self, state):
        """Become what a file says, which may say anything."""
        self.__setstate__({**state, VERSION: __version__})


class NetSavingMixin(SavingMixin):
    """Of a net, the weights are kept; its module is made anew by the hooks of the estimator.

    ``_made_with`` are the parameters that the net was made with, which may differ from those set
    since.
    """

    _made_with = {}

    def __getstate__(self):
        state = super().__getstate__()
        net = state.pop("net_", None)
        made_with = state.pop("_made_with", {})
        since = {name: v for name, v in made_with.items() if v is not state.get(name, v)}
        if since:
            state["_made_with"] = since
        if net is not None:
            parts = {"weights": net.module_, "criterion": net.criterion_}
            state["net_"] = {name: weights_of(module) for name, module in parts.items()}
        return state

    def __setstate__(self, state):
        state = dict(state)
        net = state.pop("net_", None)
        super().__setstate__(state)
        if net is None:
            return
        self.device_ = available(self.device_)
        maker = self._as_made()
        module, criterion = maker._remade(net["weights"]), maker._make_objective()
        load_weights(criterion, net["criterion"])
        losses = getattr(self, "loss_curve_", [])
        self.net_ = AutoencoderNet.trained(module, criterion, self.device_, losses)
        self._remember_parameters(**self._made_with)

    def _remade(self, weights):
        """The module with these weights."""
        if is_own(type(self)) and self.encoder is None and self.decoder is None:
            # A file may ask for nets of any size, so shapes are compared before there are numbers.
            with torch.device("meta"):
                check_weights(self._make_module(), weights)
        with drawing(Draws(0)), Redirected():  # code of the user's may read what it starts at
            module = self._make_module()
        load_weights(module, weights)
        return module

    def _remember_parameters(self, **other):
        """Note what the net was made with: the parameters as they are, but for others."""
        self._made_with = {**self.get_params(deep=False), **other}

    def _as_made(self):
        """The estimator with the parameters that its net was made with, to call the hooks of."""
        maker = type(self).__new__(type(self))
        vars(maker).update(vars(self))
        vars(maker).update(self._made_with, device=self.device_)
        return maker


def weights_of(module):
    """Parameters and buffers as arrays; tensors in one memory are one array."""
    arrays, found = {}, {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        # Some devices do not say where their tensors lie.
        address = tensor.data_ptr() or id(tensor)
        place = address, tensor.shape, tensor.stride(), tensor.dtype
        if place not in found or tensor.numel() == 0:
            found[place] = tensor.detach().cpu().numpy().copy()
        arrays[name] = found[place]
    return arrays


def check_weights(module, arrays):
    """Whether a module has parameters and buffers of these names, shapes and kinds.

    Not of these precisions, as some devices have no float64.

    Raises
    ------
    ValueError
        If not, naming some.
    """
    expected = {
        name: (tuple(tensor.shape), "number" if tensor.is_floating_point() else str(tensor.dtype))
        for name, tensor in module.state_dict().items()
    }
    found = {
        name: (array.shape, "number" if array.dtype.kind == "f" else f"torch.{array.dtype.name}")
        for name, array in arrays.items()
    }
    wrong = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
    if wrong:
        name = wrong[0]
        raise ValueError(
            f"The weights are not those of the net that the parameters describe: {len(wrong)} "
            f"differ, such as {name}, of shape and kind {found.get(name)} instead of "
            f"{expected.get(name)}."
        )


def load_weights(module, arrays):
    """Set parameters and buffers, all of them."""
    check_weights(module, arrays)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            tensor.copy_(torch.from_numpy(np.array(arrays[name])))
