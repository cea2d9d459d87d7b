"""Families whose code and row depend on what is known of rows beside them, a condition."""

import torch
from sklearn.base import TransformerMixin
from sklearn.callback import with_callbacks
from sklearn.linear_model import LinearRegression

from .._errors import unchanged_on_failure
from .._sklearn import fit_context
from ..engine.batches import Batch
from ..nn.autoencoder import find
from ..nn.layers import Shortcut
from ..rows.condition import Condition
from ..rows.given import warn_of_targets
from ..rows.reading import check_codes
from .architecture import start_rows


class ConditionalMixin(TransformerMixin):
    """The methods of scikit-learn with a ``condition``, and a start that knows of it.

    The estimator has a parameter ``categorical_condition``, and a module of which both halves are
    given the condition.
    """

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y=None, *, target=None, condition=None, sample_weight=None):
        """Learn the likelihood, the prior's decoder and the posterior's encoder.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows; NaN marks an entry that is not known.
        y : None
            Ignored.
        target : array-like of shape (n_samples, n_outputs), default=None
            What the rows of X are to become; None is X itself.
        condition : array-like of shape (n_samples,) or (n_samples, n_conditions), default=None
            What is known of each row beside it, and code and row depend on: quantities or
            classes, as ``categorical_condition`` says.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts for in all that is learned, at least 0. Whole numbers are copies of
            a row (up to ten times as many rows in all); others are shares of the mean.

        Returns
        -------
        self : object
        """
        warn_of_targets(y, X, target)
        beside = {"target": target, "condition": condition}
        return self._fit_given(X, **beside, sample_weight=sample_weight)

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, *, target=None, condition=None, sample_weight=None):
        """Train for one pass over X; what `fit` learns before it trains is of the first call.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows of this call.
        y : None
            Ignored.
        target, condition, sample_weight : array-like, default=None
            As in `fit`.

        Returns
        -------
        self : object
        """
        warn_of_targets(y, X, target)
        beside = {"target": target, "condition": condition}
        return self._partial_fit_given(X, **beside, sample_weight=sample_weight)

    def transform(self, X, condition=None):
        """The means of the posteriors of the rows of X: their codes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows; missing entries are taken as ``fill`` says.
        condition : array-like, default=None
            As in `fit`; one value is for all rows.

        Returns
        -------
        X_new : ndarray of shape (n_samples, `code_size_`)
        """
        return self._encode(self._inputs(X, condition=condition))

    def fit_transform(self, X, y=None, *, target=None, condition=None, sample_weight=None):
        """`fit`, and the codes of the same rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        y : None
            Ignored.
        target, condition, sample_weight : array-like, default=None
            As in `fit`.

        Returns
        -------
        X_new : ndarray of shape (n_samples, `code_size_`)
        """
        self.fit(X, y, target=target, condition=condition, sample_weight=sample_weight)
        return self.transform(X, condition=condition)

    def inverse_transform(self, X, condition=None):
        """The likelihood's mean for codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, `code_size_`)
            Codes.
        condition : array-like, default=None
            As in `fit`; one value is for all codes.

        Returns
        -------
        X_original : ndarray of shape (n_samples, `n_outputs_`), or a frame
            For "multinomial", of a row with as many events as the training rows have on average.
        """
        codes = check_codes(self, X)
        rows = self._decode(codes, self._check_condition(condition, codes))
        return self._restored(rows, X)

    def reconstruct(self, X, condition=None):
        """The likelihood's mean for the codes of the rows of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        condition : array-like, default=None
            As in `fit`.

        Returns
        -------
        X_hat : ndarray of shape (n_samples, `n_outputs_`), or a frame
        """
        return self._restored(self._reconstruct(self._inputs(X, condition=condition)), X)

    def _condition(self, rows, reset=False, condition=None):
        if reset:  # a failed fit gives them back
            self._condition_encoder, self._n_conditions = None, 0
        super()._condition(rows, reset)
        return self._check_condition(condition, rows, reset)

    def _check_condition(self, condition, X, reset=False):
        """The condition as numbers, or None."""
        name = type(self).__name__
        if reset and condition is not None:
            self._condition_encoder = Condition(condition, self.categorical_condition)
        if self._condition_encoder is None:
            if condition is not None:
                raise ValueError(
                    f"{name} was fitted without a condition: leave condition= out, or fit anew "
                    "with one."
                )
            return None
        if condition is None:
            raise ValueError(
                f"{name} was fitted with a condition, on which the code and the row depend: give "
                "condition=."
            )
        condition = self._condition_encoder(condition, len(X), X.dtype, self)
        self._n_conditions = condition.shape[1]
        return condition

    def _start(self, module, rows):
        if rows.condition is None or self._shortcut() != "pca" or rows.target is not rows.x:
            return super()._start(module, rows)
        rows = start_rows(rows)
        # Probabilistic PCA of what the condition leaves unexplained.
        condition, x = (tensor.double().cpu() for tensor in (rows.condition, rows.x))
        linear = LinearRegression().fit(condition.numpy(), x.numpy())
        effect, center = torch.from_numpy(linear.coef_), torch.from_numpy(linear.intercept_)
        left = (x - (condition @ effect.T + center)).to(rows.x)
        module = super()._start(module, Batch(left, left, rows.observed, rows.condition))
        encoder, decoder = (find(h, Shortcut).shortcut for h in (module.encoder, module.decoder))
        effect, center = effect.float(), center.float()
        with torch.no_grad():
            axes = encoder.weight[:, : self._n_inputs]
            encoder.weight[:, self._n_inputs :] = -axes @ effect
            encoder.bias -= axes @ center
            decoder.weight[:, self.code_size_ :] = effect
            decoder.bias += center
        return module
