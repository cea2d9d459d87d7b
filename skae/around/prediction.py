"""Each column as expected of those before it and of what an autoencoder rebuilds."""

import numpy as np

from .entropy import N_TOKENS, counts_of, n_bits_of, tokens_of

# Columns before it that a column is predicted from, at most; and the ridge, as a share of variance.
MOST_BEFORE, RIDGE = 24, 1e-6
# Whole numbers beyond it are not coded as such.
FARTHEST = 2.0**42


class Prediction:
    r"""Whole numbers of a column as a linear map of the columns before it and of a rebuilt row.

    .. math:: \hat q_j = \operatorname{round}\big((b_j + a_j^T [\hat x, x_{<j}]) / s_j\big)

    It is computed term by term in float64, in one order, so that it is the same wherever it is.
    """

    def learn(self, values, numbers, steps, rebuilt, rows):
        """``rows`` are those to learn of; frequencies of all."""
        n_columns = values.shape[1]
        self.steps = np.asarray(steps)
        self.inputs, self.weights, self.biases = [], [], np.zeros(n_columns)
        self.counts = np.zeros((n_columns, N_TOKENS), np.int64)
        features = values if rebuilt is None else np.hstack([values, rebuilt])
        centers = features[rows].mean(axis=0)
        centered = features[rows] - centers
        lengths = np.sqrt((centered**2).sum(axis=0)) + 1e-150
        for j in range(n_columns):
            inputs = self._choose(j, n_columns, centered, lengths, rebuilt is not None)
            weights = self._solve(centered[:, inputs], centered[:, j])
            self.inputs.append(inputs)
            self.weights.append(weights)
            self.biases[j] = centers[j] - weights @ centers[inputs]
            self._keep_if_better(j, values, numbers, rebuilt)
        return self

    @staticmethod
    def _choose(j, n_columns, centered, lengths, has_rebuilt):
        own = [n_columns + j] if has_rebuilt else []
        left = centered[:, j]
        if own:
            slope = (left @ centered[:, own[0]]) / lengths[own[0]] ** 2
            left = left - slope * centered[:, own[0]]
        alike = np.abs(left @ centered[:, :j]) / lengths[:j]
        before = np.argsort(-alike, kind="stable")[:MOST_BEFORE]
        return np.array([*own, *np.sort(before)], dtype=np.int64)

    @staticmethod
    def _solve(inputs, target):
        if not inputs.shape[1]:
            return np.zeros(0)
        scale = np.sqrt((inputs**2).mean(axis=0)) + 1e-150
        inputs = inputs / scale
        gram = inputs.T @ inputs + RIDGE * len(inputs) * np.eye(inputs.shape[1])
        return np.linalg.solve(gram, inputs.T @ target) / scale

    def _keep_if_better(self, j, values, numbers, rebuilt):
        """A column whose own values are the fewest is coded as it is."""
        bits = []
        found = []
        for expected in (self.expected(j, values, rebuilt), 0):
            tokens, n_bits, _ = tokens_of(numbers[:, j] - expected)
            found.append(counts_of(tokens))
            bits.append(n_bits_of(tokens, n_bits, found[-1]))
        best = int(np.argmin(bits))
        self.counts[j] = found[best]
        if best == 1:
            self.inputs[j] = np.zeros(0, np.int64)
            self.weights[j], self.biases[j] = np.zeros(0), 0.0

    def expected(self, j, values, rebuilt):
        """What whole numbers are expected of column j, of the rows of earlier columns."""
        n_columns = values.shape[1]
        total = np.full(len(values), self.biases[j])
        for k, weight in zip(self.inputs[j], self.weights[j], strict=True):
            total += weight * (values[:, k] if k < n_columns else rebuilt[:, k - n_columns])
        total = np.nan_to_num(total / self.steps[j], nan=0.0)
        return np.rint(total.clip(-FARTHEST, FARTHEST)).astype(np.int64)
