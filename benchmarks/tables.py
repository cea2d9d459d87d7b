"""The tables that the benchmarks run on, and the options that they share."""

import argparse
import os
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae.model_selection import reconstruction_r2

BUNDLED = {"digits": load_digits, "wine": load_wine, "breast_cancer": load_breast_cancer}


def parser(description):
    """Options that every benchmark takes."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("SKAE_DATA"),
        help="folder of further data sets (default: the variable SKAE_DATA)",
    )
    options.add_argument("--quick", action="store_true", help="a smoke run")
    return options


def bundled(name):
    """A table that comes with scikit-learn."""
    return BUNDLED[name]().data


def tables(folder):
    """Names and loaders of all tables: scikit-learn's, and those of ``folder`` if it is given."""
    found = {name: lambda name=name: bundled(name) for name in BUNDLED}
    if folder is None:
        return found
    folder = Path(folder)
    for path in sorted(folder.glob("adbench/*.npz")):
        found[path.stem] = lambda path=path: np.load(path)["X"]
    found["oil_flow"] = lambda: oil_flow(folder)
    found["mnist"] = lambda: mnist(folder)
    return found


def oil_flow(folder):
    """Oil flow, its three parts together."""
    file = np.load(Path(folder) / "oil_flow.npz")
    return np.vstack([file[f"X_{part}"] for part in ("train", "valid", "test")])


def mnist(folder, n_rows=10_000):
    """The first rows of MNIST's training images, flat, as floats."""
    return np.load(Path(folder) / "mnist.npz")["X_train"][:n_rows].reshape(n_rows, -1) / 255.0


def mnist_test(folder, n_rows=10_000):
    """The first of MNIST's test images, flat, as floats."""
    return np.load(Path(folder) / "mnist.npz")["X_test"][:n_rows].reshape(n_rows, -1) / 255.0


def mnist_labels(folder, n_train=10_000):
    """Labels of the first training images, and of all test images."""
    file = np.load(Path(folder) / "mnist.npz")
    return file["y_train"][:n_train], file["y_test"]


def labeled(folder):
    """Small tables with labels: scikit-learn's, and oil flow (three phases) if there is data."""
    found = {name: BUNDLED[name](return_X_y=True) for name in ("breast_cancer", "wine")}
    if folder is not None:
        file = np.load(Path(folder) / "oil_flow.npz")
        parts = [
            np.concatenate([file[f"{a}_{p}"] for p in ("train", "valid", "test")]) for a in "Xy"
        ]
        found["oil_flow"] = tuple(parts)
    return found


def small_tables(folder, make, title, code_size=2):
    """1-NN accuracy on codes, and R2, beside PCA's of ``code_size`` components, 5-fold."""
    print(f"\n{title}: 1-NN accuracy on codes and R2 of held-out rows (5 folds), beside PCA's")
    for name, (X, y) in labeled(folder).items():
        row = [name]
        for reducer in (make(code_size), PCA(code_size)):
            pipeline = make_pipeline(StandardScaler(), reducer)
            accuracies, r2s = [], []
            for train, test in StratifiedKFold(shuffle=True, random_state=0).split(X, y):
                codes = pipeline.fit(X[train]).transform(X[train])
                nearest = KNeighborsClassifier(1).fit(codes, y[train])
                accuracies.append(nearest.score(pipeline.transform(X[test]), y[test]))
                r2s.append(reconstruction_r2(reducer, pipeline[0].transform(X[test])))
            row += [np.mean(accuracies), np.mean(r2s)]
        print("{:14s} codes: {:.3f}, R2 {:.3f}; PCA: {:.3f}, R2 {:.3f}".format(*row), flush=True)


def probe_error(train, y_train, test, y_test, penalties=(0.003, 0.03, 0.3)):
    """Test error of logistic regression, its penalty chosen on the last sixth of the rows."""
    center, unit = train.mean(axis=0), np.sqrt(train.var(axis=0).mean())
    train, test, n = (train - center) / unit, (test - center) / unit, len(train) * 5 // 6
    probes = [LogisticRegression(C=C, max_iter=200, tol=1e-3) for C in penalties]
    scores = [probe.fit(train[:n], y_train[:n]).score(train[n:], y_train[n:]) for probe in probes]
    best = probes[int(np.argmax(scores))]
    return 1 - best.fit(train, y_train).score(test, y_test)


def flat(images):
    """Images as rows."""
    return images.reshape(len(images), -1)


def fixed(epochs):
    """Parameters by which training takes so many epochs, whatever the loss does."""
    return {
        "early_stopping": False,
        "max_epochs": epochs,
        "n_iter_no_change": max(1, epochs),
        "random_state": 0,
    }


def picture(path, rows, n=10):
    """The first images of each entry of ``rows`` under its name; NaN is left gray."""
    import matplotlib.pyplot as plt

    size = {"figsize": (0.75 * n + 1, 0.8 * len(rows)), "layout": "constrained"}
    figure, grid = plt.subplots(len(rows), n, **size)
    first = next(iter(rows.values()))
    for cells, (name, images) in zip(grid, rows.items(), strict=True):
        cells[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for cell, image in zip(cells, images[:n], strict=True):
            image = np.clip(image, first.min(), first.max())
            cell.imshow(image, cmap="gray_r", vmin=first.min(), vmax=first.max())
            cell.set_facecolor("lightblue")
            cell.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=120)
    plt.close(figure)
    print(f"Picture: {path}")
