"""What classifier and regressor share: an autoencoder of all rows, trained on by some labels."""

import copy
import math
from dataclasses import replace
from functools import partial
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from .._sklearn import HasMethods, Interval, StrOptions
from ..base.architecture import check_layers, check_size
from ..base.autoencoder import BaseAutoencoder, dense_format_for
from ..base.handover import handed_over, taken_back
from ..base.lazily import LazyMixin
from ..base.naming import NamesMixin
from ..base.saving import SavingMixin
from ..engine.batches import SparseRows
from ..engine.epochs import FEWEST_ROWS_TO_HOLD_OUT, train
from ..engine.labels import LabeledRows, LabelNet, LabelObjective
from ..engine.net import one_cycle
from ..engine.optimizers import FUSED
from ..engine.progress import Progress
from ..engine.seeds import Redirected, draw_seed
from ..families.autoencoder import Autoencoder
from ..nn.head import Followed, Head, Predictor
from ..nn.randomness import Draws, drawing
from ..rows.format import Formatted
from ..rows.tokens import Tokens
from ..rows.units import in_units
from ..rows.weights import check_sample_weights
from .head import TrainedHead
from .labels import distinct, read_to_score
from .linear_start import LABELS_FOR_UNITS, N_UNITS, Features, choose_start, fit_start, split_labels

# "auto" settings, chosen on MNIST and on half of the tables of benchmarks/labels.py.
RECONSTRUCTION_WEIGHT = 0.3
LR = 0.002
STEPS_PER_EPOCH = 100
MAX_EPOCHS = 15
N_FOLDS = 3
PATIENCE = 5
# Standard errors by which held-out labels must gain: where they are few, one is all that most of
# what training gains comes to.
N_ERRORS = 0.5


class ScoredByLabels:
    """`score` of scikit-learn's classifiers and regressors, with errors that name y."""

    def score(self, X, y, sample_weight=None):
        """How well `predict` does: the accuracy of classes, R2 of numbers.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            The rows.
        y : array-like of shape (n_samples,)
            Their classes or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float

        Raises
        ------
        TypeError, ValueError
            If y has no entry for each row.
        """
        return super().score(X, read_to_score(y, X), sample_weight)


