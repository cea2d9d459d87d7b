"""The imputer: an autoencoder fills the holes of a table."""

import copy
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from .._errors import listed, unchanged_on_failure, warn
from .._sklearn import (
    BaseImputer,
    HasMethods,
    Interval,
    StrOptions,
    check_feature_names_in,
    container_adapter,
    fit_context,
)
from ..base.autoencoder import BaseAutoencoder, takes_units_of
from ..base.lazily import LazyMixin
from ..base.naming import NamesMixin
from ..base.saving import SavingMixin
from ..engine.seeds import draw_seed
from ..families.denoising import DenoisingAutoencoder
from ..rows.columns import Columns
from ..rows.format import Formatted
from ..rows.frames import as_frame, frame_of, is_plain, library_of
from ..rows.kinds import Number
from ..rows.units import in_units
from .prototypes import held_out_ratio

# By how far fills are off is learned of so many rows, of which this share of entries is hidden.
ROWS_TO_HIDE = 2000
HIDDEN = 0.1


class AutoencoderImputer(LazyMixin, NamesMixin, SavingMixin, BaseImputer):
    r"""Fills the missing entries of a table by an autoencoder that is trained on what is observed.

    An observed entry stays as it is. A missing one becomes what the autoencoder rebuilds,

    .. math:: \hat x_j = d(e(x_{obs}))_j, \qquad\text{or}\qquad \hat x_j = \sum_k w_k \, \mathbb
        E[x_j | z_k], \quad w_k \propto \frac{p(x_{obs} | z_k) \, p(z_k)}{q(z_k | x_{obs})}

    for a :class:`VariationalAutoencoder`, whose codes :math:`z_k` are drawn from :math:`q`.
    Each column has a unit of its own, so that units do not matter, and categories become
    indicators, of which a softmax is learned by cross-entropy.

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
        Which columns are categories: "from_dtype" are those of a frame that hold texts, booleans
        or categories. Columns may be given by a mask, by their numbers, or by their names. None is
        none. Dates, times and durations are numbers to the autoencoder; identifiers, which differ
        in nearly every row, are not learned from and passed through: see :ref:`tables`.
    max_categories : int or None, default=50
        Of a category with more values than that, the rarest share one indicator, and are filled by
        the most frequent of them.
    missing_values : number, str, np.nan, None or pd.NA, default=np.nan
        What stands for a missing entry. NaN, None and NA do in any case.
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
        The trained autoencoder, of rows like X.
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
        If no entry of X is observed, if an array holds texts that are not among
        ``categorical_features``, if a column cannot be filled, and as the autoencoder does.
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
    >>> print(f"{error(filled):.2f} {error(X.mean(axis=0)):.2f}")
    0.52 1.05
    """

    _parameter_constraints = {
        **BaseImputer._parameter_constraints,
        "autoencoder": [HasMethods(["fit", "get_params"]), None],
        "n_imputations": [Interval(Integral, 1, None, closed="left")],
        "sample_posterior": ["boolean"],
        "categorical_features": [StrOptions({"from_dtype"}), "array-like", None],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        autoencoder=None,
        *,
        n_imputations=10,
        sample_posterior=False,
        categorical_features: object = "from_dtype",
        max_categories: int | None = 50,
        missing_values: object = np.nan,
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
        self.max_categories = max_categories
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
        self._format = Columns(
            categorical_features=self.categorical_features,
            max_categories=self.max_categories,
            missing=self.missing_values,
            columns_may_be_empty=True,
            expects_missing=True,
        )
        rows = self._format.learn(X, self)
        missing = self._format.missing_in(X)
        self._check_fillable(missing)
        self._fit_indicator(missing)
        rows = rows[~np.isnan(rows).all(axis=1)]
        self._learn_columns(rows)
        self.autoencoder_ = self._make_autoencoder(rows.shape[1])
        self._units = None
        if not takes_units_of(self.autoencoder_, self._format):
            self._units = self._format.units(rows)
        try:
            self.autoencoder_.fit(self._handed(rows))
        except Exception as error:
            error.add_note("This was the imputer's autoencoder, whose rows are the columns of X.")
            raise
        self._learn_errors(rows)
        return self

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None):
        """Train for one pass over more rows. The first call is `fit`.

        Columns, their categories and units stay as they were: a category that is new counts as
        missing. How far off fills are is learned anew, of the rows of this call.

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
        if not hasattr(self, "autoencoder_"):
            return self.fit(X)
        rows = self._format.rows(X, self)
        self._check_identifiers(self._format.missing_in(X))
        rows = rows[~np.isnan(rows).all(axis=1)]
        if len(rows):
            self.autoencoder_ = copy.deepcopy(self.autoencoder_)
            self.autoencoder_.partial_fit(self._handed(rows))
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
            A frame of mixed columns comes back as such a frame, whose columns keep their dtypes.
            Other frames are arrays unless ``set_output`` asks for frames. Arrays keep X's
            precision; those with categories are of objects.
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

    # -- columns ----------------------------------------------------------------------------------

    def _check_fillable(self, missing):
        """Which columns are empty, and whether there is one that cannot be filled."""
        self._empty = missing.all(axis=0)
        names = getattr(self, "feature_names_in_", np.arange(len(self._empty)))
        if self._empty.any() and not self.keep_empty_features:
            warn(
                f"Column(s) {listed(names[self._empty].tolist())} have no observed entry and are "
                "left out: set keep_empty_features=True to keep them.",
                UserWarning,
            )
        self._check_identifiers(missing)

    def _check_identifiers(self, missing):
        """What is not learned from cannot be filled."""
        unlearned = np.array([kind.width == 0 for kind in self._format.kinds]) & ~self._empty
        holes = np.flatnonzero(unlearned & missing.any(axis=0))
        if len(holes):
            names = getattr(self, "feature_names_in_", np.arange(len(unlearned)))
            raise ValueError(
                f"Column(s) {listed(names[holes].tolist())} of X differ in nearly every row, so "
                "that their missing entries cannot be filled: drop them, or name them in "
                "categorical_features if they are categories."
            )

    def _learn_columns(self, rows):
        """What stands where nothing of a row is known, in flat rows and by column."""
        with np.errstate(invalid="ignore"):
            self._center = np.nanmean(rows, axis=0)
        format = self._format
        usual = [values.iloc[0] for values in format.values(self._center[None])]
        for j, (kind, place) in enumerate(zip(format.kinds, format.places, strict=True)):
            if isinstance(kind, Number):
                usual[j] = self._center[place.start]
            elif kind.width == 0:
                usual[j] = np.nan
        only_numbers = all(isinstance(value, float) for value in usual)
        self.statistics_ = np.array(usual, dtype=float if only_numbers else object)
        self.categories_ = {
            j: np.array(kind.categories, dtype=object)
            for j, kind in enumerate(format.kinds)
            if kind.is_category
        }

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
        """How far off fills are, by number: of entries that are hidden from the autoencoder.

        Of few rows each entry is hidden once: a tenth of them have no quantiles to speak of.
        """
        rng = np.random.default_rng(self._seed)
        rows = rows[rng.permutation(len(rows))[:ROWS_TO_HIDE]]
        ratio = held_out_ratio(self.autoencoder_, self._handed(rows))
        n_turns = round(1 / HIDDEN)
        n_rounds = int(np.clip(ROWS_TO_HIDE // len(rows), 1, n_turns))
        turn = rng.permuted(np.indices(rows.shape).sum(axis=0) % n_turns, axis=0)
        rows = np.tile(rows, (n_rounds, 1))
        hidden = np.concatenate([turn == i for i in range(n_rounds)]) & ~np.isnan(rows)
        hidden[np.isnan(np.where(hidden, np.nan, rows)).all(axis=1)] = False
        errors = ratio * (rows - self._rebuilt(np.where(hidden, np.nan, rows)))
        self._errors = [errors[hidden[:, i], i] for i in range(rows.shape[1])]

    _units = None  # of the columns, where the autoencoder has one for all

    def _handed(self, rows):
        """Rows for the autoencoder, whose columns have equal units in its eyes."""
        if self._units is not None:
            rows = in_units(rows, *self._units)
        return Formatted(rows, self._format)

    def _in_units(self, rows):
        """What the autoencoder rebuilds, as the columns have it."""
        if self._units is None or rows is None:
            return rows
        center, scale = self._units
        return rows * scale + center

    def _rebuilt(self, rows):
        return self._in_units(self.autoencoder_._impute(self._given(rows)))

    def _given(self, rows):
        return self.autoencoder_._inputs(self._handed(rows))

    def _drawn(self, rows, n_draws, rng):
        """Random rows given the observed entries: (n_draws, n, n_numbers)."""
        given, seed = self._given(rows), int(rng.integers(2**31))
        draws = self._in_units(self.autoencoder_._impute(given, n_draws, seed))
        if draws is None:
            draws = np.repeat(self._rebuilt(rows)[None], n_draws, axis=0)
            for i in np.flatnonzero(~self._format.indicators):
                if len(self._errors[i]):
                    draws[..., i] += rng.choice(self._errors[i], draws.shape[:2])
        return np.stack([self._format.drawn(draw, rng) for draw in draws])

    def _filled(self, X, n_draws, seed, draws=False):
        """X filled, so many times, in the container that is asked for."""
        rows, missing = self._format.rows(X, self), self._format.missing_in(X)
        self._check_identifiers(missing)
        nothing = np.isnan(rows).all(axis=1)
        if nothing.any():
            warn(
                f"{nothing.sum()} row(s) of X have no observed entry (the first is row "
                f"{np.flatnonzero(nothing)[0]}): they become the training mean.",
                UserWarning,
            )
        gappy = missing.any(axis=1) & ~nothing
        fills = np.repeat(np.nan_to_num(self._center)[None], len(rows), axis=0)
        fills = np.repeat(fills[None], n_draws, axis=0)
        if gappy.any():
            rng = np.random.default_rng(seed) if draws or self.sample_posterior else None
            if rng is None:
                rebuilt = self._rebuilt(rows[gappy])[None]
            else:
                rebuilt = self._drawn(rows[gappy], n_draws, rng)
            fills[:, gappy] = rebuilt
        indicators = self._transform_indicator(missing)
        return [self._as_given(X, missing, fill, indicators) for fill in fills]

    def _as_given(self, X, missing, fills, indicators):
        """The columns of X with the fills where they are missing."""
        import pandas as pd

        kept, frame = np.flatnonzero(self._kept()), as_frame(X)
        values = self._format.values(fills)
        series = []
        for j in kept:
            column, holes = frame.iloc[:, j].reset_index(drop=True), missing[:, j]
            if holes.any():
                with_fills = values[j]
                if self._empty[j]:
                    with_fills = self._format.kinds[j].constant(len(column))
                column = with_fills if holes.all() else column.where(~holes, with_fills)
            series.append(column)
        adapter = container_adapter("transform", self)
        library = library_of(X)
        if adapter is None and (library == "numpy" or is_plain(X)):
            return self._concatenate_indicator(as_array(series), indicators)
        names = self.get_feature_names_out().tolist()
        if indicators is not None:
            if is_plain(X):  # as scikit-learn's imputers have it, whose columns are all numbers
                indicators = indicators.astype(float)
            series += [pd.Series(column) for column in indicators.T]
        dtypes = None
        if library == "polars":
            dtypes = [self._format.dtypes[j] for j in kept]
            dtypes += [None] * (len(names) - len(kept))
        library = library if adapter is None else adapter.container_lib
        if library == "polars" and dtypes is None:
            dtypes = [None] * len(names)
        return frame_of(series, names, library, dtypes, getattr(X, "index", None))


def as_array(series):
    """Columns as an array: of floats if they are numbers, else of objects."""
    from pandas import concat
    from pandas.api.types import is_numeric_dtype

    frame = concat(series, axis=1)
    dtypes = [one.dtype for one in series]
    if not all(is_numeric_dtype(dtype) or dtype.kind == "O" for dtype in dtypes):
        return frame.to_numpy(dtype=object)
    try:
        return frame.to_numpy(dtype=np.float32 if set(dtypes) == {np.dtype("f4")} else np.float64)
    except (ValueError, TypeError):
        return frame.to_numpy(dtype=object)
