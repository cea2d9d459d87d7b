"""Labels as users give them: which rows have one, and what it is worth."""

from numbers import Number, Real

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from .._errors import listed
from .._sklearn import n_samples_of

UNLABELED = -1
# scikit-learn spells two classes so: there, -1 is one of them.
SIGNS = {-1, 1}


def is_missing(value):
    """Whether a value of an array of objects stands for no value."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, Real) and value != value


def read_column(y, owner):
    """Labels as an array of one axis, and which of them are missing."""
    if y is None:
        raise ValueError(
            f"{type(owner).__name__} requires y to be passed, but the target y is None."
        )
    y = column_or_1d(y, warn=True)
    if y.dtype.kind == "f":
        if np.isinf(y).any():
            raise ValueError("Input y contains infinity.")
        return y, np.isnan(y)
    if y.dtype.kind != "O":
        return y, np.zeros(len(y), dtype=bool)
    missing = np.array([is_missing(value) for value in y], dtype=bool)
    known = y[~missing].tolist()
    if known and all(isinstance(value, Number) for value in known):
        numbers = np.full(len(y), UNLABELED, dtype=np.array(known).dtype)
        numbers[~missing] = known
        y = numbers
    return y, missing


def read_to_score(y, X):
    """Labels to hold answers for X against: one of each row.

    Raises
    ------
    TypeError, ValueError
        If y is something else.
    """
    n_labels, n_rows = length(y), length(X)
    if n_labels is None:
        raise TypeError(f"y must be an array of the labels of the rows of X, got {y!r}.")
    # What has no length is no X: who reads the rows says so.
    if n_rows not in (None, n_labels):
        raise ValueError(f"y has {n_labels} entries, but X has {n_rows} rows: give one for each.")
    return y


def length(rows):
    """How many there are, or None of what is no array."""
    try:
        return None if isinstance(rows, str) else n_samples_of(rows)
    except TypeError:
        return None


def read_classes(y, owner):
    """The number of each row's class, -1 if it has no label, and the classes.

    Raises
    ------
    ValueError
        If no row has a label, or all have the same.
    """
    y, missing = read_column(y, owner)
    if y.dtype.kind == "O":
        marked = np.array([is_mark(value) for value in y], dtype=bool)
    elif y.dtype.kind in "fiu":
        marked = (y == UNLABELED) & ~missing
        if {*np.unique(y[~missing]).tolist()} == SIGNS:
            marked[:] = False
    else:
        marked = np.zeros(len(y), dtype=bool)
    labeled = ~(missing | marked)
    if not labeled.any():
        raise ValueError(no_label(owner, "-1, None, NaN and NA mark rows without one"))
    known = y[labeled]
    if known.dtype.kind == "O":
        kinds = sorted({type(value).__name__ for value in known})
        if len(kinds) > 1 and not all(isinstance(value, str) for value in known):
            raise TypeError(f"y has labels of several types, {kinds}: give labels of one type.")
    check_classification_targets(known)
    classes, numbers = np.unique(known, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"{type(owner).__name__} needs labels of at least 2 classes, but the labeled rows of y "
            f"are of one class, {classes[0]!r}."
        )
    found = np.full(len(y), UNLABELED)
    found[labeled] = numbers
    return found, classes


def is_mark(value):
    """Whether -1 stands among labels that are no numbers."""
    return isinstance(value, Number) and not isinstance(value, bool) and value == UNLABELED


def read_numbers(y, owner):
    """The number of each row in float64, NaN if it has none."""
    y, missing = read_column(y, owner)
    try:
        numbers = np.where(missing, np.nan, np.where(missing, 0, y).astype(np.float64))
    except (TypeError, ValueError) as error:
        bad = listed(dict.fromkeys(value for value in y.tolist() if isinstance(value, str)))
        raise ValueError(f"y must hold numbers, but found {bad}.") from error
    if not (~missing).any():
        raise ValueError(no_label(owner, "None, NaN and NA mark rows without one"))
    return numbers


def no_label(owner, marks):
    return f"y has no label, but {type(owner).__name__} needs some labeled rows: {marks}."


def distinct(rows, labels, weights):
    """The first of all rows that are the same, label and all, and the sums of their weights.

    They are in an order of their content, whatever the order was in which they came: a row twice
    is a row of twice the weight.
    """
    as_bytes = [
        np.ascontiguousarray(array + 0.0).view(np.uint8) for array in (rows, labels[:, None])
    ]
    table = np.ascontiguousarray(np.hstack(as_bytes))
    keys = table.view(np.dtype((np.void, table.shape[1]))).ravel()
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return first, np.bincount(which, weights)
