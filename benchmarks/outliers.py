"""Outlier detection beside the field: one setting for all tables, no labels, nothing tuned.

Parts: "novelty" (train on the first half of the normal rows, test on the rest), "contaminated"
(train and test on all rows), "series" (heart beats, a machine's temperature, taxis), "time".
Without data: scikit-learn's wine, breast cancer and digits, one class of each being normal.
"""

import importlib.util
import time
import warnings

import numpy as np
from contenders import silence
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from tables import BUNDLED, parser

from skae import Autoencoder, AutoencoderOutlierDetector
from skae.windows import fold_scores, sliding_windows

PARTS = ("novelty", "contaminated", "series", "time")
LARGEST_SVM = 10_000
ROUNDS_OF_TIME = 3


def sets(options):
    """Rows and labels, 1 an anomaly, by name."""
    if options.data is not None:
        for path in sorted((options.data / "adbench").glob("*.npz")):
            file = np.load(path)
            yield path.stem, file["X"], file["y"]
        return
    for name, normal in {"wine": (0, 1), "breast_cancer": (1,), "digits": (0, 1, 2, 3)}.items():
        X, y = BUNDLED[name](return_X_y=True)
        yield name, X, (~np.isin(y, normal)).astype(int)


class _OfPCA:
    """PCA with a quarter of the components."""

    def fit(self, X):
        self.pca = PCA(max(1, round(X.shape[1] / 4)), random_state=0).fit(X)
        return self

    def score_samples(self, X):
        return -((X - self.pca.inverse_transform(self.pca.transform(X))) ** 2).sum(axis=1)


class _NearestFive:
    """The distance from the fifth neighbor; a row trained on is not its own."""

    def fit(self, X):
        self.X, self.finder = X, NearestNeighbors(n_neighbors=5).fit(X)
        return self

    def score_samples(self, X):
        return -self.finder.kneighbors(None if X is self.X else X)[0][:, -1]


class _OfPyOD:
    """A detector of PyOD's at its defaults, higher turned to be more normal."""

    def __init__(self, name, module, seed):
        self.name, self.module, self.seed = name, module, seed

    def fit(self, X):
        make = getattr(importlib.import_module(f"pyod.models.{self.module}"), self.name)
        with silence():
            self.detector = make(random_state=self.seed)
            self.detector.fit(X)
        return self

    def score_samples(self, X):
        with silence():
            return -self.detector.decision_function(X)


class _FactorOfAll(LocalOutlierFactor):
    """LOF as it is used on the rows that it was fitted to."""

    def score_samples(self, X):
        return self.negative_outlier_factor_


def contenders(seed, contaminated):
    """Who runs, and whether seeds matter."""
    lof = _FactorOfAll() if contaminated else LocalOutlierFactor(novelty=True)
    found = {
        "skae detector": AutoencoderOutlierDetector(random_state=seed),
        "skae detector, 5 nets": AutoencoderOutlierDetector(n_estimators=5, random_state=seed),
        "skae masked error": AutoencoderOutlierDetector(method="masked", random_state=seed),
        "skae Autoencoder": Autoencoder(random_state=seed),
        "PCA error": _OfPCA(),
        "kNN, k=5": _NearestFive(),
        "IsolationForest": IsolationForest(random_state=seed),
        "LOF": lof,
        "OCSVM": OneClassSVM(),
    }
    if contaminated:
        trimmed = AutoencoderOutlierDetector(method="error", random_state=seed)
        found = {
            **found,
            "skae error": trimmed,
            "skae error, trim=0.1": clone(trimmed).set_params(trim=0.1),
            "skae detector, declared": AutoencoderOutlierDetector(
                contamination=0.1, random_state=seed
            ),
            "skae detector, trim=0.1": AutoencoderOutlierDetector(trim=0.1, random_state=seed),
        }
    if importlib.util.find_spec("pyod"):
        found["PyOD AutoEncoder"] = _OfPyOD("AutoEncoder", "auto_encoder", seed)
        found["PyOD VAE"] = _OfPyOD("VAE", "vae", seed)
    return found


ON_SERIES = ("skae detector", "skae Autoencoder", "PCA error", "kNN, k=5", "IsolationForest")
SEEDLESS = ("PCA error", "kNN, k=5", "LOF", "OCSVM")


