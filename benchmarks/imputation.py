"""Missing entries filled by autoencoders, beside scikit-learn's imputers.

``python benchmarks/imputation.py --data DIR`` takes breast cancer, wine and digits, satellite,
pendigits, cardio and Titanic; without data only the first three. Errors are squared, over the
missing entries, in units of the columns' variances.

``--part ranks`` fits to a half of at most 1 000 rows, 30 % of which are missing, fills both halves,
and ranks imputers by their errors; ``--part mixed`` hides a fifth of the entries of Titanic and of
5 000 rows of Adult, and compares column by column.
"""

import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from tables import bundled, parser, tables

from skae import AutoencoderImputer, DenoisingAutoencoder, VariationalAutoencoder

MOST_ROWS = 3000
TABLES = ["wine", "digits", "cardio", "pendigits", "satellite"]
RANKED = [
    "Ionosphere",
    "WDBC",
    "breastw",
    "cardio",
    "fault",
    "letter",
    "mammography",
    "optdigits",
    "pendigits",
    "satellite",
    "thyroid",
    "vowels",
]
RANKED_ROWS = 1000
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


def mnar(X, share=0.3, seed=0):
    """So many entries missing, and rather the large ones of a column: 1 / (1 + exp(c - 2 z))."""
    rng = np.random.default_rng(seed)
    z = 2 * (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-12)
    ends = np.full((2, X.shape[1]), [[-20.0], [20.0]])
    for _ in range(50):  # the c of each column by halving
        c = ends.mean(axis=0)
        too_many = (1 / (1 + np.exp(c - z))).mean(axis=0) > share
        ends = np.where([too_many, ~too_many], c, ends)
    return np.where(rng.random(X.shape) < 1 / (1 + np.exp(c - z)), np.nan, X)


def regressions():
    return IterativeImputer(max_iter=20, random_state=0)


def forests():
    """MissForest's idea by scikit-learn's means."""
    trees = ExtraTreesRegressor(30, min_samples_leaf=3, random_state=0)
    return IterativeImputer(trees, max_iter=5, random_state=0)


def imputers(X):
    """Those that are compared; the first has no net: it is epoch 0 of the second."""
    start = DenoisingAutoencoder(X.shape[1], noise="masking", max_epochs=0)
    return {
        "mean": SimpleImputer(),
        "KNN": KNNImputer(),
        "iterative": regressions(),
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


def ranks(folder, names, quick):
    """Ranks of imputers on rows that they were fitted to, and on others, by how holes came."""
    found, errors = tables(folder), {}
    for name in names:
        if name not in found:
            continue
        X = standardized(found[name]())
        X = X[np.random.default_rng(0).permutation(len(X))[:RANKED_ROWS]]
        n = len(X) // 2
        X = X[:, (X[:n].std(axis=0) > 0) & (X[n:].std(axis=0) > 0)]
        ways = {"MCAR": mcar(X, 0.3), "MAR": mar(X), "MNAR": mnar(X)}
        for way, with_holes in list(ways.items())[: 1 if quick else None]:
            compared = {
                "mean": SimpleImputer(),
                "KNN": KNNImputer(),
                "regressions": regressions(),
                "forests": forests(),
                "autoencoder": AutoencoderImputer(random_state=0),
            }
            if quick:
                del compared["forests"]
            for label, imputer in compared.items():
                imputer.fit(with_holes[:n])
                for where, rows in {"in": slice(n), "out": slice(n, None)}.items():
                    filled = imputer.transform(with_holes[rows])
                    found_here = error(filled, X[rows], with_holes[rows])
                    errors.setdefault((way, where, name), {})[label] = found_here
            for where in ("in", "out"):
                figures = errors[way, where, name].items()
                figures = "  ".join(f"{label} {value:.3f}" for label, value in figures)
                print(f"{name:12s} {way:5s} {where:4s} {figures}", flush=True)
    ranked = pd.DataFrame(errors).T.rank(axis=1)
    print(f"mean ranks of {len(ranked)} cases, and by case")
    print(ranked.mean().round(2).to_string())
    print(ranked.groupby(level=[0, 1]).mean().round(2).to_string(), flush=True)


def ordinal(frame, regressor):
    """A frame filled by regressions of its categories' numbers, which are rounded."""
    categories = frame.select_dtypes(exclude="number").columns
    encoder = OrdinalEncoder()
    numbers = frame.astype(object).where(frame.notna(), np.nan)
    numbers[categories] = encoder.fit_transform(numbers[categories])
    filled = pd.DataFrame(regressor.fit_transform(numbers.astype(float)), columns=frame.columns)
    for name, values in zip(categories, encoder.categories_, strict=True):
        known = [value for value in values if value == value]
        places = filled[name].round().clip(0, len(known) - 1).astype(int)
        filled[name] = np.array(known, dtype=object)[places]
    return filled


def mixed(folder, quick):
    """Hidden entries of columns of both kinds."""
    adult = pd.read_csv(Path(folder) / "adult.csv.gz", skipinitialspace=True, na_values="?")
    adult = adult.drop(columns="split")  # which says of rows whether they are for training
    frames = {
        "Titanic": pd.read_csv(Path(folder) / "titanic.csv")[TITANIC],
        "Adult": adult.sample(400 if quick else 5000, random_state=0).reset_index(drop=True),
    }
    for name, frame in frames.items():
        hidden = (np.random.default_rng(0).random(frame.shape) < 0.2) & frame.notna().to_numpy()
        gaps = frame.mask(hidden)
        filled = {
            "mode and mean": simple().fit_transform(gaps)[frame.columns],
            "regressions of numbers": ordinal(gaps, regressions()),
            "forests of numbers": ordinal(gaps, forests()),
            "autoencoder": AutoencoderImputer(random_state=0).fit_transform(gaps),
        }
        print(f"\n{name}, a fifth hidden: share of categories that are right, or squared error")
        figures = {label: {} for label in filled}
        for j, column in enumerate(frame.columns):
            truth = frame[column][hidden[:, j]]
            for label, answer in filled.items():
                fill = answer[column].reset_index(drop=True)[hidden[:, j]]
                if pd.api.types.is_numeric_dtype(frame[column]):
                    figures[label][column] = np.mean((truth - fill) ** 2) / frame[column].var()
                else:
                    figures[label][f"{column} (right)"] = np.mean(truth == fill)
        print(pd.DataFrame(figures).round(3).to_string(), flush=True)


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
    options.add_argument(
        "--part", choices=["miwae", "tables", "ranks", "mixed", "coverage", "titanic"]
    )
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
    if wanted in (None, "ranks"):
        names = ["wine"] if arguments.quick else RANKED
        ranks(arguments.data, names, arguments.quick)
    if arguments.data and wanted in (None, "mixed"):
        mixed(arguments.data, arguments.quick)
    if wanted in (None, "coverage"):
        coverage(arguments.data, arguments.quick, 20 if arguments.quick else 100)
    if arguments.data and (wanted == "titanic" or (wanted is None and not arguments.quick)):
        titanic(arguments.data, arguments.quick)


if __name__ == "__main__":
    main()
