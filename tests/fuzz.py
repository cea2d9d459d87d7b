"""Borderline rows and odd parameters into every estimator: ``python tests/fuzz.py --draws 10000``.

A draw is right if it gives finite answers, or a ValueError or TypeError that names what is wrong.
"""

import argparse
import collections
import contextlib
import inspect
import os
import re
import resource
import signal
import tempfile
import time
import traceback
import warnings

import numpy as np
import scipy.sparse as sp
from answers import public_methods
from borderline import N_ROWS, odd_rows, odd_values, table
from discovery import ALL_ESTIMATORS, quick
from sklearn.exceptions import NotFittedError

from skae.streams import Blocks

SECONDS = 30  # after which a draw has hung
MEMORY = 6 * 2**30  # which it may take: more is a fault that ends no other process
# What names rows, beside the names of parameters; and messages that scikit-learn's checks ask for.
NAMES = "X|source|sample_weight|direction|amount|values|unit"
WORDS = (
    "(target|condition|codes?|columns?|rows?|samples?|features?|entry|entries|sequences?|lengths?|"
    "bytes)"
)
OF_SKLEARN = (
    "Expected 2D|Found array with|Complex data not supported|Reshape your data|"
    "Found input variables|y should be a 1d array|'y_true' parameter"
)
# Of what a net says where its rows have no numbers, such as tokens.
SKIPPED = {"explain", "top_features", "save", "set_output", "get_feature_names_out", "fit_series"}


class Hang(BaseException):
    """A draw takes too long."""


