"""Who watches the training: skorch's callbacks, scikit-learn's, and the user."""

import logging
import warnings

import numpy as np
import pytest
import torch
from helpers import SHORT, SMALL, error
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
)

from skae import Autoencoder
from skae.engine import progress
from skae.model_selection import reconstruction_r2

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")


# -- skorch's callbacks -------------------------------------------------------------------------


class Recorder(Callback):
    def initialize(self):
        self.calls = []
        return self

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.calls.append("train begin")
        self.X = X

    def on_train_end(self, net, **kwargs):
        self.calls.append("train end")

    def on_epoch_end(self, net, **kwargs):
        self.calls.append("epoch end")

    def on_batch_end(self, net, batch=None, training=None, loss=None, **kwargs):
        assert training
        assert torch.isfinite(loss)
        self.calls.append("batch end")

    def on_grad_computed(self, net, named_parameters, **kwargs):
        assert all(p.grad is not None for _, p in named_parameters)
        self.calls.append("gradient")


def test_skorch_callbacks_are_notified(X):
    recorder = Recorder()
    Autoencoder(**SHORT, batch_size=40, callbacks=[recorder]).fit(X)
    epoch = ["gradient", "batch end"] * 2 + ["epoch end"]
    assert recorder.calls == ["train begin", *epoch * 3, "train end"]
    assert len(recorder.X) == len(X)  # skorch hands the rows to on_train_begin


def test_every_epoch_takes_every_row_once_in_a_new_order(X):
    class Order(Callback):
        def initialize(self):
            self.rows = []
            return self

        def on_batch_begin(self, net, batch=None, training=None, **kwargs):
            self.rows += batch.x[:, 0].tolist()

    order = Order()
    Autoencoder(**SHORT, batch_size=30, callbacks=[order]).fit(X)
    epochs = [order.rows[:80], order.rows[80:160], order.rows[160:]]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(epochs[2])
    assert len(set(epochs[0])) == 80
    assert epochs[0] != epochs[1] != epochs[2]


def test_callbacks_do_not_change_the_training(X):
    watched = Autoencoder(**SHORT, callbacks=[Recorder()]).fit(X)
    assert_array_equal(watched.transform(X), Autoencoder(**SHORT).fit(X).transform(X))


def test_gradient_clipping(X):
    clip = GradientNormClipping(gradient_clip_value=0.0)
    still = Autoencoder(**SHORT, weight_decay=0.0, callbacks=[("clip", clip)]).fit(X)
    start = Autoencoder(**{**SHORT, "max_epochs": 0}).fit(X)
    assert_array_equal(still.transform(X), start.transform(X))


def test_skorch_early_stopping(X):
    stop = EarlyStopping(monitor="train_loss", patience=2, threshold=0.9)
    settings = {**SHORT, "max_epochs": 40}
    ae = Autoencoder(**settings, callbacks=[stop]).fit(X)
    assert len(ae.net_.history) == 3


def test_skorch_epoch_scoring(X):
    @torch.no_grad()
    def held_out_loss(net, X, y):
        return net.criterion_(net.module_(X.x), X, net.module_).item()

    scoring = EpochScoring(held_out_loss, name="again", use_caching=False)
    ae = Autoencoder(**SMALL, refit=False, max_epochs=3, callbacks=[scoring]).fit(X)
    assert_allclose(ae.net_.history[:, "again"], ae.net_.history[:, "valid_loss"], rtol=1e-5)


def test_skorch_learning_rate_scheduler(X):
    """A constant schedule is one that leaves the learning rate to others."""
    never = LRScheduler(torch.optim.lr_scheduler.LambdaLR, lr_lambda=lambda epoch: 0.0)
    ae = Autoencoder(**SHORT, lr_schedule="constant", callbacks=[never]).fit(X)
    start = Autoencoder(**{**SHORT, "max_epochs": 0}).fit(X)
    assert_array_equal(ae.transform(X), start.transform(X))


def test_skorch_checkpoint(X, tmp_path):
    checkpoint = Checkpoint(dirname=tmp_path, monitor="train_loss_best")
    ae = Autoencoder(**SHORT, callbacks=[checkpoint]).fit(X)
    saved = torch.load(tmp_path / "params.pt", weights_only=True)
    assert saved.keys() == ae.net_.module_.state_dict().keys()


def test_a_callback_may_look_at_codes_while_the_net_trains(X):
    """float64 rows are seen by a copy of the net, which must not lag behind."""

    class Look(Callback):
        def initialize(self):
            self.single, self.double = [], []
            return self

        def on_epoch_end(self, net, **kwargs):
            for seen, dtype in ((self.single, np.float32), (self.double, np.float64)):
                seen.append(net.map_batches(lambda module, x: module.encode(x), X.astype(dtype)))

    look = Look()
    ae = Autoencoder(**SHORT, callbacks=[look]).fit(X)
    assert_allclose(look.double, look.single, atol=1e-5)
    assert not np.array_equal(look.double[0], look.double[1])
    assert_array_equal(look.double[-1], ae.transform(X))


