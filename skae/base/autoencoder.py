"""BaseAutoencoder: the shared parameters, the scikit-learn methods, and the hooks of a family."""

import copy
import math
from functools import partial
from numbers import Integral

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.validation import check_is_fitted

from .._errors import unchanged_on_failure
from .._sklearn import (
    container_adapter,
    fit_context,
    safe_indexing,
)
from ..engine.batches import Batch, SparseRows
from ..engine.checks import check_trainable
from ..engine.devices import resolve_device
from ..engine.net import row_errors
from ..rows.blocks import is_streamed
from ..rows.columns import Columns
from ..rows.format import Formatted
from ..rows.given import (
    Given,
    check_finite,
    check_unit_interval,
    in_precision,
    slices,
    warn_of_targets,
)
from ..rows.reading import check_codes
from ..rows.table import Axes, SparseTable
from ..rows.units import in_units, off_center
from ..rows.weights import MOST_COPIES, weighed
from .architecture import Architecture, check_layers
from .generation import GenerativeMixin
from .going_on import check_goes_on, same
from .lazily import LazyMixin
from .naming import NamesMixin
from .parameters import Parameters
from .saving import NetSavingMixin
from .scores import ScoreOutlierMixin, weighted_mean
from .streaming import StreamingMixin
from .training import ROWS_BY_WEIGHT, TrainingMixin


