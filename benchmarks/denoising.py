"""Denoising beside the best PCA denoiser, features for a linear classifier, and a paired example.

``python benchmarks/denoising.py --data DIR`` takes digits, MNIST (10 000 rows) and Olivetti faces;
without data only the digits. It writes pictures of what was denoised.
"""

import time
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split
from tables import (
    bundled,
    mnist,
    mnist_labels,
    mnist_test,
    parser,
    picture,
    probe_error,
    small_tables,
)

from skae import Autoencoder, DenoisingAutoencoder

LEVELS = {"gaussian": 0.5, "masking": 0.25}
FACE = 32  # pixels a side, half of what the file has


def corrupt(X, noise, train, rng):
    """Gaussian noise of half the scale of the training rows, or NaN for a quarter of X."""
    if noise == "gaussian":
        return X + LEVELS[noise] * np.sqrt(train.var(axis=0).mean()) * rng.normal(size=X.shape)
    return np.where(rng.random(X.shape) < LEVELS[noise], np.nan, X)


def best_pca(train, noisy, clean):
    """The smallest error over all numbers of components, chosen with the truth in hand."""
    pca = PCA().fit(train)
    codes = pca.transform(noisy)
    rebuilt, errors = np.tile(pca.mean_, (len(noisy), 1)), []
    for code, axis in zip(codes.T, pca.components_, strict=True):
        rebuilt += np.outer(code, axis)
        errors.append(((rebuilt - clean) ** 2).sum(axis=1).mean())
    best = int(np.argmin(errors))
    kept = pca.components_[: best + 1]
    return errors[best], best + 1, codes[:, : best + 1] @ kept + pca.mean_


def denoise(name, train, test, code_size, noise, max_epochs):
    """Errors of both to the clean rows; returns rows to look at."""
    rng = np.random.default_rng(0)
    noisy = corrupt(test, noise, train, rng)
    filled = np.where(np.isnan(noisy), train.mean(axis=0), noisy)
    error_of_pca, n_components, by_pca = best_pca(train, filled, test)
    start = time.perf_counter()
    autoencoder = DenoisingAutoencoder(
        code_size, noise=noise, noise_level=LEVELS[noise], max_epochs=max_epochs, random_state=0
    ).fit(train)
    seconds = time.perf_counter() - start
    denoised = autoencoder.denoise(noisy)
    error = ((denoised - test) ** 2).sum(axis=1).mean()
    before = ((filled - test) ** 2).sum(axis=1).mean()
    print(f"{name:8s} {noise:9s} noisy {before:7.2f}  best PCA ({n_components}) ", end="")
    print(f"{error_of_pca:7.2f}  autoencoder ({code_size}) {error:7.2f}  ", end="")
    print(f"ratio {error / error_of_pca:.3f}  {seconds:.0f} s", flush=True)
    return [rows[:10] for rows in (test, filled, by_pca, denoised)]


def features(folder, max_epochs):
    """A linear classifier of 10 000 labeled images, on pixels and on 1 000 features."""
    train, test = (X.astype(np.float32) for X in (mnist(folder), mnist_test(folder)))
    y_train, y_test = mnist_labels(folder)
    raw = probe_error(train, y_train, test, y_test)
    print(f"\n10 000 labeled images of MNIST, test error on pixels {100 * raw:.2f} %")
    settings = {
        "code_size": 1000,
        "hidden_layer_sizes": (),
        "code_activation": "relu",
        "shortcut": None,
        "early_stopping": False,
        "max_epochs": max_epochs,
        "random_state": 0,
    }
    noises = {"noise": "masking", "noise_level": 0.5}, {"noise": "gaussian", "noise_level": 0.5}
    models = [Autoencoder(**settings), *(DenoisingAutoencoder(**settings, **n) for n in noises)]
    for model in models:
        start = time.perf_counter()
        codes = model.fit(train).transform(train), model.transform(test)
        seconds = time.perf_counter() - start
        error = probe_error(codes[0], y_train, codes[1], y_test)
        kind = getattr(model, "noise", "none")
        print(f"1 000 features, noise {kind:9s} {100 * error:.2f} %, ", end="")
        print(f"{error / raw:.2f} of the error on pixels, {seconds:.0f} s", flush=True)


