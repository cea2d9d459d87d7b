"""Make the files that must open for ever: a small one of each estimator, and what it answered.

python tests/files/make.py

Files that are there stay as they are. Those of a new estimator are added to the folder of the
version of the format.
"""

import sys
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from discovery import ALL_ESTIMATORS, quick  # noqa: E402
from sklearn.utils import get_tags  # noqa: E402

from skae.storage.archive import VERSION  # noqa: E402

# What is asked of an estimator that is read.
ASKED = ("transform", "reconstruct", "score_samples", "predict")


def answers(estimator, X):
    """By name, those of the methods that it has."""
    if hasattr(estimator, "decompress"):
        return {"decompress": np.asarray(estimator.decompress(estimator.compress(X)))}
    return {m: np.asarray(getattr(estimator, m)(X)) for m in ASKED if hasattr(estimator, m)}


def rows_for(cls):
    """Rows and labels that a class can be fitted to."""
    rng = np.random.default_rng(0)
    X = np.tanh(rng.normal(size=(60, 2)) @ rng.normal(size=(2, 5)))
    positive = get_tags(cls()).input_tags.positive_only
    return np.round(5 * np.abs(X)) if positive else X, (X[:, 0] > 0).astype(int)


def small(cls):
    """An instance whose file is small."""
    known = cls().get_params()
    settings = {"max_reference": 40, "filters": (4,), "hidden_size": 8, "depth": 1}
    settings |= {"decoder_depth": 1, "decoder_width": 8, "code_density": None}
    return quick(cls, **{name: value for name, value in settings.items() if name in known})


def main():
    folder = HERE / f"v{VERSION}"
    folder.mkdir(exist_ok=True)
    for cls in ALL_ESTIMATORS:
        path = folder / f"{cls.__name__}.skae"
        if path.exists():
            continue
        X, y = rows_for(cls)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator = small(cls).fit(X, y)
            estimator.save(path)
            np.savez_compressed(path.with_suffix(".npz"), X=X, **answers(estimator, X))
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
