"""Whether what trains a net can: callbacks, optimizers and learning rates of the user's."""

import inspect
import math

import torch
from skorch.callbacks import Callback


def check_trainable(callbacks, optimizer):
    """Check what users may give of their own, before a step is made.

    Raises
    ------
    TypeError, ValueError
        If something cannot be used, naming the parameter.
    """
    for given in callbacks or ():
        one = given[1] if isinstance(given, tuple) and len(given) == 2 else given
        is_one = isinstance(one, Callback)
        if not is_one and not (isinstance(one, type) and issubclass(one, Callback)):
            raise TypeError(
                f"callbacks must be callbacks of skorch, or pairs of a name and one, got {given!r}."
            )
    if callable(optimizer):
        step = getattr(optimizer, "step", None)
        if not (isinstance(optimizer, type) and issubclass(optimizer, torch.optim.Optimizer)):
            if isinstance(optimizer, type):
                raise TypeError(f"optimizer must be one of torch, got {optimizer!r}.")
        elif optimizer is torch.optim.SparseAdam:
            raise ValueError("optimizer=SparseAdam takes sparse gradients only: set 'adam'.")
        elif inspect.signature(step).parameters["closure"].default is inspect.Parameter.empty:
            raise ValueError(
                f"optimizer={optimizer.__name__} evaluates the loss several times in a step, "
                "which is not available: set 'adamw' or another."
            )


def factor_of(lr_schedule, progress):
    """The factor of the learning rate that a schedule gives, or an error that names it."""
    try:
        factor = float(lr_schedule(progress))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            "lr_schedule must give a number for the share of training that is done, but for "
            f"{progress:g} it failed: {error}"
        ) from error
    if not (math.isfinite(factor) and factor >= 0):
        raise ValueError(
            f"lr_schedule must give finite numbers of at least 0, but for {progress:g} it gave "
            f"{factor:g}."
        )
    return factor
