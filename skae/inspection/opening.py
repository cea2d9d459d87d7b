"""What a display looks at: the step of a Pipeline that can show it, and the steps before."""

import inspect
from collections import Counter

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


class Opened:
    """A fitted estimator, and the steps of its Pipeline before it (None without any)."""

    def __init__(self, estimator, before=None):
        self.estimator = estimator
        self.before = before

    @property
    def name(self):
        """The name of its class."""
        return type(self.estimator).__name__

    @property
    def size(self):
        """Numbers in a code, or None if the estimator does not say."""
        for name in ("code_size_", "n_components_"):
            if hasattr(self.estimator, name):
                return int(getattr(self.estimator, name))
        return None

    @property
    def restores(self):
        """Whether what it rebuilds can be brought to the units of the Pipeline's X."""
        return self.before is None or hasattr(self.before, "inverse_transform")

    def rows(self, X):
        """The X of the Pipeline as the estimator is given it."""
        return X if self.before is None else self.before.transform(X)

    def ask(self, method, rows, given):
        """The answer of a method, with what it needs beside the rows."""
        method = getattr(self.estimator, method)
        unknown = sorted(set(given) - set(inspect.signature(method).parameters))
        if unknown:
            raise TypeError(
                f"from_estimator got {', '.join(unknown)}, which is none of its parameters, and "
                f"{type(self.estimator).__name__}.{method.__name__} takes nothing of that name."
            )
        return method(rows, **given)

    def rebuilt(self, X, given):
        """The rows of the Pipeline's X, rebuilt in the units of the estimator."""
        rows = self.rows(X)
        if hasattr(self.estimator, "reconstruct"):
            return self.ask("reconstruct", rows, given)
        return self.ask("inverse_transform", self.ask("transform", rows, given), given)

    def restored(self, rows):
        """Rows in units of the estimator in those of the Pipeline's X."""
        return rows if self.before is None else self.before.inverse_transform(rows)

    def codes(self, X, given):
        """The codes of the Pipeline's X as a dense table."""
        codes = self.ask("transform", self.rows(X), given)
        codes = codes.toarray() if hasattr(codes, "toarray") else np.asarray(codes)
        return codes.reshape(len(codes), -1)


def opened(estimator, needs, shown):
    """The part of the estimator that has all of what is needed to show something.

    Of a Pipeline that is its last step, or the one before.
    """
    check_is_fitted(estimator)
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not isinstance(estimator, Pipeline):
        lacks = lacking(estimator, needs)
        if lacks:
            raise ValueError(f"{type(estimator).__name__} has no {shown} to show: {lacks}.")
        return Opened(estimator)
    steps = [i for i, (_, step) in enumerate(estimator.steps) if step not in (None, "passthrough")]
    reasons = []
    for i in reversed(steps[-2:]):
        step = getattr(estimator[i], "best_estimator_", estimator[i])
        lacks = lacking(step, needs)
        if not lacks:
            return Opened(step, estimator[:i] if i else None)
        reasons.append(f"{type(step).__name__}: {lacks}")
    raise ValueError(
        f"The last two steps of the Pipeline have no {shown} to show ({'; '.join(reasons)}): give "
        "the fitted autoencoder, or a Pipeline with it as the last step or the one before."
    )


def lacking(estimator, needs):
    """Why an estimator cannot show something, or nothing."""
    for need in needs:
        try:
            getattr(estimator, need)
        except AttributeError as error:
            reason = error.__cause__ or error
            return str(reason).rstrip(".")
    return ""


def all_opened(estimators, needs, shown, names=None):
    """One estimator, or each of a list, by its name in the picture."""
    given = estimators if isinstance(estimators, list | tuple) else [estimators]
    if not given:
        raise ValueError("The list of estimators is empty: give at least one that is fitted.")
    found = [opened(estimator, needs, shown) for estimator in given]
    if names is None:
        names = names_of(found)
    elif isinstance(names, str) or len(names) != len(found) or len(set(names)) != len(found):
        raise ValueError(f"names must be {len(found)} different texts, got {names!r}.")
    return dict(zip(names, found, strict=True))


def names_of(found):
    """Names of classes, told apart by their code sizes, or else by numbers."""
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        names = [one.name if one.size is None else f"{one.name}, {one.size}" for one in found]
    often, seen = Counter(names), Counter()
    for i, name in enumerate(names):
        if often[name] > 1:
            seen[name] += 1
            names[i] = f"{name} ({seen[name]})"
    return names


def rebuilt_by(found, X, target, given):
    """What rows should be, and what each estimator makes of them, all in the same units.

    Those of X, where the steps before the estimators can be undone; else, of a single estimator,
    those that it works in.
    """
    if target is not None:
        return target, {name: one.rebuilt(X, given) for name, one in found.items()}
    stuck = [name for name, one in found.items() if not one.restores]
    if not stuck:
        return X, {name: one.restored(one.rebuilt(X, given)) for name, one in found.items()}
    if len(found) > 1:
        raise ValueError(
            f"The steps before {stuck[0]} have no inverse_transform, so that its rows cannot be "
            "compared with the others': give the estimators themselves and rows as they see them."
        )
    (name, one), *_ = found.items()
    return one.rows(X), {name: one.rebuilt(X, given)}


def names_after(before, places):
    """The names of the columns that the steps before make, or their places."""
    try:
        names = list(before.get_feature_names_out())
    except (AttributeError, ValueError):
        return places
    return names if len(names) == len(places) else places