class SupervisedAutoencoder(
    LazyMixin,
    NamesMixin,
    SavingMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Any rows and some labels: see :class:`AutoencoderClassifier`.

    A subclass says what labels are: `_read_labels`, `_linear_model`, `_task`, `_label_weights`.
    """

    _parameter_constraints = {
        "autoencoder": [HasMethods(["get_params"]), None],
        "head_layer_sizes": ["array-like"],
        "reconstruction_weight": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "perturbation": [Interval(Real, 0, None, closed="left")],
        "pseudo_labels": ["boolean"],
        "freeze": ["boolean"],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "verbose": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def _fit(self, X, y, sample_weight):
        check_layers(self.head_layer_sizes, "head_layer_sizes")
        self._seed = draw_seed(self.random_state)
        labels = self._read_labels(y)
        given = self._given_autoencoder()
        rows = self._read_rows(X, given)
        if len(labels) != len(rows):
            raise ValueError(
                f"y has {len(labels)} entries, but X has {len(rows)} rows: give one for each, with "
                "a mark for those without a label."
            )
        rows, labels, weights = self._arranged(rows, labels, sample_weight)
        handed = Formatted(rows, self._format)
        self.encoder_ = self._pretrained(given, handed)
        rng = np.random.RandomState(self._seed % 2**32)
        features = self._features(handed, len(labels), rng)
        model, weights = self._linear_model(), self._label_weights(labels, weights)
        labels = self._in_units(labels)
        # A table's columns predict by themselves; a pixel says little.
        first = "codes" if self._format.shape is not None else "rows"
        start = choose_start(model, features, labels, weights, first, rng)
        self.start_, self.start_scores_ = start.kind, start.scores
        self._n_features_out = features.n_codes
        self._fine_tune(handed, labels, weights, features, start, model, rng)
        return self

    def _read_rows(self, X, given):
        """X as flat rows, by the format of the autoencoder."""
        if isinstance(given, FrozenEstimator):
            fitted = given.estimator
            self._format = fitted._format
            for name in ("n_features_in_", "feature_names_in_"):
                vars(self).pop(name, None)
                if hasattr(fitted, name):
                    setattr(self, name, getattr(fitted, name))
            rows = self._format.rows(X, self)
        else:
            self._format = dense_format_for(given, X)
            rows = self._format.learn(X, self)
        if isinstance(rows, SparseRows):
            raise TypeError(f"{type(self).__name__} takes no sparse X: use X.toarray().")
        return rows

    def _given_autoencoder(self):
        """A clone to fit, or a fitted one that stays as it is."""
        given = Autoencoder() if self.autoencoder is None else self.autoencoder
        frozen = isinstance(given, FrozenEstimator)
        inside = given.estimator if frozen else given
        if isinstance(inside, type) or not isinstance(inside, BaseAutoencoder):
            raise TypeError(
                "autoencoder must be an instance of an autoencoder of skae, such as Autoencoder(), "
                f"or a FrozenEstimator of a fitted one, but is {inside!r}."
            )
        if frozen:
            check_is_fitted(inside, "net_")
            return given
        return clone(given)

    def _pretrained(self, given, rows):
        if isinstance(given, FrozenEstimator):
            return given.estimator
        if given.random_state is None:
            given.set_params(random_state=self._seed)
        try:
            return given.fit(rows)
        except Exception as error:
            error.add_note(f"This was the autoencoder inside {type(self).__name__}.")
            raise

    def _arranged(self, rows, labels, sample_weight):
        """All rows, those with labels first; the labels, and their weights.

        A row without weight is as if it was not there, and the same row and label twice are one
        of both weights: it could else be trained on and held out at once.
        """
        labeled = self._is_labeled(labels)
        weights = np.ones(len(rows))
        if sample_weight is not None:
            weights = check_sample_weights(sample_weight, rows)
        used = labeled & (weights > 0)
        if not used.any():
            raise ValueError("All labeled rows have a sample_weight of 0.")
        used = np.flatnonzero(used)
        first, weights = distinct(rows[used], labels[used], weights[used])
        used = used[first]
        self._check_labels(labels[used])
        index = np.concatenate([used, np.flatnonzero(~labeled)])
        return rows[index], labels[used], weights

    # -- features ---------------------------------------------------------------------------------

    def _codes(self, handed):
        codes = self.encoder_.transform(handed)
        codes = codes.toarray() if sp.issparse(codes) else np.asarray(codes)
        return codes.reshape(len(codes), -1)

    def _in_net_units(self, handed):
        """Rows as the autoencoder's net sees them: missing entries at their center."""
        rows = in_units(handed.values, self.encoder_.center_, self.encoder_.scale_)
        return np.nan_to_num(rows, nan=0.0)

    def _features(self, handed, n_labels, rng):
        codes, rows = self._codes(handed), self._in_net_units(handed)
        has_axes = self._format.shape is not None
        draws = n_labels in LABELS_FOR_UNITS and not has_axes and len(self.head_layer_sizes) == 0
        codes, rows = codes.astype(np.float64), rows.astype(np.float64)
        return Features.learn(codes, rows, has_axes, rng if draws else None)

    # -- training ---------------------------------------------------------------------------------

    def _fine_tune(self, handed, labels, weights, features, start, model, rng):
        """Let held-out labels say how long to train, train, and keep what was learned."""
        n = len(labels)
        parts = handed_over(self.encoder_, handed)
        labeled = parts.rows.take(np.arange(n))
        data = LabeledRows(
            labeled,
            torch.as_tensor(self._as_targets(labels), device=labeled.x.device),
            as_float(weights / weights.mean(), labeled.x.device),
            parts.rows if n < len(handed) else None,
        )
        max_epochs = self.max_epochs
        splits = split_labels(model.strata(labels), rng, N_FOLDS) if self._learns() else []
        choosing = self.early_stopping and n >= FEWEST_ROWS_TO_HOLD_OUT and len(splits) > 0
        self.validation_loss_curve_, self.n_iter_ = None, 0
        if self._learns() and (choosing or not self.early_stopping):
            self.n_iter_ = max_epochs
        if choosing:
            make = [
                self._make_net(parts, data, features, labels, weights, start, model, kept)
                for kept, _ in splits
            ]
            kept = [replace(data.take(index), rows=data.rows) for index, _ in splits]
            held = [data.take(index) for _, index in splits]
            run = self._train(make, kept, held, max_epochs, "choose n_iter_")
            self.validation_loss_curve_, self.n_iter_ = run.losses, run.best_epoch
        net = self._make_net(parts, data, features, labels, weights, start, model)
        self.loss_curve_ = []
        if self.n_iter_:
            run = self._train([net], [data], None, self.n_iter_, "fit")
            self.loss_curve_ = run.losses
        predictor = net.module_.average
        self.head_ = TrainedHead.of(predictor.head)
        if self.n_iter_ and not self.freeze:
            module = predictor.autoencoder.requires_grad_(True)
            self.encoder_ = taken_back(self.encoder_, module, handed)

    def _learns(self):
        """Whether there is something to train: not if the linear model is all that may change."""
        return not self.freeze or len(self.head_layer_sizes) > 0

    def _train(self, nets, rows, held, max_epochs, name):
        with drawing(Draws(self._seed)):
            return train(
                nets,
                rows,
                held,
                max_epochs=max_epochs,
                patience=self.n_iter_no_change if held else math.inf,
                tol=0.0,
                n_errors=N_ERRORS,
                progress=Progress(type(self).__name__, name, max_epochs, self.verbose),
            )

    def _make_net(self, parts, data, features, labels, weights, start, model, kept=slice(None)):
        """A net that starts at the linear model, learned of the labels of some rows."""
        device = data.labels.device
        kept = np.arange(len(labels))[kept]
        few = features._replace(values=features.values[kept])
        weight, bias = fit_start(model, few, labels[kept], weights[kept], start)
        n_outputs, hidden = len(weight), self.head_layer_sizes
        sees_rows = start.kind != "codes"
        part = features.part("both" if sees_rows else "codes")
        if start.kind == "rows":  # the codes are there, for training to find a use for
            weight = np.hstack([np.zeros((n_outputs, features.n_codes)), weight])
        elif start.kind == "random":
            hidden = (N_UNITS,)
        make_head = partial(
            Head,
            as_float(features.center[part]),
            as_float(features.scale[part]),
            hidden,
            n_outputs,
        )
        check_size(make_head, {"head_layer_sizes": self.head_layer_sizes})
        with drawing(Draws(self._seed)), Redirected():
            head = make_head()
        if start.kind == "random":
            layers = features.units.layers(weight, bias)
            head.start_at_layers(*(map(as_float, layer) for layer in layers))
        else:
            head.start_at(as_float(weight), as_float(bias))
        module = copy.deepcopy(parts.module)
        for parameter in module.parameters():
            parameter.requires_grad_(not self.freeze)
        reconstruction = self.reconstruction_weight
        if reconstruction == "auto":
            reconstruction = RECONSTRUCTION_WEIGHT
        objective = LabelObjective(
            self._task(labels, weights),
            copy.deepcopy(parts.objective),
            0.0 if self.freeze else float(reconstruction),
            self.pseudo_labels,
            0.0 if isinstance(self._format, Tokens) else float(self.perturbation),
        )
        n_batches = max(STEPS_PER_EPOCH, len(kept) // data.sizes()[0])
        settings = {"optimizer__fused": True} if device.type in ("cpu", "cuda") else {}
        optimizer = torch.optim.Adam
        return LabelNet(
            Followed(Predictor(module, head.to(device), sees_rows)),
            objective,
            optimizer=optimizer,
            lr=self.lr,
            **(settings if optimizer in FUSED else {}),
            lr_schedule=one_cycle,
            n_batches=n_batches,
            n_steps=max(1, self.max_epochs * n_batches),
            device=device,
            verbose=self.verbose,
        ).initialize()

    # -- answers ----------------------------------------------------------------------------------

    def _outputs(self, X):
        """What the head says of the rows of X."""
        check_is_fitted(self)
        rows = self._format.rows(X, self)
        handed = Formatted(rows, self._format)
        codes = self._codes(handed).astype(rows.dtype, copy=False)
        features = codes
        if len(self.head_.center) > codes.shape[1]:
            features = np.hstack([codes, self._in_net_units(handed).astype(rows.dtype, copy=False)])
        return self.head_(features)

    def transform(self, X):
        """Codes of the rows of X, by the autoencoder as the labels have trained it.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            The rows.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_codes)
        """
        check_is_fitted(self)
        return self._codes(Formatted(self._format.rows(X, self), self._format))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.target_tags.required = True
        return tags


def as_float(array, device="cpu"):
    """An array as a tensor of float32."""
    return torch.as_tensor(np.asarray(array, dtype=np.float32), device=device)
