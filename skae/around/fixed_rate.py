"""Codes of a fixed number of bits: numbers of a code rounded to levels, as fine as they matter."""

import numpy as np

# Bits of one number of the code, at most; rounds of Lloyd's algorithm; codes that levels and the
# decoder's slope are learned of; and the step of the slope, in standard deviations of the code.
MOST_BITS, N_ROUNDS, N_CODES, N_SLOPES, STEP = 12, 1000, 20_000, 200, 0.2
N_EDGES = 257  # of the quantiles that levels start at


class FixedRate:
    r"""Rounds codes to ``rate`` bits with little error of what they are decoded to.

    An error :math:`\delta` of a code changes the row by about :math:`\delta^T M \delta`, with
    :math:`M = \mathbb E\, J^T J` of the decoder's Jacobian. Codes are turned to the principal axes
    of :math:`L^T z`, :math:`L L^T = M`; each bit goes to the axis that has the largest error left,
    :math:`v_j 4^{-b_j}`; and an axis gets the :math:`2^{b_j}` levels of least squared error (Lloyd
    and Max).

    Parameters
    ----------
    rate : int
        Bits of a code.
    """

    def __init__(self, rate):
        self.rate = rate
        self.mean = self.turn = self.back = self.bits = self.levels = None

    @property
    def n_bytes(self):
        """Bytes of a row."""
        return -(-self.rate // 8)

    def learn(self, codes, decode):
        """Learn of codes, and of the function that makes rows of them."""
        self.mean, scale = codes.mean(axis=0), codes.std(axis=0) + 1e-12
        metric = self._metric(codes, scale, decode)
        lower = np.linalg.cholesky(metric) / scale[:, None]
        seen = (codes - self.mean) @ lower
        variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(seen.T, bias=True)))
        self.turn = lower @ axes[:, ::-1]
        self.back = np.linalg.inv(self.turn)
        self.bits = allocated(variances[::-1].clip(0), self.rate)
        along = (codes - self.mean) @ self.turn
        self.levels = [lloyd(x, 2**n) for x, n in zip(along.T, self.bits, strict=True)]
        return self

    def _metric(self, codes, scale, decode):
        """The mean of ``J^T J`` in units of ``scale``, by central differences."""
        some = codes[:: -(-len(codes) // N_SLOPES)]
        slopes = np.stack(
            [
                (decode(some + step) - decode(some - step)) / (2 * STEP)
                for step in np.diag(STEP * scale)
            ]
        )
        metric = np.einsum("jnd,knd->jk", slopes, slopes) / len(some)
        return metric + (1e-6 * np.trace(metric) / len(metric) + 1e-12) * np.eye(len(metric))

    def pack(self, codes):
        """Codes as bytes: (n_rows, n_bytes)."""
        along = (codes - self.mean) @ self.turn
        bits = np.zeros((len(codes), 8 * self.n_bytes), np.uint8)
        at = 0
        for x, levels, n in zip(along.T, self.levels, self.bits, strict=True):
            numbers = nearest_level(x, levels)
            bits[:, at : at + n] = (numbers[:, None] >> np.arange(n)[::-1]) & 1
            at += n
        return np.packbits(bits, axis=1)

    def unpack(self, packed):
        """The codes that bytes stand for."""
        bits = np.unpackbits(packed, axis=1).astype(np.int64)
        along = np.zeros((len(packed), len(self.bits)))
        at = 0
        for j, (levels, n) in enumerate(zip(self.levels, self.bits, strict=True)):
            along[:, j] = levels[bits[:, at : at + n] @ (1 << np.arange(n)[::-1])]
            at += n
        return self.mean + along @ self.back


def allocated(variances, rate):
    """Bits of each axis: one after the other to where most error is left."""
    bits, left = np.zeros(len(variances), np.int64), variances.astype(float).copy()
    for _ in range(rate):
        j = int(np.argmax(np.where(bits < MOST_BITS, left, -1)))
        if bits[j] == MOST_BITS:
            break
        bits[j] += 1
        left[j] /= 4
    return bits


def lloyd(x, n):
    """So many levels of numbers, in order: means of those to which they are nearest."""
    x = np.sort(x[:: -(-len(x) // N_CODES)])
    # A good start: as dense as the third root of the density (Panter and Dite).
    edges = np.quantile(x, np.linspace(0, 1, N_EDGES))
    dense = np.concatenate([[0.0], np.cumsum(np.diff(edges) ** (2 / 3))])
    levels = np.interp((np.arange(n) + 0.5) / n * dense[-1], dense, edges)
    sums = np.concatenate([[0.0], np.cumsum(x)])
    for _ in range(N_ROUNDS):
        ends = np.searchsorted(x, (levels[1:] + levels[:-1]) / 2)
        ends = np.concatenate([[0], ends, [len(x)]])
        counts = np.diff(ends)
        means = np.diff(sums[ends]) / np.maximum(counts, 1)
        before, levels = levels, np.where(counts > 0, means, levels)
        if np.abs(levels - before).max() <= 1e-6 * (x[-1] - x[0]):
            break
    return levels


def nearest_level(x, levels):
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, x)
