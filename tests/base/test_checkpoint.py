"""`checkpoint=`: a fit that is killed goes on to the same bits."""

import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from discovery import AUTOENCODERS, over, quick
from helpers import SHORT, SMALL, assert_equal_states, states
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, EarlyStopping, LRScheduler

from skae import Autoencoder, DenoisingAutoencoder
from skae.engine import checkpoints
from skae.engine.net import AutoencoderNet

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")


class Killed(BaseException):
    """What stands for the death of a process."""


class Steps:
    """Counts the steps, of one net or of all at once, and dies before that of number ``last``."""

    def __init__(self, monkeypatch):
        self.taken, self.last = 0, None
        step = AutoencoderNet.before_step

        def counted(net, optimizer):
            if self.taken == self.last:
                raise Killed
            self.taken += 1
            return step(net, optimizer)

        monkeypatch.setattr(AutoencoderNet, "before_step", counted)

    def of(self, fit, *args, last=None):
        """How many steps a fit takes, of no more than ``last``."""
        self.taken, self.last = 0, last
        try:
            fit(*args)
        except Killed:
            assert self.taken == last
        return self.taken


@pytest.fixture
def steps(monkeypatch):
    monkeypatch.setattr(checkpoints, "SHARE_OF_TIME", np.inf)  # after every epoch
    return Steps(monkeypatch)


def assert_same_fit(one, other, X):
    assert_equal_states(states(one.net_), states(other.net_))
    assert_equal_states(one.net_.criterion_.state_dict(), other.net_.criterion_.state_dict())
    for name in ("n_iter_", "loss_curve_", "validation_loss_curve_", "best_loss_", "offset_"):
        assert getattr(one, name) == getattr(other, name), name
    assert_array_equal(one.transform(X), other.transform(X))


@over(AUTOENCODERS)
def test_a_killed_fit_goes_on_to_the_same_bits(cls, X, steps, tmp_path):
    """Killed while the epochs are chosen by folds, and again in the training on all rows."""
    X = X[:24]
    settings = {"max_epochs": 3, "early_stopping": True, "tol": 0.0}
    with np.errstate(all="ignore"):
        expected = quick(cls, **settings)
        n_steps = steps.of(expected.fit, X)
        left = n_steps
        for share in (0.4, 0.6):
            estimator = quick(cls, **settings, checkpoint=tmp_path)
            left -= steps.of(estimator.fit, X, last=int(share * left))
            assert not hasattr(estimator, "net_")
        # what is trained again is at most the epoch that was not finished, of each fold
        assert steps.of(estimator.fit, X) < n_steps
    assert_same_fit(estimator, expected, X)


