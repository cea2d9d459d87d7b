"""How far rows lie from their neighbors, beside how far these lie from theirs."""

from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

from ..rows.given import check_finite

# Neighbors are found by distances that round with the rows of the call, and so looked for again
# among so many times as many, by distances that do not.
CANDIDATES = 2
# Added to every distance, as a share of the typical one: duplicates have logarithms.
FLOOR = 0.1
# Two rows this near, beside their length, are the same row, be it in float32 or float64.
SAME = 1e-6
# Numbers in the differences of rows from their neighbors that are held at once.
CHUNK = 2**22


class Near(NamedTuple):
    """The neighbors of rows."""

    index: np.ndarray  # their numbers among the reference rows: (n, k)
    distances: np.ndarray  # (n, k)
    own: np.ndarray  # the reference row that a row is itself, or -1: (n,)


class LocalDistances:
    r"""Distances of rows from the k nearest of the reference rows, on the scale of these.

    :math:`g(x) = \log d(x) - \tfrac{1}{2k} \sum_{i \in N(x)} \log d(x_i)`, less its mean over the
    reference rows, d being the mean distance from the k nearest others.
    """

    def __init__(self, rows, n_neighbors, own=None):
        self.rows = rows
        self.k = min(n_neighbors, len(rows) - 1)
        self._make_finder()
        near = self.find(rows, np.arange(len(rows)) if own is None else own)
        typical = near.distances.mean(axis=1)
        self.floor = FLOOR * typical.mean() or 1.0
        self.log_typical = np.log(typical + self.floor)
        self.center = 0.0
        self.center = self.log_ratio(near).mean()

    def _make_finder(self):
        n_candidates = min(len(self.rows), CANDIDATES * self.k + 1)
        self.finder = NearestNeighbors(n_neighbors=n_candidates).fit(self.rows)

    def __getstate__(self):
        """Without the finder, which has the rows once more."""
        return {name: value for name, value in vars(self).items() if name != "finder"}

    def __setstate__(self, state):
        vars(self).update(state)
        self._make_finder()

    def find(self, rows, own=None):
        """The k nearest reference rows, the row itself left out.

        ``own`` says which of them a row is; None: the one that equals it, if any.
        """
        index, distances = [], []
        width = self.finder.n_neighbors * max(1, rows.shape[1])
        for part in gen_batches(len(rows), max(1, CHUNK // width)):
            near = self.finder.kneighbors(rows[part], return_distance=False)
            far = np.linalg.norm(rows[part, None] - self.rows[near], axis=2)
            order = np.lexsort((near, far))
            index.append(np.take_along_axis(near, order, axis=1))
            distances.append(np.take_along_axis(far, order, axis=1))
        index, distances = np.concatenate(index), np.concatenate(distances)
        if own is None:
            # Beside the typical distance: rows may be in any unit.
            same = distances[:, 0] <= SAME * (self.floor / FLOOR + np.linalg.norm(rows, axis=1))
            own = np.where(same, index[:, 0], -1)
        others = np.argsort(index == own[:, None], axis=1, kind="stable")[:, : self.k]
        index = np.take_along_axis(index, others, axis=1)
        return Near(index, np.take_along_axis(distances, others, axis=1), own)

    def log_ratio(self, near):
        """The g of rows with these neighbors."""
        typical = self.log_typical[near.index].mean(axis=1)
        return np.log(near.distances.mean(axis=1) + self.floor) - typical / 2 - self.center


def in_units_of_distances(rows, center, scale, names=None):
    """Rows standardized in float64, whose squared distances are known to be finite."""
    rows = (rows.astype(np.float64) - center) / scale
    with np.errstate(over="ignore"):
        squares = np.where(np.isnan(rows), 0, rows) ** 2
    check_finite(squares, "The squared distances of X", rows, names)
    return rows


def mean_squares(rows, reference, near):
    """Squared differences of rows from their neighbors, column by column.

    Each neighbor's are divided by its distance: if the distances are those between ``rows`` and
    ``reference``, the columns add up to their mean.
    """
    total = np.zeros_like(rows)
    for index, distances in zip(near.index.T, near.distances.T, strict=True):
        squares = (rows - reference[index]) ** 2
        total += squares / np.maximum(distances, np.finfo(float).tiny ** 0.5)[:, None]
    return total / near.index.shape[1]
