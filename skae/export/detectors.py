"""What an outlier detector does to rows, as a torch module."""

import numpy as np
import torch
from torch import nn

from ..around.neighbors import CANDIDATES, FLOOR, SAME
from ..around.scores import ErrorScores, IsolationNeighborScores, NeighborScores, hidings
from ..base.autoencoder import BaseAutoencoder
from .methods import Methods, methods_of, shape_of


class OfDetector(Methods):
    """Those of an `AutoencoderOutlierDetector`, in float64, as it computes itself."""

    def __init__(self, estimator, methods, dtype):
        super().__init__(estimator, methods, dtype)
        self.check_format(estimator._format)
        for inner in estimator.estimators_:
            if not isinstance(inner, BaseAutoencoder):
                raise NotImplementedError(
                    f"{self.name} stands around {type(inner).__name__}, which is no autoencoder of "
                    "skae, so that it is not known what it does."
                )
        self.takes = shape_of(estimator._format)
        asked = ("transform", "reconstruct")
        self.inner = nn.ModuleList(
            methods_of(inner)(inner, asked, torch.float64) for inner in estimator.estimators_
        )
        self.center, self.scale, self.mean = (
            torch.as_tensor(array, dtype=torch.float64)
            for array in (estimator._center, estimator._scale, estimator._mean)
        )
        self.hidings = None
        if estimator.method == "masked":
            masks = np.array(hidings(len(self.center)))
            self.hidings = torch.from_numpy(masks)
        self.scores = OF_SCORES[type(estimator._scores)](estimator._scores)

    def score_samples(self, x):
        rows = (x.flatten(1).double() - self.center) / self.scale
        rebuilt = [self.rebuilt(inner, rows) for inner in self.inner]
        rebuilt = [torch.where(r.isnan(), self.mean, r) for r in rebuilt]
        missing = rows.isnan()
        residuals = [torch.where(missing, 0.0, rows - r) for r in rebuilt]
        filled = torch.where(missing, torch.stack(rebuilt).mean(0), rows)
        codes = [inner.transform(rows).flatten(1).double() for inner in self.inner]
        return self.scores(filled, codes, residuals, ~missing)

    def rebuilt(self, inner, rows):
        """Flat rows as an autoencoder rebuilds them, or their entries while they are hidden."""
        if self.hidings is None:
            return inner.reconstruct(rows).flatten(1)
        total = torch.zeros_like(rows)
        for hidden in self.hidings:
            seen = torch.where(hidden, torch.nan, rows)
            total = total + torch.where(hidden, inner.reconstruct(seen).flatten(1), 0.0)
        return total / (len(self.hidings) // 2)


class OfErrors(nn.Module):
    """`ErrorScores`."""

    def __init__(self, scores):
        super().__init__()
        self.floor, self.typical = torch.from_numpy(scores.floor), torch.from_numpy(scores.typical)

    def forward(self, filled, codes, residuals, observed):
        n_observed = observed.sum(1).clamp(min=1)
        errors = torch.stack([residual.square().sum(1) / n_observed for residual in residuals])
        return -torch.exp((torch.log(errors + self.floor) - self.typical).mean(0))


class OfNeighbors(nn.Module):
    """`NeighborScores`."""

    def __init__(self, scores):
        super().__init__()
        self.among_rows = Local(scores.among_rows)
        self.among_codes = nn.ModuleList(Local(local) for local in scores.among_codes)

    def forward(self, filled, codes, residuals, observed):
        ratio, own = self.among_rows(filled)
        joined = [
            torch.cat([code, residual.abs()], dim=1)
            for code, residual in zip(codes, residuals, strict=True)
        ]
        ratios = [local(z, own)[0] for local, z in zip(self.among_codes, joined, strict=True)]
        return -torch.exp((ratio + torch.stack(ratios).mean(0)) / 2)


class OfIsolation(nn.Module):
    """`Isolation`: all trees at once, so many steps down as the deepest has."""

    def __init__(self, isolation):
        super().__init__()
        n_trees, n_nodes = isolation.column.shape
        self.root = n_nodes * torch.arange(n_trees)
        self.column = torch.from_numpy(isolation.column.ravel())
        self.left, self.right = (
            (torch.from_numpy(child) + self.root[:, None]).flatten()
            for child in (isolation.left, isolation.right)
        )
        self.threshold = torch.from_numpy(isolation.threshold.ravel())
        self.depth = torch.from_numpy(isolation.depth.ravel())
        self.n_steps, self.typical_depth = isolation.n_steps, isolation.typical_depth

    def forward(self, rows):
        """Logarithms of the forest's scores."""
        rows = rows.float().double()
        node = self.root + torch.zeros_like(rows[:, :1], dtype=torch.int64)
        for _ in range(self.n_steps):
            goes_left = rows.gather(1, self.column[node]) <= self.threshold[node]
            node = torch.where(goes_left, self.left[node], self.right[node])
        return -np.log(2) * self.depth[node].mean(1) / self.typical_depth


class OfIsolationNeighbors(nn.Module):
    """`IsolationNeighborScores`."""

    def __init__(self, scores):
        super().__init__()
        self.neighbors = OfNeighbors(scores.neighbors)
        self.isolation = OfIsolation(scores.isolation)
        self.center, self.spread = (
            torch.from_numpy(array) for array in (scores.center, scores.spread)
        )

    def forward(self, filled, codes, residuals, observed):
        near = torch.log(-self.neighbors(filled, codes, residuals, observed))
        logs = torch.stack([near, self.isolation(filled)])
        robust = (logs - self.center) / self.spread
        return -torch.exp(self.spread[0] * robust.mean(0))


OF_SCORES = {
    ErrorScores: OfErrors,
    IsolationNeighborScores: OfIsolationNeighbors,
    NeighborScores: OfNeighbors,
}


class Local(nn.Module):
    """`LocalDistances`: all reference rows are in the graph."""

    def __init__(self, local):
        super().__init__()
        self.rows = torch.from_numpy(np.asarray(local.rows, dtype=np.float64))
        self.log_typical = torch.from_numpy(local.log_typical)
        self.k, self.floor, self.center = local.k, float(local.floor), float(local.center)
        self.n_candidates = min(len(local.rows), CANDIDATES * self.k + 1)

    def forward(self, rows, own=None):
        """The g of rows, and which reference row each of them is, or -1."""
        # Candidates by a product, which rounds, and then distances that do not cancel.
        far = self.rows.square().sum(1) - 2 * rows @ self.rows.T
        index = far.topk(self.n_candidates, largest=False).indices
        distances = (rows[:, None] - self.rows[index]).square().sum(2).sqrt()
        if own is None:
            nearest, first = distances.min(1)
            same = nearest <= SAME * (self.floor / FLOOR + rows.square().sum(1).sqrt())
            own = torch.where(same, index.gather(1, first[:, None])[:, 0], -1)
        others = distances.masked_fill(index == own[:, None], torch.inf)
        near, place = others.topk(self.k, largest=False)
        typical = self.log_typical[index.gather(1, place)].mean(1)
        ratio = torch.log(near.mean(1) + self.floor) - typical / 2 - self.center
        return ratio, own
