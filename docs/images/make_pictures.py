"""The pictures of the user guide: ``python docs/images/make_pictures.py [NAME ...]``."""

import sys
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, MiniBatchDictionaryLearning
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split

from skae import (
    Autoencoder,
    AutoencoderOutlierDetector,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    KSparseAutoencoder,
    MaskedAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
    VectorQuantizedAutoencoder,
)
from skae.model_selection import reconstruction_r2

HERE = Path(__file__).parent
DIGITS, LABELS = load_digits(return_X_y=True)
TRAIN, TEST, TRAIN_LABELS, TEST_LABELS = train_test_split(DIGITS, LABELS, random_state=0)
CENTER, SCALE = TRAIN.mean(axis=0), np.sqrt(TRAIN.var(axis=0).mean())


def rows_of_digits(name, rows, vmin=0, vmax=16, n_shown=12, missing="white"):
    """A picture of digits, one line for each entry of ``rows``."""
    colors = plt.get_cmap("gray_r").with_extremes(bad=missing)
    figure, grid = plt.subplots(
        len(rows), n_shown, figsize=(9, 0.8 * len(rows)), layout="constrained"
    )
    for cells, (label, images) in zip(grid, rows.items(), strict=True):
        cells[0].set_ylabel(label, rotation=0, ha="right", va="center")
        for cell, image in zip(cells, images, strict=False):
            cell.imshow(image.reshape(8, 8), cmap=colors, vmin=vmin, vmax=vmax)
    for cell in grid.flat:
        cell.set(xticks=[], yticks=[])
    figure.savefig(HERE / f"{name}.png", dpi=110)


def denoising():
    noise = np.random.default_rng(0).normal(size=TEST.shape)
    noisy = TEST + 0.5 * SCALE * noise
    pca = PCA(32).fit(TRAIN)  # of all sizes the one with the smallest error
    autoencoder = DenoisingAutoencoder(code_size=64, random_state=0).fit(TRAIN)
    rows = {
        "clean": TEST,
        "noisy": noisy,
        "PCA": pca.inverse_transform(pca.transform(noisy)),
        "denoised": autoencoder.denoise(noisy),
    }
    rows_of_digits("denoising", rows, vmin=-5, vmax=18)


def paired():
    rng = np.random.default_rng(0)
    i = np.arange(len(DIGITS))
    marked = DIGITS.reshape(-1, 8, 8).copy()
    marked[i, rng.integers(8, size=len(i))] = 16
    marked[i, :, rng.integers(8, size=len(i))] = 16
    train, test, clean, true = train_test_split(marked.reshape(-1, 64), DIGITS, random_state=0)
    ridge = RidgeCV(np.logspace(-3, 4, 10)).fit(train, clean)
    autoencoder = Autoencoder(code_size=64, random_state=0).fit(train, target=clean)
    rows = {
        "marked": test,
        "ridge": ridge.predict(test),
        "autoencoder": autoencoder.reconstruct(test),
        "clean": true,
    }
    rows_of_digits("paired", rows)


def sparse():
    """Fidelity against the number of active units, of four ways to a sparse code."""
    l1, k_sparse, lasso, omp = [], [], [], []
    for sparsity in (0.003, 0.01, 0.03, 0.1):
        model = SparseAutoencoder(128, sparsity=sparsity, random_state=0).fit(TRAIN)
        l1.append(((model.transform(TEST) != 0).sum(axis=1).mean(), reconstruction_r2(model, TEST)))
    for k in (2, 4, 8, 16):
        model = KSparseAutoencoder(128, k=k, random_state=0).fit(TRAIN)
        k_sparse.append((k, reconstruction_r2(model, TEST)))
    x, x_train = (TEST - CENTER) / SCALE, (TRAIN - CENTER) / SCALE

    def point(dictionary):
        codes = dictionary.transform(x)
        error = ((codes @ dictionary.components_ - x) ** 2).sum() / (x**2).sum()
        return (codes != 0).sum(axis=1).mean(), 1 - error

    for alpha in (0.3, 1, 3):
        dictionary = MiniBatchDictionaryLearning(
            128, alpha=alpha, transform_algorithm="lasso_lars", random_state=0
        ).fit(x_train)
        lasso.append(point(dictionary))
        if alpha == 1:
            dictionary.transform_algorithm = "omp"
            for k in (2, 4, 8, 16):
                dictionary.transform_n_nonzero_coefs = k
                omp.append(point(dictionary))
    lines = {
        "SparseAutoencoder, l1": l1,
        "KSparseAutoencoder": k_sparse,
        "dictionary learning, lasso": lasso,
        "dictionary learning, omp": omp,
    }
    figure, axes = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
    for (name, points), style in zip(lines.items(), "os^v", strict=True):
        print(name, np.round(points, 3).tolist())
        axes.plot(*zip(*sorted(points), strict=True), style + "-", label=name)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="active units of 128, mean of the held-out rows", ylim=(None, 1))
    axes.set_ylabel("share of the variance preserved")
    axes.set_xticks([2, 4, 8, 16, 32, 64], ["2", "4", "8", "16", "32", "64"])
    axes.set_title("scikit-learn digits", fontsize=10)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(HERE / "sparse.png", dpi=110)


