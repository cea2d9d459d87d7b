"""Contractive against plain autoencoders: error, Jacobian, noise, a linear probe, and the cost.

``python benchmarks/contractive.py --data DIR`` takes MNIST (10 000 rows to train, test images to
judge by), without data it takes scikit-learn's digits.
"""

import time

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tables import mnist, mnist_labels, mnist_test, parser, probe_error, small_tables

from skae import ContractiveAutoencoder
from skae.engine.batches import Batch

NOISE = 0.2  # standard deviation, in units of scale_
DEEP, ONE_LAYER = "256-128-{}, silu", "one layer of {}, sigmoid"
PAPER = {"hidden_layer_sizes": (), "code_activation": "sigmoid", "shortcut": None}
# Title, parameters, and contractions; the first of them is the plain autoencoder.
ON_MNIST = [
    (DEEP.format(32), {"code_size": 32}, (0, "auto", 0.003)),
    (ONE_LAYER.format(256), {"code_size": 256, **PAPER, "lr": 0.006}, (0, 0.0015, 0.003)),
]
ON_DIGITS = [
    (DEEP.format(8), {"code_size": 8}, (0, "auto", 0.01)),
    (ONE_LAYER.format(64), {"code_size": 64, **PAPER, "lr": 0.02}, (0, 0.002, 0.005)),
]


def judge(model, train, test, y_train, y_test):
    """Held-out error, mean norm, distance that noise moves a code, the same by spread, probe."""
    codes = model.transform(test)
    noise = NOISE * model.scale_ * np.random.default_rng(0).normal(size=test.shape)
    moved = np.linalg.norm(model.transform(test + noise.astype(test.dtype)) - codes, axis=1).mean()
    spread = np.sqrt(codes.var(axis=0).sum())
    residual = test - model.inverse_transform(codes)
    error = np.square(residual).sum() / np.square(test - train.mean(axis=0)).sum()
    norm = model.jacobian_norm(test[:2000]).mean() * model.scale_
    probe = probe_error(model.transform(train), y_train, codes, y_test)
    return np.array([error, norm, moved, moved / spread, probe])


def step_times(models, train, n_steps):
    """Median milliseconds of a training step, those of the models taken in turn."""
    batches = []
    for model in models:
        units = model.net_.module_.units
        batches.append(Batch.of(units(torch.from_numpy(train[:256]))))
        model.net_.module_.train()
    seconds = np.zeros((n_steps, len(models)))
    for row in seconds:
        for i, (model, batch) in enumerate(zip(models, batches, strict=True)):
            start = time.perf_counter()
            model.net_.train_step(batch)
            row[i] = time.perf_counter() - start
    return 1e3 * np.median(seconds, axis=0)


def compare(title, params, contractions, data, n_steps):
    """One table: a line for each contraction, and the ratios to the first."""
    train, test, y_train, y_test = data
    models, figures = [], []
    print(f"\n{title}\n{'contraction':>11s} {'error':>14s} {'|J|':>14s} {'moved':>14s} ", end="")
    print(f"{'moved/spread':>14s} {'probe error':>14s} {'fit s':>6s}")
    for contraction in contractions:
        start = time.perf_counter()
        model = ContractiveAutoencoder(
            **params, contraction=contraction, early_stopping=False, random_state=0
        )
        models.append(model.fit(train))
        seconds = time.perf_counter() - start
        figures.append(judge(model, train, test, y_train, y_test))
        ratios = figures[-1] / figures[0]
        cells = [f"{f:7.4f} ({r:.2f})" for f, r in zip(figures[-1], ratios, strict=True)]
        print(f"{contraction!s:>11s} {' '.join(cells)} {seconds:6.1f}", end="")
        meets = (ratios <= [1.1, 0.5, 0.5, 1, 1]).all()
        print("  meets all bars" if meets and contraction else "", flush=True)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    exactly = ContractiveAutoencoder(
        **params, contraction=contractions[-1], n_projections=None, max_epochs=0, random_state=0
    ).fit(train)
    plain, estimated, exact = step_times([models[0], models[-1], exactly], train, n_steps)
    torch.set_num_threads(n_threads)
    print(f"step of 256 rows: plain {plain:.2f} ms, contractive {estimated:.2f} ms ", end="")
    print(f"({estimated / plain:.2f} times), n_projections=None {exact / plain:.2f} times")


def main():
    """Run from the command line."""
    arguments = parser(__doc__).parse_args()
    if arguments.data and not arguments.quick:
        name, models, n_steps = "MNIST, 10 000 rows", ON_MNIST, 15
        rows = [x.astype(np.float32) for x in (mnist(arguments.data), mnist_test(arguments.data))]
        data = (*rows, *mnist_labels(arguments.data))
    else:
        name, models, n_steps = "digits", ON_DIGITS, 50
        X, y = load_digits(return_X_y=True)
        data = train_test_split(X.astype(np.float32), y, random_state=0, stratify=y)
    if arguments.quick:
        models, n_steps = [(*models[0][:2], (0, "auto"))], 5
    print(f"{name}; held-out figures, in brackets the ratio to the plain autoencoder.")
    print("Bars: error at most 1.10, |J| and moved at most 0.50, probe error at most 1.")
    for title, params, contractions in models:
        compare(title, params, contractions, data, n_steps)
    if not arguments.quick:
        small_tables(
            arguments.data,
            lambda size: ContractiveAutoencoder(size, random_state=0),
            "ContractiveAutoencoder",
        )


if __name__ == "__main__":
    main()
