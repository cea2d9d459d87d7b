"""New rows, and rows that are changed in their codes, of any estimator that encodes and decodes."""

import copy
import inspect
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._errors import memory_bytes
from ..engine.seeds import as_random_state
from ..rows.given import check_integer, check_number, check_numbers

# Numbers of the training rows' codes that are kept to learn their density.
KEPT_NUMBERS = 2**18
MOST_KEPT_ROWS = 4096
# Of the default density: numbers of components to choose from, and the longest code for which
# the columns of a component are correlated.
COMPONENTS = (1, 2, 4, 8, 16)
LONGEST_CORRELATED = 64
# Its smallest variance, as a share of the codes'.
SMALLEST_VARIANCE = 1e-4


def decodes(estimator):
    """Whether rows can be made of codes; if not, `inverse_transform` says why."""
    try:
        return callable(estimator.inverse_transform)
    except AttributeError as error:
        raise (error.__cause__ or error) from None  # the reason itself


class GenerativeMixin:
    """`sample`, `interpolate`, and moves along directions of the code space.

    The estimator has `transform`, `inverse_transform` and a parameter ``code_density``, and calls
    `_keep_codes` at the end of `fit`.
    """

    @available_if(decodes)
    def sample(self, n_samples=1, *, random_state=None):
        """New rows: codes drawn from the density of the training codes, decoded.

        The density, ``code_density_``, is learned at the first call.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Of the codes.

        Returns
        -------
        X_new : ndarray of shape (n_samples, `n_outputs_`), or a frame
            As `inverse_transform` gives it.
        """
        return self.inverse_transform(self._draw_codes(n_samples, random_state))

    @available_if(decodes)
    def interpolate(self, a, b, n_steps=8, *, path="linear", **given):
        """Rows on the way from one row to another, at equal steps between their codes.

        Parameters
        ----------
        a, b : array-like of shape (n_features,) or (n_samples, n_features)
            The ends.
        n_steps : int, default=8
            Rows on the way, with both ends.
        path : {"linear", "spherical"}, default="linear"
            Straight, or on an arc around the origin, which keeps the length of codes that come
            from a normal distribution (White, 2016).
        **given
            What `transform` and `inverse_transform` need beside the rows (a condition).

        Returns
        -------
        X_new : ndarray of shape (n_steps, `n_outputs_`) or (n_samples, n_steps, `n_outputs_`)

        References
        ----------
        White: Sampling generative networks. arXiv:1609.04468, 2016.
        """
        check_is_fitted(self)
        width = self.code_size_ + self._n_outputs
        n_steps = check_integer(n_steps, "n_steps", low=2, high=most_rows(width))
        if not (isinstance(path, str) and path in PATHS):
            raise ValueError(f"path must be one of {sorted(PATHS)}, got {path!r}.")
        rows, one_row = self._some_rows(a, given)
        start, end = self._encode(rows), self._encode(self._some_rows(b, given)[0])
        if start.shape != end.shape:
            raise ValueError(
                f"a and b must have equally many rows, but have {len(start)} and {len(end)}."
            )
        steps = np.linspace(0, 1, n_steps, dtype=start.dtype)[:, None]
        codes = PATHS[path](start[:, None], end[:, None], steps)
        codes = codes.reshape(-1, codes.shape[-1])
        rows = self._target_format.shaped(self._decode(codes, rows.condition, n_steps))
        return rows if one_row else rows.reshape(len(start), n_steps, *rows.shape[1:])

    def attribute_direction(self, X, y, *, method="mean", **given):
        """The direction in the code space along which an attribute of the rows grows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Their attribute: two classes, of which the second in order is the one that has it, or
            (for "linear") numbers.
        method : {"mean", "linear"}, default="mean"
            "mean": from the mean code of the one class to that of the other. "linear": along the
            normal of a linear model, which leaves alone what merely goes with the attribute.

        Returns
        -------
        direction : ndarray of shape (`code_size_`,)
            A step of this length leads from the mean of the one class to that of the other (as
            far as it goes along the normal), or raises the number by one.
        """
        if not (isinstance(method, str) and method in ("mean", "linear")):
            raise ValueError(f"method must be 'mean' or 'linear', got {method!r}.")
        import pandas as pd

        codes, y = self._encode(self._some_rows(X, given)[0]), column_or_1d(y)
        check_consistent_length(codes, y)
        if pd.isna(y).any():
            raise ValueError("y holds missing values: leave out the rows of which it is not known.")
        kind = type_of_target(y)
        if method == "linear" and kind in ("continuous", "multiclass") and y.dtype.kind in "fiu":
            normal = LinearRegression().fit(codes, y).coef_
            return (normal / (normal @ normal)).astype(codes.dtype)
        classes = np.unique(y)
        if len(classes) != 2:
            raise ValueError(
                f"y must have two classes, of rows with the attribute and rows without it, but has "
                f"{len(classes)}: {classes[:5].tolist()}"
                f"{'' if method == 'linear' else ', or be numbers for method=' + repr('linear')}."
            )
        difference = codes[y == classes[1]].mean(axis=0) - codes[y == classes[0]].mean(axis=0)
        if method == "mean":
            return difference
        unit = np.maximum(codes.std(axis=0), np.finfo(codes.dtype).tiny)
        normal = LogisticRegression().fit(codes / unit, y).coef_[0] / unit
        return (normal * (normal @ difference) / (normal @ normal)).astype(codes.dtype)

    @available_if(decodes)
    def edit(self, X, direction, amount=1.0, **given):
        """The rows of X after a move of their codes: with more of an attribute, or less.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        direction : array-like of shape (`code_size_`,)
            As `attribute_direction` gives it.
        amount : float, default=1.0
            How far to go; negative takes the attribute away.

        Returns
        -------
        X_new : ndarray of shape (n_samples, `n_outputs_`)
        """
        rows, one_row = self._some_rows(X, given)
        codes = self._encode(rows)
        direction = check_numbers(direction, "direction", codes.shape[1])
        codes = moved(codes, check_number(amount, "amount") * direction)
        edited = self._target_format.shaped(self._decode(codes, rows.condition))
        return edited[0] if one_row else edited

    @available_if(decodes)
    def traverse(self, x, unit, values, **given):
        """One row with one number of its code set to each of the values.

        Parameters
        ----------
        x : array-like of shape (n_features,)
            The row.
        unit : int
            Which number of the code.
        values : array-like of shape (n_values,)
            What it is set to.

        Returns
        -------
        X_new : ndarray of shape (n_values, `n_outputs_`)
        """
        values = check_numbers(values, "values")
        rows = self._some_rows(x, given)[0].take([0])
        codes = np.repeat(self._encode(rows), len(values), axis=0)
        unit = check_integer(unit, "unit", low=-codes.shape[1], high=codes.shape[1] - 1)
        codes[:, unit] = moved(np.zeros_like(codes[:, unit]), values)
        return self._target_format.shaped(self._decode(codes, rows.condition, len(values)))

    @property
    def code_density_(self):
        """The density of the training codes, which `sample` draws from."""
        check_is_fitted(self, "_kept_codes")
        if self._code_density is None:
            codes = self._kept_codes.astype(float)
            if self.code_density is None:
                self._code_density = mixture(codes, self._seed)
            else:
                self._code_density = clone(self.code_density).fit(codes)
        return self._code_density

    def _keep_codes(self, given):
        """Keep the codes of some training rows; their density is learned when it is asked for."""
        n = min(MOST_KEPT_ROWS, max(1, KEPT_NUMBERS // self.code_size_))
        rows = given.by_weight().thinned(n)
        codes = self._kept_codes = self._codes_for_density(rows)
        self._code_range = codes.min(axis=0), codes.max(axis=0)
        self._code_density = None

    def _codes_for_density(self, given):
        """The codes that the density is to be of."""
        return self._encode(given)

    def _state_for_file(self):
        """The density rather than the codes of training rows, where they are of no other use."""
        learned = hasattr(self, "_code_range") and self.code_density is None and self.code_density_
        state = super()._state_for_file()
        if learned:
            state["_kept_codes"] = None
        elif hasattr(self, "_code_range"):  # one of the user's, which may be unknown to files
            state["_code_density"] = None
        return state

    def _draw_codes(self, n_samples, random_state):
        """Codes from the density, each number within those of the training rows."""
        check_is_fitted(self)
        check_n_samples(n_samples, self.code_size_ + self._n_outputs)
        density = copy.copy(self.code_density_)
        if not hasattr(density, "sample"):
            raise TypeError(f"code_density must have a method sample, {density} has none.")
        random_state = as_random_state(random_state)
        if "random_state" in inspect.signature(density.sample).parameters:
            codes = density.sample(n_samples, random_state=random_state)
        else:
            density.random_state = random_state
            codes = density.sample(n_samples)
        if isinstance(codes, tuple):  # a mixture gives the components too, one after the other
            codes = random_state.permutation(codes[0])
        low, high = self._code_range
        return np.clip(codes, low, high).astype(low.dtype)

    def _some_rows(self, X, given):
        """Rows, or one row, and what else is given; and whether it was one row."""
        check_is_fitted(self)
        X, one_row = self._format.one_row(X)
        return self._inputs(X, **given), one_row


def check_n_samples(n_samples, width=1):
    """A number of rows to draw, each of so many numbers."""
    check_integer(n_samples, "n_samples", high=most_rows(width))


def most_rows(width):
    """Rows of so many numbers, and what is computed on the way, for which there is memory."""
    return memory_bytes() // (64 * width)


def moved(codes, by):
    """Codes after a step, in their precision."""
    with np.errstate(over="ignore"):
        there = (codes + by).astype(codes.dtype)
    if not np.isfinite(there).all():
        raise ValueError(f"The step from the codes is too large for {codes.dtype}.")
    return there


def linear(start, end, step):
    """The straight way."""
    return start + step * (end - start)


def spherical(start, end, step):
    """The arc around the origin; straight where the two ends lie in one direction."""
    lengths = [np.linalg.norm(code, axis=-1, keepdims=True) for code in (start, end)]
    cosine = (start * end).sum(-1, keepdims=True) / np.maximum(lengths[0] * lengths[1], 1e-12)
    angle = np.arccos(np.clip(cosine, -1, 1))
    sine = np.sin(angle)
    flat = sine < 1e-6
    sine = np.where(flat, 1, sine)
    arc = np.sin((1 - step) * angle) / sine * start + np.sin(step * angle) / sine * end
    return np.where(flat, linear(start, end, step), arc)


PATHS = {"linear": linear, "spherical": spherical}


def mixture(codes, seed):
    """A mixture of Gaussians, its number of components chosen by BIC."""
    n, size = codes.shape
    settings = {
        "covariance_type": "full" if size <= LONGEST_CORRELATED else "diag",
        "reg_covar": max(SMALLEST_VARIANCE * codes.var(axis=0).mean(), 1e-12),
        "random_state": seed,
    }
    counts = [k for k in COMPONENTS if 2 * k <= n] or [1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if n == 1:  # one code is not enough to fit any
            codes = np.repeat(codes, 2, axis=0)
        fitted = [GaussianMixture(k, **settings).fit(codes) for k in counts]
    return min(fitted, key=lambda density: density.bic(codes))
