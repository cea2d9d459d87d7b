"""Fits in threads are fits in a row, to the bit, and leave the process as it was."""

import random
import re
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from discovery import AUTOENCODERS, ESTIMATORS, over, quick
from helpers import LEARNS, SHORT, SMALL
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.utils import get_tags
from torch import nn

from skae import Autoencoder, DenoisingAutoencoder, SequenceAutoencoder, VariationalAutoencoder
from skae.engine import devices
from skae.engine.devices import StepThreads, threads_of_this_thread

pytestmark = pytest.mark.filterwarnings("ignore")
SEEDS = range(4)


@pytest.fixture(scope="module")
def X():
    return load_iris().data[::2].copy()


def numbers(estimator, X):
    """What was learned, of nets and of what stands around them."""
    if hasattr(estimator, "compress"):
        return np.frombuffer(estimator.compress(X), np.uint8).astype(float)
    answer = getattr(estimator, "transform", None) or estimator.score_samples
    return np.asarray(answer(X), dtype=float)


def global_states():
    return (
        torch.get_rng_state().clone(),
        np.random.mtrand._rand.get_state()[1].copy(),
        random.getstate(),
    )


def assert_same_in_threads(make, X, fit=lambda estimator, X: estimator.fit(X)):
    def fitted(seed):
        estimator = clone(make)
        seeds = [name for name in estimator.get_params() if name.endswith("random_state")]
        estimator.set_params(**dict.fromkeys(seeds, seed))
        return numbers(fit(estimator, X), X)

    in_a_row = [fitted(seed) for seed in SEEDS]
    before = global_states()
    with ThreadPoolExecutor(4) as threads:
        in_threads = list(threads.map(fitted, SEEDS))
    after = global_states()
    for one, other in zip(in_a_row, in_threads, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(in_a_row[0], in_a_row[1])
    assert torch.equal(before[0], after[0])
    assert np.array_equal(before[1], after[1])
    assert before[2] == after[2]


@over(ESTIMATORS)
def test_in_threads_as_in_a_row(cls, X):
    make = quick(cls, max_epochs=2)
    if get_tags(make).input_tags.allow_nan:
        X = X.copy()
        X[::5, 1] = np.nan
    assert_same_in_threads(make, X)


def test_the_choice_of_epochs_in_threads(X):
    make = Autoencoder(**{**SMALL, **LEARNS}, max_epochs=5, refit=False)
    assert_same_in_threads(make, X)


class Rough(nn.Module):
    """Draws by itself, from whatever torch draws from."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, 4), nn.Dropout(0.2), nn.RReLU(), nn.Linear(4, n_outputs)
        )

    def forward(self, x):
        if not self.training:
            return self.layers(x)
        x = x + 0.1 * torch.randn_like(x) * torch.bernoulli(torch.full_like(x, 0.5))
        return self.layers(x + 0.01 * torch.randint(3, x.shape))


def users_noise(x):
    return torch.where(torch.rand_like(x) < 0.1, torch.normal(x, 1.0), x)


@pytest.mark.parametrize(
    "make",
    [
        Autoencoder(**SHORT, dropout=0.3),
        Autoencoder(**SHORT, encoder=Rough, decoder=Rough),
        DenoisingAutoencoder(**SHORT, noise=users_noise),
        *(
            DenoisingAutoencoder(**SHORT, noise=noise)
            for noise in ("gaussian", "masking", "salt_and_pepper", "swap")
        ),
        VariationalAutoencoder(**SHORT),
    ],
    ids=["dropout", "modules", "noise", "gaussian", "masking", "salt", "swap", "variational"],
)
def test_layers_that_draw_in_threads_as_in_a_row(make, X):
    assert_same_in_threads(make, X)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_dropout_between_recurrent_layers_in_threads(cell):
    X = np.random.default_rng(0).normal(size=(30, 5, 2))
    settings = {"n_layers": 2, "dropout": 0.4, "bidirectional": True, "teacher_forcing": 0.5}
    make = SequenceAutoencoder(**SMALL, cell=cell, hidden_size=4, max_epochs=2, **settings)
    assert_same_in_threads(make, X)


@over([cls for cls in AUTOENCODERS if hasattr(cls, "partial_fit")])
def test_partial_fit_in_threads_as_in_a_row(cls, X):
    assert_same_in_threads(quick(cls), X, lambda estimator, X: estimator.partial_fit(X))


def test_the_process_wide_generator_is_never_touched(X, monkeypatch):
    """Not even seeded and restored: whoever reads it in the meantime reads its own numbers."""
    taken = []
    for name in ("manual_seed", "seed", "set_rng_state"):
        monkeypatch.setattr(torch, name, lambda *args, name=name: taken.append(name))
    state, seen = torch.get_rng_state().clone(), []

    def schedule(progress):
        seen.append(torch.equal(torch.get_rng_state(), state))
        return 1.0

    Autoencoder(**SHORT, dropout=0.2, lr_schedule=schedule).fit(X)
    assert seen
    assert all(seen)
    assert not taken


def test_threads_are_counted_for_each_thread():
    """`torch.set_num_threads` would be of them all."""
    n_threads = torch.get_num_threads()
    with ThreadPoolExecutor(1) as other, threads_of_this_thread(n_threads + 1):
        assert torch.get_num_threads() == n_threads + 1
        assert other.submit(torch.get_num_threads).result() == n_threads
    assert torch.get_num_threads() == n_threads


def test_no_warning_filter_is_changed(X):
    before = list(warnings.filters)
    Autoencoder(**SMALL, max_epochs=1).fit(X)
    assert warnings.filters == before


def test_mkl_is_told_where_the_number_of_threads_was_set():
    """By a user, or by Accelerate: it then takes no notice of OpenMP's, and wakes threads for each
    product of a small net, which takes a hundred times as long where another process works.
    """
    code = (
        "import torch; from skae.engine.devices import threads_of_this_thread as of\n"
        "torch.set_num_threads(2)\n"
        "with of(1): within = torch.__config__.parallel_info()\n"
        "print(within, torch.__config__.parallel_info())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = re.findall(r"mkl_get_max_threads\(\) : (\d+)", said.stdout)
    assert told in (["1", "2"], [])  # there are machines without MKL


def test_one_thread_where_others_work(monkeypatch):
    """All again where they do not, and the slower is tried at few of the steps."""
    clock, seconds, made = [0.0], {2: 1.0, 1: 1.8}, []
    monkeypatch.setattr(devices.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(devices, "set_threads", made.append)

    def step(batch):
        clock[0] += seconds[made[-1]]
        return batch + 1

    timed = StepThreads(2).around(step)
    assert [timed(i) for i in range(300)] == list(range(1, 301))
    assert made.count(1) <= 6
    seconds[2] = 10.0
    del made[:]
    for i in range(300):
        timed(i)
    assert made.count(2) <= 8
    seconds[2] = 1.0
    del made[:]
    for i in range(300):
        timed(i)
    assert made.count(1) <= 104
    assert StepThreads(1).around(step) is step


def test_bits_of_wide_nets_do_not_depend_on_threads(monkeypatch):
    """Which of them is quicker may change from fit to fit."""
    X = np.random.default_rng(0).random((600, 300)).astype(np.float32)
    codes, of = [], devices.threads_of_this_thread
    for n in (1, 2):
        monkeypatch.setattr(devices, "threads_of_this_thread", lambda _, n=n: of(n))
        settings = {"hidden_layer_sizes": (512,), "max_epochs": 2, "random_state": 0}
        codes.append(Autoencoder(8, **settings, batch_size=256).fit_transform(X))
    assert np.array_equal(*codes)


def test_answers_for_few_rows_keep_to_one_thread(X, monkeypatch):
    """Two rows would wake another, which takes a hundred times as long where it has no core."""
    told, of = [], devices.threads_of_this_thread

    def noted(n):
        told.append(n)
        return of(n)

    model = Autoencoder(**SMALL, max_epochs=1).fit(X)
    monkeypatch.setattr(devices, "threads_of_this_thread", noted)
    model.transform(X[:2])
    assert told == [1]
    model.transform(X[:1])
    assert told == [1]
