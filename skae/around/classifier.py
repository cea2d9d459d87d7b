"""The classifier: many rows, few of which have a label."""

import warnings
from numbers import Real

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.utils import compute_class_weight

from .._errors import unchanged_on_failure
from .._sklearn import Interval, StrOptions, fit_context
from ..engine.labels import Classes
from .head import softmax
from .labels import UNLABELED, read_classes
from .supervised import LR, MAX_EPOCHS, PATIENCE, ScoredByLabels, SupervisedAutoencoder, as_float

MOST_ITERATIONS = 1000


class LinearClasses:
    """Logistic regression of standardized features."""

    penalties = (1.0, 0.1, 0.01, 10.0)

    def __init__(self, n_classes):
        self.n_classes = n_classes

    def strata(self, labels):
        """What folds are to have equal shares of."""
        return labels

    def fit(self, features, labels, weights, penalty):
        """Weight and bias of the logits of all classes; one that was not seen is unlikely."""
        seen = np.unique(labels)
        weight = np.zeros((self.n_classes, features.shape[1]))
        bias = np.full(self.n_classes, -np.log(len(labels) + 1.0))
        if len(seen) < 2:
            bias[seen] = 0.0
            return weight, bias
        model = LogisticRegression(C=penalty, max_iter=MOST_ITERATIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features, labels, sample_weight=weights)
        of_seen, at_seen = model.coef_, model.intercept_
        if len(seen) == 2:  # one logit for two classes
            of_seen, at_seen = (np.concatenate([-a, a]) / 2 for a in (of_seen, at_seen))
        weight[seen] = of_seen
        bias[seen] = at_seen if len(seen) == self.n_classes else at_seen - at_seen.mean()
        return weight, bias

    def errors(self, outputs, labels):
        """The Brier score of each row."""
        hits = np.arange(self.n_classes) == labels[:, None]
        return np.sum((softmax(outputs) - hits) ** 2, axis=1)