def test_history_has_a_row_per_epoch_and_none_per_batch(X):
    history = Autoencoder(**SMALL, refit=False, max_epochs=3).fit(X).net_.history
    assert [row["epoch"] for row in history] == [1, 2, 3]
    for row in history:
        assert np.isfinite([row["train_loss"], row["valid_loss"], row["dur"]]).all()
        assert len(row["batches"]) <= 1


# -- Ctrl-C -------------------------------------------------------------------------------------


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_an_interrupted_choice_keeps_the_best_net_so_far(refit, X):
    """Training with a large step leaves PCA; whoever stops it there must not be worse off."""

    def impatient(progress):
        if progress > 0.5:
            raise KeyboardInterrupt
        return 1.0

    settings = {**SMALL, "refit": refit, "lr": 1.0, "max_epochs": 20}
    ae = Autoencoder(**settings, lr_schedule=impatient, keep_interrupted=True)
    with pytest.warns(UserWarning, match="Ctrl-C"):
        ae.fit(X)
    assert ae.interrupted_
    assert 1 < len(ae.validation_loss_curve_) < 20
    assert ae.n_iter_ == np.argmin(ae.validation_loss_curve_) == 0
    # PCA of the rows that were not held out
    assert error(ae, X) <= 1.2 * error(PCA(2).fit(X), X)


# -- what a user sees ---------------------------------------------------------------------------


def test_the_log_says_what_the_bar_says(X, caplog):
    caplog.set_level(logging.DEBUG, "skae")
    fitted = Autoencoder(**SMALL, max_epochs=3, tol=0.0).fit(X)
    told = [(r.name, r.levelname) for r in caplog.records if "choose n_iter_" in r.message]
    assert told == [
        ("skae.Autoencoder", level) for level in ("INFO", "DEBUG", "DEBUG", "DEBUG", "INFO")
    ]
    for epoch, loss in enumerate(fitted.validation_loss_curve_[1:], start=1):
        assert f"choose n_iter_: epoch {epoch} of at most 3, loss {loss:.4g}" in caplog.text
    assert not [r for r in caplog.records if r.levelno > logging.INFO]


@pytest.mark.parametrize(("verbose", "n_told"), [(0, 1), (1, 0)])
def test_long_fits_are_not_silent(verbose, n_told, X, caplog, monkeypatch):
    monkeypatch.setattr(progress, "SILENCE", -1)
    Autoencoder(**SHORT, verbose=verbose).fit(X)
    warned = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warned) == n_told
    assert all("epoch 1 of at most 3" in message and "verbose=1" in message for message in warned)


def test_verbose(X, capfd):
    Autoencoder(**SHORT).fit(X)
    out, err = capfd.readouterr()
    assert out == err == ""
    Autoencoder(**SHORT, verbose=1).fit(X)
    out, err = capfd.readouterr()
    assert out == ""
    assert "3/3" in err
    assert "epoch" in err
    assert "loss" in err
    Autoencoder(**SHORT, verbose=2).fit(X)
    out, err = capfd.readouterr()
    assert "train_loss" in out
    assert "3/3" in err


def test_the_progress_bar_names_both_parts(X, capfd):
    Autoencoder(**SMALL, max_epochs=3, tol=0.0, verbose=1).fit(X)
    err = capfd.readouterr().err
    assert "choose n_iter_" in err
    assert "fit" in err


# -- scikit-learn's callbacks -------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"early_stopping": False}, {"refit": False}], ids=str)
def test_scikit_learn_progress_bar(settings, X, capsys):
    settings = {**SMALL, "max_epochs": 3, **settings}
    with_bar = Autoencoder(**settings).set_callbacks(ProgressBar()).fit(X)
    assert "Autoencoder" in capsys.readouterr().out
    assert_array_equal(with_bar.transform(X), Autoencoder(**settings).fit(X).transform(X))


def test_scoring_monitor_logs_one_score_per_epoch(X):
    monitor = ScoringMonitor(scoring={"r2": reconstruction_r2, "score": Autoencoder.score})
    ae = Autoencoder(**SHORT).set_callbacks(monitor).fit(X)
    log = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert [row["task_id"] for row in log] == [0, 1, 2]
    assert log[-1]["r2"] == pytest.approx(reconstruction_r2(ae, X))
    assert log[-1]["score"] == pytest.approx(ae.score(X))
    assert log[0]["r2"] != log[-1]["r2"]


def test_scoring_monitor_sees_the_choice_and_the_refit(X):
    monitor = ScoringMonitor(scoring={"r2": reconstruction_r2})
    ae = Autoencoder(**SMALL, max_epochs=3, shortcut=None, lr=0.01).set_callbacks(monitor).fit(X)
    assert ae.n_iter_ > 0
    log = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    parents = [row["parent_task_id_path"] for row in log]
    assert len(set(parents)) == 2
    assert len(log) == 3 + ae.n_iter_
    assert all(np.isfinite(row["r2"]) for row in log)


def test_a_scikit_learn_callback_may_end_the_training(X):
    class Stop:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            return context.task_name == "epoch" and context.task_id == 1

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # it was asked for
        ae = Autoencoder(**{**SHORT, "max_epochs": 10}).set_callbacks(Stop()).fit(X)
    assert ae.n_iter_ == 2
