"""The tables that the benchmarks run on, and the options that they share."""

import argparse
import os
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

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