def split(X, y, contaminated):
    """Rows to train on, and to test, standardized by the former."""
    if contaminated:
        scaled = StandardScaler().fit_transform(X)
        return scaled, scaled, y
    normal = np.flatnonzero(y == 0)
    train = normal[: len(normal) // 2]
    test = np.setdiff1d(np.arange(len(X)), train)
    scaler = StandardScaler().fit(X[train])
    return scaler.transform(X[train]), scaler.transform(X[test]), y[test]


def table(options, contaminated):
    """AUROC and average precision, set by set."""
    seeds = range(1 if options.quick else options.seeds)
    names, results, seconds = [], {}, {}
    for name, X, y in sets(options):
        names.append(name)
        train, test, labels = split(X, y, contaminated)
        for seed in seeds:
            for who, detector in contenders(seed, contaminated).items():
                if (seed and who in SEEDLESS) or (options.quick and "5 nets" in who):
                    continue
                some = slice(None)
                if who == "OCSVM" and len(train) > LARGEST_SVM:
                    some = slice(LARGEST_SVM)
                start = time.perf_counter()
                scores = detector.fit(train[some]).score_samples(test)
                seconds.setdefault(who, []).append(time.perf_counter() - start)
                assert np.isfinite(scores).all(), who
                found = results.setdefault(who, {}).setdefault(name, [])
                found.append(
                    (
                        100 * roc_auc_score(labels, -scores),
                        100 * average_precision_score(labels, -scores),
                    )
                )
        print(f"{name} done", flush=True)
    title = "Trained and tested on all rows" if contaminated else "Trained on normal rows"
    print(f"\n{title}: AUROC, mean over {len(seeds)} seeds; AP: average precision")
    print(f"{'':24s}" + "".join(f"{name[:7]:>8s}" for name in names) + "    mean      AP  s a set")
    for who, found in results.items():
        means = np.array([np.mean(found[name], axis=0) for name in names])
        print(
            f"{who:24s}"
            + "".join(f"{value:8.1f}" for value in means[:, 0])
            + f"{means[:, 0].mean():8.2f}{means[:, 1].mean():8.2f}{np.mean(seconds[who]):9.2f}",
            flush=True,
        )


def novelty(options):
    """Semi-supervised."""
    table(options, contaminated=False)


def contaminated(options):
    """Unsupervised."""
    table(options, contaminated=True)


def series(options):
    """Beats one by one, and long series by windows."""
    if options.data is None:
        print("\nseries: needs --data")
        return
    file = np.load(options.data / "ecg5000.npz")
    beats = file["X_train"][file["y_train"] == 0]
    print("\nECG5000, trained on normal beats; AUROC of the test beats")
    for who in ON_SERIES:
        detector = contenders(0, False)[who].fit(beats)
        result = roc_auc_score(file["y_test"], -detector.score_samples(file["X_test"]))
        print(f"{who:24s}{100 * result:8.2f}", flush=True)
    for name, every, length in (("nab_machine_temperature", 12, 24), ("nab_nyc_taxi", 2, 24)):
        file = np.load(options.data / f"{name}.npz")
        n = len(file["value"]) // every * every
        value = file["value"][:n].reshape(-1, every).mean(axis=1)
        labels = file["y"][:n].reshape(-1, every).max(axis=1)
        windows = sliding_windows(value, length)
        print(f"\n{name}, hourly means, windows of {length}; AUROC by point")
        for who in (
            "skae detector",
            "skae Autoencoder",
            "PCA error",
            "kNN, k=5",
            "IsolationForest",
        ):
            scores = contenders(0, True)[who].fit(windows).score_samples(windows)
            points = fold_scores(scores, len(value), length)
            print(f"{who:24s}{100 * roc_auc_score(labels, -points):8.2f}", flush=True)
            if who == "skae detector":
                picture(value, points, labels, f"outliers_{name}.png")


def picture(value, points, labels, path):
    """The series, its scores, and the windows that are labeled."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 1, figsize=(10, 4.5), sharex=True)
    edges = np.flatnonzero(np.diff(np.r_[0, labels, 0]))
    for ax, curve, name in zip(axes, (value, -points), ("value", "minus the score"), strict=True):
        ax.plot(curve, linewidth=0.7)
        ax.set_ylabel(name)
        for start, stop in edges.reshape(-1, 2):
            ax.axvspan(start, stop, color="tab:red", alpha=0.2)
    axes[1].set_xlabel("hour")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    print(f"Picture: {path}")


def spent(options):
    """Fit and score, by turns with PyOD's autoencoder, on all tables together."""
    if not importlib.util.find_spec("pyod"):
        print("\ntime: needs PyOD")
        return
    ratios = []
    for _ in range(1 if options.quick else ROUNDS_OF_TIME):
        seconds = {}
        for _, X, y in sets(options):
            train, test, _ = split(X, y, contaminated=False)
            for who in ("skae detector", "PyOD AutoEncoder"):
                start = time.perf_counter()
                contenders(0, False)[who].fit(train).score_samples(test)
                seconds[who] = seconds.get(who, 0) + time.perf_counter() - start
        ratios.append(seconds["skae detector"] / seconds["PyOD AutoEncoder"])
    print(
        f"\nFit and score on all tables, beside PyOD's AutoEncoder: {np.median(ratios):.2f} "
        f"({seconds['skae detector']:.1f} s and {seconds['PyOD AutoEncoder']:.1f} s)"
    )


def main():
    options = parser(__doc__)
    options.add_argument("--part", choices=PARTS, nargs="+", default=PARTS)
    options.add_argument("--seeds", type=int, default=5)
    options = options.parse_args()
    if options.quick:
        options.data = None
    warnings.simplefilter("ignore", ConvergenceWarning)
    run = {"novelty": novelty, "contaminated": contaminated, "series": series, "time": spent}
    for part in options.part:
        run[part](options)


if __name__ == "__main__":
    main()
