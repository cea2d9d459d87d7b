"""Likelihoods of rows whose columns are of different kinds."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .autoencoder import Units
from .layers import log_probability
from .likelihoods import Discrete, Likelihood, Shares
from .randomness import rand

# Of the deviation of what is left of a number's score, given the code.
SMALLEST_DEVIATION = 0.02
# Where a value has a cell of its own, others count as near it on this scale (standardized).
NARROWEST = 1e-3


class CategoricalLikelihood(Discrete):
    """One of several categories, each of which has an indicator.

    The decoder ends in a softmax over the indicators of a category: what it gives are their
    standardized probabilities.
    """

    has_dispersion = False

    def __init__(self, groups, n_outputs):
        super().__init__(n_outputs)
        self.groups = groups

    def distribution(self, location, units):
        return location

    def log_prob(self, location, x, units):
        return units.inverse(x) * log_probability(location, units)

    def mean(self, location, units):
        return units.inverse(location)

    def draw(self, location, units):
        mean = self.mean(location, units)
        rows = torch.zeros_like(mean)
        for group in self.groups:
            probability = mean[..., group].clamp(min=0).flatten(0, -2)
            drawn = probability.multinomial(1).view(*mean.shape[:-1], 1)
            rows[..., group] = rows[..., group].scatter(-1, drawn, 1.0)
        return rows


class HistogramLikelihood(Likelihood):
    """Numbers in cells: ``log p(x) = log p_k - log width_k``, x being in cell k.

    ``p_k ~ f_k exp(t_k l / s^2 - t_k^2 (1 / s^2 - 1) / 2 + u_k)``, where f is the frequency of a
    cell and t its score on the scale of a standard normal distribution. Of normal scores it is the
    normal distribution with the mean l and the variance s^2; u is what else the decoder says of
    each cell. A cell without width is one value, which has a probability instead of a density.
    Beyond a cell the density falls off exponentially, over the width of the cell.

    Parameters
    ----------
    histograms : list of Histogram
        Of each column, in units of X.
    center, scale : array-like of shape (n_outputs,)
        The units of the columns.
    """

    def __init__(self, histograms, center, scale):
        super().__init__(len(histograms), "feature")
        self.n_cells = max(len(h.frequency) for h in histograms)
        self.n_parameters = self.n_outputs * (1 + self.n_cells)
        for name in ("lower", "upper", "middle"):
            field = "mean" if name == "middle" else name
            cells = [
                (getattr(h, field) - c) / s
                for h, c, s in zip(histograms, center, scale, strict=True)
            ]
            self.register_buffer(name, self._padded(cells, math.inf))
        self.middle.nan_to_num_(posinf=0.0)
        self.register_buffer("score", self._padded([h.score for h in histograms], 0.0))
        frequency = self._padded([h.frequency for h in histograms], 0.0)
        self.register_buffer("log_frequency", frequency.log())
        width = (self.upper - self.lower).nan_to_num(nan=1.0)
        self.register_buffer("width", width.clamp(min=NARROWEST))
        # One value has a probability, which has no unit: that of densities is taken back.
        unit = torch.tensor(np.asarray(scale), dtype=torch.float32)[:, None]
        self.register_buffer("log_width", torch.where(width > 0, width, 1 / unit).log())
        self.register_buffer("edges", (self.upper[:, :-1] + self.lower[:, 1:]) / 2)

    def _padded(self, cells, value):
        rows = np.full((len(cells), self.n_cells), value)
        for row, numbers in zip(rows, cells, strict=True):
            row[: len(numbers)] = numbers
        return torch.tensor(rows, dtype=torch.float32)

    def forward(self, output, units):
        location = output[..., : self.n_outputs, None]
        free = output[..., self.n_outputs :].unflatten(-1, (self.n_outputs, self.n_cells))
        log_deviation = self.log_dispersion.clamp(math.log(SMALLEST_DEVIATION), 0.0)
        precision = torch.exp(-2 * log_deviation)[:, None]
        tilt = self.score * location * precision - self.score.square() * (precision - 1) / 2
        return Shares(self.log_frequency + tilt + free)

    @torch.no_grad()
    def start_at(self, scale):
        self.log_dispersion.fill_(math.log(scale))

    def log_prob(self, distribution, x, units):
        cell = (x[..., None] > self.edges).sum(-1, keepdim=True)

        def of_cell(numbers):
            return numbers.expand(*cell.shape[:-1], -1).gather(-1, cell)[..., 0]

        logits = distribution.logits
        shape = torch.broadcast_shapes(logits.shape[:-1], cell.shape[:-1])
        log_p = logits.expand(*shape, -1).gather(-1, cell.expand(*shape, 1))[..., 0]
        beyond = F.relu(of_cell(self.lower) - x) + F.relu(x - of_cell(self.upper))
        return log_p - of_cell(self.log_width) - beyond / of_cell(self.width)

    def mean(self, distribution, units):
        return units.inverse((distribution.probs * self.middle).sum(-1))

    def draw(self, distribution, units):
        probabilities = distribution.probs
        cell = probabilities.flatten(0, -2).multinomial(1).view(*probabilities.shape[:-1], 1)
        lower, upper = (
            edge.expand_as(probabilities).gather(-1, cell)[..., 0]
            for edge in (self.lower, self.upper)
        )
        return units.inverse(lower + (upper - lower) * rand(lower.shape, lower))


class ColumnLikelihood(nn.Module):
    """Another likelihood for each kind of column.

    Parameters
    ----------
    parts : list of (ndarray of int, Likelihood)
        The columns of each likelihood, all of them together each column once.
    """

    def __init__(self, parts):
        super().__init__()
        self.parts = nn.ModuleList(likelihood for _, likelihood in parts)
        n_outputs = self.n_outputs = sum(len(columns) for columns, _ in parts)
        self.n_parameters = sum(likelihood.n_parameters for likelihood in self.parts)
        start, places = n_outputs, []
        for columns, likelihood in parts:
            more = likelihood.n_parameters - len(columns)
            places.append(np.concatenate([columns, np.arange(start, start + more)]))
            start += more
        for j, ((columns, _), place) in enumerate(zip(parts, places, strict=True)):
            self.register_buffer(f"columns_{j}", torch.from_numpy(np.asarray(columns)))
            self.register_buffer(f"place_{j}", torch.from_numpy(place))
        order = np.argsort(np.concatenate([columns for columns, _ in parts]))
        self.register_buffer("order", torch.from_numpy(order))

    def each(self, units):
        """The parts, their columns, and the units of these."""
        for j, likelihood in enumerate(self.parts):
            columns = getattr(self, f"columns_{j}")
            scale = units.scale.expand_as(units.center)
            yield likelihood, columns, Units(units.center[columns], scale[columns])

    def forward(self, output, units):
        return [
            likelihood(output[..., getattr(self, f"place_{j}")], of_part)
            for j, (likelihood, _, of_part) in enumerate(self.each(units))
        ]

    def start_at(self, scale):
        for likelihood in self.parts:
            likelihood.start_at(scale)

    def log_prob(self, distributions, x, units):
        return self._joined(
            likelihood.log_prob(distribution, x[..., columns], of_part)
            for distribution, (likelihood, columns, of_part) in zip(
                distributions, self.each(units), strict=True
            )
        )

    def log_unit(self, units):
        found = []
        for likelihood, columns, of_part in self.each(units):
            unit = torch.as_tensor(likelihood.log_unit(of_part), device=columns.device)
            found.append(unit.expand(len(columns)).float())
        return self._joined(found)

    def mean(self, distributions, units):
        return self._joined(self._of_each("mean", distributions, units))

    def draw(self, distributions, units):
        return self._joined(self._of_each("draw", distributions, units))

    def _of_each(self, method, distributions, units):
        for distribution, (likelihood, _, of_part) in zip(
            distributions, self.each(units), strict=True
        ):
            yield getattr(likelihood, method)(distribution, of_part)

    def _joined(self, parts):
        """What the parts give for their columns, in the order of the row."""
        return torch.cat(list(parts), dim=-1)[..., self.order]