def watermark(size):
    """Rows of letters across an image, 0 to 1."""
    figure = plt.figure(figsize=(1, 1), dpi=size)
    for i in range(3):
        figure.text(0.5, 0.2 + 0.3 * i, "SAMPLE", ha="center", va="center", size=13, rotation=20)
    figure.canvas.draw()
    image = np.asarray(figure.canvas.buffer_rgba())[..., 0]
    plt.close(figure)
    return 1 - image / 255.0


def marked(images, rng, size):
    """The images with the watermark at a random place and strength."""
    mark = watermark(size)
    shifts = rng.integers(size, size=(len(images), 2))
    marks = np.stack([np.roll(mark, tuple(shift), axis=(0, 1)) for shift in shifts])
    marks = rng.uniform(0.4, 0.9, size=(len(images), 1)) * marks.reshape(len(images), -1)
    return images * (1 - marks) + 0.9 * marks


def paired(folder, copies=8):
    """Marked faces -> clean faces, beside ridge regression.

    Every fifth face is kept for the test. The training faces are marked in several ways each, so
    that rows held out of them would tell nothing: the number of epochs is given.
    """
    faces = np.load(Path(folder) / "olivetti_faces.npz")["X"].reshape(400, FACE, 2, FACE, 2)
    faces = faces.mean(axis=(2, 4)).reshape(400, -1) / 255.0
    is_test = np.arange(400) % 5 == 0
    train, test = faces[~is_test], faces[is_test]
    rng = np.random.default_rng(0)
    X = np.vstack([marked(train, rng, FACE) for _ in range(copies)])
    X_test, target = marked(test, rng, FACE), np.vstack([train] * copies)
    start = time.perf_counter()
    ridge = RidgeCV(len(X) * np.logspace(-4, 2, 7)).fit(X, target)
    by_ridge = ridge.predict(X_test)
    middle = time.perf_counter()
    autoencoder = Autoencoder(
        FACE**2,
        hidden_layer_sizes=(512,),
        dropout=0.2,
        lr=8e-4,
        max_epochs=60,
        early_stopping=False,
        random_state=0,
    )
    rebuilt = autoencoder.fit(X, target=target).reconstruct(X_test)
    end = time.perf_counter()
    errors = [((rows - test) ** 2).mean() for rows in (X_test, by_ridge, rebuilt)]
    print("\nwatermark removed from new images of faces, mean squared error: marked ", end="")
    print(f"{errors[0]:.5f}, ridge {errors[1]:.5f} ({middle - start:.0f} s), autoencoder ", end="")
    print(f"{errors[2]:.5f} ({end - middle:.0f} s): ratio {errors[2] / errors[1]:.3f}", flush=True)
    return [rows[::8][:10] for rows in (test, X_test, by_ridge, rebuilt)]


def main():
    """Run from the command line."""
    options = parser(__doc__)
    options.add_argument("--part", choices=["denoise", "features", "paired", "tables"])
    arguments = options.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    full = arguments.data and not arguments.quick
    wanted = [arguments.part] if arguments.part else ["denoise", "features", "paired", "tables"]
    if "denoise" in wanted:
        split = train_test_split(bundled("digits"), random_state=0)
        tables = {"digits": (*split, 64, 10 if arguments.quick else 150, (8, 8))}
        if full:
            images = mnist(arguments.data), mnist_test(arguments.data, 2000)
            tables["mnist"] = (*images, 256, 25, (28, 28))
        for name, (train, test, code_size, max_epochs, shape) in tables.items():
            for noise in LEVELS:
                rows = denoise(name, train, test, code_size, noise, max_epochs)
                if not arguments.quick:
                    names = "clean", noise, "best PCA", "autoencoder"
                    shown = [images.reshape(-1, *shape) for images in rows]
                    picture(f"denoised_{name}_{noise}.png", dict(zip(names, shown, strict=True)))
    if "features" in wanted and full:
        features(arguments.data, max_epochs=30)
    if "paired" in wanted and full:
        rows = paired(arguments.data)
        names = "clean", "marked", "ridge", "autoencoder"
        faces = [images.reshape(-1, FACE, FACE) for images in rows]
        picture("watermark.png", dict(zip(names, faces, strict=True)))
    if "tables" in wanted and not arguments.quick:
        small_tables(
            arguments.data,
            lambda size: DenoisingAutoencoder(size, noise_level=0.2, random_state=0),
            "DenoisingAutoencoder, code size 2",
        )


if __name__ == "__main__":
    main()
