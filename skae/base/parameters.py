"""Parameters that are declared once, as annotated attributes of a class; and those all share."""

import os
from dataclasses import KW_ONLY, Field, dataclass, field
from inspect import get_annotations
from numbers import Integral, Real
from typing import Any, Literal, dataclass_transform

import numpy as np
import torch

from .._sklearn import HasMethods, Interval, StrOptions
from ..engine.net import LR_SCHEDULES
from ..engine.objectives import LOSSES
from ..engine.optimizers import OPTIMIZERS
from ..nn.autoencoder import OUTPUT_ACTIVATIONS
from ..nn.layers import ACTIVATIONS

# Layers on top of each other: no net of more is trained.
MOST_LAYERS = 1000


def first(*, default, kw_only: Literal[False] = False) -> Any:
    """The parameter that may be given without its name, in a family that gives it another default.

    The plain value does as well; by this one type checkers know it.
    """
    return field(default=default, kw_only=kw_only)


def declare_parameters(cls, positional):
    """Make parameters of ``__init__`` of the annotated attributes of a class.

    scikit-learn wants an ``__init__`` that assigns its arguments and does nothing else. So the
    class becomes a dataclass, from which the signature, `get_params` and `clone` follow. Its
    ``_parameter_constraints`` join those of its bases: what is declared in a class need not be
    repeated in those that inherit from it, and one that inherits from two families has the
    parameters of both, and both are checked.

    Parameters
    ----------
    cls : type
        The class, changed in place. Its own annotated attributes, with their defaults, are its
        own parameters.
    positional : str
        The one parameter that may be given without its name.
    """
    bases = cls.__mro__[:0:-1]
    # Where classes cross, defaults follow the order of attributes; a dataclass would take all of
    # the first base's, be they its own or inherited.
    fields = {}
    for base in bases:
        fields.update(getattr(base, "__dataclass_fields__", {}))
    crossed = {
        name: known.type
        for name, known in fields.items()
        if name != positional and getattr(cls, name) is not known.default
    }
    # Python 3.14 has no annotations in the dictionary of a class, but makes them when asked.
    cls.__annotations__ = {**crossed, **get_annotations(cls)}
    if positional in cls.__annotations__:
        given = getattr(cls, positional)
        setattr(cls, positional, given if isinstance(given, Field) else first(default=given))
    dataclass(cls, eq=False, repr=False, kw_only=True)
    cls._own_constraints = vars(cls).get("_parameter_constraints", {})
    cls._parameter_constraints = {}
    for base in (*bases, cls):
        cls._parameter_constraints.update(vars(base).get("_own_constraints", {}))


def refuse_booleans(estimator):
    """A boolean is an integer to Python, but no number of layers, epochs or neighbors.

    Raises
    ------
    ValueError
        If a parameter for which the constraints ask for a number is one.
    """
    for name, allowed in estimator._parameter_constraints.items():
        value = getattr(estimator, name)
        numbers = any(isinstance(one, Interval) for one in allowed)
        if isinstance(value, bool | np.bool_) and numbers and "boolean" not in allowed:
            raise ValueError(f"{name} must be a number, or what else it may be, got {value!r}.")


@dataclass_transform(kw_only_default=True, field_specifiers=(first,))
@dataclass(eq=False, repr=False)
class Parameters:
    """The parameters that every family has; :class:`Autoencoder` says what they do.

    The annotated attributes of a subclass become keyword parameters of it, and its
    ``_parameter_constraints`` join those of its bases.
    """

    code_size: Any = None
    _: KW_ONLY
    hidden_layer_sizes: Any = (256, 128)
    activation: str = "silu"
    code_activation: str = "identity"
    output_activation: str = "auto"
    tied_weights: bool = False
    dropout: float = 0.0
    shortcut: str | None = "pca"
    fill: str = "auto"
    encoder: Any = None
    decoder: Any = None
    loss: str = "squared_error"
    optimizer: Any = "adamw"
    optimizer_params: dict | None = None
    lr: Any = "auto"
    lr_schedule: Any = "one_cycle"
    weight_decay: float = 0.1
    batch_size: Any = "auto"
    max_epochs: Any = "auto"
    early_stopping: bool = True
    validation_fraction: float = 0.1
    n_iter_no_change: int = 20
    tol: float = 5e-3
    refit: bool = True
    warm_start: bool = False
    contamination: Any = "auto"
    callbacks: Any = None
    keep_interrupted: bool = False
    checkpoint: Any = None
    device: Any = "auto"
    accelerator: Any = None
    verbose: int = 0
    random_state: Any = None
    code_density: Any = None
    categorical_features: Any = "from_dtype"
    max_categories: int | None = 50
    compile: Any = False

    _parameter_constraints = {
        "code_size": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
            None,
        ],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "code_activation": [StrOptions(set(ACTIVATIONS))],
        "output_activation": [StrOptions({"auto", *OUTPUT_ACTIVATIONS})],
        "tied_weights": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "shortcut": [StrOptions({"pca", "linear"}), None],
        "fill": [StrOptions({"auto", "gaussian", "mean"})],
        "encoder": [callable, None],
        "decoder": [callable, None],
        "loss": [StrOptions(set(LOSSES))],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "optimizer_params": [dict, None],
        "lr": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions(set(LR_SCHEDULES)), callable],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_epochs": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, 1, closed="left")],
        "refit": ["boolean"],
        "warm_start": ["boolean"],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "callbacks": [list, tuple, None],
        "keep_interrupted": ["boolean"],
        "checkpoint": [str, os.PathLike, None],
        "device": [str, torch.device],
        "accelerator": [HasMethods(["backward", "gather"]), StrOptions({"auto"}), None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "code_density": [HasMethods(["fit", "sample"]), None],
        "categorical_features": [StrOptions({"from_dtype"}), "array-like", None],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "compile": ["boolean", dict],
    }

    _own_constraints = _parameter_constraints

    def _validate_params(self):
        super()._validate_params()
        refuse_booleans(self)
        if isinstance(self.code_density, type):
            raise TypeError(
                f"code_density must be an estimator, and not the class {self.code_density!r}."
            )

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        declare_parameters(cls, positional="code_size")
