"""The imputer: an autoencoder fills the holes of a table."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from .._errors import unchanged_on_failure, warn
from .._sklearn import (
    BaseImputer,
    HasMethods,
    Interval,
    StrOptions,
    check_feature_names_in,
    container_adapter,
    fit_context,
    mask_of,
    n_samples_of,
    safe_indexing,
)
from ..base.autoencoder import BaseAutoencoder
from ..base.saving import SavingMixin
from ..engine.seeds import draw_seed
from ..families.denoising import DenoisingAutoencoder
from ..rows.format import Formatted
from ..rows.given import FLOATS
from ..rows.table import SparseTable
from .mixed import find_categories, framed

# By how far fills are off is learned of so many rows, of which this share of entries is hidden.
ROWS_TO_HIDE = 2000
HIDDEN = 0.1


class AutoencoderImputer(SavingMixin, BaseImputer):
    r"""Fills the missing entries of a table by an autoencoder that is trained on what is observed.

    An observed entry stays as it is. A missing one becomes what the autoencoder rebuilds,

    .. math:: \hat x_j = d(e(x_{obs}))_j, \qquad\text{or}\qquad \hat x_j = \sum_k w_k \, \mathbb
        E[x_j | z_k], \quad w_k \propto \frac{p(x_{obs} | z_k) \, p(z_k)}{q(z_k | x_{obs})}

    for a :class:`VariationalAutoencoder`, whose codes :math:`z_k` are drawn from :math:`q`.
    Columns are standardized for the autoencoder, so that their units do not matter, and categories
    become indicators, of which a softmax is learned by cross-entropy.

    Parameters
    ----------
    autoencoder : estimator, default=None
        The autoencoder of skae that is trained; it is cloned. None is a ``DenoisingAutoencoder``
        with ``noise="masking", noise_level=0.3, emphasis=(1, 0), lr=0.003`` and as many numbers in
        the code as in a row: it learns to fill entries that are hidden from it.
        With ``max_epochs="auto"`` an autoencoder is trained for up to three times as many steps as
        by itself.
    n_imputations : int, default=10
        Tables that `multiple_imputations` gives.
    sample_posterior : bool, default=False
        Whether `transform` fills by a random draw given the observed entries, rather than by the
        expectation. A variational autoencoder draws codes by their importance, and rows of its
        likelihood. To what others fill, an error is added that they made on entries hidden from
        them.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Which columns are categories: "from_dtype" are those of a frame that are not numbers.
        Columns may be given by a mask, by their numbers, or by their names. None is none.
    missing_values : number, np.nan or pd.NA, default=np.nan
        What stands for a missing entry. Of categories, None and NaN do in any case.
    add_indicator : bool, default=False
        Whether columns follow that say which entries were missing.
    keep_empty_features : bool, default=False
        Whether columns without a single observed entry in `fit` are kept, filled with 0 (categories
        with None), or left out.
    random_state : int, RandomState instance or None, default=None
        Of the autoencoder, unless it has its own, and of the draws.

    Attributes
    ----------
    autoencoder_ : estimator
        The trained autoencoder. Its rows are standardized columns and indicators.
    statistics_ : ndarray of shape (n_features,)
        The mean of each column over observed entries, or its most frequent category; NaN for an
        empty column.
    categories_ : dict
        The categories of a categorical column, by its number.
    indicator_ : sklearn.impute.MissingIndicator
        Says which entries were missing; None if ``add_indicator`` is False.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X is a frame with string names.

    Raises
    ------
    ValueError
        If no entry of X is observed, if a column that holds categories is not among
        ``categorical_features``, and as the autoencoder does.
    TypeError
        If ``autoencoder`` is none of skae's.

    Warns
    -----
    UserWarning
        If a row has no observed entry: it becomes the training mean. If a column has none in `fit`.

    See Also
    --------
    sklearn.impute.IterativeImputer : A regression for each column.
    sklearn.impute.KNNImputer : The mean of the nearest rows.

    References
    ----------
    Mattei & Frellsen: MIWAE: deep generative modelling and imputation of incomplete data sets.
    ICML 2019. arXiv:1812.02633.

    Gondara & Wang: MIDA: multiple imputation using denoising autoencoders. PAKDD 2018.
    arXiv:1705.02737.

    Rubin: Multiple imputation for nonresponse in surveys. Wiley, 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from skae import AutoencoderImputer
    >>> X = load_wine().data
    >>> hidden = np.random.default_rng(0).random(X.shape) < 0.2
    >>> filled = AutoencoderImputer(random_state=0).fit_transform(np.where(hidden, np.nan, X))
    >>> bool((filled == X)[~hidden].all())
    True
    >>> def error(filled):
    ...     return np.mean(((filled - X) / X.std(axis=0))[hidden] ** 2)
    >>> bool(error(filled) < 0.7 * error(X.mean(axis=0)))
    True
    """

    _parameter_constraints = {
        **BaseImputer._parameter_constraints,
        "autoencoder": [HasMethods(["fit", "get_params"]), None],
        "n_imputations": [Interval(Integral, 1, None, closed="left")],
        "sample_posterior": ["boolean"],
        "categorical_features": [StrOptions({"from_dtype"}), "array-like", None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        autoencoder=None,
        *,
        n_imputations=10,
        sample_posterior=False,
        categorical_features="from_dtype",
        missing_values=np.nan,
        add_indicator=False,
        keep_empty_features=False,
        random_state=None,
    ):
        super().__init__(
            missing_values=missing_values,
            add_indicator=add_indicator,
            keep_empty_features=keep_empty_features,
        )
        self.autoencoder = autoencoder
        self.n_imputations = n_imputations
        self.sample_posterior = sample_posterior
        self.categorical_features = categorical_features
        self.random_state = random_state

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Train the autoencoder on the observed entries of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        self._seed = draw_seed(self.random_state)
        numbers, missing = self._check_columns(X, reset=True)
        self._fit_indicator(missing)
        self._learn_columns(numbers, missing)
        rows = self._as_rows(numbers)
        self.autoencoder_ = self._make_autoencoder(rows.shape[1])
        rows = rows[~np.isnan(rows).all(axis=1)]
        groups = (self._places.get(j) for j in self.categories_)
        groups = tuple(group for group in groups if group is not None)
        self._rows_format = SparseTable(groups=groups, expects_missing=True)
        rows = self._rows_format.learn(rows)
        try:
            self.autoencoder_.fit(Formatted(rows, self._rows_format))
        except Exception as error:
            error.add_note(
                "This was the imputer's autoencoder, whose rows are the standardized columns of X."
            )
            raise
        self._learn_errors(rows)
        return self

    def transform(self, X):
        """X with its missing entries filled; the others are not touched.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features_out), or a frame
            In the precision of X. An array with categories is of objects; in a frame, which
            ``set_output`` asks for, each column keeps its kind.
        """
        check_is_fitted(self)
        return self._filled(X, 1, self._seed)[0]

    def multiple_imputations(self, X, random_state=None):
        """Several tables, filled by independent draws given the observed entries.

        What is estimated from each of them varies by as much as the missing entries leave open.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        random_state : int, RandomState instance or None, default=None
            Of the draws. None is the seed of `fit`: the same at every call.

        Returns
        -------
        tables : list of `n_imputations` ndarrays, or frames
            Each as `transform` gives it.
        """
        check_is_fitted(self)
        seed = self._seed if random_state is None else draw_seed(random_state)
        tables = self._filled(X, self.n_imputations, seed, draws=True)
        adapter = container_adapter("transform", self)
        if adapter is None:
            return tables
        names = self.get_feature_names_out
        return [adapter.create_container(table, X, columns=names) for table in tables]

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X; None are those of `fit`.

        Returns
        -------
        feature_names_out : ndarray of str
        """
        check_is_fitted(self)
        names = check_feature_names_in(self, input_features)
        return self._concatenate_indicator_feature_names_out(names[self._kept()], names)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # -- columns of any kind, and the rows that the autoencoder sees ------------------------------

    def _check_columns(self, X, reset=False):
        """X as floats, with numbers for categories and NaN for what is not known; what is missing.

        A category that `fit` has not seen is not known, though it is not missing.
        """
        mark = self.missing_values
        finite = isinstance(mark, Real) and not np.isnan(mark)  # else NaN marks them, or nothing
        finite = {"ensure_all_finite": True if finite else "allow-nan"}
        if reset:
            is_category = find_categories(self.categorical_features, X)
            self.categories_ = dict.fromkeys(np.flatnonzero(is_category).tolist())
        if not self.categories_:
            X = validate_data(self, X, dtype=FLOATS, reset=reset, copy=True, **finite)
            missing = mask_of(X, self.missing_values)
            X[missing] = np.nan
            return X, missing
        validate_data(self, X, skip_check_array=True, reset=reset)
        numbers = np.empty((n_samples_of(X), self.n_features_in_))
        missing = np.empty(numbers.shape, dtype=bool)
        for j in range(self.n_features_in_):
            column = safe_indexing(X, j, axis=1)
            if j in self.categories_:
                numbers[:, j], missing[:, j] = self._as_codes(column, j, reset)
                continue
            try:
                column = check_array(
                    column, dtype=float, ensure_2d=False, input_name=f"Column {j} of X", **finite
                )
            except ValueError as error:
                error.add_note("If it holds categories, name it in categorical_features.")
                raise
            missing[:, j] = mask_of(column, self.missing_values)
            numbers[:, j] = np.where(missing[:, j], np.nan, column)
        return numbers, missing

    def _as_codes(self, column, j, reset):
        """Categories as numbers, NaN for those that are missing or new; which are missing."""
        from pandas import Index, factorize, isna

        column = np.array(column, dtype=object)
        missing = isna(column) | mask_of(column, self.missing_values)
        column[missing] = None
        if reset:
            self.categories_[j] = factorize(column)[1]
        codes = Index(self.categories_[j]).get_indexer(column)
        return np.where((codes < 0) | missing, np.nan, codes), missing

    def _learn_columns(self, numbers, missing):
        """Units of the numbers, and where the autoencoder's rows have what."""
        empty = missing.all(axis=0)
        if empty.all():
            raise ValueError(
                "X has no observed entry at all, so nothing can be learned of it: check whether "
                f"missing_values={self.missing_values!r} is what marks missing entries."
            )
        self._empty = empty
        if empty.any() and not self.keep_empty_features:
            names = getattr(self, "feature_names_in_", np.arange(len(empty)))[empty]
            warn(
                f"Column(s) {names.tolist()} have no observed entry and are left out: set "
                "keep_empty_features=True to keep them.",
                UserWarning,
            )
        with np.errstate(invalid="ignore"):
            n = (~missing).sum(axis=0)
            self._center = np.nansum(numbers, axis=0, dtype=float) / n
            away = numbers - self._center
            self._scale = np.sqrt(np.nansum(away**2, axis=0) / n)
        self._scale[~(self._scale > 10 * np.finfo(numbers.dtype).eps * abs(self._center))] = 1.0
        for j in self.categories_:
            if not empty[j]:
                self._center[j] = np.bincount(numbers[~missing[:, j], j].astype(int)).argmax()
        self.statistics_ = self._center
        if self.categories_:
            self.statistics_ = self._center.astype(object)
            for j in self.categories_:
                if not empty[j]:
                    self.statistics_[j] = self.categories_[j][int(self._center[j])]
        widths = [len(self.categories_[j]) if j in self.categories_ else 1 for j in range(len(n))]
        ends = np.cumsum(np.where(empty, 0, widths))
        self._places = {
            j: slice(end - widths[j], end) for j, end in enumerate(ends.tolist()) if not empty[j]
        }

    def _as_rows(self, numbers):
        """What the autoencoder sees: standardized columns, and indicators of categories."""
        parts = []
        for j in self._places:
            column = numbers[:, [j]]
            if j not in self.categories_:
                parts.append((column - self._center[j]) / self._scale[j])
                continue
            indicators = (column == np.arange(len(self.categories_[j]))).astype(float)
            indicators[np.isnan(column[:, 0])] = np.nan
            parts.append(indicators)
        return np.hstack(parts).astype(numbers.dtype, copy=False)

    def _of_rows(self, rows, rng=None):
        """The same backwards; with ``rng``, categories are drawn, and not the likeliest."""
        numbers = np.empty((len(rows), len(self._center)), dtype=rows.dtype)
        numbers[:] = np.where(self._empty, 0.0, self._center)
        for j, place in self._places.items():
            part = rows[:, place]
            if j not in self.categories_:
                numbers[:, j] = part[:, 0] * self._scale[j] + self._center[j]
                continue
            if rng is not None:  # the largest of log p with Gumbel noise is a draw
                part = np.log(part.clip(1e-12)) + rng.gumbel(size=part.shape)
            numbers[:, j] = part.argmax(axis=1)
        return numbers

    def _kept(self):
        return np.ones_like(self._empty) if self.keep_empty_features else ~self._empty

    # -- the autoencoder --------------------------------------------------------------------------

    def _make_autoencoder(self, n_columns):
        autoencoder = self.autoencoder
        if autoencoder is None:
            autoencoder = DenoisingAutoencoder(
                n_columns, noise="masking", noise_level=0.3, emphasis=(1.0, 0.0), lr=0.003
            )
        if not isinstance(autoencoder, BaseAutoencoder):
            raise TypeError(
                f"autoencoder is an instance of {type(autoencoder).__name__}, but must be an "
                "autoencoder of skae, such as DenoisingAutoencoder()."
            )
        autoencoder = clone(autoencoder)
        if autoencoder.random_state is None:
            autoencoder.random_state = self._seed
        return autoencoder

    def _learn_errors(self, rows):
        """How far off fills are, by column: of entries that are hidden from the autoencoder."""
        rng = np.random.default_rng(self._seed)
        rows = rows[rng.permutation(len(rows))[:ROWS_TO_HIDE]]
        hidden = (rng.random(rows.shape) < HIDDEN) & ~np.isnan(rows)
        hidden[np.isnan(np.where(hidden, np.nan, rows)).all(axis=1)] = False
        errors = rows - self._rebuilt(np.where(hidden, np.nan, rows))
        self._errors = [errors[hidden[:, i], i] for i in range(rows.shape[1])]

    def _rebuilt(self, rows):
        return self.autoencoder_._impute(self._given(rows))

    def _given(self, rows):
        return self.autoencoder_._inputs(Formatted(rows, self._rows_format))

    def _drawn(self, rows, n_draws, rng):
        """Random rows given the observed entries: (n_draws, n, n_columns)."""
        given, seed = self._given(rows), int(rng.integers(2**31))
        draws = self.autoencoder_._impute(given, n_draws, seed)
        if draws is not None:
            return draws
        draws = np.repeat(self.autoencoder_._impute(given)[None], n_draws, axis=0)
        for j, place in self._places.items():
            errors = self._errors[place.start]
            if j not in self.categories_ and len(errors):
                draws[..., place.start] += rng.choice(errors, draws.shape[:2])
        return draws

    def _filled(self, X, n_draws, seed, draws=False):
        """X filled, so many times, in the container that is asked for."""
        numbers, missing = self._check_columns(X)
        rows = self._as_rows(numbers)
        nothing = np.isnan(rows).all(axis=1)
        if nothing.any():
            warn(
                f"{nothing.sum()} row(s) of X have no observed entry (the first is row "
                f"{np.flatnonzero(nothing)[0]}): they become the training mean.",
                UserWarning,
            )
        gappy = missing.any(axis=1) & ~nothing
        fills = np.repeat(np.where(self._empty, 0.0, self._center)[None], len(rows), axis=0)
        fills = np.repeat(fills[None], n_draws, axis=0)
        if gappy.any():
            rng = np.random.default_rng(seed) if draws or self.sample_posterior else None
            if rng is None:
                rebuilt = self._rebuilt(rows[gappy])[None]
            else:
                rebuilt = self._drawn(rows[gappy], n_draws, rng)
            for fill, part in zip(fills, rebuilt, strict=True):
                fill[gappy] = self._of_rows(part, rng)
        indicators = self._transform_indicator(missing)
        return [self._as_came(X, numbers, fill, missing, indicators) for fill in fills]

    def _as_came(self, X, numbers, fills, missing, indicators):
        """The columns of X with the fills where they are missing."""
        kept = np.flatnonzero(self._kept())
        if not self.categories_:
            filled = np.where(missing, fills, numbers).astype(numbers.dtype, copy=False)
            return self._concatenate_indicator(filled[:, kept], indicators)
        columns = {}
        for j in kept.tolist():
            columns[j] = np.where(missing[:, j], fills[:, j], numbers[:, j])
            if j in self.categories_:
                column = np.array(safe_indexing(X, j, axis=1), dtype=object)
                holes = missing[:, j]
                names = np.append(self.categories_[j].astype(object), None)
                column[holes] = names[-1 if self._empty[j] else fills[holes, j].astype(int)]
                columns[j] = column
        adapter = container_adapter("transform", self)
        if adapter is not None and hasattr(X, "columns"):
            return framed(X, columns, indicators, self.get_feature_names_out())
        array = np.array(list(columns.values()), dtype=object).T
        return self._concatenate_indicator(array, indicators)
