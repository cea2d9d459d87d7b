"""One of several processes that train together; see `test_ranks`.

`python ranks.py FOLDER`, with what a launcher says in the environment.
"""

import pickle
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from discovery import ALL_ESTIMATORS
from skorch.callbacks import Callback
from test_accelerator import VARIANTS, answers, on_device
from test_cuda import rows_and_labels

import skae
from skae.around import supervised
from skae.streams import Blocks

CASES = {
    "-".join([cls.__name__, *map(str, settings.values())]): (cls, settings, change)
    for cls, settings, change in [
        *((cls, {}, np.copy) for cls in ALL_ESTIMATORS),
        *VARIANTS,
        (skae.VariationalAutoencoder, {"divergence": "mmd"}, np.copy),
        (skae.VariationalAutoencoder, {"n_draws": 3}, np.copy),
        (skae.SparseAutoencoder, {"penalty": "kl"}, np.copy),
    ]
}


def fitted(name, **settings):
    """A case, fitted in few steps, and its rows."""
    cls, of_case, change = CASES[name]
    X, y = rows_and_labels(cls)
    X = change(X)
    settings = {**of_case, "optimizer": "sgd", "batch_size": 10, **settings}
    return on_device(cls, "cpu", **settings).fit(X, y), X


def said(name, **settings):
    """What a fitted case answers."""
    estimator, X = fitted(name, **settings)
    return answers(estimator, X)


def running(**settings):
    """The running mean activations that a penalty has come to."""
    estimator, _ = fitted("SparseAutoencoder-kl", **settings)
    return estimator.net_.criterion_.running.numpy()


class Sizes(Callback):
    """The numbers of rows that a process trains on."""

    def __init__(self):
        self.seen = []

    def on_grad_computed(self, net, named_parameters, batch=None, **kwargs):
        self.seen.append(len(batch))


def sizes_of_batches(**settings):
    sizes = Sizes()
    model = skae.Autoencoder(
        2, max_epochs=1, early_stopping=False, batch_size=11, callbacks=[sizes], **settings
    )
    model.fit(curved(22))
    return sizes.seen


def curved(n_rows=2000):
    z = np.random.default_rng(0).normal(size=(n_rows, 2))
    return np.hstack([z, z**2, np.sin(2 * z)])


def blocks(read=None):
    """Rows in twenty parts, which note that they are read."""
    X, read = curved(), [] if read is None else read

    def part(i):
        read.append(i)
        yield X[100 * i : 100 * (i + 1)]

    return Blocks([partial(part, i) for i in range(20)])


def streamed(**settings):
    settings = {"batch_size": 40, "max_epochs": 10, "random_state": 0, **settings}
    return skae.Autoencoder(2, **settings).fit(blocks())


def main(folder):
    accelerator = Accelerator(cpu=True)
    rank = accelerator.process_index
    supervised.STEPS_PER_EPOCH = 2
    found = {name: said(name, accelerator="auto") for name in CASES}
    found["object"] = said("Autoencoder", accelerator=accelerator)
    found["running"] = running(accelerator="auto")
    found["sizes"] = sizes_of_batches(accelerator="auto")
    # Without a seed all take that of the first.
    found["no seed"] = said("Autoencoder", accelerator="auto", random_state=None)
    read = []
    of_one_pass = blocks(read).numbered(np.random.default_rng(0), (rank, accelerator.num_processes))
    for _ in of_one_pass:
        pass
    found["read"] = read
    found["streamed"] = streamed(accelerator="auto").score_samples(curved())
    kept = Path(folder) / "checkpoint"
    found["checkpoint"] = said("Autoencoder", accelerator="auto", checkpoint=kept)
    found["again"] = said("Autoencoder", accelerator="auto", checkpoint=kept)
    try:
        skae.Autoencoder(accelerator="auto").fit(Blocks(curved(), block_size=5000))
    except ValueError as error:
        found["one block"] = str(error)
    (Path(folder) / f"{rank}.pickle").write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1])
