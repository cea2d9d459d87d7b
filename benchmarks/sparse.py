"""Sparse codes: fidelity against zeros, beside dictionary learning at equal non-zeros.

``python benchmarks/sparse.py --data DIR`` takes MNIST (10 000 rows, 256 units), without data it
takes scikit-learn's digits. It writes the frontier as a picture.
"""

import time
import warnings

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import MiniBatchDictionaryLearning, SparseCoder
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from tables import bundled, mnist, mnist_test, parser, small_tables

from skae import SparseAutoencoder

SPARSITIES = (1e-3, 3e-3, 1e-2, 2e-2, 3e-2)
# Of dictionary learning, in units of the root of the mean variance of the columns.
ALPHAS = (0.4, 1.2, 4.0)


def r2(X_hat, X, mean):
    """Share of the variance of X about the training mean."""
    return 1 - ((X - X_hat) ** 2).sum() / ((X - mean) ** 2).sum()


def l0(codes):
    """Mean number of entries that are not zero."""
    return (codes != 0).sum(axis=1).mean()


def frontier(train, test, n_units, sparsities, **settings):
    """Share of zeros, non-zeros, R2 and seconds (fit and transform) by sparsity."""
    rows = []
    for sparsity in sparsities:
        start = time.perf_counter()
        autoencoder = SparseAutoencoder(n_units, sparsity=sparsity, random_state=0, **settings)
        codes = autoencoder.fit(train).transform(test)
        seconds = time.perf_counter() - start
        rebuilt = autoencoder.inverse_transform(codes)
        zeros, kept = (codes == 0).mean(), l0(codes)
        rows.append((zeros, kept, r2(rebuilt, test, train.mean(axis=0)), seconds))
        print(f"sparsity {sparsity:7.4f}  zeros {zeros:.3f}  l0 {kept:6.1f}  ", end="")
        print(f"R2 {rows[-1][2]:.3f}  dead {autoencoder.dead_fraction_:.2f}  {seconds:5.1f} s")
    return np.array(rows)


def dictionaries(train, test, n_units, alphas, counts):
    """The same for dictionary learning, coded by the lasso it was trained with, and by OMP."""
    mean = train.mean(axis=0)
    found = {"lasso": [], "omp": []}
    for alpha in alphas:
        start = time.perf_counter()
        learner = MiniBatchDictionaryLearning(
            n_units, alpha=alpha, fit_algorithm="cd", random_state=0, n_jobs=1
        )
        atoms = learner.fit(train - mean).components_
        fitted = time.perf_counter() - start
        ways = [("lasso", {"transform_algorithm": "lasso_cd", "transform_alpha": alpha})]
        if alpha == alphas[-1]:
            ways += [("omp", {"transform_n_nonzero_coefs": int(n)}) for n in counts]
        for name, way in ways:
            start = time.perf_counter()
            codes = SparseCoder(atoms, **way).transform(test - mean)
            seconds = fitted + time.perf_counter() - start
            value = r2(codes @ atoms + mean, test, mean)
            found[name].append(((codes == 0).mean(), l0(codes), value, seconds))
            print(f"dictionary, alpha {alpha:4.2f}, {name:5s}  l0 {l0(codes):6.1f}  ", end="")
            print(f"R2 {value:.3f}  {seconds:5.1f} s", flush=True)
    return {name: np.array(rows) for name, rows in found.items()}


def kl_on_digits():
    """Mean activations and R2 of the KL kind on held-out digits."""
    train, test = train_test_split(bundled("digits"), random_state=0)
    autoencoder = SparseAutoencoder(128, penalty="kl", sparsity=0.1, random_state=0).fit(train)
    codes = autoencoder.transform(test)
    live = (codes > 0.1).any(axis=0)
    off = np.abs(codes[:, live].mean(axis=0) - autoencoder.rho).mean()
    value = r2(autoencoder.inverse_transform(codes), test, train.mean(axis=0))
    print(f"digits, penalty='kl', rho 0.05: live units {live.mean():.2f}, ", end="")
    print(f"mean |activation - rho| {off:.4f}, R2 {value:.3f}")


def picture(path, ours, theirs, title):
    """R2 by the number of non-zeros."""
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(ours[:, 1], ours[:, 2], "o-", label="SparseAutoencoder (L1)")
    for name, style in (("lasso", "s--"), ("omp", "^:")):
        rows = theirs[name][theirs[name][:, 1].argsort()]
        axes.plot(rows[:, 1], rows[:, 2], style, label=f"dictionary learning, {name}")
    axes.set(xlabel="non-zeros in a code", ylabel="held-out R2", xscale="log", title=title)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)
    print(f"figure: {path}")


def main():
    """Run from the command line."""
    options = parser(__doc__)
    options.add_argument("--figure", default="sparse_frontier.png")
    arguments = options.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    kl_on_digits()
    if arguments.data and not arguments.quick:
        name, n_units = "MNIST, 10 000 rows", 256
        train, test = mnist(arguments.data), mnist_test(arguments.data, 2000)
        settings = {"hidden_layer_sizes": (512,), "shortcut": "linear"}
        settings |= {"early_stopping": False, "max_epochs": 30}
    else:
        name, n_units, settings = "digits", 128, {}
        train, test = train_test_split(bundled("digits"), random_state=0)
    sparsities = SPARSITIES[1::2] if arguments.quick else SPARSITIES
    alphas = ALPHAS[1:2] if arguments.quick else ALPHAS
    print(f"\n{name}, {n_units} units, held-out rows")
    ours = frontier(train, test, n_units, sparsities, **settings)
    alphas = np.array(alphas) * np.sqrt(train.var(axis=0).mean())
    theirs = dictionaries(train, test, n_units, alphas, np.rint(ours[:, 1]).clip(1))
    zeros, values = ours[:, 0], ours[:, 2]
    print(f"monotone: zeros rise {bool((np.diff(zeros) > 0).all())}, ", end="")
    print(f"R2 falls {bool((np.diff(values) < 0).all())}")
    for coding, rows in theirs.items():
        rows = rows[rows[:, 1].argsort()]
        for kept, value, seconds in ours[:, 1:]:
            if rows[0, 1] <= kept <= rows[-1, 1]:
                other = np.interp(kept, rows[:, 1], rows[:, 2])
                time_of = np.interp(kept, rows[:, 1], rows[:, 3])
                print(f"at l0 {kept:5.1f}: R2 {value:.3f} against {other:.3f} ({coding}), ", end="")
                print(f"{seconds:.0f} s against {time_of:.0f} s")
    if not arguments.quick:
        picture(arguments.figure, ours, theirs, f"{name}, {n_units} units")
        small_tables(
            arguments.data,
            lambda size: SparseAutoencoder(8 * size, sparsity=0.003, random_state=0),
            "SparseAutoencoder, 8 times as many units",
        )


if __name__ == "__main__":
    main()
