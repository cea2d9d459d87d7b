"""Frames as people have them: a raw one in a Pipeline, and what a small table costs to fill.

With ``--data DIR`` Titanic (survival predicted), else a made table. Processor time, on one thread.
"""

import time
import warnings

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tables import parser
from threadpoolctl import threadpool_limits

from skae import Autoencoder, AutoencoderImputer


def table(options):
    """A frame of mixed columns, and what is to be predicted."""
    if options.data is not None and not options.quick:
        frame = pd.read_csv(options.data / "titanic.csv")
        return frame.drop(columns="survived"), frame["survived"]
    rng = np.random.default_rng(0)
    age = rng.normal(40, 12, 300)
    frame = pd.DataFrame({"age": age, "port": rng.choice(list("CQS"), 300)})
    frame["fare"] = np.exp(age / 30) + rng.exponential(size=300)
    return frame.mask(rng.random(frame.shape) < 0.1), age + rng.normal(size=300) > 45


def encoded():
    """The columns as one encodes them by hand."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    texts = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    return make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (texts, make_column_selector(dtype_exclude="number")),
        sparse_threshold=0,
    )


def in_a_pipeline(options):
    """Accuracy of logistic regression, by what stands before it."""
    X, y = table(options)
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=1 if options.quick else 3, random_state=0)
    settings = {"code_size": options.code_size, "random_state": 0}
    contenders = {
        "Autoencoder on the raw frame": make_pipeline(Autoencoder(**settings)),
        "by hand, then Autoencoder": make_pipeline(encoded(), Autoencoder(**settings)),
        "by hand": encoded(),
    }
    for name, before in contenders.items():
        model = make_pipeline(before, StandardScaler(), LogisticRegression())
        start = time.process_time()
        scores = cross_val_score(model, X, y, cv=folds)
        seconds = time.process_time() - start
        by_repeat = scores.reshape(-1, 5).mean(axis=1)
        print(
            f"{name:30s} accuracy {scores.mean():.3f} (folds: standard error "
            f"{scores.std() / np.sqrt(5):.3f}; repeats {by_repeat.min():.3f} - "
            f"{by_repeat.max():.3f}), {seconds / len(scores):.2f} s a fit",
            flush=True,
        )


def small_table():
    """Processor seconds of filling 300 x 2 numbers."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 1)) @ [[1.0, 2.0]] + 0.1 * rng.normal(size=(300, 2))
    X[rng.random(X.shape) < 0.2] = np.nan
    AutoencoderImputer(random_state=1).fit(X[:50])  # what torch imports at its first fit
    for imputer in (AutoencoderImputer(random_state=0), IterativeImputer()):
        start = time.process_time()
        imputer.fit_transform(X)
        seconds = time.process_time() - start
        print(f"300 x 2 filled by {type(imputer).__name__:20s} {seconds:.2f} s", flush=True)


def main():
    """Run from the command line."""
    options = parser(__doc__)
    options.add_argument("--code-size", type=int, default=8)
    options = options.parse_args()
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        small_table()
        in_a_pipeline(options)


if __name__ == "__main__":
    main()