class BaseAutoencoder(
    Parameters,
    Architecture,
    TrainingMixin,
    ScoreOutlierMixin,
    GenerativeMixin,
    LazyMixin,
    NamesMixin,
    StreamingMixin,
    NetSavingMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
    """What every family shares: parameters, see :class:`Autoencoder`, and methods.

    A family overrides some of the hooks of `Architecture`, and declares its own `Parameters`.
    """

    # -- the scikit-learn methods ---------------------------------------------------------------

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y=None, *, target=None, sample_weight=None):
        """Learn to rebuild X from codes, or to build a target from them.

        Parameters
        ----------
        X : {array-like, sparse matrix, Blocks} of shape (n_samples, n_features)
            The rows; NaN marks an entry that is not known. Sparse rows are made dense a batch at
            a time, what is not stored being zero. :class:`skae.streams.Blocks`, and what it takes
            that is no array or frame, is read a block at a time.
        y : None
            Ignored.
        target : array-like of shape (n_samples, n_outputs), default=None
            What the rows of X are to become (marked -> clean, gray -> color): the decoder then
            gives rows like these. NaN entries are left out of the error. None is X itself.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts for in all that is learned, at least 0. Whole numbers are copies of
            a row (up to ten times as many rows in all); others are shares of the mean.

        Returns
        -------
        self : object
        """
        warn_of_targets(y, X, target)
        return self._fit_given(X, target=target, sample_weight=sample_weight)

    def _fit_given(self, X, **beside):
        if self._streams and is_streamed(X):
            return self._fit_blocks(X, beside)
        net = self._net_to_go_on_with()
        self._seed = self._draw_seed()
        return self._fit(self._read(X, net, **beside), net)

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, *, target=None, sample_weight=None):
        """Train for one pass over X; center, scale and PCA start are those of the first call.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows of this call.
        y : None
            Ignored.
        target : array-like of shape (n_samples, n_outputs), default=None
            As in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        self : object
        """
        warn_of_targets(y, X, target)
        return self._partial_fit_given(X, target=target, sample_weight=sample_weight)

    def _partial_fit_given(self, X, **given):
        first = not hasattr(self, "net_")
        if not first:
            check_goes_on(self, self._made_with)
        self._seed = self._draw_seed()
        given = self._check_given(X, **given, reset=first, training=True)
        self._check_support(given, training=True)
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
        given = self._check_given(X, target)
        self._check_support(given, training=False)
        return self._score_samples(given)

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

    def _encode(self, given):
        """`transform` of rows that are known to be valid."""
        codes = self.net_.map_batches(lambda module, *x: module.encode(*x), *given.inputs)
        return check_finite(codes, "The codes", given.X)

    def _reconstruct(self, given):
        """`reconstruct` of rows that are known to be valid."""
        rows = self.net_.map_batches(lambda module, *x: module.reconstruct(*x), *given.inputs)
        return check_finite(rows, "What is rebuilt", given.X, self._target_format.names)

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
        rows = self.net_.map_batches(lambda module, *z: module.decode(*z), *inputs)
        return check_finite(rows, "What is rebuilt", codes, self._target_format.names)

    def _score_samples(self, given, net=None):
        """`score_samples` of rows that are known to be valid, by ``net_`` or another net."""
        net = net or self.net_
        errors = net.map_batches(partial(row_errors, net.criterion_), *given.rows).astype(float)
        unit = net.criterion_.unit(self.target_scale_) * self._n_outputs
        with np.errstate(over="ignore", invalid="ignore"):  # which is an error below
            scores = -unit * errors
        return in_precision(check_finite(scores, "The scores", given.X), given.X.dtype)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = any(kind.sparse for kind in self._formats)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self):
        return self.code_size_

    # -- the door ---------------------------------------------------------------------------------

    _formats = (
        Columns,
        SparseTable,
    )  # the kinds of rows that a family takes; the first that fits is used
    _own_target = None  # what a family does instead that takes no target
    _asks_of_codes = False  # whether more is asked of codes than that rows are rebuilt of them

    @property
    def _paired(self):
        """Whether rows of X become something else."""
        return self._target_format is not self._format

    def _check_rows(self, X, reset=False):
        """X as flat rows of floats."""
        if not reset:
            check_is_fitted(self)
        if isinstance(X, Formatted):
            if takes_units_of(self, X.format):
                if reset:
                    self._format, self.n_features_in_ = X.format, X.format.n_features
                return X.values
            X = X.values
        if not reset:
            return self._format.rows(X, self)
        self._format = row_format_for(self, X)
        return self._format.learn(X, self)

    def _check_target(self, target, X, reset=False):
        """The target as flat rows of floats, in the precision of X; None if there is none."""
        name = type(self).__name__
        if target is not None and self._own_target is not None:
            raise ValueError(f"{name} {self._own_target}, and takes no target: leave target= out.")
        if reset:
            self._target_format = self._format
            if isinstance(target, Formatted):
                self._target_format = target.format
            elif target is not None:
                self._target_format = row_format_for(self, target, name="target", of_X=self._format)
        elif self._paired and target is None:
            raise ValueError(
                f"{name} was fitted with a target, so rows of X are judged by what they should "
                "become: give target=. Under metadata routing, ask for it by "
                "set_fit_request(target=True) and set_score_request(target=True)."
            )
        elif target is not None and not self._paired:
            raise ValueError(
                f"{name} was fitted without a target, to rebuild X: leave target= out, or fit anew "
                "with a target."
            )
        if target is None:
            return None
        if isinstance(target, Formatted):
            return target.values
        format = self._target_format
        rows = (format.learn if reset else format.rows)(target, self, X.dtype)
        if len(rows) != len(X):
            raise ValueError(f"target has {len(rows)} rows, but X has {len(X)}: give one for each.")
        return rows

    def _learn_format(self):
        """What a family learns of the format of X; and whether it can take it."""

    def _condition(self, rows, reset=False):
        """What is known of rows beside them, which both halves of the net are told; or None."""

    _keeps_order = False  # whether the rows of `fit` must stay as they came
    _needs_copies = None  # why weights of rows must be whole numbers, if they must

    def _check_given(
        self, X, target=None, reset=False, training=False, sample_weight=None, **beside
    ):
        """The rows, their target and condition as arrays that the loss can take.

        Rows to train on are copied as often, and put in the order, that `weighed` says.
        """
        X = self._check_rows(X, reset)
        if reset:
            self._learn_format()
        target = self._check_target(target, X, reset)
        weight = None
        if training and not self._keeps_order:
            index, weight = weighed([X] if target is None else [X, target], sample_weight)
            if index is not None:
                X, target = X[index], None if target is None else target[index]
                beside = {
                    n: v if np.ndim(v) == 0 else safe_indexing(v, index) for n, v in beside.items()
                }
        if weight is not None and self._needs_copies:
            raise ValueError(
                f"sample_weight of {type(self).__name__} must be whole numbers, copies of a row, "
                f"and no more than {MOST_COPIES} times the rows in all: {self._needs_copies}."
            )
        return Given(X, target, self._condition(X, reset, **beside), weight)

    def _inputs(self, X, **beside):
        """What the encoder is given."""
        rows = self._check_rows(X)
        return Given(rows, None, self._condition(rows, **beside))

    def _check_support(self, given, training=True):
        """Whether rows are what the loss asks for; new ones may lie a little outside."""
        if self.loss == "binary_cross_entropy":
            check_unit_interval(given, "loss", self.loss, "squared_error", training)

    def _restored(self, rows, X):
        """Flat rows as `inverse_transform` gives them, which was given X."""
        if isinstance(X, Formatted):
            return rows
        return self._target_format.restore(rows, X, container_adapter("transform", self))

    # Parameters that a family has no use for, and why, or what to set instead.
    _unused = {}

    def _check_parameters(self):
        """What `_parameter_constraints` cannot say."""
        for name, reason in self._unused.items():
            if not same(getattr(self, name), self.__dataclass_fields__[name].default):
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is not for {type(self).__name__}: {reason}."
                )
        check_layers(self.hidden_layer_sizes, "hidden_layer_sizes")
        if self.tied_weights and not (self.encoder is None and self.decoder is None):
            raise ValueError(
                "tied_weights=True transposes the built-in encoder; it cannot be combined with an "
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
        check_trainable(self.callbacks, self.optimizer)
        X, target = given.X, given.target
        self.center_, self.scale_ = self._format.units(X, given.weight)
        self._fill, self._ridge = self._fills(X), None
        if self._fill:  # which takes what is at the center for missing: no entry may be
            self.center_ = off_center(self.center_, self.scale_)
        self.target_center_, self.target_scale_ = self.center_, self.scale_
        if target is not None:
            self.target_center_, self.target_scale_ = self._target_format.units(
                target, given.weight
            )
            if self.tied_weights and target.shape[1] != X.shape[1]:
                raise ValueError(
                    f"tied_weights=True makes the decoder of the encoder for {X.shape[1]} columns, "
                    f"but target has {target.shape[1]}: set tied_weights=False."
                )
        self.n_outputs_ = self._target_format.n_features
        if self.code_size is None or isinstance(self.code_size, str):
            self.code_size_ = self._default_code_size(X.shape[1])
        elif isinstance(self.code_size, Integral):
            self.code_size_ = int(self.code_size)
        else:
            shares = self._linear_maps(self._as_rows(given).by_weight(ROWS_BY_WEIGHT)).shares
            enough = np.searchsorted(np.cumsum(shares), self.code_size)
            self.code_size_ = min(1 + int(enough), len(shares))

    def _default_code_size(self, n_features):
        return math.ceil(n_features / 4)

    def _as_rows(self, given, index=None):
        """All rows, or those of some numbers, as one `Batch` on the device, standardized."""
        device = resolve_device(self._ranks.device(self.device))
        X, target, condition, weight = given
        x = standardized(X, self.center_, self.scale_, index).to(device)
        if target is not None:
            units = self.target_center_, self.target_scale_
            target = standardized(target, *units, index).to(device)
        beside = [condition, weight]
        for i, array in enumerate(beside):
            if array is not None:
                array = array if index is None else array[index]
                beside[i] = torch.from_numpy(array.astype(np.float32)).to(device)
        return Batch.of(x, target, *beside)


def takes_units_of(estimator, format):
    """Whether the columns of rows that a format has read keep their units in an autoencoder.

    Who holds one in which they do not must hand it standardized rows.
    """
    return isinstance(format, estimator._formats)


def row_format_for(estimator, X, **settings):
    """A row format for X, of the first kind of the estimator's that takes it."""
    kinds = estimator._formats
    parameters = {n: getattr(estimator, n) for n in {n for kind in kinds for n in kind.parameters}}
    kind = next((kind for kind in kinds if kind.takes(X, **parameters)), kinds[-1])
    return kind(**{name: parameters[name] for name in kind.parameters}, **settings)


def dense_format_for(estimator, X):
    """That of X for what stands around the estimator: tables are dense, and may have any axes."""
    format = row_format_for(estimator, X)
    return Axes() if isinstance(format, SparseTable) else format


def standardized(X, center, scale, index=None):
    """Rows in units of their center and scale, as a tensor in float32; those of some numbers."""
    if isinstance(X, SparseRows):
        X = X if index is None else X[index]
        center, scale = center.astype(X.dtype), np.asarray(scale, dtype=X.dtype)
        return X.map(lambda x, columns: ((x - center[columns]) / scale).astype(np.float32))
    # By parts: beside X there is never more than the answer.
    rows = np.empty((len(X) if index is None else len(index), *X.shape[1:]), dtype=np.float32)
    for part in slices(rows):
        rows[part] = in_units(X[part if index is None else index[part]], center, scale)
    return torch.from_numpy(rows)