@contextlib.contextmanager
def at_most(seconds):
    def stop(*_):
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Draw:
    """One estimator, its odd parameters, and what it is given."""

    def __init__(self, cls, seed):
        self.cls = cls
        self.rng = np.random.default_rng([seed, *cls.__name__.encode()])
        self.said = []
        self.names = set(inspect.signature(cls).parameters)

    def pick(self, things):
        return things[self.rng.integers(len(things))]

    def parameters(self, n):
        known = list(inspect.signature(self.cls).parameters)
        params = {}
        for name in self.rng.permutation(known)[:n]:
            params[str(name)] = self.pick(odd_values())
        return params

    def value(self, name):
        """A value for a parameter: one that is odd, or one that its constraint allows."""
        return self.pick(odd_values())

    def run(self):
        """Fit, and ask some methods; raises `Fault`."""
        X = table(self.rng)
        kind = self.rng.integers(4)
        params = self.parameters((1, 2, 0, 0)[kind])
        rows = {}
        name, given = ("as it is", X) if kind in (0, 1, 3) else odd_rows(self.rng, X)
        self.said.append(f"{self.cls.__name__}({params}) given {name}")
        estimator = quick(self.cls)
        if inspect.signature(estimator.fit).parameters["y"].default is inspect.Parameter.empty:
            rows["y"] = np.arange(N_ROWS) % 2
        for param, value in params.items():
            setattr(estimator, param, value)
        self.names |= set(params)
        if self.rng.random() < 0.15:
            fit = inspect.signature(estimator.fit).parameters
            beside = [p for p in fit if p not in ("X", "y")]
            if beside:
                param = self.pick(beside)
                rows[param] = self.pick([X, self.value(param), odd_rows(self.rng, X)[1]])
                self.said.append(f"{param}={short(rows[param])}")
        how = "fit"
        if hasattr(estimator, "partial_fit") and self.rng.random() < 0.1:
            how = "partial_fit"
        if not self.ask(getattr(estimator, how), given, **rows):
            return
        self.names |= set(rows)
        for method in self.rng.permutation(public_methods(estimator))[:4]:
            if method not in SKIPPED:
                self.call(estimator, str(method), X if name == "as it is" else given, X)

    def call(self, estimator, name, rows, X):
        method = getattr(estimator, name)
        wanted = inspect.signature(method).parameters.values()
        wanted = [p for p in wanted if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        codes = np.zeros((3, max(1, int(min(1000, getattr(estimator, "code_size_", 1))))))
        first = X[0]
        usual = {
            "X": codes if name == "inverse_transform" else rows,
            **{"x": first, "a": first, "b": X[1], "y": np.array([0, 1] * (N_ROWS // 2))},
            **{"unit": 0, "values": [0.5, 1.0], "direction": codes[0], "users": [0, 1]},
            **{"items": [0, 1], "n_items": 2, "k": 2, "random_state": 0, "amount": 1.0},
        }
        if any(p.name == "content" for p in wanted):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                usual["content"] = estimator.compress(rows)
        given = {p.name: usual[p.name] for p in wanted if p.name in usual}
        odd = None
        if self.rng.random() < 0.7 and wanted:
            odd = self.pick([p.name for p in wanted])
            if odd in ("X", "a", "b", "x", "target") and self.rng.random() < 0.8:
                like = codes if name == "inverse_transform" else X
                given[odd] = odd_rows(self.rng, like if like.shape[1] > 1 else X)[1]
            else:
                given[odd] = self.value(odd)
        self.said.append(f"  .{name}({odd}={short(given.get(odd))})" if odd else f"  .{name}()")
        before = set(self.names)
        self.names |= set(given)
        self.ask(method, **given)
        self.names = before

    def ask(self, method, /, *args, **kwargs):
        """Whether it answered; raises `Fault` if the answer, or the refusal, is none."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", category=RuntimeWarning, module="skae")
            try:
                answer = method(*args, **kwargs)
                answer = list(answer) if isinstance(answer, Blocks) else answer
            except NotFittedError:
                return False
            except (ValueError, TypeError) as error:
                text = str(error)
                names = "|".join([NAMES, *map(re.escape, self.names)])
                if not re.search(rf"\b({names})\b|(?i:\b{WORDS}\b)|{OF_SKLEARN}", text):
                    raise Fault(self.said, f"names nothing: {text[:300]}") from error
                return False
            except Hang as error:
                raise Fault(self.said, "hang") from error
            except Exception as error:
                raise Fault(self.said, f"foreign: {error!r:.300}") from error
        # Users without items left have none, of a score of -inf.
        bad = getattr(method, "__name__", "") != "recommend" and not_finite(answer)
        if bad:
            raise Fault(self.said, f"{getattr(method, '__name__', method)} gave {bad}")
        return True


class Fault(AssertionError):
    """What should not happen."""

    def __init__(self, said, what):
        super().__init__("\n".join([*said, f"  -> {what}"]))
        self.what = what


def short(value):
    text = f"{type(value).__name__} {getattr(value, 'dtype', '')} {getattr(value, 'shape', '')}"
    shown = repr(value).replace("\n", " ")
    return f"{text}: {shown[:160]}"


def not_finite(answer):
    """What is not finite in an answer, if anything."""
    if sp.issparse(answer):
        answer = answer.data
    if isinstance(answer, float) and not np.isfinite(answer):
        return repr(answer)
    if isinstance(answer, tuple | list):
        return next(filter(None, map(not_finite, answer)), None)
    if (
        isinstance(answer, np.ndarray)
        and answer.dtype.kind == "f"
        and not np.isfinite(answer).all()
    ):
        return f"an array with {np.sum(~np.isfinite(answer))} entries that are not finite"
    return None


def draw(cls, seed, seconds=SECONDS):
    """One draw; raises `Fault`."""
    one = Draw(cls, seed)
    try:
        with at_most(seconds):
            one.run()
    except Hang as error:
        raise Fault(one.said, "hang") from error


def main():
    """Run from the command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--draws", type=int, default=10_000, help="for each estimator")
    options.add_argument("--seconds", type=float, default=float("inf"), help="for all of them")
    options.add_argument("--first", type=int, default=0, help="the first seed")
    options.add_argument("--only", help="names of estimators, separated by commas")
    arguments = options.parse_args()
    only = arguments.only and arguments.only.split(",")
    estimators = [c for c in ALL_ESTIMATORS if not only or c.__name__ in only]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    counts, faults = collections.Counter(), collections.defaultdict(list)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # a checkpoint may be asked for anywhere
        for seed in range(arguments.first, arguments.first + arguments.draws):
            if time.monotonic() - start > arguments.seconds:
                break
            for cls in estimators:
                if time.monotonic() - start > arguments.seconds:
                    break
                counts[cls.__name__] += 1
                try:
                    draw(cls, seed)
                except Fault as fault:
                    key = (cls.__name__, fault.what[:60])
                    faults[fault.what[:60]].append(key)
                    if len(faults[fault.what[:60]]) == 1:
                        where = traceback.extract_tb((fault.__cause__ or fault).__traceback__)[-1]
                        print(
                            f"-- seed {seed}\n{fault}\n  at {where.filename}:{where.lineno}",
                            flush=True,
                        )
        os.chdir("/")
    print(f"\n{sum(counts.values())} draws, {sum(map(len, faults.values()))} faults")
    for name, n in counts.items():
        print(f"  {name}: {n}")
    for what, found in sorted(faults.items(), key=lambda item: -len(item[1])):
        print(f"{len(found)} x {what}")


if __name__ == "__main__":
    main()
