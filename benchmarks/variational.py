"""The variational autoencoder: its likelihood against known ones, and what it draws.

Parts: "oracle" (with linear maps it must be probabilistic PCA), "mnist" (784-200-200-50 on
dynamically binarized digits, Burda et al., 2016), "samples" (pictures, and whether a classifier
recognizes digits drawn by class), "tables" (held-out log likelihood beside PCA, factor analysis and
Gaussian mixtures).
"""

import time

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import mnist, mnist_labels, mnist_test, parser, tables

from skae import VariationalAutoencoder

PARTS = ("oracle", "mnist", "samples", "tables")
# Components that a mixture may have, and draws of the bound.
COMPONENTS = (1, 2, 3, 5, 8, 12)
N_SAMPLES = 200
# One setting for all tables: heavy tails, and a scale that depends on the code.
OF_TABLES = {"likelihood": "student_t", "dispersion": "predicted"}


def oracle(options):
    """`score` beside that of probabilistic PCA, and in other units."""
    print("\nLinear maps, one variance: nats a row on held-out rows, beside PCA.score")
    loadings = np.random.default_rng(0).normal(size=(5, 20))

    def linear_gaussian(n, seed):
        rng = np.random.default_rng(seed)
        return rng.normal(size=(n, 5)) @ loadings + 0.5 * rng.normal(size=(n, 20)) + 3

    found = {
        "linear-Gaussian": (linear_gaussian(5000, 1), linear_gaussian(2000, 2), 5),
        "wine": (*train_test_split(load_wine().data, random_state=0), 2),
        "breast cancer": (*train_test_split(load_breast_cancer().data, random_state=0), 3),
    }
    if "satellite" in tables(options.data):
        X = tables(options.data)["satellite"]()
        found["satellite"] = (*train_test_split(X, random_state=0), 5)
    for name, (train, test, k) in found.items():
        settings = {"hidden_layer_sizes": (), "dispersion": "shared", "random_state": 0}
        vae = VariationalAutoencoder(code_size=k, **settings)
        scores = [clone(vae).fit(c * train).score(c * test) for c in (1, 1000)]
        shift = scores[1] - scores[0] + train.shape[1] * np.log(1000)
        pca = PCA(k).fit(train).score(test)
        print(
            f"{name:16s} {scores[0]:10.4f}  PCA {pca:10.4f}  difference {scores[0] - pca:+.1e}; "
            f"1000 X: {shift:+.1e} off -d log(1000)",
            flush=True,
        )


def of_mnist(options):
    """The negative log likelihood of binarized digits, and the bound by number of draws."""
    if options.data is None:
        print("\nmnist: needs --data")
        return
    n_rows, epochs, n_scored = (2000, 2, 100) if options.quick else (60_000, options.epochs, 1000)
    train = mnist(options.data, n_rows).astype(np.float32)
    test = binarized(mnist_test(options.data, n_scored).astype(np.float32))
    vae = VariationalAutoencoder(
        code_size=50,
        hidden_layer_sizes=(200, 200),
        activation="tanh",
        likelihood="bernoulli",
        binarize=True,
        objective=options.objective,
        batch_size=options.batch_size,
        lr=options.lr,
        max_epochs=epochs,
        n_iter_no_change=epochs,
        early_stopping=False,
        random_state=0,
    )
    start = time.perf_counter()
    vae.fit(train)
    seconds = time.perf_counter() - start
    print(
        f"\nMNIST, 784-200-200-50, {options.objective}, {epochs} epochs of {n_rows} images, "
        f"{seconds:.0f} s on {vae.device_}; {n_scored} test images, binarized"
    )
    terms = vae.elbo(test)
    print(
        f"-ELBO {-terms.elbo.mean():.2f} = {-terms.log_likelihood.mean():.2f} + KL "
        f"{terms.kl.mean():.2f}; {vae.active_units_} of 50 units active"
    )
    for k in (1, 5, 50, 500):
        start = time.perf_counter()
        nll = -vae.score_samples(test, n_samples=k).mean()
        print(f"NLL by {k:3d} draws: {nll:.2f} ({time.perf_counter() - start:.1f} s)", flush=True)
    together = vae.score_samples(test[:20].astype(float))
    alone = [vae.score_samples(row[None].astype(float))[0] for row in test[:20]]
    print(f"rows alone and together differ by at most {np.abs(together - alone).max():.1e} nats")


def binarized(images, seed=0):
    """Each pixel 1 with its value as probability."""
    return (np.random.default_rng(seed).random(images.shape) < images).astype(images.dtype)


