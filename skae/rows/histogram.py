"""Numbers as cells: the values that are frequent, and equal shares of those between them."""

from itertools import pairwise

import numpy as np
from scipy.special import ndtri

# A value with so large a share of the rows is a cell of its own; the others have about this share.
SHARE = 1 / 32
# Cells are learned of so many values at most.
MOST_VALUES = 200_000
# Decimals of a grid, and its largest number without them.
MOST_DECIMALS = 4
LARGEST_WHOLE = 2**53


class Histogram:
    """The cells of one column, in its units and in order.

    Values on a grid (whole numbers, prices in cents, days in seconds) have cells that reach half a
    step beyond them, so that a density is the probability of a value, divided by the step. Without
    a grid a frequent value has a cell without width.

    Parameters
    ----------
    lower, upper : ndarray of shape (n_cells,)
        The ends of each cell.
    mean : ndarray of shape (n_cells,)
        Of the values in each.
    frequency : ndarray of shape (n_cells,)
        The share of the values that are in each.
    step : float
        Of the grid, which the first value lies on; 0 if there is none.
    """

    def __init__(self, lower, upper, mean, frequency, step):
        self.lower, self.upper, self.mean, self.frequency = lower, upper, mean, frequency
        self.step = step

    @property
    def score(self):
        """The place of each cell on the scale of a standard normal distribution."""
        return ndtri(np.cumsum(self.frequency) - self.frequency / 2)

    def exact(self, numbers):
        """Numbers that have come through float32, as values that the column can have."""
        if self.step:
            first, last = self.lower[0] + self.step / 2, self.upper[-1] - self.step / 2
            steps = np.rint((numbers.clip(first, last) - first) / self.step)
            return (first + steps * self.step).round(MOST_DECIMALS)
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
    distinct, starts, counts = np.unique(values, return_index=True, return_counts=True)
    step = step_of(distinct)
    is_frequent = counts >= max(SHARE * n, 2)
    if len(distinct) <= 1 / SHARE:
        is_frequent[:] = True
    cells = []
    for piece in np.split(np.arange(len(distinct)), edges_of(is_frequent)):
        if is_frequent[piece[0]]:
            half = step / 2
            cells.extend(
                (x - half, x + half, x, counts[j])
                for j, x in zip(piece, distinct[piece], strict=True)
            )
        else:
            first, last = piece[0], piece[-1]
            cells.extend(shares(values[starts[first] : starts[last] + counts[last]], n, step))
    lower, upper, mean, count = np.array(cells).T
    return Histogram(lower, upper, mean, count / n, step)


def step_of(distinct):
    """The step of the grid that sorted numbers lie on; 0 if there is none."""
    for decimals in range(MOST_DECIMALS + 1):
        scaled = distinct * 10.0**decimals
        if np.abs(scaled).max() > LARGEST_WHOLE:
            return 0.0
        whole = np.rint(scaled)
        if np.all(np.abs(scaled - whole) <= 1e-9 * np.maximum(1, np.abs(scaled))):
            return float(np.gcd.reduce((whole - whole[0]).astype(np.int64))) / 10.0**decimals
    return 0.0


def edges_of(mask):
    """Where runs of the same value begin, but for the first."""
    return 1 + np.flatnonzero(np.diff(mask))


def shares(values, n, step):
    """Cells of about the same number of these sorted values, none of which is split."""
    n_cells = max(1, round(len(values) / (SHARE * n)))
    cuts = np.linspace(0, len(values), n_cells + 1)[1:-1].astype(int)
    cuts = np.unique(np.searchsorted(values, values[cuts]))
    parts = np.split(values, cuts[cuts > 0])
    # Between two cells that touch, the edge is halfway from the one's last value to the other's.
    edges = [(one[-1] + other[0]) / 2 for one, other in pairwise(parts)]
    if step:  # or, on a grid, half a step above one that is there
        edges = [values[0] + step * (np.floor((e - values[0]) / step) + 0.5) for e in edges]
    lower, upper = [values[0] - step / 2, *edges], [*edges, values[-1] + step / 2]
    return [
        (low, high, part.mean(), len(part))
        for low, high, part in zip(lower, upper, parts, strict=True)
    ]
