"""Missing entries as the observed ones of their row lead to expect, at the mouth of an encoder."""

import torch
from torch import nn

from .randomness import rand_like
from .tracing import is_traced

# What is added to the variances, in units of their mean: the largest for which hidden entries are
# filled best.
RIDGES = (0.1, 0.03, 0.01, 0.003, 0.001)
SMALLEST_ERROR = 1e-4  # of a column, in units of its variance, that counts
HIDDEN = 0.1  # the share of the observed entries by which it is chosen
MOST_STEPS = 60
TOLERANCE = 1e-2  # of a step's change, as a share of the scale
# Squared widths times rows: what the covariance is learned on, and what is solved at once.
LEARNED_ELEMENTS = 2**22
SOLVED_ELEMENTS = 2**21


class GaussianFill(nn.Module):
    """``E[x_missing | x_observed]`` in the place of missing entries, as if rows were normal.

    Missing is what is zero, the center of its column, as it comes from a mask, from masking noise
    or from NaN. Mean and covariance are learned by EM; no gradient flows through what is filled.
    Numbers beside the first ``n_features`` are handed on.
    """

    stacks = True

    def __init__(self, n_features):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("covariance", torch.eye(n_features))

    def forward(self, x):
        rows, beside = x.tensor_split([self.mean.shape[-1]], dim=-1)
        missing = rows == 0
        if is_traced():  # a graph does the same to all rows
            fills = self._expected(rows)[0]
        elif x.device.type != "cpu":  # to ask which rows have gaps would wait for the device
            fills = self.expected(rows.detach())
        elif not missing.any():
            return x
        elif x.dim() > 2:  # rows of several nets, which have each a covariance of their own
            fills = self.expected(rows.detach())
        else:
            gappy = missing.any(-1)
            fills = torch.zeros_like(rows)
            with torch.no_grad():
                fills[gappy] = self.expected(rows[gappy].detach())
        return torch.cat([torch.where(missing, fills, rows), beside], dim=-1)

    def expected(self, x):
        """All entries of rows as the observed ones, those that are not zero, predict them."""
        n_at_once = max(1, SOLVED_ELEMENTS // x.shape[-1] ** 2)
        return torch.cat([self._expected(part)[0] for part in x.split(n_at_once, -2)], -2)

    def _expected(self, x):
        # In double precision, as nearly collinear columns ask for; MPS has none.
        wide = x if x.device.type == "mps" else x.double()
        mean, covariance = self.mean.to(wide), self.covariance.to(wide)
        observed = (x != 0).to(wide)
        # The observed block of the covariance, and beside it ones on the diagonal.
        blocks = observed[..., None] * covariance.unsqueeze(-3) * observed[..., None, :]
        blocks = blocks + torch.diag_embed(1 - observed)
        deviations = (wide - mean) * observed
        if is_traced():
            triangles, solution = None, torch.linalg.solve_ex(blocks, deviations[..., None])[0]
        else:
            triangles = torch.linalg.cholesky_ex(blocks).L  # asks no device for errors
            solution = torch.cholesky_solve(deviations[..., None], triangles)
        return (mean + solution[..., 0] @ covariance).to(x), observed, triangles

    @torch.no_grad()
    def learn(self, x, ridge=None):
        """Mean and covariance of rows with missing entries, by EM (Dempster, Laird, Rubin, 1977).

        The ridge keeps the covariance from following chance where there are few rows. It is found,
        if it is not given, and returned.
        """
        n_rows = max(4 * x.shape[1], LEARNED_ELEMENTS // x.shape[1] ** 2)
        x = x[:: -(-len(x) // n_rows)].cpu().double()
        learner = GaussianFill(x.shape[1]).double()
        learner.covariance.copy_(torch.diag(x.square().mean(0) + RIDGES[0]))
        ridge = ridge or learner._find_ridge(x)
        learner._learn(x, ridge)
        self.load_state_dict(learner.state_dict())
        return ridge

    def _find_ridge(self, x):
        """The ridge by which hidden entries are filled best."""
        hidden = (rand_like(x) < HIDDEN) & (x != 0)
        left, errors = x.masked_fill(hidden, 0.0), []
        for ridge in RIDGES:
            self._learn(left, ridge)
            errors.append(self._error((self.expected(left) - x) * hidden, hidden.sum(0)))
        return RIDGES[int(torch.stack(errors).argmin())]

    @staticmethod
    def _error(wrong, n_hidden):
        """The mean over hidden entries of the logarithm of their column's mean squared error.

        In a plain mean, columns that nothing says anything of would drown all others.
        """
        by_column = wrong.square().sum(0) / n_hidden.clamp(min=1)
        return (n_hidden * (by_column + SMALLEST_ERROR).log()).sum()

    def _learn(self, x, ridge):
        """Steps of EM until what they fill hardly changes."""
        missing, before = x == 0, None
        if not missing.any():
            missing = None
        for _ in range(MOST_STEPS):
            filled, spread = self._filled(x)
            self.mean.copy_(filled.mean(0))
            away = filled - self.mean
            self.covariance.copy_((away.T @ away + spread) / len(x))
            self.covariance.diagonal().add_(ridge)
            if missing is None:
                break
            if before is not None and (filled - before)[missing].square().mean() < TOLERANCE**2:
                break
            before = filled

    def _filled(self, x):
        """Rows filled, and the sum over them of the covariance of what was missing."""
        parts, precision = [], torch.zeros_like(self.covariance)
        for part in x.split(max(1, SOLVED_ELEMENTS // x.shape[1] ** 2)):
            fills, observed, triangles = self._expected(part)
            parts.append(torch.where(observed > 0, part, fills))
            inverse = torch.cholesky_inverse(triangles)
            precision += torch.einsum("ni,nij,nj->ij", observed, inverse, observed)
        spread = len(x) * self.covariance - self.covariance @ precision @ self.covariance
        return torch.cat(parts), spread
