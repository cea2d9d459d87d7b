"""The masked autoencoder: a linear probe on its codes, patches filled, and what hiding them saves.

Without data, or with ``--quick``: scikit-learn's digits.
"""

import time
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from tables import fixed, flat, mnist, mnist_labels, mnist_test, parser, picture, probe_error

from skae import MaskedAutoencoder


def data(options):
    """Images and labels to train on, and to test."""
    if options.data is None or options.quick:
        digits = load_digits()
        images = digits.images.astype(np.float32) / 16
        return images[:400], digits.target[:400], images[1400:], digits.target[1400:]
    train = mnist(options.data, options.rows).reshape(-1, 28, 28)
    test = mnist_test(options.data).reshape(-1, 28, 28)
    y_train, y_test = mnist_labels(options.data, options.rows)
    return train.astype(np.float32), y_train, test.astype(np.float32), y_test


def filled_by_pca(pca, rows, hidden, n_rounds=30):
    """Hidden entries by turns of projection and filling."""
    rows = np.where(hidden, pca.mean_, rows)
    for _ in range(n_rounds):
        rows = np.where(hidden, pca.inverse_transform(pca.transform(rows)), rows)
    return rows


def main():
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=60_000)
    options.add_argument("--epochs", type=int, default=10)
    options.add_argument("--code-size", type=int, default=64)
    options = options.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    train, y_train, test, y_test = data(options)
    epochs = 2 if options.quick else options.epochs
    settings = {
        "code_size": options.code_size,
        "patch_size": 4 if train.shape[1] > 8 else 2,
        "batch_size": 128,
        **fixed(epochs),
    }
    probed = slice(None, 20_000)  # rows that the linear classifier learns from
    start = time.perf_counter()
    trained = MaskedAutoencoder(**settings).fit(train)
    print(
        f"{len(train)} images, {trained.n_patches_} patches, {epochs} epochs: "
        f"{time.perf_counter() - start:.0f} s",
        flush=True,
    )
    untrained = MaskedAutoencoder(**{**settings, "max_epochs": 0}).fit(train[:1000])
    pca = PCA(options.code_size if train.shape[1] > 8 else 32, random_state=0).fit(flat(train))
    for name, encode in {
        "codes": trained.transform,
        "codes, untrained": untrained.transform,
        "PCA": lambda images: pca.transform(flat(images)),
    }.items():
        error = probe_error(encode(train[probed]), y_train[probed], encode(test), y_test)
        print(f"linear probe on {name:17s} {1 - error:.2%}", flush=True)

    shown = test[:1000]
    module = trained.net_.module_
    rng = np.random.default_rng(0)
    order = rng.random((len(shown), trained.n_patches_)).argsort(axis=1)
    hidden = np.zeros((len(shown), trained.n_patches_), dtype=bool)
    np.put_along_axis(hidden, order[:, module.n_seen :], True, axis=1)
    size = settings["patch_size"]
    grid = hidden.reshape(len(shown), *module.patches.grid)
    hidden = grid.repeat(size, axis=1).repeat(size, axis=2)
    filled = trained.reconstruct(shown, mask=hidden)
    by_pca = filled_by_pca(pca, flat(shown), flat(hidden)).reshape(shown.shape)
    by_mean = np.broadcast_to(train.mean(axis=0), shown.shape)
    errors = [((rows - shown)[hidden] ** 2).mean() for rows in (filled, by_pca, by_mean)]
    print(
        "error in hidden patches: {:.4f}, by PCA {:.4f}, by the mean image {:.4f}".format(*errors)
    )
    seen = np.where(hidden, np.nan, shown)
    rows = {"digits": shown, "seen": seen, "filled": filled, "by PCA": by_pca}
    picture("masked_filled.png", rows)

    # What a step costs with three quarters hidden, and with next to nothing hidden, by turns.
    some, ratios = train[: 200 if options.quick else 2048], []
    for _ in range(1 if options.quick else 3):
        seconds = []
        for ratio in (0.75, 0.02):
            model = MaskedAutoencoder(**{**settings, **fixed(2)}, mask_ratio=ratio)
            start = time.perf_counter()
            model.fit(some)
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[0] / seconds[1])
    print(f"time of a fit at mask_ratio 0.75 beside 0.02: {np.median(ratios):.2f}")


if __name__ == "__main__":
    main()
