"""Many rows, few labels: AutoencoderClassifier and AutoencoderRegressor beside other methods.

Parts: "mnist" (60 000 images, some labeled), "all" (each of them labeled), "tables", "sequences",
"regression". CPU minutes are those of the process, so that other processes do not count.
Without data: scikit-learn's digits instead of MNIST, and its tables.
"""

import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.svm import SVC, SVR
from tables import flat, parser

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ConvolutionalAutoencoder,
    SequenceAutoencoder,
)

PARTS = ("mnist", "all", "tables", "sequences", "regression")
UNLABELED = -1
SPREAD_ROWS = 10_000  # to the last of these labels are spread: the graph of all takes too long
# The defaults were chosen on these; figures of the others are figures of sets not seen.
TUNED_ON = ("digits", "wine", "Ionosphere", "fault", "cardio", "satellite")


def cpu_minutes(function):
    """What a function gives, and how long its process computed."""
    start = time.process_time()
    return function(), (time.process_time() - start) / 60


def hide(y, n_labels, seed, by_class=True):
    """Labels of which all but ``n_labels`` are hidden, each class having a share or at least 2."""
    rng = np.random.default_rng(seed)
    shown = np.full(len(y), UNLABELED)
    classes = np.unique(y)
    if by_class:
        chosen = [
            rng.permutation(np.flatnonzero(y == k))[: max(1, n_labels // len(classes))]
            for k in classes
        ]
        chosen = np.concatenate(chosen)
    else:
        chosen = rng.permutation(len(y))[:n_labels]
        for k in classes:  # whoever labels rows looks for both kinds
            found = chosen[y[chosen] == k]
            if len(found) < 2:
                more = np.setdiff1d(rng.permutation(np.flatnonzero(y == k))[:2], found)
                chosen = np.concatenate([more, chosen])
        chosen = chosen[:n_labels]
    shown[chosen] = y[chosen]
    return shown


# -- images -----------------------------------------------------------------------------------


def images(options):
    """Training images, their classes, and the same of test images."""
    if options.data is None or options.quick:
        X, y = load_digits().images.astype(np.float32) / 16, load_digits().target
        return X[:1400], y[:1400], X[1400:], y[1400:]
    file = np.load(Path(options.data) / "mnist.npz")
    X, test = (file[f"X_{part}"].astype(np.float32) / 255 for part in ("train", "test"))
    return X, file["y_train"].astype(int), test, file["y_test"].astype(int)


def convolutional(quick):
    """The autoencoder for images."""
    if quick:
        return ConvolutionalAutoencoder(8, channels=(4, 8), max_epochs=1, random_state=0)
    settings = {"max_epochs": 5, "early_stopping": False, "random_state": 0}
    return ConvolutionalAutoencoder(64, channels=(16, 32), **settings)


def others(n_labels):
    """Methods by name, which see the labeled rows only, but for the last ones."""
    return {
        "logistic regression": LogisticRegression(max_iter=1000),
        "SVC": SVC(),
        "random forest": RandomForestClassifier(random_state=0),
        "gradient boosting": HistGradientBoostingClassifier(random_state=0, max_iter=50),
        "PCA codes + SVC": "codes",
        "self-training (SVC)": SelfTrainingClassifier(SVC(probability=True, random_state=0)),
        "label spreading": LabelSpreading(kernel="knn", n_neighbors=7, n_jobs=1),
    }


def mnist(options):
    """Accuracy on test images, by the number of labels."""
    X, y, X_test, y_test = images(options)
    n_labels = [100] if options.quick else options.labels
    epochs = {"max_epochs": 1} if options.quick else {}
    autoencoder, minutes = cpu_minutes(lambda: convolutional(options.quick).fit(X))
    print(f"\nImages: {len(X)} rows; pre-training {minutes:.1f} CPU minutes, once for all fits")
    curves = {}
    for n in n_labels:
        for seed in range(1 if options.quick else options.draws):
            shown = hide(y, n, seed)
            figures = {}
            model = AutoencoderClassifier(FrozenEstimator(autoencoder), random_state=seed, **epochs)
            model, minutes = cpu_minutes(lambda model=model, shown=shown: model.fit(X, shown))
            accuracy = model.score(X_test, y_test)
            figures["AutoencoderClassifier"] = accuracy
            print(
                f"{n:5d} labels, draw {seed}: AutoencoderClassifier {accuracy:.4f} "
                f"({model.n_iter_} epochs from {model.start_}, {minutes:.1f} CPU minutes)",
                flush=True,
            )
            start = AutoencoderClassifier(
                FrozenEstimator(autoencoder), max_epochs=0, random_state=seed
            )
            figures["the same before training"] = start.fit(X, shown).score(X_test, y_test)
            labeled = shown != UNLABELED
            if not options.quick:
                bare = AutoencoderClassifier(
                    convolutional(False).set_params(max_epochs=0, shortcut=None),
                    max_epochs=5,
                    pseudo_labels=False,
                    perturbation=0,
                    reconstruction_weight=0,
                    early_stopping=False,
                    random_state=seed,
                ).fit(X[labeled], y[labeled])
                figures["the same net without unlabeled rows"] = bare.score(X_test, y_test)
            figures |= rivals(flat(X), shown, flat(X_test), y_test, options.quick)
            for name, value in figures.items():
                curves.setdefault(name, {}).setdefault(n, []).append(value)
            print("      " + "; ".join(f"{k} {v:.4f}" for k, v in figures.items()), flush=True)
    if not options.quick:
        draw(curves, "accuracy on test images", options.picture)


def rivals(X, shown, X_test, y_test, quick):
    """Test accuracy of the other methods."""
    labeled, figures = shown != UNLABELED, {}
    some = np.concatenate([np.flatnonzero(labeled), np.flatnonzero(~labeled)[:SPREAD_ROWS]])
    for name, method in others(labeled.sum()).items():
        if name == "self-training (SVC)" and labeled.sum() > 1000:
            continue
        if method == "codes":
            pca = PCA(min(32, X.shape[1] // 2), random_state=0).fit(X[:10_000])
            method = make_pipeline(pca, SVC()).fit(X[labeled], shown[labeled])
            method = make_pipeline(FrozenEstimator(pca), SVC())
        semi = isinstance(method, LabelSpreading | SelfTrainingClassifier)
        rows = some if semi else labeled
        figures[name] = method.fit(X[rows], shown[rows]).score(X_test, y_test)
        if quick:
            break
    return figures


def all_labels(options):
    """Test error where each training image has its label."""
    X, y, X_test, y_test = images(options)
    settings = {"max_epochs": 1 if options.quick else 12, "early_stopping": False}
    if options.quick:
        X, y = X[:300], y[:300]
    for name, extra in {
        "with pre-training": {},
        "without": {"perturbation": 0, "reconstruction_weight": 0},
    }.items():
        autoencoder = convolutional(options.quick)
        if name == "without":
            autoencoder.set_params(max_epochs=0, shortcut=None)
        model = AutoencoderClassifier(autoencoder, random_state=0, **settings, **extra)
        model, minutes = cpu_minutes(lambda model=model: model.fit(X, y))
        error = 1 - model.score(X_test, y_test)
        print(f"all {len(X)} labels, {name}: error {error:.4f}, {minutes:.1f} CPU minutes")


# -- tables -----------------------------------------------------------------------------------


def tables(folder):
    """Twelve tables by name: X, standardized, and y."""
    found = {}
    for name, load in {
        "digits": load_digits,
        "wine": load_wine,
        "breast_cancer": load_breast_cancer,
    }.items():
        found[name] = load(return_X_y=True)
    if folder is not None:
        for name in ("Ionosphere", "fault", "cardio", "satellite", "pendigits", "thyroid"):
            file = np.load(Path(folder) / "adbench" / f"{name}.npz")
            found[name] = file["X"], file["y"]
        file = np.load(Path(folder) / "oil_flow.npz")
        found["oil_flow"] = tuple(
            np.concatenate([file[f"{a}_{p}"] for p in ("train", "valid", "test")]) for a in "Xy"
        )
        found["adult"] = indicators(
            pd.read_csv(Path(folder) / "adult.csv.gz", skipinitialspace=True).drop(columns="split"),
            "income",
        )
        found["titanic"] = indicators(pd.read_csv(Path(folder) / "titanic.csv"), "survived")
    return found


def indicators(frame, target):
    """A frame as numbers: categories as indicators, holes as the median."""
    frame.columns = [str(name).lower() for name in frame.columns]
    y = pd.factorize(frame[target])[0]
    X = frame.drop(columns=[target])
    wide = [c for c in X if X[c].dtype.kind not in "fiub" and X[c].nunique() > 50]
    X = pd.get_dummies(X.drop(columns=wide), dummy_na=False).astype(float)
    return X.fillna(X.median()).to_numpy(), y


def compete(options):
    """Accuracy on a third of each table, and mean ranks."""
    methods = {
        "AutoencoderClassifier": None,
        "logistic regression": LogisticRegression(max_iter=1000),
        "SVC": SVC(),
        "random forest": RandomForestClassifier(random_state=0),
        "gradient boosting": HistGradientBoostingClassifier(random_state=0),
        "kNN": KNeighborsClassifier(),
        "self-training (SVC)": SelfTrainingClassifier(SVC(probability=True, random_state=0)),
    }
    found = tables(options.data)
    found = {name: found[name] for name in options.tables or found}
    numbers, rows = ((20,), []) if options.quick else (options.table_labels, [])
    if options.quick:
        found = {"wine": found["wine"]}
    for name, (X, y) in found.items():
        X, X_test, y, y_test = train_test_split(X, y, test_size=1 / 3, random_state=0, stratify=y)
        rng = np.random.default_rng(0)
        some = np.sort(rng.permutation(len(X))[:3000])
        X, y = X[some], y[some]
        scaler = StandardScaler().fit(X)
        X, X_test = scaler.transform(X), scaler.transform(X_test)[:5000]
        y_test = y_test[:5000]
        epochs = {"max_epochs": 1} if options.quick else {}
        autoencoder = FrozenEstimator(Autoencoder(random_state=0, **epochs).fit(X))
        for n in numbers:
            if n > len(X) / 2:
                continue
            for seed in range(1 if options.quick else options.draws):
                shown = hide(y, n, seed, by_class=False)
                labeled = shown != UNLABELED
                for method, estimator in methods.items():
                    start = time.process_time()
                    if estimator is None:
                        model = AutoencoderClassifier(autoencoder, random_state=seed, **epochs)
                    else:
                        model = estimator
                    semi = method in ("AutoencoderClassifier", "self-training (SVC)")
                    used = slice(None) if semi else labeled
                    accuracy = model.fit(X[used], shown[used]).score(X_test, y_test)
                    rows.append((name, n, seed, method, accuracy, time.process_time() - start))
        done = pd.DataFrame(rows, columns=["table", "labels", "draw", "method", "accuracy", "s"])
        one = done[done["table"] == name].pivot_table("accuracy", "labels", "method", sort=False)
        print(f"\n{name}{' (tuned on)' if name in TUNED_ON else ''}\n{one.round(3)}", flush=True)
    report(done, options)


def report(done, options):
    """Mean ranks, and by how much the linear model is missed at most."""
    means = done.pivot_table("accuracy", ["table", "labels"], "method", sort=False)
    ranks = pd.DataFrame(
        rankdata(-means.round(4).to_numpy(), axis=1), means.index, means.columns
    ).reset_index()
    methods = list(means.columns)
    print("\nMean rank by the number of labels\n", ranks.groupby("labels")[methods].mean().round(2))
    unseen = ranks[~ranks["table"].isin(TUNED_ON)]
    print("of tables not tuned on\n", unseen.groupby("labels")[methods].mean().round(2))
    missed = means["logistic regression"] - means["AutoencoderClassifier"]
    print(f"furthest below logistic regression: {missed.max():.3f} ({missed.idxmax()})")
    print("seconds a fit\n", done.groupby("method")["s"].mean().round(2).to_string())


# -- sequences and numbers --------------------------------------------------------------------


def sequences(options):
    """ECG5000 and Japanese vowels with 5 labels of each class."""
    for name, X, y, X_test, y_test in series(options):
        make = SequenceAutoencoder(8, hidden_size=32, max_epochs=1 if options.quick else 20)
        settings = {"max_epochs": 1} if options.quick else {}
        for seed in range(1 if options.quick else options.draws):
            shown = hide(y, 5 * len(np.unique(y)), seed)
            labeled = shown != UNLABELED
            model = AutoencoderClassifier(make, random_state=seed, **settings)
            model, minutes = cpu_minutes(lambda model=model, X=X, s=shown: model.fit(X, s))
            figures = {"AutoencoderClassifier": model.score(X_test, y_test)}
            flat_X, flat_test = padded(X, X_test)
            for other, method in others(labeled.sum()).items():
                if other in ("logistic regression", "SVC", "random forest"):
                    method.fit(flat_X[labeled], y[labeled])
                    figures[other] = method.score(flat_test, y_test)
            figures = "; ".join(f"{k} {v:.3f}" for k, v in figures.items())
            print(f"{name}, draw {seed}: {figures}; {minutes:.1f} CPU minutes", flush=True)


def padded(*parts):
    """Sequences as flat rows, ended by zeros."""
    longest = max(len(row) for part in parts for row in part)
    width = longest * np.atleast_2d(np.asarray(parts[0][0]).T).shape[0]
    found = []
    for part in parts:
        rows = np.zeros((len(part), width))
        for i, row in enumerate(part):
            row = np.ravel(row)
            rows[i, : len(row)] = row
        found.append(rows)
    return found


def series(options):
    """Names, sequences and classes."""
    if options.data is None or options.quick:
        images, y = load_digits().images / 16, load_digits().target
        yield "digits as sequences of rows", images[:300], y[:300], images[300:400], y[300:400]
        return
    file = np.load(Path(options.data) / "ecg5000.npz")
    y, y_test = file["class_train"].astype(int), file["class_test"].astype(int)
    known = (y > 0) & ~np.isin(y, [k for k in np.unique(y) if np.sum(y == k) < 10])
    of_test = np.isin(y_test, np.unique(y[known]))
    yield (
        "ECG5000",
        file["X_train"][known],
        y[known],
        file["X_test"][of_test][:2000],
        y_test[of_test][:2000],
    )
    file = np.load(Path(options.data) / "japanese_vowels.npz")
    longest = file["len_train"].max()  # that a fitted estimator takes
    parts = []
    for part in ("train", "test"):
        X, lengths = file[f"X_{part}"], file[f"len_{part}"]
        parts += [[row[: min(n, longest)] for row, n in zip(X, lengths, strict=True)]]
        parts += [file[f"y_{part}"].astype(int)]
    yield ("JapaneseVowels", *parts)


def regression(options):
    """R2 with 50 numbers: diabetes, and a synthetic table like California's houses."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(3000, 3))
    X = np.tanh(hidden @ rng.normal(size=(3, 8))) + 0.1 * rng.normal(size=(3000, 8))
    y = np.sin(2 * hidden[:, 0]) + hidden[:, 1] ** 2 / 2 + 0.2 * rng.normal(size=3000)
    found = {"synthetic": (X, y), "diabetes": load_diabetes(return_X_y=True)}
    for name, (X, y) in found.items():
        if options.quick:
            X, y = X[:300], y[:300]
        X, X_test, y, y_test = train_test_split(X, y, test_size=1 / 3, random_state=0)
        scaler = StandardScaler().fit(X)
        X, X_test = scaler.transform(X), scaler.transform(X_test)
        figures = {}
        for seed in range(1 if options.quick else options.draws):
            some = np.random.default_rng(seed).permutation(len(X))[:50]
            shown = np.full(len(X), np.nan)
            shown[some] = y[some]
            settings = {"max_epochs": 1} if options.quick else {}
            models = {
                "AutoencoderRegressor": AutoencoderRegressor(
                    Autoencoder(**settings), random_state=seed, **settings
                ),
                "ridge": RidgeCV(np.logspace(-2, 3, 20)),
                "SVR": SVR(C=np.std(y[some]), epsilon=0.1 * np.std(y[some])),
                "random forest": RandomForestRegressor(random_state=0),
                "gradient boosting": HistGradientBoostingRegressor(random_state=0),
            }
            for method, model in models.items():
                used = slice(None) if method == "AutoencoderRegressor" else some
                score = model.fit(X[used], shown[used]).score(X_test, y_test)
                figures.setdefault(method, []).append(score)
        line = "; ".join(f"{method} {np.mean(scores):.3f}" for method, scores in figures.items())
        print(f"{name}, 50 numbers, R2: {line}", flush=True)


def draw(curves, label, path):
    """Learning curves: a line for each method."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, points in curves.items():
        n = sorted(points)
        ours = name == "AutoencoderClassifier"
        axes.plot(
            n,
            [np.mean(points[k]) for k in n],
            "o-",
            label=name,
            linewidth=2.5 if ours else 1,
            color="black" if ours else None,
        )
    axes.set(xscale="log", xlabel="labels", ylabel=label)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")


def main():
    options = parser(__doc__)
    options.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    options.add_argument("--labels", nargs="+", type=int, default=[100, 300, 1000, 3000])
    options.add_argument("--tables", nargs="+", help="some of the tables")
    options.add_argument("--table-labels", nargs="+", type=int, default=[10, 20, 50, 100, 500])
    options.add_argument("--draws", type=int, default=3)
    options.add_argument("--picture", type=Path, default=Path("labels.png"))
    options = options.parse_args()
    pd.set_option("display.width", 200, "display.max_columns", None)
    run = {
        "mnist": mnist,
        "all": all_labels,
        "tables": compete,
        "sequences": sequences,
        "regression": regression,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in options.parts:
            run[part](options)


if __name__ == "__main__":
    main()