@pytest.mark.parametrize(
    "settings", [{"refit": False}, {"early_stopping": False}, {"ordered": True}], ids=str
)
def test_the_optimizer_goes_on_as_well(settings, X, steps, tmp_path):
    """`partial_fit` takes its moments from `fit`."""
    settings = {**SMALL, **settings, "max_epochs": 5, "shortcut": None}
    expected = DenoisingAutoencoder(**settings)
    n_steps = steps.of(expected.fit, X)
    estimator = DenoisingAutoencoder(**settings, checkpoint=str(tmp_path))
    steps.of(estimator.fit, X, last=n_steps // 2)
    assert steps.of(estimator.fit, X) < n_steps
    assert_same_fit(estimator, expected, X)
    again = DenoisingAutoencoder(**settings, checkpoint=tmp_path)
    assert steps.of(again.fit, X) == 0
    expected.partial_fit(X)
    for other in (estimator, again):
        assert_equal_states(states(other.partial_fit(X).net_), states(expected.net_))


def test_a_fit_that_ended_is_not_trained_again(X, steps, tmp_path):
    settings = {**SMALL, "random_state": None, "max_epochs": 3, "checkpoint": tmp_path}
    first = Autoencoder(**settings)
    assert steps.of(first.fit, X) > 0
    again = Autoencoder(**settings)
    assert steps.of(again.fit, X) == 0
    assert_same_fit(again, first, X)


@pytest.mark.parametrize(
    "change", [{"lr": 0.5}, {"random_state": 1}, {"activation": "relu"}, {"max_epochs": 4}], ids=str
)
def test_another_fit_has_a_file_of_its_own(change, X, steps, tmp_path):
    Autoencoder(**SHORT, checkpoint=tmp_path).fit(X)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert steps.of(Autoencoder(**{**SHORT, **change}, checkpoint=tmp_path).fit, X) > 0
    assert steps.of(Autoencoder(**SHORT, checkpoint=tmp_path).fit, X[:-1]) > 0
    assert len(list(tmp_path.iterdir())) == len(before) + 2
    assert before == {path: path.read_bytes() for path in before}


def test_warm_starts_go_on_from_their_own(X, steps, tmp_path):
    settings = {**SHORT, "warm_start": True}
    expected = Autoencoder(**settings).fit(X).fit(X)
    first = Autoencoder(**settings, checkpoint=tmp_path).fit(X)
    steps.of(first.fit, X, last=10)
    again = Autoencoder(**settings, checkpoint=tmp_path)
    assert steps.of(again.fit, X) == 0
    n_steps = steps.of(again.fit, X)
    assert 0 < n_steps < 3 * 8
    assert_same_fit(again, expected, X)


def test_a_search_goes_on(X, steps, tmp_path):
    def search(**settings):
        grid = {"code_size": [1, 2]}
        return GridSearchCV(Autoencoder(**SHORT, **settings), grid, cv=2, refit=False)

    expected = search()
    n_steps = steps.of(expected.fit, X)
    steps.of(search(checkpoint=tmp_path).fit, X, last=n_steps // 2)
    again = search(checkpoint=tmp_path)
    assert steps.of(again.fit, X) <= n_steps - n_steps // 2 + 8
    scores = "mean_test_score"
    assert_array_equal(again.cv_results_[scores], expected.cv_results_[scores])


def test_what_callbacks_have_learned_is_kept(X, steps, tmp_path):
    def fitted(last=None, **settings):
        callbacks = [
            EarlyStopping(monitor="train_loss", patience=3, threshold=0.9),
            LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=2),
        ]
        ae = Autoencoder(**{**SHORT, "max_epochs": 20, "lr_schedule": "constant"}, **settings)
        n_steps = steps.of(ae.set_params(callbacks=callbacks).fit, X, last=last)
        return ae, n_steps

    expected, n_steps = fitted()
    assert 3 <= expected.n_iter_ < 20
    fitted(last=n_steps - 4, checkpoint=tmp_path)
    ae, n_left = fitted(checkpoint=tmp_path)
    assert n_left < n_steps
    assert_same_fit(ae, expected, X)


class Counter(Callback):
    def on_epoch_end(self, net, **kwargs):
        self.seen_ = object()


def test_what_cannot_be_kept_is_named(X, tmp_path):
    ae = Autoencoder(**SHORT, callbacks=[Counter()], checkpoint=tmp_path)
    with pytest.raises(TypeError, match="checkpoint= cannot keep .*Counter, seen_: .* object"):
        ae.fit(X)
    assert not hasattr(ae, "net_")


def test_a_damaged_file_is_named(X, tmp_path):
    Autoencoder(**SHORT, checkpoint=tmp_path).fit(X)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=f"{path.name} is damaged"):
        Autoencoder(**SHORT, checkpoint=tmp_path).fit(X)


def test_writing_takes_little_of_the_time(X, tmp_path, monkeypatch):
    written, replace = [], checkpoints.os.replace
    monkeypatch.setattr(checkpoints, "SHARE_OF_TIME", 1e-9)
    monkeypatch.setattr(
        checkpoints.os, "replace", lambda *paths: (written.append(1), replace(*paths))
    )
    Autoencoder(**{**SHORT, "max_epochs": 10}, checkpoint=tmp_path).fit(X)
    assert len(written) == 2  # the first epoch, and the end


MORTAL = """
    import sys
    import numpy as np
    from sklearn.datasets import load_iris
    from skae import Autoencoder

    def told(progress):
        print(".", flush=True)
        return 1.0

    X, settings = load_iris().data, {settings}
    ae = Autoencoder(2, **settings, lr_schedule=told, checkpoint=sys.argv[1]).fit(X)
    np.savez(sys.argv[2], ae.transform(X), ae.loss_curve_, ae.n_iter_)
"""
SLOW = {"hidden_layer_sizes": (8,), "shortcut": None, "random_state": 0}
SLOW |= {"max_epochs": 20, "n_iter_no_change": 20, "tol": 0.0}


def test_kill_9(tmp_path, request, steps):
    """At random steps, as many times as the option --kills says, and then to the end."""
    X = load_iris().data
    expected = Autoencoder(2, **SLOW, lr_schedule=lambda progress: 1.0)
    n_steps = steps.of(expected.fit, X)
    rng, n_kills = np.random.default_rng(), request.config.getoption("--kills")
    code = textwrap.dedent(MORTAL.replace("{settings}", repr(SLOW)))
    command = [sys.executable, "-c", code, tmp_path / "kept", tmp_path / "answer.npz"]
    for i in range(n_kills + 1):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            if i < n_kills:
                for _ in range(rng.integers(40, max(60, n_steps // n_kills))):  # past an epoch
                    child.stdout.readline()
                child.send_signal(signal.SIGKILL)
            n_left = sum(1 for _ in child.stdout)
    assert child.returncode == 0
    assert n_left < n_steps
    with np.load(tmp_path / "answer.npz") as answer:
        codes, losses, n_iter = answer.values()
    assert_array_equal(codes, expected.transform(X))
    assert losses.tolist() == expected.loss_curve_
    assert n_iter == expected.n_iter_
