"""Missing entries filled by autoencoders, beside scikit-learn's imputers.

``python benchmarks/imputation.py --data DIR`` takes breast cancer, wine and digits, satellite,
pendigits, cardio and Titanic; without data only the first three. Errors are squared, over the
missing entries, in units of the columns' variances.
"""

import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tables import bundled, parser, tables

from skae import AutoencoderImputer, DenoisingAutoencoder, VariationalAutoencoder

MOST_ROWS = 3000
TABLES = ["wine", "digits", "cardio", "pendigits", "satellite"]
TITANIC = ["pclass", "sex", "age", "sibsp", "parch", "fare", "embarked"]


def standardized(X):
    X = X[:, X.std(axis=0) > 0]
    return (X - X.mean(axis=0)) / X.std(axis=0)


def mcar(X, share, seed=1234):
    """So many entries missing completely at random, as the authors of MIWAE draw them."""
    np.random.seed(seed)  # noqa: NPY002
    n_holes = np.floor(X.size * share).astype(int)
    flat = X.flatten()
    flat[np.random.choice(X.size, n_holes, replace=False)] = np.nan  # noqa: NPY002
    return flat.reshape(X.shape)


def mar(X, seed=0):
    """Every second column has holes where a random sum of the others, all observed, is high.

    An entry is missing with the probability 1 / (1 + exp(-2 s)), s being the standardized sum, one
    for each column: half of them, and rather those of rows at one end.
    """
    rng = np.random.default_rng(seed)
    seen = X[:, ::2]
    sums = seen @ rng.normal(size=(seen.shape[1], X[:, 1::2].shape[1]))
    chances = 1 / (1 + np.exp(-2 * (sums - sums.mean(axis=0)) / sums.std(axis=0)))
    with_holes = X.copy()
    with_holes[:, 1::2][rng.random(sums.shape) < chances] = np.nan
    return with_holes


def imputers(X):
    """Those that are compared; the first has no net: it is epoch 0 of the second."""
    start = DenoisingAutoencoder(X.shape[1], noise="masking", max_epochs=0)
    return {
        "mean": SimpleImputer(),
        "KNN": KNNImputer(),
        "iterative": IterativeImputer(max_iter=20, random_state=0),
        "epoch 0": AutoencoderImputer(start, random_state=0),
        "denoising": AutoencoderImputer(random_state=0),
        "variational": AutoencoderImputer(VariationalAutoencoder(), random_state=0),
    }


def error(filled, X, with_holes):
    holes = np.isnan(with_holes)
    return np.mean((filled - X)[holes] ** 2)


def compare(name, X, with_holes, wanted=None):
    """Errors and seconds of all imputers."""
    errors = {}
    print(f"{name:22s}", end="")
    for label, imputer in imputers(X).items():
        if wanted is None or label in wanted:
            start = time.perf_counter()
            errors[label] = error(imputer.fit_transform(with_holes), X, with_holes)
            seconds = time.perf_counter() - start
            print(f"  {label} {errors[label]:.3f} ({seconds:.1f} s)", end="", flush=True)
    print(flush=True)
    return errors


def protocol_of_miwae():
    """Breast cancer, half of it missing, as in the notebook of the authors of MIWAE."""
    X = standardized(bundled("breast_cancer"))
    print("breast cancer, 50 % missing; MIWAE's authors 0.287, ExtraTrees 0.320")
    compare("", X, mcar(X, 0.5))


def small_and_large(folder, names, wanted, quick):
    """Better than both, and by how much."""
    found = tables(folder)
    better, n_cases = {"denoising": 0, "variational": 0}, 0
    for name in names:
        if name not in found:
            continue
        X = standardized(found[name]())
        X = X[np.random.default_rng(0).permutation(len(X))[:MOST_ROWS]]
        masks = {"20 %": mcar(X, 0.2), "50 %": mcar(X, 0.5), "at random (MAR)": mar(X)}
        for mask, with_holes in list(masks.items())[: 1 if quick else None]:
            errors = compare(f"{name} {mask}", X, with_holes, wanted)
            n_cases += 1
            for label in better.keys() & errors.keys():
                better[label] += errors[label] < min(errors["KNN"], errors["iterative"])
    for label, n in better.items():
        if wanted is None or label in wanted:
            print(f"{label}: better than KNN and iterative in {n} of {n_cases} cases", flush=True)


