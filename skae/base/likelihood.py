"""What rows are given their codes: one likelihood for all columns, or one for each kind."""

from typing import Any

import numpy as np

from .._sklearn import StrOptions
from ..nn.column_likelihoods import (
    CategoricalLikelihood,
    ColumnLikelihood,
    HistogramLikelihood,
)
from ..nn.likelihoods import LIKELIHOODS
from ..rows.given import Given, check_counts, check_unit_interval
from ..rows.histogram import histogram
from .parameters import Parameters

OF_COUNTS = ("poisson", "negative_binomial", "multinomial")
HISTOGRAM = "histogram"
CATEGORICAL = "categorical"


class LikelihoodMixin(Parameters):
    """The parameters ``likelihood`` and ``dispersion``, and the module that they ask for."""

    likelihood: Any = "auto"
    dispersion: str = "feature"

    _parameter_constraints = {
        "likelihood": [StrOptions({"auto", HISTOGRAM, *LIKELIHOODS}), dict],
        "dispersion": [StrOptions({"shared", "feature", "predicted"})],
    }

    def _likelihoods(self):
        """The name of the likelihood of each number of a row."""
        format, given = self._target_format, self.likelihood
        default = given
        if given == "auto" or isinstance(given, dict):
            default = HISTOGRAM if format.is_mixed else "gaussian"
        names = np.full(format.n_numbers, default, dtype=object)
        names[format.indicators] = CATEGORICAL
        if not isinstance(given, dict):
            return names
        known = {HISTOGRAM, *LIKELIHOODS} - {"multinomial"}
        for column, name in given.items():
            place = format.place_of(column)
            if name not in known:
                raise ValueError(
                    f"likelihood={{{column!r}: {name!r}}} must be one of {sorted(known)}."
                )
            if np.any(names[place] == CATEGORICAL):
                raise ValueError(
                    f"likelihood names {column!r}, which is a category: its likelihood is that of "
                    "its values. Leave it out."
                )
            names[place] = name
        return names

    def _check_likelihood(self, given, training=True):
        """Whether rows can be drawn from the likelihood at all."""
        names = self._likelihoods()
        for name in set(names) & {"bernoulli", *OF_COUNTS}:
            part = given
            if not np.all(names == name):
                part = Given(given.rebuilt[:, names == name])
            if name == "bernoulli":
                check_unit_interval(part, "likelihood", name, "gaussian", training)
            else:
                check_counts(part, name)

    def _learn_histograms(self, rows):
        """The cells of the numbers that have such a likelihood."""
        self._histograms = []
        for j in np.flatnonzero(self._likelihoods() == HISTOGRAM):
            column = np.asarray(rows[:, j], dtype=float)
            self._histograms.append(histogram(column[~np.isnan(column)]))

    def _make_likelihood(self):
        names = self._likelihoods()
        kinds = list(dict.fromkeys(names))
        if len(kinds) == 1 and kinds[0] in LIKELIHOODS:
            return LIKELIHOODS[kinds[0]](len(names), self.dispersion)
        if "multinomial" in kinds:
            raise ValueError(
                "likelihood='multinomial' is of the counts of a whole row: it cannot be combined "
                "with categories."
            )
        parts = []
        for kind in kinds:
            columns = np.flatnonzero(names == kind)
            if kind == CATEGORICAL:
                part = CategoricalLikelihood(self._groups_among(columns), len(columns))
            elif kind == HISTOGRAM:
                center = self.target_center_[columns]
                scale = np.broadcast_to(self.target_scale_, len(names))[columns]
                part = HistogramLikelihood(self._histograms, center, scale)
            else:
                part = LIKELIHOODS[kind](len(columns), self.dispersion)
            parts.append((columns, part))
        return ColumnLikelihood(parts)

    def _groups_among(self, columns):
        """The groups of numbers that indicate one category, counted among these."""
        starts = np.searchsorted(columns, [group.start for group in self._target_format.groups])
        return [
            slice(int(start), int(start) + group.stop - group.start)
            for start, group in zip(starts, self._target_format.groups, strict=True)
        ]

    def _exact(self, rows):
        """Rows drawn in float32, in which a value that is frequent is that value."""
        rows = rows.astype(float)
        places = np.flatnonzero(self._likelihoods() == HISTOGRAM)
        for j, cells in zip(places, self._histograms, strict=True):
            rows[:, j] = cells.exact(rows[:, j])
        return rows
