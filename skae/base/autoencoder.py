"""BaseAutoencoder: the shared parameters, the scikit-learn methods, and the hooks of a family."""

import copy
import math
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from numbers import Integral, Real
from typing import Any, dataclass_transform

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks

from .._errors import unchanged_on_failure
from .._sklearn import HasMethods, Interval, StrOptions, check_sample_weight, fit_context
from ..engine.batches import Batch, SparseRows
from ..engine.devices import resolve_device
from ..engine.net import LR_SCHEDULES, score
from ..engine.objectives import LOSSES
from ..engine.seeds import draw_seed
from ..nn.autoencoder import OUTPUT_ACTIVATIONS
from ..nn.layers import ACTIVATIONS
from ..rows.validation import (
    Given,
    beside,
    center_and_scale,
    check_codes,
    check_rows,
    check_target,
    check_unit_interval,
    restore_container,
)
from .architecture import ArchitectureMixin
from .generation import GenerativeMixin
from .going_on import check_goes_on
from .saving import NetSavingMixin
from .scores import ScoreOutlierMixin
from .training import OPTIMIZERS, TrainingMixin


@dataclass_transform(kw_only_default=True)
@dataclass(eq=False, repr=False)
class BaseAutoencoder(
    ArchitectureMixin,
    TrainingMixin,
    ScoreOutlierMixin,
    GenerativeMixin,
    NetSavingMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
    """What every family shares: parameters, see :class:`Autoencoder`, and methods.

    A family overrides some of the hooks of `ArchitectureMixin`. Its annotated attributes become
    keyword parameters, and its ``_parameter_constraints`` join those of its bases: a class that
    inherits from two families has the parameters of both.
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
    device: Any = "auto"
    verbose: int = 0
    random_state: Any = None
    code_density: Any = None

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
        "device": [str, torch.device],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "code_density": [HasMethods(["fit", "sample"]), None],
    }

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        bases = cls.__mro__[:0:-1]
        # Where classes cross, defaults follow the order of attributes; a dataclass would take all
        # of the first base's, be they its own or inherited.
        fields = {}
        for base in bases:
            fields.update(getattr(base, "__dataclass_fields__", {}))
        crossed = {
            name: field.type
            for name, field in fields.items()
            if name != "code_size" and getattr(cls, name) is not field.default
        }
        cls.__annotations__ = {**crossed, **vars(cls).get("__annotations__", {})}
        if "code_size" in cls.__annotations__:  # the one that may be given without its name
            cls.code_size = field(default=cls.code_size, kw_only=False)
        dataclass(cls, eq=False, repr=False, kw_only=True)
        cls._own_constraints = vars(cls).get("_parameter_constraints", {})
        cls._parameter_constraints = dict(BaseAutoencoder._parameter_constraints)
        for base in (*bases, cls):
            cls._parameter_constraints.update(vars(base).get("_own_constraints", {}))

    # -- the scikit-learn methods ---------------------------------------------------------------

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y=None, *, target=None):
        """Learn to rebuild X from codes, or to build a target from them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows; NaN marks an entry that is not known. Sparse rows are made dense a batch at
            a time, what is not stored being zero.
        y : None
            Ignored.
        target : array-like of shape (n_samples, n_outputs), default=None
            What the rows of X are to become (marked -> clean, gray -> color): the decoder then
            gives rows like these. NaN entries are left out of the error. None is X itself.

        Returns
        -------
        self : object
        """
        return self._fit_given(X, target=target)

    def _fit_given(self, X, **given):
        continued = self.warm_start and hasattr(self, "net_")
        if continued:
            check_goes_on(self, self._made_with)
        self._seed = draw_seed(self.random_state)
        given = self._check_given(X, **given, reset=not continued)
        if not continued:
            self._learn_units(given)
        return self._fit(given, self.net_ if continued else None)

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, *, target=None):
        """Train for one pass over X; center, scale and PCA start are those of the first call.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows of this call.
        y : None
            Ignored.
        target : array-like of shape (n_samples, n_outputs), default=None
            As in `fit`.

        Returns
        -------
        self : object
        """
        return self._partial_fit_given(X, target=target)

    def _partial_fit_given(self, X, **given):
        first = not hasattr(self, "net_")
        if not first:
            check_goes_on(self, self._made_with)
        self._seed = draw_seed(self.random_state)
        given = self._check_given(X, **given, reset=first)
        if first:
            self._learn_units(given)
        return self._partial_fit(given, None if first else copy.deepcopy(self.net_))

    def transform(self, X):
        """Codes of the rows of X, in X's precision.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows; missing entries are taken as ``fill`` says.

        Returns
        -------
        X_new : ndarray of shape (n_samples, `code_size_`)
        """
        return self._encode(self._inputs(X))

    def inverse_transform(self, X):
        """The rows that codes stand for, in units of the rows of `fit` (or of its target).

        Parameters
        ----------
        X : array-like of shape (n_samples, `code_size_`)
            Codes, as `transform` gives them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, `n_outputs_`), or a frame
            A frame with the columns of `fit` (or of its target) if ``set_output`` asks
            `transform` for frames.
        """
        return self._restored(self._decode(check_codes(self, X)), X)

    def reconstruct(self, X):
        """The rows of X rebuilt, or what they become if `fit` was given a target.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        X_hat : ndarray of shape (n_samples, `n_outputs_`), or a frame
            As `inverse_transform` gives it.
        """
        return self._restored(self._reconstruct(self._inputs(X)), X)

    def score_samples(self, X, *, target=None):
        """Minus each row's reconstruction error; higher is more normal.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows. The error of a row with missing entries is the mean over its observed
            entries, times n_features.
        target : array-like of shape (n_samples, n_outputs), default=None
            What the rows should become; needed if `fit` was given one.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Minus the loss summed over the features, in units of X or of the target (squared, for
            the squared error).
        """
        return self._score_samples(self._check_given(X, target))

    def score(self, X, y=None, sample_weight=None, *, target=None):
        """Mean of `score_samples`; y is ignored.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the mean.
        target : array-like of shape (n_samples, n_outputs), default=None
            As in `score_samples`.

        Returns
        -------
        score : float
        """
        return weighted_mean(self.score_samples(X, target=target), sample_weight)

    def _inputs(self, X):
        """What the encoder is given."""
        return Given(self._check_rows(X))

    def _encode(self, given):
        """`transform` of rows that are known to be valid."""
        return self.net_.map_batches(lambda module, *x: module.encode(*x), *given.inputs)

    def _reconstruct(self, given):
        """`reconstruct` of rows that are known to be valid."""
        return self.net_.map_batches(lambda module, *x: module.reconstruct(*x), *given.inputs)

    def _impute(self, given, n_draws=0, seed=0):
        """Valid rows with all entries, to fill the missing ones with.

        Or so many draws of each, (n_draws, n_samples, n_features); None where a family has no
        distribution of rows.
        """
        return None if n_draws else self._reconstruct(given)

    def _decode(self, codes, condition=None, n_copies=1):
        """`inverse_transform` of codes that are known to be valid, so many for each condition."""
        if condition is not None:
            condition = np.repeat(condition, n_copies, axis=0)
        inputs = Given(codes, condition=condition).inputs
        return self.net_.map_batches(lambda module, *z: module.decode(*z), *inputs)

    def _score_samples(self, given, net=None):
        """`score_samples` of rows that are known to be valid, by ``net_`` or another net."""
        net = net or self.net_
        return net.map_batches(partial(score, net.criterion_), *given)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = self._takes_sparse
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self):
        return self.code_size_

    # -- what comes in, and what is learned of it before a module is made -----------------------

    _takes_sparse = True
    _absent = 0.0  # what an entry of a sparse X stands for that is not stored

    def _check_rows(self, X, reset=False):
        """X as an array of floats."""
        return check_rows(self, X, reset=reset)

    def _check_target(self, target, X, reset=False):
        """The target as an array of floats, or None."""
        return check_target(self, target, X, reset=reset)

    def _restored(self, rows, X):
        """Flat rows as `inverse_transform` gives them, which was given X."""
        rows = self._shaped(rows)
        return rows if rows.ndim > 2 else restore_container(self, rows, X)

    def _shaped(self, rows):
        """Flat rows with the axes that those of `fit` had."""
        return rows

    def _check_given(self, X, target=None, reset=False):
        """The rows and their target as arrays that the loss can take."""
        if target is not None and self._own_target is not None:
            raise ValueError(
                f"{type(self).__name__} {self._own_target}, and takes no target: leave target= out."
            )
        X = self._check_rows(X, reset=reset)
        given = Given(X, self._check_target(target, X, reset))
        if self.loss == "binary_cross_entropy":
            check_unit_interval(given, "loss", self.loss, "squared_error")
        return given

    _own_target = None  # what a family does instead that takes no target

    # Parameters that a family has no use for, and why, or what to set instead.
    _unused = {}

    def _check_parameters(self):
        """What `_parameter_constraints` cannot say."""
        for name, reason in self._unused.items():
            if getattr(self, name) != self.__dataclass_fields__[name].default:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is not for {type(self).__name__}: {reason}."
                )
        sizes = self._hidden_layer_sizes()
        if not all(isinstance(n, Integral) and n >= 1 for n in sizes):
            raise ValueError(
                f"hidden_layer_sizes must be integers of at least 1, got {self.hidden_layer_sizes}."
            )
        if self.tied_weights and not (self.encoder is None and self.decoder is None):
            raise ValueError(
                "tied_weights=True transposes the built-in encoder; it cannot be had with an "
                "encoder= or decoder= of your own."
            )
        if self.loss == "binary_cross_entropy" and self.output_activation not in (
            "auto",
            "sigmoid",
        ):
            raise ValueError(
                f"loss='binary_cross_entropy' needs output_activation='sigmoid' (or 'auto'), got "
                f"{self.output_activation!r}."
            )

    def _learn_units(self, given):
        """Centers, scales and code size: what must be known of X before a module is made."""
        self._check_parameters()
        X, target = given.X, given.target
        self.center_, self.scale_ = center_and_scale(X)
        self._fill = self._fills(X)
        if self._fill:  # which takes what is at the center for missing: no entry may be
            self.center_ = beside(self.center_, self.scale_)
        self.target_center_, self.target_scale_ = self.center_, self.scale_
        self.n_outputs_ = X.shape[1]
        if target is not None:
            self.target_center_, self.target_scale_ = center_and_scale(target, "target")
            self.n_outputs_ = target.shape[1]
            if self.tied_weights and self.n_outputs_ != X.shape[1]:
                raise ValueError(
                    f"tied_weights=True makes the decoder of the encoder for {X.shape[1]} columns, "
                    f"but target has {self.n_outputs_}: set tied_weights=False."
                )
        if self.code_size is None:
            self.code_size_ = self._default_code_size(X.shape[1])
        elif isinstance(self.code_size, Integral):
            self.code_size_ = int(self.code_size)
        else:
            shares = self._linear_maps(self._as_rows(given)).shares
            enough = np.searchsorted(np.cumsum(shares), self.code_size)
            self.code_size_ = min(1 + int(enough), len(shares))

    def _default_code_size(self, n_features):
        return math.ceil(n_features / 4)

    def _as_rows(self, given):
        """All rows as one `Batch` on the device, in standardized units."""
        device = resolve_device(self.device)
        X, target, condition = given
        x = standardized(X, self.center_, self.scale_).to(device)
        if target is not None:
            target = standardized(target, self.target_center_, self.target_scale_).to(device)
        if condition is not None:
            condition = torch.from_numpy(condition.astype(np.float32)).to(device)
        return Batch.of(x, target, condition)


def weighted_mean(scores, sample_weight=None):
    """The score of rows from those of each."""
    if sample_weight is not None:
        sample_weight = check_sample_weight(sample_weight, scores, dtype=scores.dtype)
    return float(np.average(scores, weights=sample_weight))


def standardized(X, center, scale):
    """The array in units of its center and scale, as a tensor in float32."""
    center, scale = center.astype(X.dtype), X.dtype.type(scale)
    if isinstance(X, SparseRows):
        return X.map(lambda x, columns: ((x - center[columns]) / scale).astype(np.float32))
    X = X - center
    X /= scale
    return torch.from_numpy(X.astype(np.float32, copy=False))
