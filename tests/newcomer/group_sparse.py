"""A family, written by docs/architecture.md alone."""

from numbers import Integral, Real

from skae._sklearn import Interval
from skae.base.autoencoder import BaseAutoencoder
from skae.engine.objectives import Extended


class GroupObjective(Extended):
    """``objective + sparsity * sum of the lengths of the code's groups``, mean over rows."""

    def __init__(self, objective, sparsity, group_size):
        super().__init__(objective)
        self.sparsity = sparsity
        self.group_size = group_size

    def term(self, output, batch, module):
        groups = output.code.unflatten(1, (-1, self.group_size))
        return self.sparsity * batch.mean(groups.norm(dim=2).sum(1))


class GroupSparseAutoencoder(BaseAutoencoder):
    """Groups of units that are active together, or not at all."""

    sparsity: float = 0.01
    group_size: int = 2

    _parameter_constraints = {
        "sparsity": [Interval(Real, 0, None, closed="left")],
        "group_size": [Interval(Integral, 1, None, closed="left")],
    }

    def _default_code_size(self, n_features):
        return self.group_size * n_features

    def _make_objective(self):
        return GroupObjective(super()._make_objective(), self.sparsity, self.group_size)
