"""k-sparse codes: features for a linear classifier, dead units, and directions found again.

``python benchmarks/k_sparse.py --data DIR`` takes MNIST (60 000 rows, 1 000 units); without data it
takes scikit-learn's digits. ``--part`` runs one of the three.
"""

import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from tables import BUNDLED, mnist, mnist_labels, mnist_test, parser, probe_error, small_tables

from skae import KSparseAutoencoder


def features(train, y_train, test, y_test, n_units, ks, max_epochs):
    """Test error of raw columns and of k-sparse features, by k."""
    start = time.perf_counter()
    raw = probe_error(train, y_train, test, y_test)
    print(f"raw columns: test error {100 * raw:.2f} %  {time.perf_counter() - start:.0f} s")
    for k in ks:
        start = time.perf_counter()
        autoencoder = KSparseAutoencoder(
            n_units, k=k, alpha=3.0, max_epochs=max_epochs, early_stopping=False, random_state=0
        ).fit(train)
        fitted = time.perf_counter() - start
        codes = autoencoder.transform(train), autoencoder.transform(test)
        counts = (codes[1] != 0).sum(axis=1)
        error = probe_error(codes[0], y_train, codes[1], y_test)
        print(f"k {k:3d}, {n_units} units, {autoencoder.n_iter_} epochs: test error ", end="")
        print(f"{100 * error:.2f} %  non-zeros {counts.min()} to {counts.max()}  dead ", end="")
        print(f"{autoencoder.dead_fraction_:.3f}  fit {fitted:.0f} s, ", end="")
        print(f"all {time.perf_counter() - start:.0f} s", flush=True)


def dead_units(train, n_units, k, max_epochs):
    """Share of the units that no training row uses, with the auxiliary loss and without."""
    for weight in (1 / 32, 0.0):
        for tied in (False, True):
            start = time.perf_counter()
            autoencoder = KSparseAutoencoder(
                n_units,
                k=k,
                aux_weight=weight,
                tied_weights=tied,
                k_schedule="constant",
                max_epochs=max_epochs,
                early_stopping=False,
                random_state=0,
            ).fit(train)
            print(f"{n_units} units, k {k}, tied {tied!s:5}, AuxK {weight:.3f}: dead ", end="")
            print(
                f"{autoencoder.dead_fraction_:.3f}, loss {autoencoder.loss_curve_[-1]:.4f}, ",
                end="",
            )
            print(f"{time.perf_counter() - start:.0f} s", flush=True)


def directions(n_directions, n_features, n_rows, active, max_epochs):
    """Mean best cosine of the learned columns to directions that generated the rows."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(n_directions, n_features))
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    X = np.zeros((n_rows, n_features), dtype=np.float32)
    for rows in np.array_split(np.arange(n_rows), max(1, n_rows // 10_000)):
        chosen = rng.random((len(rows), n_directions)).argpartition(active, axis=1)[:, :active]
        weights = rng.uniform(0.5, 1.5, size=chosen.shape)
        X[rows] = np.einsum("na,naf->nf", weights, truth[chosen])
    start = time.perf_counter()
    autoencoder = KSparseAutoencoder(
        n_directions,
        k=active,
        tied_weights=False,
        unit_norm=True,
        max_epochs=max_epochs,
        early_stopping=False,
        random_state=0,
    ).fit(X)
    zeros = np.zeros((1, n_directions), dtype=np.float32)
    eye = np.eye(n_directions, dtype=np.float32)
    columns = autoencoder.inverse_transform(eye) - autoencoder.inverse_transform(zeros)
    columns /= np.linalg.norm(columns, axis=1, keepdims=True)
    cosines = (truth @ columns.T).max(axis=1)
    print(f"{n_directions} directions in {n_features} dimensions, {active} active, {n_rows} rows: ")
    print(
        f"mean best cosine {cosines.mean():.3f}, above 0.9 for {(cosines > 0.9).mean():.3f}, ",
        end="",
    )
    print(f"dead {autoencoder.dead_fraction_:.3f}, {time.perf_counter() - start:.0f} s")


def main():
    """Run from the command line."""
    options = parser(__doc__)
    options.add_argument("--part", choices=["features", "dead", "directions", "tables"])
    options.add_argument("--k", type=int, nargs="*", default=[25, 10, 40, 70])
    arguments = options.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    wanted = [arguments.part] if arguments.part else ["features", "dead", "directions", "tables"]
    full = arguments.data and not arguments.quick
    if "features" in wanted and full:
        X, test = (
            X.astype(np.float32)
            for X in (mnist(arguments.data, 60_000), mnist_test(arguments.data))
        )
        y, y_test = mnist_labels(arguments.data, 60_000)
        features(X, y, test, y_test, 1000, arguments.k, max_epochs=12)
    elif "features" in wanted:
        X, y = BUNDLED["digits"](return_X_y=True)
        X, test, y, y_test = train_test_split(X, y, random_state=0)
        features(X, y, test, y_test, 256, [8], max_epochs=30 if arguments.quick else 150)
    if "dead" in wanted and full:
        dead_units(mnist(arguments.data).astype(np.float32), 4096, 25, max_epochs=30)
    elif "dead" in wanted:
        digits = BUNDLED["digits"]().data
        dead_units(digits, 512, 4, max_epochs=20 if arguments.quick else 150)
    if "directions" in wanted and arguments.quick:
        directions(100, 32, 5_000, 3, max_epochs=5)
    elif "directions" in wanted:
        directions(2000, 128, 200_000, 5, max_epochs=5)
    if "tables" in wanted and not arguments.quick:
        small_tables(
            arguments.data,
            lambda size: KSparseAutoencoder(8 * size, k=size, random_state=0),
            "KSparseAutoencoder, k of 8 times as many units",
        )


if __name__ == "__main__":
    main()
