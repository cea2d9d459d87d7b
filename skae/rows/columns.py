"""Frames of mixed columns: numbers, categories, dates, and what is not learned from."""

import math

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import validate_data

from .._errors import listed, warn
from .format import RowFormat
from .frames import as_frame, frame_of, is_frame, is_plain, library_of, spelled
from .given import FLOATS, untensored
from .kinds import Number, Unlearned, kind_of
from .reading import check_has_columns, read_numbers
from .units import center_and_scale


class Columns(RowFormat):
    """Rows of columns of several kinds, each of which has a unit of its own.

    Numbers, dates, times and durations are numbers to the net, a category is one indicator for each
    of its values. Identifiers, which differ in nearly every row, are not learned from.

    Parameters
    ----------
    categorical_features : "from_dtype", array-like or None
        Which columns are categories, whatever they hold: a mask, numbers or names of columns.
        With "from_dtype" they are those of booleans, of pandas' and polars' categories, and of
        texts. None: no column but those of booleans may be one.
    max_categories : int or None
        Of a category with more values, the rarest share one indicator.
    missing : object, default=np.nan
        What stands for a missing entry, beside NaN, None and NA.
    """

    parameters = ("categorical_features", "max_categories")
    missing = np.nan

    @classmethod
    def takes(cls, X, categorical_features="from_dtype", max_categories=None):
        named = names_columns(categorical_features)
        if is_frame(X):
            return named or not is_plain(X)
        return named and not sp.issparse(X) and np.ndim(X) < 3

    def learn(self, X, owner=None, dtype=FLOATS):
        self.library = library_of(X)
        frame = self._read(X, owner, reset=True)
        twice = sorted({str(n) for n in frame.columns[frame.columns.duplicated()]})
        if twice:
            raise ValueError(
                f"{self.name} has more than one column of the name(s) {listed(twice)}."
            )
        self.names = np.array(frame.columns, dtype=object) if self.library != "numpy" else None
        self.dtypes = self._dtypes(X)
        self.n_features = frame.shape[1]
        declared = self._declared(frame)
        missing = self.missing_in(frame)
        self.kinds = []
        for j in range(self.n_features):
            column = frame.iloc[:, j]
            try:
                kind = kind_of(column, missing[:, j], declared[j], self.max_categories)
            except (ValueError, TypeError, OverflowError) as error:
                self._blame(j, error)
            if self.categorical_features is None and kind.is_category and column.dtype != bool:
                raise ValueError(
                    f"{self._called(j)} holds texts or categories: name it in categorical_features."
                )
            self.kinds.append(kind)
        self._warn_of_identifiers()
        widths = np.array([kind.width for kind in self.kinds])
        ends = np.cumsum(widths)
        self.n_numbers = int(ends[-1])
        self.places = tuple(slice(int(e - w), int(e)) for w, e in zip(widths, ends, strict=True))
        self.groups = tuple(
            place for place, kind in zip(self.places, self.kinds, strict=True) if kind.is_category
        )
        empty = [j for j, kind in enumerate(self.kinds) if is_empty(kind)]
        if len(empty) == self.n_features:
            raise ValueError(
                f"{self.name} has no observed entry at all, so nothing can be learned of it: check "
                f"what marks missing entries (missing_values={self.missing!r})."
            )
        if empty and not self.columns_may_be_empty:
            raise ValueError(
                f"{self.name} has no observed entry in column(s) "
                f"{listed([self._label(j) for j in empty])}, so nothing can be learned of them: "
                "drop them, or fill them with a constant."
            )
        if self.n_numbers == 0:
            raise ValueError(
                f"{self.name} has no column that anything can be learned of: each is empty, or an "
                "identifier, which differs in nearly every row."
            )
        return self._checked(self._numbers(frame, missing), reset=True)

    def rows(self, X, owner=None, dtype=FLOATS):
        frame = self._read(X, owner)
        return self._checked(self._numbers(frame, self.missing_in(frame)))

    def missing_in(self, X):
        """Which entries of X are missing: (n, n_features)."""
        frame = X if is_frame(X) and library_of(X) == "pandas" else as_frame(X)
        missing = frame.isna().to_numpy(copy=True)
        if self._has_mark():
            for j in range(missing.shape[1]):
                values = frame.iloc[:, j].tolist()
                missing[:, j] |= [type(v) is not bool and v == self.missing for v in values]
        return missing

    def restore(self, rows, like=None, adapter=None):
        """A frame of the kind of `fit`, or of the kind that the user asked for."""
        series = self.values(rows)
        if is_frame(like) and like.shape == (len(rows), self.n_features):
            for j, kind in enumerate(self.kinds):
                if isinstance(kind, Unlearned):  # passed through
                    series[j] = as_frame(like).iloc[:, j].reset_index(drop=True)
        library = self.library if adapter is None else adapter.container_lib
        index = like.index if is_frame(like) and library_of(like) == "pandas" else None
        return frame_of(series, self.column_names(), library, self.dtypes, index)

    def values(self, rows):
        """The entries of each column, as a list of pandas' Series."""
        return [
            kind.values(rows[:, place]) for kind, place in zip(self.kinds, self.places, strict=True)
        ]

    def drawn(self, rows, rng):
        """Rows in which the likeliest value of each category is a draw from its probabilities."""
        rows = rows.copy()
        for group in self.groups:  # the largest of log p with Gumbel noise is a draw
            part = np.log(rows[:, group].clip(1e-12))
            rows[:, group] = part + rng.gumbel(size=part.shape)
        return rows

    def place_of(self, column):
        return self.places[super().place_of(column).start]

    def place_values(self, row, values):
        import pandas as pd

        for column, value in values.items():
            j = super().place_of(column).start
            kind = self.kinds[j]
            if isinstance(kind, Unlearned):
                raise ValueError(f"{self._called(j)} is not learned from: it cannot be asked for.")
            entry = pd.Series([value], dtype=object)
            try:
                numbers = kind.numbers(entry, np.array([False]))[0]
            except (ValueError, TypeError, OverflowError) as error:
                self._blame(j, error)
            if np.isnan(numbers).any():
                known = f", but {listed(list(kind.categories))}" if kind.is_category else ""
                raise ValueError(f"{self._called(j)} has no value {value!r}{known}.")
            row[self.places[j]] = numbers

    def column_names(self):
        """Those of the frame of `fit`, or of the columns of an array."""
        if self.names is not None:
            return list(self.names)
        return [f"x{j}" for j in range(self.n_features)]

    @property
    def is_mixed(self):
        return not all(isinstance(kind, Number) for kind in self.kinds)

    @property
    def channels(self):
        return np.repeat(np.arange(self.n_features), [kind.width for kind in self.kinds])

    def units(self, rows, weight=None):
        """Each column has a variance of one as a whole, also one of several indicators."""
        _, channels = np.unique(self.channels, return_inverse=True)
        center, scale = center_and_scale(rows, channels, self.name, weight)
        for group in self.groups:
            scale[group] *= np.sqrt(group.stop - group.start)
        return center, scale

    def by_column(self, shares):
        """The sum over the numbers of each column."""
        summed = [shares[:, place].sum(axis=1) for place in self.places]
        return np.stack(summed, axis=1)

    # -- how it is done ---------------------------------------------------------------------------

    def _read(self, X, owner, reset=False):
        """X as a frame of pandas, of the columns of `fit`."""
        if is_frame(X):
            check_has_columns(X, self.name)
            frame = as_frame(X)
            if owner is not None and self.name == "X":
                validate_data(owner, X, skip_check_array=True, reset=reset)
            if not len(frame):
                raise ValueError(
                    f"Found array with 0 sample(s) (shape={frame.shape}) while a minimum of 1 is "
                    f"required: {self.name} has no rows."
                )
        elif names_columns(self.categorical_features):
            array = np.asarray(untensored(X, self.name))
            if array.ndim != 2:
                raise ValueError(f"{self.name} must have two dimensions, but has {array.ndim}.")
            frame = as_frame(array)
            if owner is not None and self.name == "X":
                validate_data(owner, array, dtype=None, ensure_all_finite=False, reset=reset)
        else:
            array = read_numbers(X, owner, name=self.name, reset=reset)
            frame = as_frame(array)
        if not reset and frame.shape[1] != self.n_features:
            raise ValueError(
                f"{self.name} has {frame.shape[1]} columns, but {type(owner).__name__} was fitted "
                f"to {self.n_features}."
            )
        return frame

    def _dtypes(self, X):
        """What polars calls the dtypes of the columns; None for other frames."""
        if self.library != "polars":
            return None
        return tuple(map(spelled, X.dtypes))

    def _declared(self, frame):
        """Which columns the user says are categories."""
        found = np.zeros(frame.shape[1], dtype=bool)
        if not names_columns(self.categorical_features):
            return found
        given = np.asarray(self.categorical_features, dtype=object)
        given = given if given.ndim == 1 else [given]  # which is named below
        is_mask = all(isinstance(value, bool | np.bool_) for value in given)
        if is_mask and len(given) == len(found):
            return given.astype(bool)
        whole = all(isinstance(value, int | np.integer) for value in given) and not is_mask
        if whole and all(0 <= value < len(found) for value in given):
            found[given.astype(int)] = True
            return found
        if self.names is not None and all(isinstance(value, str) for value in given):
            unknown = sorted(set(given) - set(frame.columns))
            if unknown:
                raise ValueError(
                    f"categorical_features names {listed(unknown)}, which {self.name} does not "
                    "have."
                )
            return np.isin(np.array(frame.columns, dtype=object), given)
        raise ValueError(
            f"categorical_features must be a mask of {len(found)} bools, numbers of columns below "
            f"{len(found)}, or names of the columns of a frame, got {self.categorical_features!r}."
        )

    def _numbers(self, frame, missing):
        parts = []
        for j, kind in enumerate(self.kinds):
            try:
                parts.append(kind.numbers(frame.iloc[:, j], missing[:, j]))
            except (ValueError, TypeError, OverflowError) as error:
                self._blame(j, error)
        return np.ascontiguousarray(np.hstack(parts))

    def _checked(self, rows, reset=False):
        """Rows whose entries are finite or missing."""
        for j, place in enumerate(self.places):
            if np.isinf(rows[:, place]).any():
                raise ValueError(
                    f"{self._called(j)} holds infinity: replace it by NaN, which is for missing "
                    "entries, or by a number."
                )
        without = np.flatnonzero(np.isnan(rows).all(axis=1))
        if len(without) and self.name == "X" and not self.columns_may_be_empty:
            self.check_observed(rows)
        return rows

    def _blame(self, j, error):
        kind = TypeError if isinstance(error, TypeError) else ValueError
        hint = (
            ""
            if names_columns(self.categorical_features)
            else (" If it holds categories, name it in categorical_features.")
        )
        raise kind(f"{self._called(j)} cannot be read: {error}{hint}") from error

    def _label(self, j):
        return j if self.names is None else self.names[j]

    def _called(self, j):
        return f"Column {self._label(j)!r} of {self.name}"

    def _has_mark(self):
        """Whether something beside NaN, None and NA stands for a missing entry."""
        mark = self.missing
        return isinstance(mark, str) or (
            isinstance(mark, int | float | np.number) and bool(mark == mark)  # and not NaN
        )

    def _warn_of_identifiers(self):
        names = [self._label(j) for j, kind in enumerate(self.kinds) if is_identifier(kind)]
        if names:
            warn(
                f"Column(s) {listed(names)} of {self.name} differ in nearly every row, as names "
                "and numbers of rows do: nothing is learned from them. Drop them, or name them in "
                "categorical_features if they are categories.",
                UserWarning,
            )


def names_columns(categorical_features):
    """Whether it says which columns are categories."""
    if categorical_features is None or isinstance(categorical_features, str):
        return False
    return math.prod(np.shape(categorical_features)) > 0


def is_identifier(kind):
    return isinstance(kind, Unlearned) and kind.is_identifier


def is_empty(kind):
    return isinstance(kind, Unlearned) and not kind.is_identifier
