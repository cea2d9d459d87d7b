"""How unusual rows are, by what autoencoders make of them; one class for each method."""

from typing import NamedTuple

import numpy as np

from .isolation import Isolation
from .neighbors import FLOOR, LocalDistances, mean_squares

# How often each entry is hidden.
N_HIDINGS = 4


class View(NamedTuple):
    """Rows as estimators see them, standardized."""

    filled: np.ndarray  # (n, numbers): missing entries as they are expected
    codes: list  # of each estimator: (n, code size); none where a method asks for none
    rebuilt: list  # by each estimator: (n, numbers)
    residuals: list  # 0 where an entry is missing
    observed: np.ndarray
    expected: np.ndarray  # the mean of ``rebuilt``

    def errors(self):
        """Mean squared residual over the observed entries: (estimators, n)."""
        n_observed = np.maximum(1, self.observed.sum(axis=1))
        return np.stack([(r**2).sum(axis=1) / n_observed for r in self.residuals])

    def joined(self):
        """Codes beside the sizes of residuals, for each estimator."""
        pairs = zip(self.codes, self.residuals, strict=True)
        return [np.hstack([codes, np.abs(residual)]) for codes, residual in pairs]


class Judged(NamedTuple):
    """Scores of rows, and what explains them."""

    scores: np.ndarray  # below 0; -1 is typical
    shares: np.ndarray  # of each entry: those of a row add up to minus its score
    nearest: np.ndarray | None = None  # mean of the nearest reference rows


class ErrorScores:
    """Minus the squared error of the reconstruction, in units of the rows' typical one."""

    needs_codes = False
    rows = None  # it keeps none

    def __init__(self, reference):
        errors = reference.errors()
        self.floor = FLOOR * errors.mean(axis=1, keepdims=True)
        self.floor[self.floor == 0] = 1.0
        self.typical = np.log(errors + self.floor).mean(axis=1, keepdims=True)

    def scores(self, view):
        """Of rows, by the mean of the logarithms of all estimators' errors: (n,)."""
        logs = np.log(view.errors() + self.floor) - self.typical
        return -np.exp(logs.mean(axis=0))

    def judge(self, view):
        """Scores and their explanation."""
        scores = self.scores(view)
        shares = np.mean([normalized(r**2) for r in view.residuals], axis=0)
        return Judged(scores, -scores[:, None] * shares)


class NeighborScores:
    """Distances from the nearest reference rows, among rows and among codes beside residuals."""

    needs_codes = True

    def __init__(self, reference, n_neighbors):
        self.filled, self.rebuilt = reference.filled, reference.rebuilt
        self.among_rows = LocalDistances(reference.filled, n_neighbors)
        own = np.arange(len(reference.filled))
        self.among_codes = [LocalDistances(z, n_neighbors, own) for z in reference.joined()]

    @property
    def rows(self):
        """The reference rows."""
        return self.filled

    def scores(self, view):
        """Minus the exponential of the mean of both logarithms: (n,)."""
        return self._compared(view)[0]

    def judge(self, view):
        """Scores and their explanation."""
        scores, near, around_codes = self._compared(view)
        shares = normalized(mean_squares(view.filled, self.filled, near)) / 2
        n_columns = view.filled.shape[1]
        for i, (z, around) in enumerate(zip(view.joined(), around_codes, strict=True)):
            squares = mean_squares(z, self.among_codes[i].rows, around)
            # A code has no columns: its part goes to those in which what is rebuilt differs.
            decoded = mean_squares(view.rebuilt[i], self.rebuilt[i], around)
            of_code = squares[:, :-n_columns].sum(axis=1, keepdims=True)
            squares = squares[:, -n_columns:] + of_code * normalized(decoded)
            shares += normalized(squares) / (2 * len(view.codes))
        nearest = self.filled[near.index].mean(axis=1)
        return Judged(scores, -scores[:, None] * shares, nearest)

    def _compared(self, view):
        """Scores, the neighbors of the rows, and those of each estimator's codes."""
        near = self.among_rows.find(view.filled)
        pairs = list(zip(self.among_codes, view.joined(), strict=True))
        around_codes = [local.find(z, near.own) for local, z in pairs]
        ratios = [
            local.log_ratio(around)
            for local, around in zip(self.among_codes, around_codes, strict=True)
        ]
        logs = self.among_rows.log_ratio(near) + np.mean(ratios, axis=0)
        return -np.exp(logs / 2), near, around_codes


class IsolationNeighborScores:
    """`NeighborScores` and an isolation forest, for reference rows with outliers among them.

    Outliers that lie together are each other's neighbors; random splits still set them apart. The
    logarithms of both scores, each less its median and by its quartiles' distance over the
    reference rows, are averaged, and stand in units of the neighbors' again.
    """

    needs_codes = True

    def __init__(self, reference, n_neighbors, seed):
        self.neighbors = NeighborScores(reference, n_neighbors)
        self.isolation = Isolation(reference.filled, seed)
        logs = self._logs(self.neighbors.scores(reference), reference)
        low, self.center, high = np.percentile(logs, (25, 50, 75), axis=1, keepdims=True)
        self.spread = np.where(high > low, high - low, 1.0)

    @property
    def rows(self):
        """The reference rows."""
        return self.neighbors.rows

    def _logs(self, scores, view):
        return np.stack([np.log(-scores), self.isolation.log_scores(view.filled)])

    def _joined(self, scores, view):
        robust = (self._logs(scores, view) - self.center) / self.spread
        return -np.exp(self.spread[0] * robust.mean(axis=0))

    def scores(self, view):
        """Minus the exponential of the mean of both: (n,)."""
        return self._joined(self.neighbors.scores(view), view)

    def judge(self, view):
        """Scores and their explanation, half by either."""
        judged = self.neighbors.judge(view)
        scores = self._joined(judged.scores, view)
        apart = normalized(self.isolation.set_apart(view.filled))
        shares = (normalized(judged.shares) + apart) / 2
        return Judged(scores, -scores[:, None] * shares, judged.nearest)


def normalized(shares):
    """Shares that add up to 1, all equal where all are 0."""
    total = shares.sum(axis=1, keepdims=True)
    return np.where(total > 0, shares / np.where(total > 0, total, 1), 1 / shares.shape[1])


def joined_at_random(known, n_seen, new, most, rng):
    """At most ``most`` rows at random, of those seen so far (some of which are known) and new.

    Where none is known, the new ones.
    """
    if not len(known) or len(known) + len(new) <= most:
        return np.concatenate([known, new])
    n_new = int(rng.hypergeometric(len(new), n_seen, most))
    parts = [(known, most - n_new), (new, n_new)]
    return np.concatenate([rows[np.sort(rng.permutation(len(rows))[:n])] for rows, n in parts])


def hidings(n_columns):
    """Which columns are hidden, by turns: each `N_HIDINGS` times, half of them at a time."""
    rng, masks = np.random.default_rng(0), []
    for _ in range(N_HIDINGS):
        hidden = np.isin(np.arange(n_columns), rng.permutation(n_columns)[::2])
        masks += [hidden, ~hidden]
    return masks