def k_sparse():
    """A dictionary, and a digit as the sum of some of its atoms."""
    model = KSparseAutoencoder(code_size=128, k=8, random_state=0).fit(TRAIN)
    nothing = model.inverse_transform(np.zeros((1, 128)))
    atoms = model.inverse_transform(np.eye(128)) - nothing
    figure = plt.figure(figsize=(9, 4), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[2.4, 1])
    top.suptitle("the columns of the decoder for 64 units, the most used first", fontsize=10)
    order = np.argsort(-model.feature_density_)
    for cell, unit in zip(top.subplots(4, 16).flat, order, strict=False):
        limit = np.abs(atoms[unit]).max()
        cell.imshow(atoms[unit].reshape(8, 8), cmap="RdGy", vmin=-limit, vmax=limit)
        cell.set(xticks=[], yticks=[])
    code = model.transform(TEST[:1])[0]
    used = np.argsort(-np.abs(code))[:8]
    sums = np.cumsum([nothing[0], *(code[unit] * atoms[unit] for unit in used)], axis=0)
    titles = ["digit", "bias", *(f"+ {code[unit]:.1f} $d_{{{unit}}}$" for unit in used)]
    for cell, image, title in zip(bottom.subplots(1, 10), [TEST[0], *sums], titles, strict=True):
        cell.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        cell.set(xticks=[], yticks=[])
        cell.set_title(title, fontsize=9)
    figure.savefig(HERE / "k_sparse.png", dpi=110)


