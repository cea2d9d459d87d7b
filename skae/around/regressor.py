"""The regressor: many rows, few of which have a number."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.linear_model import Ridge

from .._errors import unchanged_on_failure
from .._sklearn import fit_context
from ..engine.labels import Numbers
from .labels import read_numbers
from .supervised import LR, MAX_EPOCHS, PATIENCE, ScoredByLabels, SupervisedAutoencoder


class LinearNumbers:
    """Ridge regression of standardized features on standardized numbers."""

    # The usual one first, and it is 10: on half of the tables (and on the others) it lost least.
    penalties = (10.0, 1.0, 0.1, 100.0)
    n_strata = 3

    def strata(self, labels):
        """What folds are to have equal shares of: small, middle and large numbers."""
        return np.searchsorted(np.quantile(labels, [1 / 3, 2 / 3]), labels)

    def fit(self, features, labels, weights, penalty):
        """Weight and bias."""
        model = Ridge(alpha=penalty).fit(features, labels, sample_weight=weights)
        return model.coef_[None], np.array([model.intercept_])

    def errors(self, outputs, labels):
        """The squared error of each row."""
        return (outputs[:, 0] - labels) ** 2


class AutoencoderRegressor(ScoredByLabels, RegressorMixin, SupervisedAutoencoder):
    r"""Learns from all rows, and from the numbers that some have: semi-supervised regression.

    As :class:`AutoencoderClassifier`, with the squared error of standardized numbers instead of
    the cross-entropy, and a ridge regression where training starts. All rows are to agree with the
    temporal average of weights, as there is no confidence in numbers.

    Parameters
    ----------
    autoencoder : estimator, default=None
        The autoencoder of skae that is trained on all rows; it is cloned. None is
        ``Autoencoder()``. A ``sklearn.frozen.FrozenEstimator`` of a fitted one is taken as it is.
    head_layer_sizes : array-like of int, default=()
        Hidden layers between codes and numbers, beside the linear map.
    reconstruction_weight : "auto" or float, default="auto"
        Weight of what the autoencoder itself minimizes. "auto" is 0.3.
    pseudo_labels : bool, default=True
        Whether predictions of rows without a number are to agree with those of the temporal
        average of weights.
    perturbation : float, default=0.2
        How far rows are moved in the direction that moves predictions most, as a share of the root
        mean square distance of rows from their mean. 0 is no such term.
    freeze : bool, default=False
        Whether the autoencoder stays as it is, and only what stands on its codes is learned.
    lr : float, default=0.002
        The largest step of Adam.
    max_epochs : int, default=15
        Epochs of at least 100 steps each. 0 leaves it at the ridge regression.
    early_stopping : bool, default=True
        Whether held-out numbers choose the number of epochs, 0 among them.
    n_iter_no_change : int, default=5
        Epochs without gain on held-out numbers before training ends.
    verbose : int, default=0
        Whether progress is shown.
    random_state : int, RandomState instance or None, default=None
        Of folds and training, and of the autoencoder unless it has its own.

    Attributes
    ----------
    encoder_ : estimator
        The fitted autoencoder, trained on by the numbers. It takes X as it is.
    start_ : {"codes", "rows", "both", "random"}
        What the ridge regression stands on; "random" is a layer of 500 random units over
        both, tried for 30 to 1 000 labels of a table and without ``head_layer_sizes``.
    start_scores_ : dict
        Mean squared error of held-out standardized numbers for each of these, before training.
    n_iter_ : int
        Epochs of training; 0 if held-out numbers gained nothing by it.
    validation_loss_curve_ : list of float or None
        The squared error of held-out standardized numbers by epoch, the start first.
    loss_curve_ : list of float
        What was minimized, by epoch.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X is a frame with string names.

    Raises
    ------
    ValueError
        If fewer than two rows have a number, or as the autoencoder does.
    TypeError
        If ``autoencoder`` is none of skae's.

    See Also
    --------
    AutoencoderClassifier : The same for classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skae import AutoencoderRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> some = np.where(np.arange(len(y)) < 50, y, np.nan)
    >>> regressor = AutoencoderRegressor(max_epochs=3, random_state=0).fit(X, some)
    >>> print(f"{regressor.score(X[50:], y[50:]):.2f}")
    0.46
    """

    def __init__(
        self,
        autoencoder=None,
        *,
        head_layer_sizes=(),
        reconstruction_weight: float | str = "auto",
        pseudo_labels=True,
        perturbation=0.2,
        freeze=False,
        lr=LR,
        max_epochs=MAX_EPOCHS,
        early_stopping=True,
        n_iter_no_change=PATIENCE,
        verbose=0,
        random_state=None,
    ):
        self.autoencoder = autoencoder
        self.head_layer_sizes = head_layer_sizes
        self.reconstruction_weight = reconstruction_weight
        self.pseudo_labels = pseudo_labels
        self.perturbation = perturbation
        self.freeze = freeze
        self.lr = lr
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.verbose = verbose
        self.random_state = random_state

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Learn from all rows, and from the numbers that some have.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            The rows, as the autoencoder takes them.
        y : array-like of shape (n_samples,)
            Their numbers; NaN, None or NA for a row without.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the numbers. A row with a number and weight 0 is as if it was not there.

        Returns
        -------
        self : object
        """
        return self._fit(X, y, sample_weight)

    def predict(self, X):
        """The expected number of each row.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            The rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        outputs = self._outputs(X)[:, 0]
        return self._center + self._scale * outputs

    # -- what labels are --------------------------------------------------------------------------

    def _read_labels(self, y):
        return read_numbers(y, self)

    def _is_labeled(self, labels):
        return ~np.isnan(labels)

    def _check_labels(self, labels):
        if len(labels) < 2:
            raise ValueError(
                f"Found array with n_samples = {len(labels)}: {type(self).__name__} needs at least "
                "2 different rows with a number in y."
            )

    def _label_weights(self, labels, weights):
        self._center = float(np.average(labels, weights=weights))
        spread = float(np.sqrt(np.average((labels - self._center) ** 2, weights=weights)))
        self._scale = spread if spread > 0 else 1.0
        return weights

    def _in_units(self, labels):
        return (labels - self._center) / self._scale

    def _as_targets(self, labels):
        return labels.astype(np.float32)

    def _linear_model(self):
        return LinearNumbers()

    def _task(self, labels, weights):
        return Numbers()
