"""The door: a row format says how users' X becomes flat rows of floats, and back."""

from typing import NamedTuple

import numpy as np

from .._errors import listed, warn
from .given import FLOATS
from .reading import empty_places
from .units import center_and_scale


class RowFormat:
    """How users' X becomes flat rows of floats, and back.

    An estimator makes one in `fit`, of those of its own parameters that ``parameters`` names, keeps
    it, and asks it alone. A new kind of rows is a subclass, and stands in the ``_formats`` of the
    families that take it.

    Parameters
    ----------
    name : str, default="X"
        What the user calls the rows: "X" or "target".
    of_X : RowFormat, default=None
        For a target: the format of X.

    Attributes
    ----------
    n_features : int
        Columns of X, as scikit-learn counts them.
    n_numbers : int
        Numbers in a flat row.
    shape : tuple of int, or None
        The axes of a row, if there is more than one.
    names : ndarray or None
        Of the columns, if X is a frame.
    groups : tuple of slice
        Of flat rows: those numbers that indicate one category.
    """

    parameters = ()  # of the estimator, which the format is made of
    fills = True  # whether a Gaussian of the rows may fill their missing entries
    sparse = False  # whether X may be a sparse matrix,
    absent = 0.0  # and what an entry stands for that is not stored
    columns_may_be_empty = False  # whether `fit` takes a column without an observed entry
    rows_may_be_empty = False  # whether a row without an observed entry is worth no warning
    expects_missing = False  # whether rows with missing entries will come, though `fit` sees none
    groups = ()
    shape = None
    names = None

    def __init__(self, name="X", of_X=None, **parameters):
        self.name = name
        self.of_X = of_X
        vars(self).update(parameters)

    @classmethod
    def takes(cls, X, **parameters):
        """Whether X is of this kind, in the eyes of an estimator with these parameters."""
        return True

    def learn(self, X, owner=None, dtype=FLOATS):
        """Flat rows of the X of `fit`, of which all is learned that the way back needs.

        ``owner`` is the estimator, which errors name, and whose ``n_features_in_`` and
        ``feature_names_in_`` are set if these are the rows of its X.
        """
        raise NotImplementedError

    def rows(self, X, owner=None, dtype=FLOATS):
        """Flat rows of any later X: an array of floats, NaN for missing entries, or SparseRows."""
        raise NotImplementedError

    def shaped(self, rows):
        """Flat rows with the axes that those of `fit` had."""
        return rows if self.shape is None else rows.reshape(len(rows), *self.shape)

    def restore(self, rows, like=None, adapter=None):
        """Flat rows as users have them.

        ``like`` is what the method was given that makes them, and ``adapter`` makes frames of
        arrays if the user asked for frames.
        """
        rows = self.shaped(rows)
        if adapter is None or rows.ndim > 2:
            return rows
        names = self.names
        if names is None:
            names = np.array([f"x{i}" for i in range(rows.shape[1])], dtype=object)
        return adapter.create_container(rows, like, columns=names)

    def one_row(self, X):
        """X as rows, and whether it was a single one."""
        one = np.ndim(X) == 1 or np.shape(X) == self.shape
        return (np.asarray(X)[None] if one else X), one

    is_mixed = False  # whether columns are of several kinds

    def place_of(self, column):
        """Where the numbers of a column stand in a flat row: a column by its name, or number."""
        names = range(self.n_features) if self.names is None else list(self.names)
        if column not in names:
            raise ValueError(f"{self.name} has no column {column!r}, but {listed(list(names))}.")
        number = list(names).index(column)
        return slice(number, number + 1)

    def place_values(self, row, values):
        """Write the values of some columns, by their names, into a flat row."""
        for column, value in values.items():
            row[self.place_of(column)] = value

    @property
    def channels(self):
        """The channel of each number, each of which has a unit of its own; None: all have one."""

    @property
    def indicators(self):
        """Which numbers indicate a category."""
        mask = np.zeros(self.n_numbers, dtype=bool)
        for group in self.groups:
            mask[group] = True
        return mask

    def units(self, rows, weight=None):
        """Center and scale of flat rows: see `center_and_scale`."""
        return center_and_scale(rows, self.channels, self.name, weight)

    def by_column(self, shares):
        """What is known of each number, summed over those of each column: (n, n_features)."""
        return shares

    def check_observed(self, rows, reset=False):
        """Rows and, in `fit`, columns without a single observed entry."""
        empty_rows, empty_columns = empty_places(rows)
        empty = np.flatnonzero(empty_columns)
        if reset and len(empty) and not self.columns_may_be_empty:
            names = empty.tolist() if self.names is None else [self.names[j] for j in empty]
            raise ValueError(
                f"{self.name} has no observed entry in column(s) {listed(names)}, so nothing can "
                "be learned of them: drop them, or fill them with a constant."
            )
        numbers = np.flatnonzero(empty_rows)
        if len(numbers) and self.name == "X" and not self.rows_may_be_empty:
            warn(
                f"{len(numbers)} row(s) of X have no observed entry (the first is row "
                f"{numbers[0]}): they are taken for the training mean and get the highest score.",
                UserWarning,
            )


class Formatted(NamedTuple):
    """Flat rows that a format has read already.

    An estimator that holds another hands them to it, through its public methods, and is given flat
    rows back.
    """

    values: np.ndarray
    format: RowFormat

    @property
    def shape(self):
        """Of the flat rows."""
        return self.values.shape

    def __len__(self):
        return len(self.values)
