"""Autoencoder against PCA: held-out reconstruction error at equal code size, default settings.

Run ``python benchmarks/pca.py`` for the digits that come with scikit-learn, with a picture, and
``python benchmarks/pca.py --data DIR`` for all tables.
"""

import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import bundled, parser, tables

from skae import Autoencoder


def code_sizes(X):
    """2, a quarter and a half of the features; no more than PCA can have."""
    n_features = X.shape[1]
    sizes = (2, max(1, n_features // 4), max(1, n_features // 2))
    return sorted({min(size, n_features, len(X) // 2) for size in sizes})


def error(model, X):
    """Mean squared reconstruction error of a row, in standardized units."""
    scaler, reducer = model[0], model[1]
    X = scaler.transform(X)
    return np.mean(np.sum((X - reducer.inverse_transform(reducer.transform(X))) ** 2, axis=1))


def compare(X, code_size, seed):
    """Held-out errors of PCA and of the autoencoder, its fit time, and both models."""
    train, test = train_test_split(X, test_size=0.25, random_state=seed)
    models = [
        make_pipeline(StandardScaler(), reducer).fit(train)
        for reducer in (PCA(code_size, random_state=seed),)
    ]
    start = time.perf_counter()
    reducer = Autoencoder(code_size, random_state=seed)
    models.append(make_pipeline(StandardScaler(), reducer).fit(train))
    seconds = time.perf_counter() - start
    errors = [error(model, test) for model in models]
    return errors, seconds, len(train), models, test


def run(names, load, seeds, sizes=None):
    """Compare on each table at each size for each seed; print a row for each table and size."""
    print(f"{'table':14s} {'n_train':>7s} {'d':>4s} {'code':>4s} {'PCA':>9s} {'AE':>9s} ", end="")
    print(f"{'AE/PCA':>7s} {'by seed':>20s} {'fit s':>6s}")
    results = []
    for name in names:
        X = load[name]()
        for size in sizes or code_sizes(X):
            runs = [compare(X, size, seed)[:3] for seed in seeds]
            errors = np.array([r[0] for r in runs])
            seconds = np.array([r[1] for r in runs])
            ratios = errors[:, 1] / errors[:, 0]
            mean = errors.mean(axis=0)
            row = {"name": name, "n": runs[0][2], "ratio": mean[1] / mean[0], "ratios": ratios}
            results.append({**row, "seconds": seconds})
            each = " ".join(f"{ratio:.3f}" for ratio in ratios)
            print(f"{name:14s} {row['n']:7d} {X.shape[1]:4d} {size:4d} ", end="")
            print(f"{mean[0]:9.4g} {mean[1]:9.4g} {row['ratio']:7.3f} {each:>20s} ", end="")
            print(f"{np.median(seconds):6.1f}", flush=True)
    return results


def summarize(results):
    """The figures that the package is held to."""
    ratios = {
        "mean of seeds": np.array([row["ratio"] for row in results]),
        "each seed": np.concatenate([row["ratios"] for row in results]),
    }
    seconds = np.concatenate([row["seconds"] for row in results])
    large = [row["ratios"].max() for row in results if row["n"] >= 1000]
    print()
    for name, values in ratios.items():
        share = 100 * np.mean(values < 1.005)
        print(f"AE/PCA, {name} ({len(values)} pairs): median {np.median(values):.3f}, ", end="")
        print(f"largest {values.max():.3f}, at most 1.00 on {share:.0f} % of the pairs")
    if large:
        print(f"largest ratio with 1 000 training rows or more, each seed: {max(large):.3f}")
    print(f"fit: median {np.median(seconds):.1f} s, longest {seconds.max():.1f} s")


def picture(path, seed=0):
    """Error by code size on the digits, and originals beside both reconstructions."""
    X = bundled("digits")
    sizes = [1, 2, 4, 8, 16, 32]
    errors, shown = [], None
    for size in sizes:
        pair, _, _, models, test = compare(X, size, seed)
        errors.append(pair)
        if size == 8:
            scaled = models[0][0].transform(test[:10])
            shown = [test[:10]] + [
                m[0].inverse_transform(m[1].inverse_transform(m[1].transform(scaled)))
                for m in models
            ]
    figure = plt.figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.5])
    axes = left.subplots()
    for name, values, style in zip(("PCA", "Autoencoder"), np.transpose(errors), "so", strict=True):
        axes.plot(sizes, values, style + "-", label=name)
    axes.set(xscale="log", xlabel="code size", ylabel="held-out squared error per row", ylim=0)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_title("scikit-learn digits, standardized", fontsize=10)
    axes.legend(frameon=False)
    right.suptitle("code size 8, held-out digits", fontsize=10)
    grid = right.subplots(3, 10)
    for row, images, name in zip(grid, shown, ("original", "PCA", "Autoencoder"), strict=True):
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for cell, image in zip(row, images, strict=True):
            cell.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
            cell.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=110)
    print(f"\nfigure: {path}")


def main():
    """Run from the command line."""
    options = parser(__doc__)
    options.add_argument("--tables", help="names, separated by commas (default: all found)")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--figure", default="autoencoder_vs_pca.png")
    arguments = options.parse_args()
    load = tables(arguments.data)
    names = list(load) if arguments.data else ["digits"]
    if arguments.tables:
        names = arguments.tables.split(",")
    sizes = None
    if arguments.quick:
        names, arguments.seeds, sizes = ["digits"], 1, [8]
    results = run(names, load, range(arguments.seeds), sizes)
    summarize(results)
    if not arguments.quick:
        picture(arguments.figure)


if __name__ == "__main__":
    main()