def samples(options):
    """Digits from the prior, by class, and on the way between two: a picture, and a classifier."""
    side = 28
    if options.data is None or options.quick:
        X, y = load_digits(return_X_y=True)
        X, side = X / 16, 8
        train, test, y_train, y_test = train_test_split(X, y, random_state=0)
    else:
        train, test = mnist(options.data, 20_000), mnist_test(options.data, 2000)
        y_train, y_test = mnist_labels(options.data, 20_000)
        y_test = y_test[:2000]
    epochs = 5 if options.quick else 30
    settings = {
        "code_size": 16,
        "likelihood": "bernoulli",
        "early_stopping": False,
        "max_epochs": epochs,
        "n_iter_no_change": epochs,
        "random_state": 0,
    }
    train, test = train.astype(np.float32), test.astype(np.float32)
    plain = VariationalAutoencoder(**settings).fit(train)
    conditional = VariationalAutoencoder(categorical_condition=True, **settings)
    conditional.fit(train, condition=y_train)
    classifier = LogisticRegression(max_iter=500)
    classifier = make_pipeline(StandardScaler(), classifier).fit(train, y_train)
    labels = np.repeat(np.arange(10), 100)
    drawn = conditional.sample(1000, condition=labels, random_state=0)
    print(
        f"\nDigits drawn by class, {side} x {side}: {classifier.score(drawn, labels):.1%} are "
        f"recognized as their class (real test digits: {classifier.score(test, y_test):.1%})"
    )
    i, j = np.flatnonzero(y_test == 3)[0], np.flatnonzero(y_test == 8)[0]
    rows = {
        "from the prior": plain.sample(30, random_state=0),
        "by class, 0 to 9": np.concatenate([drawn[k::100][:10] for k in range(3)]),
        "from a 3 to an 8": plain.interpolate(test[i], test[j], 10),
    }
    picture(rows, side)


def picture(rows, side, path="variational_samples.png"):
    """Images in rows of ten."""
    import matplotlib.pyplot as plt

    heights = [len(images) // 10 for images in rows.values()]
    figure, axes = plt.subplots(
        len(rows), figsize=(5, 0.55 * sum(heights) + 1), height_ratios=heights, layout="constrained"
    )
    for ax, (title, images) in zip(axes, rows.items(), strict=True):
        grid = images.reshape(-1, 10, side, side).swapaxes(1, 2).reshape(-1, 10 * side)
        ax.imshow(grid, cmap="gray_r")
        ax.set_title(title, fontsize=9)
        ax.set_axis_off()
    figure.savefig(path, dpi=150)
    print(f"Picture: {path}")


def of_tables(options):
    """Held-out log likelihood of standardized tables."""
    folder = options.data
    names = [n for n in tables(folder) if n not in ("mnist", "oil_flow", "digits")]
    if folder is not None:
        names = [n for n in names if n not in ("wine", "breast_cancer")]
    if options.quick:
        names = names[:2]
    print("\nHeld-out nats a row, standardized; codes of a quarter of the columns")
    print(f"{'table':14s} {'PCA':>9s} {'FA':>9s} {'mixture':>9s} {'default':>9s} {'student-t':>9s}")
    at_least_pca, best = 0, 0
    for name in names:
        train, test = train_test_split(tables(folder)[name](), random_state=0)
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
        k = -(-train.shape[1] // 4)
        mixtures = [
            GaussianMixture(c, random_state=0).fit(train)
            for c in (COMPONENTS[:2] if options.quick else COMPONENTS)
        ]
        mixture = min(mixtures, key=lambda m, X=train: m.bic(X))
        others = [PCA(k).fit(train), FactorAnalysis(k).fit(train), mixture]
        scores = [model.score(test) for model in others]
        seconds = []
        for settings in ({}, OF_TABLES):
            vae = VariationalAutoencoder(code_size=k, random_state=0, **settings)
            start = time.perf_counter()
            vae.fit(train)
            seconds.append(time.perf_counter() - start)
            scores.append(vae.score_samples(test, n_samples=N_SAMPLES).mean())
        at_least_pca += scores[-1] >= scores[0]
        best += scores[-1] >= max(scores[:3])
        line = "".join(f"{score:10.2f}" for score in scores)
        print(f"{name:14s}{line}   ({seconds[0]:.0f} and {seconds[1]:.0f} s)", flush=True)
    print(f"student-t: at least PCA on {at_least_pca} of {len(names)}, best of the four on {best}")


def main():
    options = parser(__doc__)
    options.add_argument("--part", choices=PARTS, nargs="+", default=PARTS)
    options.add_argument("--epochs", type=int, default=40, help="of the MNIST part")
    options.add_argument("--objective", choices=("elbo", "iwae"), default="elbo")
    options.add_argument("--batch-size", type=int, default=100)
    options.add_argument("--lr", type=float, default=0.003)
    options = options.parse_args()
    parts = {"oracle": oracle, "mnist": of_mnist, "samples": samples, "tables": of_tables}
    for part in options.part:
        parts[part](options)


if __name__ == "__main__":
    main()
