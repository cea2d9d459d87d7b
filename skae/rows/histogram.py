"""Numbers as cells: the values that are frequent, and equal shares of those between them."""

import numpy as np
from scipy.special import ndtri

# A value with so large a share of the rows is a cell of its own; the others have about this share.
SHARE = 1 / 32
# Cells are learned of so many values at most.
MOST_VALUES = 200_000


class Histogram:
    """The cells of one column, in its units and in order.

    A cell without width is one value. Cells of whole numbers reach half a unit beyond them, so that
    a density is the probability of a number.

    Parameters
    ----------
    lower, upper : ndarray of shape (n_cells,)
        The ends of each cell.
    mean : ndarray of shape (n_cells,)
        Of the values in each.
    frequency : ndarray of shape (n_cells,)
        The share of the values that are in each.
    """

    def __init__(self, lower, upper, mean, frequency):
        self.lower, self.upper, self.mean, self.frequency = lower, upper, mean, frequency

    @property
    def score(self):
        """The place of each cell on the scale of a standard normal distribution."""
        return ndtri(np.cumsum(self.frequency) - self.frequency / 2)

    def exact(self, numbers):
        """Numbers that have come through float32; those at a frequent value are that value."""
        values = self.mean[self.lower == self.upper]
        if not len(values):
            return numbers
        nearest = values[np.abs(numbers[:, None] - values).argmin(axis=1)]
        spread = self.upper[-1] - self.lower[0]
        is_value = np.abs(numbers - nearest) <= 1e-6 * np.maximum(np.abs(nearest), spread)
        return np.where(is_value, nearest, numbers)


def histogram(values):
    """The `Histogram` of observed values."""
    values = np.asarray(values, dtype=float)
    values = np.sort(values[:: -(-len(values) // MOST_VALUES)])
    n = len(values)
    whole = bool(np.all(values == np.rint(values)))
    distinct, starts, counts = np.unique(values, return_index=True, return_counts=True)
    is_frequent = counts >= max(SHARE * n, 2)
    if len(distinct) <= 1 / SHARE:
        is_frequent[:] = True
    cells = []
    for piece in np.split(np.arange(len(distinct)), edges_of(is_frequent)):
        if is_frequent[piece[0]]:
            cells.extend((distinct[j], distinct[j], distinct[j], counts[j]) for j in piece)
        else:
            first, last = piece[0], piece[-1]
            cells.extend(shares(values[starts[first] : starts[last] + counts[last]], n))
    lower, upper, mean, count = np.array(cells).T
    if whole:
        lower, upper = np.ceil(lower) - 0.5, np.floor(upper) + 0.5
    return Histogram(lower, upper, mean, count / n)


def edges_of(mask):
    """Where runs of the same value begin, but for the first."""
    return 1 + np.flatnonzero(np.diff(mask))


def shares(values, n):
    """Cells of about the same number of these sorted values, none of which is split."""
    n_cells = max(1, round(len(values) / (SHARE * n)))
    cuts = np.linspace(0, len(values), n_cells + 1)[1:-1].astype(int)
    cuts = np.unique(np.searchsorted(values, values[cuts]))
    parts = np.split(values, cuts[cuts > 0])
    # Between two cells that touch, the edge is halfway from the one's last value to the other's.
    edges = [(one[-1] + other[0]) / 2 for one, other in zip(parts, parts[1:], strict=False)]
    lower, upper = [values[0], *edges], [*edges, values[-1]]
    return [
        (low, high, part.mean(), len(part))
        for low, high, part in zip(lower, upper, parts, strict=True)
    ]