def coverage(folder, quick, n_imputations=100):
    """How often the middle 90 % of the draws hold the true value."""
    print("\nCoverage of 90 % intervals by multiple imputation, 20 % missing")
    found = tables(folder)
    for name in ["wine"] if quick else ["wine", "breast_cancer", "cardio"]:
        if name not in found:
            continue
        X = standardized(found[name]())
        with_holes = mcar(X, 0.2)
        holes = np.isnan(with_holes)
        inner = {
            "denoising": None,
            "variational": VariationalAutoencoder(),
            "student-t": VariationalAutoencoder(likelihood="student_t"),
        }
        for label, autoencoder in list(inner.items())[: 1 if quick else None]:
            imputer = AutoencoderImputer(autoencoder, n_imputations=n_imputations, random_state=0)
            draws = imputer.fit(with_holes).multiple_imputations(with_holes)
            low, high = np.quantile([draw[holes] for draw in draws], [0.05, 0.95], axis=0)
            covered = np.mean((low <= X[holes]) & (X[holes] <= high))
            width = np.mean(high - low)
            print(
                f"{name:14s} {label:12s} covered {covered:.3f}  mean width {width:.2f}", flush=True
            )


def to_numbers():
    categories = make_column_selector(dtype_exclude="number")
    one_hot = OneHotEncoder(handle_unknown="ignore")
    return make_column_transformer((one_hot, categories), remainder=StandardScaler())


def simple():
    """The mean of numbers, the most frequent of categories."""
    imputer = make_column_transformer(
        (SimpleImputer(), make_column_selector(dtype_include="number")),
        (SimpleImputer(strategy="most_frequent"), make_column_selector(dtype_exclude="number")),
        verbose_feature_names_out=False,
    )
    return imputer.set_output(transform="pandas")


def titanic(folder, quick):
    """Who survived, after either imputer; and how well hidden entries are filled."""
    frame = pd.read_csv(Path(folder) / "titanic.csv")
    X, y = frame[TITANIC], frame["survived"]
    ours = AutoencoderImputer(random_state=0).set_output(transform="pandas")
    pipelines = {"simple": simple(), "autoencoder": ours}
    classifiers = {
        "logistic regression": LogisticRegression(),
        "random forest": RandomForestClassifier(200, min_samples_leaf=3, random_state=0),
    }
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=1 if quick else 3, random_state=0)
    print(f"\nTitanic, mean accuracy of {folds.get_n_splits()} folds")
    for name, classifier in classifiers.items():
        scores = {
            label: cross_val_score(make_pipeline(imputer, to_numbers(), classifier), X, y, cv=folds)
            for label, imputer in pipelines.items()
        }
        gain = scores["autoencoder"] - scores["simple"]
        print(f"{name:20s}", end="")
        for label, score in scores.items():
            print(f"  {label} {score.mean():.4f}", end="")
        print(f"  difference {gain.mean():+.4f}, s.e. {gain.std() / np.sqrt(len(gain)):.4f}")
    hidden = (np.random.default_rng(0).random(X.shape) < 0.2) & X.notna().to_numpy()
    gaps = X.mask(hidden)
    print("20 % more hidden: squared error of numbers, share of categories that are right")
    for label, imputer in pipelines.items():
        filled = imputer.fit_transform(gaps)
        print(f"{label:12s}", end="")
        for j, name in enumerate(TITANIC):
            rows = hidden[:, j]
            truth, fill = X[name][rows], filled[name][rows]
            if pd.api.types.is_numeric_dtype(X[name]):
                print(f"  {name} {np.mean((truth - fill) ** 2) / X[name].var():.3f}", end="")
            else:
                print(f"  {name} {np.mean(truth == fill):.3f}", end="")
        print(flush=True)


def main():
    """Run from the command line."""
    options = parser(__doc__)
    options.add_argument("--part", choices=["miwae", "tables", "coverage", "titanic"])
    options.add_argument("--tables", nargs="+", default=TABLES)
    options.add_argument("--imputers", nargs="+", help="some of those that are compared")
    arguments = options.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    wanted = arguments.part
    if wanted in (None, "miwae") and not (arguments.quick and wanted is None):
        protocol_of_miwae()
    if wanted in (None, "tables"):
        names = ["wine"] if arguments.quick else arguments.tables
        small_and_large(arguments.data, names, arguments.imputers, arguments.quick)
    if wanted in (None, "coverage"):
        coverage(arguments.data, arguments.quick, 20 if arguments.quick else 100)
    if arguments.data and (wanted == "titanic" or (wanted is None and not arguments.quick)):
        titanic(arguments.data, arguments.quick)


if __name__ == "__main__":
    main()
