"""How soon random splits set a row apart (an isolation forest), in plain arrays."""

import numpy as np
from sklearn.ensemble import IsolationForest

FAR = np.finfo(np.float32).max


class Isolation:
    """The mean depth at which a row stands alone, of scikit-learn's `IsolationForest`.

    Its trees are kept as arrays, so that a file without code can hold them.
    """

    def __init__(self, rows, seed):
        forest = IsolationForest(random_state=seed).fit(rows)
        trees = [tree.tree_ for tree in forest.estimators_]
        shape = len(trees), max(tree.node_count for tree in trees)
        self.column, self.left, self.right = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        self.threshold, self.n_rows, self.depth = np.zeros(shape), np.ones(shape), np.zeros(shape)
        for i, tree in enumerate(trees):
            n = tree.node_count
            leaf = tree.children_left < 0
            own = np.arange(n)
            self.column[i, :n] = np.where(leaf, 0, tree.feature)
            self.threshold[i, :n] = tree.threshold
            # A leaf is its own child, so that every path has the same length.
            self.left[i, :n] = np.where(leaf, own, tree.children_left)
            self.right[i, :n] = np.where(leaf, own, tree.children_right)
            self.n_rows[i, :n] = tree.n_node_samples
            for node in np.flatnonzero(~leaf):  # parents come before their children
                children = [tree.children_left[node], tree.children_right[node]]
                self.depth[i, children] = self.depth[i, node] + 1
        self.n_steps = int(max(tree.max_depth for tree in trees))
        # The rows of a leaf would stand alone only further down.
        self.depth += mean_depth(self.n_rows)
        self.typical_depth = max(1.0, float(mean_depth(forest.max_samples_)))

    def log_scores(self, rows):
        """Logarithms of the forest's scores (those of Liu et al.; higher is more unusual): (n,)."""
        depth = np.zeros(len(rows))
        for tree in range(len(self.column)):
            node = np.zeros(len(rows), dtype=np.int64)
            for _, child in self._steps(tree, rows):
                node = child
            depth += self.depth[tree, node]
        return -np.log(2) * depth / len(self.column) / self.typical_depth

    def set_apart(self, rows):
        """By column, the bits by which its splits narrowed down the rows' neighborhoods."""
        bits, own = np.zeros(rows.shape), np.arange(len(rows))
        for tree in range(len(self.column)):
            for node, child in self._steps(tree, rows):
                narrowed = np.log2(self.n_rows[tree, node] / self.n_rows[tree, child])
                bits[own, self.column[tree, node]] += narrowed
        return bits

    def _steps(self, tree, rows):
        """Nodes of the rows' paths and the nodes that follow, from the root down."""
        rows = np.clip(rows, -FAR, FAR).astype(np.float32)  # as the trees were grown
        node, own = np.zeros(len(rows), dtype=np.int64), np.arange(len(rows))
        for _ in range(self.n_steps):
            goes_left = rows[own, self.column[tree, node]] <= self.threshold[tree, node]
            child = np.where(goes_left, self.left[tree, node], self.right[tree, node])
            yield node, child
            node = child


def mean_depth(n):
    """The mean depth of a random binary tree of n rows: 2 H(n - 1) - 2 (n - 1) / n."""
    n = np.asarray(n, dtype=np.float64)
    many = np.maximum(n, 2)
    depth = 2 * (np.log(np.maximum(many - 1, 1)) + np.euler_gamma) - 2 * (many - 1) / many
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, depth))