class AutoencoderClassifier(ScoredByLabels, ClassifierMixin, SupervisedAutoencoder):
    r"""Learns from all rows, and from the labels of some: semi-supervised classification.

    An autoencoder is trained on all rows. On its codes, on the rows themselves, or on both, as
    held-out labels choose, stands a logistic regression. From there the net is trained on, as a
    whole, to minimize

    .. math:: \frac1n \sum_{i} w_i \, \ell(x_i, y_i) + \rho \, R + \frac1N \sum_{j} \left(
        [\max_k \bar p_k(x_j) > c] \, \ell(\tilde x_j, \bar y_j) + \mathrm{KL}(p(x_j) \| p(x_j +
        r_j)) \right),

    the cross-entropy :math:`\ell` of the :math:`n` labeled rows; what the autoencoder itself
    minimizes, :math:`R`, on all :math:`N` rows; the cross-entropy to the class that a temporal
    average of the weights, :math:`\bar p`, is sure of (a pseudo-label), the row being seen under
    the autoencoder's own noise; and how far predictions move when a row is moved by
    :math:`r_j` in the direction that moves them most (virtual adversarial training). How long,
    and whether at all, held-out labels say: otherwise the logistic regression stays.

    Parameters
    ----------
    autoencoder : estimator, default=None
        The autoencoder of skae that is trained on all rows; it is cloned. None is
        ``Autoencoder()``. A ``sklearn.frozen.FrozenEstimator`` of a fitted one is taken as it is,
        so that it is trained once for many fits; it is not changed by them.
    head_layer_sizes : array-like of int, default=()
        Hidden layers between codes and classes, beside the linear map.
    reconstruction_weight : "auto" or float, default="auto"
        :math:`\rho`. "auto" is 0.3.
    pseudo_labels : bool, default=True
        Whether unlabeled rows are taken for labeled ones where the average of weights is sure.
    confidence : float, default=0.95
        :math:`c`, the probability above which it is.
    perturbation : float, default=0.2
        Length of :math:`r_j`, as a share of the root mean square distance of rows from their mean.
        0 is no such term.
    freeze : bool, default=False
        Whether the autoencoder stays as it is, and only what stands on its codes is learned.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss.
    lr : float, default=0.002
        The largest step of Adam.
    max_epochs : int, default=15
        Epochs of at least 100 steps each. 0 leaves it at the logistic regression.
    early_stopping : bool, default=True
        Whether held-out labels choose the number of epochs, 0 among them: in three folds, or by a
        fifth of more than 1000 labeled rows. With less than 10 labeled rows it stays 0. If False,
        `max_epochs` are trained in any case.
    n_iter_no_change : int, default=5
        Epochs without gain on held-out labels before training ends.
    verbose : int, default=0
        Whether progress is shown.
    random_state : int, RandomState instance or None, default=None
        Of folds and training, and of the autoencoder unless it has its own.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    encoder_ : estimator
        The fitted autoencoder, trained on by the labels. It takes X as it is.
    start_ : {"codes", "rows", "both", "random"}
        What the logistic regression stands on; "random" is a layer of 500 random units over
        both, tried for 30 to 1 000 labels of a table and without ``head_layer_sizes``.
    start_scores_ : dict
        Mean Brier score of held-out labeled rows for each of these, before training.
    n_iter_ : int
        Epochs of training on labels; 0 if held-out labels gained nothing by it.
    validation_loss_curve_ : list of float or None
        The mean of the error rate and the Brier score of held-out labeled rows by epoch, the
        start first.
    loss_curve_ : list of float
        What was minimized, by epoch.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X is a frame with string names.

    Raises
    ------
    ValueError
        If no row has a label, if all labels are of one class, or as the autoencoder does.
    TypeError
        If ``autoencoder`` is none of skae's.

    See Also
    --------
    AutoencoderRegressor : The same for numbers.
    sklearn.semi_supervised.SelfTrainingClassifier : Pseudo-labels with any classifier.
    sklearn.semi_supervised.LabelSpreading : Labels spread to neighbors.

    Notes
    -----
    Rows without a label have -1, None, NaN or NA in y. Where the only labels are -1 and 1, which
    is how scikit-learn spells two classes, -1 is one of them: mark unlabeled rows by NaN there.

    Identical rows of one label count as one row of the sum of their weights, so that they are not
    both trained on and held out.

    References
    ----------
    Lee: Pseudo-label: the simple and efficient semi-supervised learning method for deep neural
    networks. ICML workshop 2013.

    Miyato, Maeda, Koyama & Ishii: Virtual adversarial training. TPAMI 2018. arXiv:1704.03976.

    Sohn et al.: FixMatch: simplifying semi-supervised learning with consistency and confidence.
    NeurIPS 2020. arXiv:2001.07685.

    Tarvainen & Valpola: Mean teachers are better role models. NeurIPS 2017. arXiv:1703.01780.

    Examples
    --------
    Digits, 4 of each class with a label:

    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skae import Autoencoder, AutoencoderClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X / 16
    >>> labeled = np.concatenate([np.flatnonzero(y[:1000] == k)[:4] for k in range(10)])
    >>> some = np.full(1000, -1)
    >>> some[labeled] = y[labeled]
    >>> autoencoder = Autoencoder(16, hidden_layer_sizes=(64,))
    >>> classifier = AutoencoderClassifier(autoencoder, max_epochs=5, random_state=0)
    >>> classifier = classifier.fit(X[:1000], some)
    >>> linear = LogisticRegression(max_iter=1000).fit(X[labeled], y[labeled])
    >>> print(f"{classifier.score(X[1000:], y[1000:]):.2f} {linear.score(X[1000:], y[1000:]):.2f}")
    0.86 0.80
    """

    _parameter_constraints = {
        **SupervisedAutoencoder._parameter_constraints,
        "confidence": [Interval(Real, 0, 1, closed="both")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        autoencoder=None,
        *,
        head_layer_sizes=(),
        reconstruction_weight: float | str = "auto",
        pseudo_labels=True,
        confidence=0.95,
        perturbation=0.2,
        freeze=False,
        class_weight: dict | str | None = None,
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
        self.confidence = confidence
        self.perturbation = perturbation
        self.freeze = freeze
        self.class_weight = class_weight
        self.lr = lr
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.verbose = verbose
        self.random_state = random_state

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Learn from all rows, and from the labels of some.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            The rows, as the autoencoder takes them.
        y : array-like of shape (n_samples,)
            Their classes; -1, None, NaN or NA for a row without a label.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the labels. A labeled row of weight 0 is as if it was not there.

        Returns
        -------
        self : object
        """
        return self._fit(X, y, sample_weight)

    def decision_function(self, X):
        """Logits: of the second class if there are two, else of each.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            The rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        logits = self._outputs(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X):
        """The probability of each class.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            The rows.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
        """
        return softmax(self._outputs(X))

    def predict(self, X):
        """The most probable class.

        Parameters
        ----------
        X : array-like of the shape of the rows of `fit`
            The rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        best = self._outputs(X).argmax(axis=1)
        return self.classes_[best]

    # -- what labels are --------------------------------------------------------------------------

    def _read_labels(self, y):
        labels, self.classes_ = read_classes(y, self)
        return labels

    def _is_labeled(self, labels):
        return labels != UNLABELED

    def _check_labels(self, labels):
        if len(np.unique(labels)) < 2:
            raise ValueError(
                f"{type(self).__name__} needs labels of at least 2 classes, but those of a "
                "sample_weight above 0 are of one class."
            )

    def _label_weights(self, labels, weights):
        present = np.unique(labels)
        by_class = compute_class_weight(
            self._class_weight(present), classes=present, y=labels, sample_weight=weights
        )
        return weights * by_class[np.searchsorted(present, labels)]

    def _class_weight(self, present):
        """The parameter, for numbers of classes instead of classes."""
        if not isinstance(self.class_weight, dict):
            return self.class_weight
        known = self.classes_[present].tolist()
        unknown = [name for name in self.class_weight if name not in known]
        if unknown:
            raise ValueError(f"class_weight has {unknown}, which no label of y is.")
        names = zip(present, known, strict=True)
        return {k: self.class_weight.get(name, 1.0) for k, name in names}

    def _in_units(self, labels):
        return labels

    def _as_targets(self, labels):
        return labels.astype(np.int64)

    def _linear_model(self):
        return LinearClasses(len(self.classes_))

    def _task(self, labels, weights):
        counts = np.bincount(labels, minlength=len(self.classes_)) + 1.0
        return Classes(as_float(counts / counts.sum(), self.encoder_.device_), self.confidence)
