"""BaseAutoencoder: the shared parameters, the scikit-learn methods, and the hooks of a family."""

import copy
import math
from dataclasses import KW_ONLY, dataclass
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.decomposition import PCA
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from ._batches import Batch
from ._net import LR_SCHEDULES, score
from ._outlier import ScoreOutlierMixin
from ._training import OPTIMIZERS, TrainingMixin
from ._validation import (
    center_and_scale,
    check_codes,
    check_rows,
    draw_seed,
    instantiate,
    resolve_device,
    restore_container,
    unchanged_on_failure,
)
from .nn.autoencoder import OUTPUT_ACTIVATIONS, EncoderDecoder, Units, find
from .nn.layers import ACTIVATIONS, Gate, Shortcut, TiedLinear
from .nn.mlp import MLP, TiedMLP
from .objectives import LOSSES, Objective

# PCA, where it starts the training, is learned on so many entries of X at most.
PCA_ENTRIES = 2**24


@dataclass(eq=False, repr=False)
class BaseAutoencoder(
    TrainingMixin,
    ScoreOutlierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
    """What every family shares. See :class:`Autoencoder` for the parameters.

    A family overrides some of the hooks ``_make_encoder``, ``_make_decoder``, ``_make_module`` and
    ``_make_objective``; they may read ``n_features_in_`` and ``code_size_``. Each hook calls
    ``super()`` where it wraps rather than replaces, so that families cross by inheritance.
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
    device: Any = "auto"
    verbose: int = 0
    random_state: Any = None

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
        "device": [str, torch.device],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    # -- the scikit-learn methods ---------------------------------------------------------------

    @unchanged_on_failure
    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y=None):
        """Learn to rebuild X from codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows; NaN marks an entry that is not known.
        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        continued = self.warm_start and hasattr(self, "net_")
        self._seed = draw_seed(self.random_state)
        X = self._check_rows(X, reset=not continued)
        if not continued:
            self._learn_units(X)
        elif isinstance(self.code_size, Integral) and self.code_size != self.code_size_:
            raise ValueError(
                f"warm_start=True goes on with codes of {self.code_size_} numbers, but code_size="
                f"{self.code_size}: set warm_start=False to start anew."
            )
        return self._fit(X, self.net_ if continued else None)

    @unchanged_on_failure
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """Train for one pass over X; centre, scale and PCA start are those of the first call.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows of this call.
        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        first = not hasattr(self, "net_")
        self._seed = draw_seed(self.random_state)
        X = self._check_rows(X, reset=first)
        if first:
            self._learn_units(X)
        return self._partial_fit(X, None if first else copy.deepcopy(self.net_))

    def transform(self, X):
        """Codes of the rows of X, in X's precision.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows; a missing entry counts as its column's mean.

        Returns
        -------
        X_new : ndarray of shape (n_samples, `code_size_`)
        """
        X = self._check_rows(X)
        return self.net_.map_batches(lambda module, x: module.encode(x), X)

    def inverse_transform(self, X):
        """The rows that codes stand for, in units of the rows of `fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, `code_size_`)
            Codes, as `transform` gives them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features), or a frame with the columns of `fit`
            A frame if ``set_output`` asks `transform` for frames.
        """
        codes = check_codes(self, X)
        rows = self.net_.map_batches(lambda module, z: module.decode(z), codes)
        return restore_container(self, rows, X)

    def score_samples(self, X):
        """Minus each row's reconstruction error; higher is more normal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows. The error of a row with missing entries is the mean over its observed
            entries, times n_features.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Minus the loss summed over the features, in units of X (squared, for the squared
            error).
        """
        return self._score_samples(self._check_rows(X))

    def score(self, X, y=None):
        """Mean of `score_samples`; y is ignored.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : None
            Ignored.

        Returns
        -------
        score : float
        """
        return float(np.mean(self.score_samples(X)))

    def _score_samples(self, X, net=None):
        """`score_samples` of rows that are known to be valid, by ``net_`` or another net."""
        net = net or self.net_
        return net.map_batches(partial(score, net.criterion_), X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self):
        return self.code_size_

    # -- the hooks of a family --------------------------------------------------------------------

    def _check_rows(self, X, reset=False):
        """X as an array that the loss can take."""
        X = check_rows(self, X, reset=reset)
        if self.loss == "binary_cross_entropy":
            low, high = np.nanmin(X, initial=np.inf), np.nanmax(X, initial=-np.inf)
            if low < 0 or high > 1:
                raise ValueError(
                    f"loss='binary_cross_entropy' needs X in [0, 1], but X spans [{low:g}, "
                    f"{high:g}]: scale it (MinMaxScaler(clip=True)) or use "
                    "loss='squared_error'."
                )
        return X

    def _check_parameters(self):
        """What `_parameter_constraints` cannot say."""
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

    def _hidden_layer_sizes(self):
        sizes = self.hidden_layer_sizes
        return [sizes] if isinstance(sizes, Integral) else list(sizes)

    def _make_encoder(self, n_outputs):
        """Module from standardised rows to codes."""
        n_inputs = self.n_features_in_
        sizes = [n_inputs, *self._hidden_layer_sizes(), n_outputs]
        path = self._make_path("encoder", lambda: MLP(sizes, self.activation, self.dropout), sizes)
        if self.shortcut is not None:
            path = Shortcut(path, nn.Linear(n_inputs, self.code_size_))
        if self.code_activation == "identity":
            return path
        return nn.Sequential(path, ACTIVATIONS[self.code_activation]())

    def _make_decoder(self, encoder):
        """Module from codes to standardised rows."""
        sizes = [self.code_size_, *self._hidden_layer_sizes()[::-1], self.n_features_in_]
        shape = self.activation, self.dropout
        if self.tied_weights:
            path = self._make_path("decoder", lambda: TiedMLP(find(encoder, MLP), *shape), sizes)
        else:
            path = self._make_path("decoder", lambda: MLP(sizes, *shape), sizes)
        if self.shortcut is None:
            return path
        if self.tied_weights:
            return Shortcut(path, TiedLinear(find(encoder, Shortcut).shortcut))
        return Shortcut(path, nn.Linear(self.code_size_, self.n_features_in_))

    def _make_path(self, which, make_mlp, sizes):
        """The user's module, or an MLP; silent at the start where a shortcut stands beside it."""
        given = getattr(self, which)
        if given is not None:
            module = instantiate(which, given, sizes[0], sizes[-1])
            return module if self.shortcut is None else nn.Sequential(module, Gate())
        if self.shortcut is None:
            return make_mlp()
        if len(sizes) == 2:
            return None  # the shortcut is the linear autoencoder
        path = make_mlp()
        if self.tied_weights:  # a zero last layer would silence both halves, and the gradient
            return nn.Sequential(path, Gate())
        nn.init.zeros_(path[-1].weight)
        nn.init.zeros_(path[-1].bias)
        return path

    def _make_module(self):
        """The whole module."""
        encoder = self._make_encoder(self.code_size_)
        output = self.output_activation
        if output == "auto":
            output = "sigmoid" if self.loss == "binary_cross_entropy" else "identity"
        units = Units(*(torch.tensor(t, dtype=torch.float32) for t in (self.center_, self.scale_)))
        return EncoderDecoder(encoder, self._make_decoder(encoder), units, output)

    def _make_objective(self):
        """What training minimises."""
        return Objective(self.loss)

    # -- what is learned of X before a module is made ------------------------------------------

    def _learn_units(self, X):
        """Centre, scale and code size: what must be known of X before a module is made."""
        self._check_parameters()
        self.center_, self.scale_ = center_and_scale(X)
        if self.code_size is None:
            self.code_size_ = math.ceil(X.shape[1] / 4)
        elif isinstance(self.code_size, Integral):
            self.code_size_ = int(self.code_size)
        else:
            shares = self._pca(self._as_rows(X)).explained_variance_ratio_
            enough = np.searchsorted(np.cumsum(shares), self.code_size)
            self.code_size_ = min(1 + int(enough), len(shares))

    def _as_rows(self, X):
        """All rows as one `Batch` on the device, in standardised units."""
        x = X - self.center_.astype(X.dtype)
        x /= X.dtype.type(self.scale_)
        x = torch.from_numpy(x.astype(np.float32, copy=False))
        return Batch.of(x.to(resolve_device(self.device)))

    def _pca(self, rows, n_components=None):
        """The PCA of standardised rows that scikit-learn gives; missing entries at their centre."""
        n_rows, n_features = len(rows), rows.x[0].numel()
        n_used = min(n_rows, max(2 * n_features, PCA_ENTRIES // n_features))
        x = rows.x[:: n_rows // n_used][:n_used].double().cpu().numpy()
        with np.errstate(invalid="ignore"):  # 0 / 0 of one row, or of constant columns
            return PCA(n_components, random_state=self._seed).fit(x)

    def _start(self, module, rows):
        """The module at its start: at PCA of ``rows``, if it has the shortcuts for it."""
        if self.shortcut == "pca":
            pca = self._pca(rows, min(self.code_size_, len(rows), rows.x[0].numel()))
            module.start_at(*(torch.from_numpy(a).float() for a in (pca.mean_, pca.components_)))
        return module
