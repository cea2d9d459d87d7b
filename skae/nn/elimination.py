"""Linear systems in operations that every runtime has: graphs for inference know no solver."""

import torch


def solved(matrices, vectors):
    """``A^-1 b`` of positive definite matrices (n, p, p) and vectors (n, p), by elimination.

    Without pivots, which such matrices do not need. The loop is over the columns, all rows of the
    batch at once, so that a graph of it has some operations for each column, however many rows.
    """
    left, rows = torch.cat([matrices, vectors[:, :, None]], dim=2), []
    for _ in range(matrices.shape[1]):
        row = left[:, 0, 1:] / left[:, 0, :1]
        rows.append(row)
        left = left[:, 1:, 1:] - left[:, 1:, :1] * row[:, None]
    solution = rows.pop()
    for row in reversed(rows):
        n = solution.shape[1]
        value = row[:, n:] - (row[:, :n] * solution).sum(1, keepdim=True)
        solution = torch.cat([value, solution], dim=1)
    return solution
