"""Seeds, and how torch's own functions come to draw from the generators of a fit."""

from contextlib import nullcontext
from functools import lru_cache
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import nn
from torch.nn.modules.dropout import _DropoutNd
from torch.utils._python_dispatch import TorchDispatchMode

from ..nn.randomness import DRAWS, generator, kept


def draw_seed(random_state):
    """An integer seed: the one given, so that PCA starts where ``PCA(random_state=...)`` ends."""
    if isinstance(random_state, Integral):
        return int(random_state)
    return as_random_state(random_state).randint(np.iinfo(np.int32).max)


def as_random_state(random_state):
    """A RandomState, or an error that names the parameter."""
    try:
        return check_random_state(random_state)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"random_state must be an integer from 0 to 2**32 - 1, a numpy RandomState or None, "
            f"got {random_state!r}."
        ) from error


class Redirected(TorchDispatchMode):
    """Within, whatever draws in torch draws from the generators of the fit, in this thread.

    Initialization, distributions, dropout, users' modules: they call functions of torch that take
    a generator, and give none. It takes some microseconds for each operation, so that our own
    layers, which hand the generator on, are run without.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags or DRAWS.get() is None:
            return func(*args, **kwargs)
        names = [argument.name for argument in func._schema.arguments]
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        device = device_of(given)
        if device.type == "meta" or given.get("generator") is not None:
            return func(*args, **kwargs)
        if func in LIKE:
            like, fill = LIKE[func](given)
            return fill(like, generator(device))
        if func is torch.ops.aten.native_dropout.default:
            x, p = given["input"], given["p"]
            mask = kept(x, 1 - p)
            return x * mask / (1 - p), mask.bool()
        seeded = with_generator(func)
        if seeded is None:  # a library's own kernel, such as cuDNN's recurrent dropout
            return func(*args, **kwargs)
        return call(seeded, {**given, "generator": generator(device)})


def empty_like(given):
    options = "dtype", "layout", "device", "pin_memory", "memory_format"
    return torch.empty_like(
        given["self"], **{name: given[name] for name in options if given.get(name) is not None}
    )


def integers(given):
    """The tensor that `randint_like` fills, and how."""
    low, high = given.get("low", 0), given["high"]
    return empty_like(given), lambda x, by: x.random_(low, high, generator=by)


# Functions that torch did not let take a generator for long.
ATEN = torch.ops.aten
LIKE = {
    ATEN.rand_like.default: lambda given: (
        empty_like(given),
        lambda x, by: x.uniform_(generator=by),
    ),
    ATEN.randn_like.default: lambda given: (
        empty_like(given),
        lambda x, by: x.normal_(generator=by),
    ),
    ATEN.randint_like.default: integers,
    ATEN.randint_like.low_dtype: integers,
}


def device_of(given):
    """Where a function draws: the device it is asked for, or that of its tensors."""
    if given.get("device") is not None:
        return torch.device(given["device"])
    tensors = (value for value in given.values() if isinstance(value, torch.Tensor))
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


@lru_cache
def with_generator(func):
    """The form of a function of torch that takes a generator, or None."""
    names = {argument.name for argument in func._schema.arguments}
    if "generator" in names:
        return func
    packet = func.overloadpacket
    for name in packet.overloads():
        form = getattr(packet, name)
        if {argument.name for argument in form._schema.arguments} == names | {"generator"}:
            return form
    return None


def call(func, given):
    """Call a function of torch with arguments by name."""
    args, kwargs = [], {}
    for argument in func._schema.arguments:
        if argument.kwarg_only:
            if argument.name in given:
                kwargs[argument.name] = given[argument.name]
        else:
            default = argument.default_value if argument.has_default_value() else None
            args.append(given.get(argument.name, default))
    return func(*args, **kwargs)


RANDOM_LAYERS = _DropoutNd, nn.RReLU, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d


def may_draw(part):
    """Whether a module or an optimizer may draw from generators that it was not handed."""
    home = type(part).__module__.split(".")[0]
    if home == "skae":
        return getattr(part, "runs_code_of_users", False)
    if home != "torch":
        return True
    dropout = getattr(part, "dropout", 0)
    hooks = getattr(part, "_forward_hooks", None) or getattr(part, "_forward_pre_hooks", None)
    return (
        isinstance(part, RANDOM_LAYERS) or isinstance(dropout, Real) and dropout > 0 or bool(hooks)
    )


def redirecting(*parts):
    """`Redirected` if any of these may draw, else nothing: made for each use."""
    modules = (
        m for part in parts for m in (part.modules() if isinstance(part, nn.Module) else [part])
    )
    return Redirected if any(map(may_draw, modules)) else nullcontext