def variational():
    """The codes of two numbers, and what a grid of them is decoded to."""
    model = VariationalAutoencoder(2, random_state=0).fit(TRAIN)
    codes = model.transform(TEST)
    n = 12
    quantiles = norm.ppf((np.arange(n) + 0.5) / n)
    grid = np.stack(np.meshgrid(quantiles, quantiles[::-1]), axis=-1).reshape(-1, 2)
    images = np.pad(model.inverse_transform(grid).reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained")
    for code, digit in zip(codes, TEST_LABELS, strict=True):
        left.text(*code, str(digit), color=f"C{digit}", fontsize=8, ha="center", va="center")
    limits = np.array([codes.min(axis=0) - 0.3, codes.max(axis=0) + 0.3]).T
    left.set(xlim=limits[0], ylim=limits[1])
    left.set_title("means of the posteriors of held-out digits", fontsize=10)
    left.set(xlabel="first unit of the code", ylabel="second unit")
    # One large image of the small ones.
    image = images.reshape(n, n, 10, 10).swapaxes(1, 2).reshape(10 * n, 10 * n)
    right.imshow(image, cmap="gray_r", vmin=0, vmax=16)
    right.set(xticks=[], yticks=[])
    right.set_title("what equally likely codes are decoded to", fontsize=10)
    figure.savefig(HERE / "variational.png", dpi=110)


def generating():
    """Digits that are sampled, asked for by name, between two others, and turned into others."""
    labels = np.arange(10)
    settings = {"likelihood": "gaussian", "random_state": 0}
    plain = Autoencoder(code_size=8, random_state=0).fit(TRAIN)
    prior = VariationalAutoencoder(8, **settings).fit(TRAIN)
    given = VariationalAutoencoder(8, categorical_condition=True, **settings)
    given.fit(TRAIN, condition=TRAIN_LABELS)
    one_code = np.repeat(given.transform(TEST[:1], condition=TEST_LABELS[:1]), 10, axis=0)
    zero, three, eight = (TEST[digit == TEST_LABELS][1] for digit in (0, 3, 8))
    pair = np.isin(TRAIN_LABELS, [0, 6])
    direction = prior.attribute_direction(TRAIN[pair], TRAIN_LABELS[pair])
    rows = {
        "held-out digits": TEST,
        "sampled, Autoencoder": plain.sample(10, random_state=0),
        "sampled, variational": prior.sample(10, random_state=0),
        "sampled, given 0 to 9": given.sample(10, condition=labels, random_state=0),
        f"the code of a {TEST_LABELS[0]}, given 0 to 9": given.inverse_transform(
            one_code, condition=labels
        ),
        "from 3 to 8": prior.interpolate(three, eight, 10),
        "0, with more and more 6": [
            prior.edit(zero, direction, amount) for amount in np.linspace(0, 1.2, 10)
        ],
    }
    rows_of_digits("generating", rows, n_shown=10)


def vector_quantized():
    four = PCA(4).fit(TRAIN)
    model = VectorQuantizedAutoencoder(16, output="indices", random_state=0).fit(TRAIN)
    rows = {
        "digits": TEST,
        "PCA, 4 numbers": four.inverse_transform(four.transform(TEST)),
        "4 whole numbers, 32 bits": model.inverse_transform(model.transform(TEST)),
    }
    rows_of_digits("vector_quantized", rows)


def convolutional():
    pca = PCA(8).fit(TRAIN)
    model = ConvolutionalAutoencoder(8, image_shape=(8, 8), random_state=0).fit(TRAIN)
    rows = {
        "digits": TEST,
        "PCA, 8 numbers": pca.inverse_transform(pca.transform(TEST)),
        "convolutional, 8 numbers": model.reconstruct(TEST),
    }
    rows_of_digits("convolutional", rows)


def masked():
    """Half of the patches are hidden, and then filled."""
    images, test = TRAIN.reshape(-1, 8, 8), TEST.reshape(-1, 8, 8)
    model = MaskedAutoencoder(
        32,
        patch_size=2,
        mask_ratio=0.5,
        depth=2,
        lr=0.005,
        early_stopping=False,
        max_epochs=150,
        random_state=0,
    ).fit(images)
    patches = np.random.default_rng(0).random((len(test), 16)).argsort(axis=1) < 8
    hidden = patches.reshape(-1, 4, 4).repeat(2, axis=1).repeat(2, axis=2)
    filled = model.reconstruct(test, mask=hidden)
    means = np.broadcast_to(images.mean(axis=0), test.shape)
    for name, guess in {"filled": filled, "means": means}.items():
        print(name, np.round(((guess - test)[hidden] ** 2).mean(), 1))
    rows = {"digits": TEST, "seen": np.where(hidden, np.nan, test), "filled": filled}
    rows_of_digits("masked", rows, missing="C0")


def outliers():
    """Strokes that no digit has, and what the detector says of every pixel."""
    shown = TEST.copy()
    shown.reshape(-1, 8, 8)[1::2, 6, 0:3] = 16
    detector = AutoencoderOutlierDetector(
        Autoencoder(32, random_state=0), standardize=False, random_state=0
    ).fit(TRAIN)
    shares = detector.score_map(shown)
    print("scores", detector.score_samples(shown)[:12].round(2))
    rows_of_digits(
        "outliers", {"digits": shown, "shares": 16 * shares / shares.max(axis=1)[:, None]}
    )


PICTURES = {
    f.__name__: f
    for f in (
        denoising,
        paired,
        sparse,
        k_sparse,
        variational,
        generating,
        vector_quantized,
        convolutional,
        masked,
        outliers,
    )
}

if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name in sys.argv[1:] or PICTURES:
        PICTURES[name]()
