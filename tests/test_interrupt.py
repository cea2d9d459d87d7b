"""Ctrl-C ends what it was meant to end, and leaves the estimator as it was."""

import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from discovery import AUTOENCODERS, over, quick
from helpers import SHORT
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from skae import (
    Autoencoder,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    StackedAutoencoder,
)


@pytest.fixture(scope="module")
def X():
    return load_iris().data.copy()


class Interrupt(Callback):
    """Ctrl-C at the end of the first epoch; counts, whatever copies are made of it."""

    times = 0

    def on_epoch_end(self, net, **kwargs):
        type(self).times += 1
        raise KeyboardInterrupt


@over(AUTOENCODERS)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_an_interrupt_is_raised_and_changes_nothing(cls, method, X):
    estimator = quick(cls, max_epochs=1)
    if not hasattr(estimator, method):
        method = "fit"
    with np.errstate(all="ignore"), pytest.warns(match="max_epochs"):
        estimator.fit(X)
    before, codes = dict(vars(estimator)), estimator.transform(X)
    estimator.set_params(callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        getattr(quick(cls, callbacks=[Interrupt()]), method)(X)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X)
    after = dict(vars(estimator))
    assert after.keys() == before.keys()
    assert after["net_"] is before["net_"]
    np.testing.assert_array_equal(estimator.transform(X), codes)


def interrupting():
    return Autoencoder(**SHORT, callbacks=[Interrupt()])


@pytest.mark.parametrize(
    "make",
    [
        lambda: GridSearchCV(interrupting(), {"code_size": [1, 2, 3]}, cv=3),
        lambda: make_pipeline(StandardScaler(), interrupting()),
        lambda: AutoencoderOutlierDetector(interrupting()),
        lambda: AutoencoderImputer(interrupting()),
        lambda: StackedAutoencoder(
            2, hidden_layer_sizes=(3,), callbacks=[Interrupt()], early_stopping=False
        ),
    ],
    ids=["search", "pipeline", "detector", "imputer", "stack"],
)
def test_what_stands_around_stops_at_the_first(make, X):
    Interrupt.times = 0
    with pytest.raises(KeyboardInterrupt):
        make().fit(X)
    assert Interrupt.times == 1


SEARCH = """
    import sys
    from sklearn.datasets import load_iris
    from sklearn.model_selection import GridSearchCV
    from skae import Autoencoder

    def told(progress):
        print("training", flush=True)
        return 1.0

    ae = Autoencoder(2, max_epochs=10**5, n_iter_no_change=10**5, lr_schedule=told)
    try:
        GridSearchCV(ae, {"code_size": [1, 2, 3]}).fit(load_iris().data)
    except KeyboardInterrupt:
        sys.exit(7)
"""


def test_a_signal_ends_a_search():
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SEARCH)], stdout=subprocess.PIPE, text=True
    )
    with child.stdout:
        assert child.stdout.readline().strip() == "training"
        child.send_signal(signal.SIGINT)
        for _ in child.stdout:  # or it would wait for a reader
            pass
    assert child.wait(60) == 7
