"""What may change between two calls of `fit` or `partial_fit` that go on with one net."""

from numbers import Integral

import numpy as np

# What says how it is trained, and what is done with the net afterwards. All else shaped it.
OF_TRAINING = (
    "optimizer",
    "optimizer_params",
    "lr",
    "lr_schedule",
    "weight_decay",
    "batch_size",
    "callbacks",
    "compile",
    "device",
    "verbose",
)
OF_THE_CALL = (
    "max_epochs",
    "early_stopping",
    "validation_fraction",
    "n_iter_no_change",
    "tol",
    "refit",
    "warm_start",
    "keep_interrupted",
    "accelerator",
    "checkpoint",
    "contamination",
    "random_state",
    "code_density",
)


def check_goes_on(estimator, made_with):
    """That a net which was made with these parameters can go on with those set now.

    Raises
    ------
    ValueError
        If not, naming the parameter.
    """
    free = {*OF_TRAINING, *OF_THE_CALL, *of_the_objective(type(estimator))}
    for name in changed(estimator, made_with):
        now, then = getattr(estimator, name), made_with[name]
        if name == "code_size" and isinstance(now, Integral) and now == estimator.code_size_:
            continue
        if name not in free:
            raise ValueError(
                f"{name}={now!r} is not what the net was made with ({then!r}), and warm_start=True "
                f"and partial_fit go on with that net: set {name} back, or train a new estimator."
            )


def retrains(estimator, made_with):
    """Whether the optimizer or the objective must be made anew to obey what is set now."""
    ours = {*OF_TRAINING, *of_the_objective(type(estimator))} - {"batch_size"}
    return any(name in ours for name in changed(estimator, made_with))


def of_the_objective(cls):
    """The parameters of a family that say what is minimized, and shape nothing."""
    return {name for base in cls.__mro__ for name in vars(base).get("_objective_parameters", ())}


def changed(estimator, made_with):
    """The names of the parameters that are no more what they were."""
    return [n for n, then in made_with.items() if not same(getattr(estimator, n, then), then)]


def same(one, other):
    """Whether two values of a parameter mean the same."""
    if one is other:
        return True
    kinds = list, tuple, np.ndarray
    if isinstance(one, kinds) and isinstance(other, kinds):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    return bool(np.all(one == other))
