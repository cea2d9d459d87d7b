"""Where training on labels starts: the linear model that held-out labels choose."""

from typing import NamedTuple

import numpy as np

from .head import silu

FOLDS_BELOW = 1000  # labeled rows: for more, one random split is choice enough
N_FOLDS = 5
HELD_OUT = 0.2
# Penalties are tried on so many labeled rows at most, and the last fit is on so many.
ROWS_TO_TRY = 4000
ROWS_TO_FIT = 20_000
KINDS = ("rows", "codes", "both", "random")
# Units of random weights, how far these spread, and for how many labels they are tried: of 20 they
# learned no more than lines did, and more than 1 000 can be trained on.
N_UNITS, SPREAD = 500, 2.0
LABELS_FOR_UNITS = range(30, 1000)


class RandomUnits(NamedTuple):
    """A hidden layer over codes and rows that is drawn, and what standardizes it.

    A linear model of many of them is one of a kernel, and bends where few labels say so (Rahimi &
    Recht, 2008).
    """

    weight: np.ndarray
    bias: np.ndarray
    center: np.ndarray
    scale: float

    @classmethod
    def draw(cls, features, rng):
        """For standardized features: the units vary together as much as these do."""
        n = features.shape[1]
        weight = rng.normal(size=(N_UNITS, n)) * SPREAD / np.sqrt(n)
        bias = rng.normal(size=N_UNITS) * SPREAD / 2
        some = features[:: -(-len(features) // ROWS_TO_TRY)]
        hidden = silu(some @ weight.T + bias)
        scale = np.sqrt(hidden.var(axis=0).mean() * N_UNITS / n)
        return cls(weight, bias, hidden.mean(axis=0), float(scale) or 1.0)

    def of(self, features):
        """Standardized units of standardized features."""
        return (silu(features @ self.weight.T + self.bias) - self.center) / self.scale

    def layers(self, weight, bias):
        """Both layers of a linear model of the units."""
        weight = weight / self.scale
        return (self.weight, self.bias), (weight, bias - weight @ self.center)


class Features(NamedTuple):
    """Codes and standardized rows, side by side, and their standardization in turn.

    Codes keep their relative scales, as those of principal components say how much each matters.
    """

    values: np.ndarray
    n_codes: int
    center: np.ndarray
    scale: np.ndarray
    units: RandomUnits | None = None

    @classmethod
    def learn(cls, codes, rows, has_axes, rng=None):
        """Of all rows; columns of a table have each its own scale, those of an image one.

        There are random units if they can be drawn.
        """
        center = np.concatenate([codes.mean(axis=0), rows.mean(axis=0)])
        spread = codes.std(axis=0), rows.std(axis=0)
        scale = np.concatenate([shared(spread[0]), shared(spread[1]) if has_axes else spread[1]])
        scale = np.where(scale > 0, scale, 1.0)
        features = cls(np.hstack([codes, rows]), codes.shape[1], center, scale)
        if rng is None:
            return features
        return features._replace(units=RandomUnits.draw(features.of("both", slice(None)), rng))

    @property
    def kinds(self):
        """The kinds of features that there are."""
        return KINDS if self.units is not None else KINDS[:-1]

    def part(self, kind):
        """The numbers that one kind of features is made of."""
        return {
            "codes": slice(None, self.n_codes),
            "rows": slice(self.n_codes, None),
            "both": slice(None),
            "random": slice(None),
        }[kind]

    def of(self, kind, index):
        """Those features of some rows, standardized."""
        part = self.part(kind)
        values = (self.values[index][:, part] - self.center[part]) / self.scale[part]
        return self.units.of(values) if kind == "random" else values


def shared(spread):
    """One scale for all: the root of the mean variance."""
    return np.full_like(spread, np.sqrt(np.mean(spread**2)))


class Start(NamedTuple):
    """The linear model that was chosen."""

    kind: str
    penalty: float
    scores: dict  # held-out error by kind of features, at its best penalty


def label_folds(strata, n_folds, rng):
    """Pairs of row numbers, to train on and to hold out.

    Each class is dealt out to the folds; one of a single row is trained on by all.
    """
    fold, turn = np.full(len(strata), -1), 0
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        if len(members) > 1:
            fold[members] = (turn + np.arange(len(members))) % n_folds
            turn += len(members)
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_folds)]
    return [(kept, held) for kept, held in splits if len(held) and len(kept)]


def split_labels(strata, rng, n_folds=None):
    """Folds where labels are few, else one split."""
    if len(strata) < FOLDS_BELOW:
        return label_folds(strata, n_folds or N_FOLDS, rng)
    return label_folds(strata, round(1 / HELD_OUT), rng)[:1]


def choose_start(model, features, labels, weights, first_kind, rng):
    """The kind of features and the penalty of least held-out error.

    ``model`` has ``penalties``, the usual one first, and makes linear models. What comes first is
    kept unless another is better by the standard error of the difference.
    """
    some = rng.permutation(len(labels))[:ROWS_TO_TRY]
    splits = split_labels(model.strata(labels[some]), rng)
    kinds = sorted(features.kinds, key=lambda kind: kind != first_kind)
    if not splits:
        return Start(first_kind, model.penalties[0], {})
    errors = {}
    for kind in kinds:
        folds = [
            [(features.of(kind, i), i) for i in (some[kept], some[held])] for kept, held in splits
        ]
        for penalty in model.penalties:
            parts = []
            for (x, kept), (x_held, held) in folds:
                weight, bias = model.fit(x, labels[kept], weights[kept], penalty)
                outputs = x_held @ weight.T + bias
                parts.append(model.errors(outputs, labels[held]) * weights[held])
            errors[kind, penalty] = np.concatenate(parts)
    total = sum(weights[some[held]].sum() for _, held in splits)
    usual = errors[first_kind, model.penalties[0]]
    best = min(errors, key=lambda key: errors[key].sum())
    gains = usual - errors[best]
    if not gains.mean() > gains.std() / np.sqrt(len(gains)):
        best = first_kind, model.penalties[0]
    scores = {
        kind: float(min(errors[kind, p].sum() for p in model.penalties) / total) for kind in kinds
    }
    return Start(*best, scores)


def fit_start(model, features, labels, weights, start):
    """The chosen linear model: weight and bias of standardized features."""
    index = np.arange(len(labels))[:: -(-len(labels) // ROWS_TO_FIT)]
    return model.fit(features.of(start.kind, index), labels[index], weights[index], start.penalty)
