"""Nets of folds are trained as one, to what each alone would come to."""

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import SMALL
from numpy.testing import assert_allclose
from torch import nn

from skae import Autoencoder, ContractiveAutoencoder, DenoisingAutoencoder, VariationalAutoencoder
from skae.engine import together
from skae.engine.batches import Batch
from skae.engine.together import Apart, Together, side_by_side, stacked
from skae.nn.autoencoder import EncoderDecoder

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")
FEW = {**SMALL, "max_epochs": 6, "n_iter_no_change": 6}


@pytest.fixture
def trained(monkeypatch):
    """Fit as it is, and with the nets apart; also says how the nets of the folds were trained."""

    def fit(estimator, X, **beside):
        made, in_step = [], together.in_step

        def noted(*parts):
            made.append(in_step(*parts))
            return made[-1]

        with monkeypatch.context() as patch:
            patch.setattr("skae.engine.epochs.in_step", noted)
            one = estimator.fit(X, **beside)
            curve, loss = one.validation_loss_curve_, one.loss_curve_
            patch.setattr("skae.engine.epochs.in_step", Apart)
            two = estimator.fit(X, **beside)
        return made[0], (curve, loss), (two.validation_loss_curve_, two.loss_curve_)

    return fit


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"shortcut": None, "lr": 0.01},
        {"shortcut": "linear", "activation": "relu"},
        {"loss": "huber", "output_activation": "tanh"},
        {"optimizer": "sgd", "optimizer_params": {"momentum": 0.5}},
        {"optimizer": "rmsprop"},
        {"batch_size": 1},
        {"hidden_layer_sizes": ()},
    ],
    ids=str,
)
@pytest.mark.parametrize("n_rows", [80, 79])
def test_as_if_each_were_alone(params, n_rows, X, trained):
    trainer, found, expected = trained(Autoencoder(**{**FEW, **params}), X[:n_rows])
    assert isinstance(trainer, Together if n_rows == 80 or "batch_size" not in params else Apart)
    assert_allclose(found[0], expected[0], rtol=1e-3)
    assert_allclose(found[1], expected[1], rtol=1e-3)


def test_weights_of_rows(X, trained):
    weight = np.random.default_rng(0).integers(1, 4, len(X))
    trainer, found, expected = trained(Autoencoder(**FEW), X, sample_weight=weight)
    assert isinstance(trainer, Together)
    assert_allclose(found[0], expected[0], rtol=1e-3)


def test_missing_entries(X_missing, trained):
    trainer, found, expected = trained(Autoencoder(**FEW), X_missing[:79])
    assert isinstance(trainer, Together)
    assert_allclose(found[0], expected[0], rtol=1e-3)


def test_frames_with_categories_and_targets(X, trained):
    frame = pd.DataFrame(X[:, :3]).assign(kind=np.where(X[:, 3] > 0, "a", "b"))
    frame.columns = list("wxyz")
    for beside in ({}, {"target": X[:, 3:]}):
        trainer, found, expected = trained(Autoencoder(**FEW), frame, **beside)
        assert isinstance(trainer, Together)
        assert_allclose(found[0], expected[0], rtol=1e-3)


def test_noise_is_drawn_for_each_net(X, trained):
    estimator = DenoisingAutoencoder(**FEW, noise="masking", noise_level=0.3)
    trainer, found, expected = trained(estimator, X)
    assert isinstance(trainer, Together)
    assert_allclose(found[0], expected[0], rtol=0.2)


class Changed(EncoderDecoder):
    """Inherits from a module that can be trained in a stack, and does not say that it can."""


@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(**FEW, encoder=nn.Sequential(nn.Linear(6, 2), nn.LayerNorm(2))),
        Autoencoder(**FEW, tied_weights=True),
        Autoencoder(**FEW, optimizer=torch.optim.NAdam),
        ContractiveAutoencoder(**FEW),
        VariationalAutoencoder(**FEW),
    ],
    ids=str,
)
def test_what_does_not_say_that_it_can_is_trained_alone(estimator, X, trained):
    trainer, found, expected = trained(estimator, X)
    assert isinstance(trainer, Apart)
    assert found == expected


def test_what_inherits_from_it_must_say_it_anew(X, trained, monkeypatch):
    monkeypatch.setattr(Autoencoder, "_module_class", Changed)
    trainer, found, expected = trained(Autoencoder(**FEW), X)
    assert isinstance(trainer, Apart)
    assert found == expected


def test_modules_of_torch_given_by_users(X, trained):
    encoder = nn.Sequential(nn.Linear(6, 4, bias=False), nn.ReLU(), nn.Linear(4, 2))
    trainer, found, expected = trained(Autoencoder(**FEW, encoder=encoder), X)
    assert isinstance(trainer, Together)
    assert_allclose(found[0], expected[0], rtol=1e-4)


def test_shorter_batches_end_in_rows_that_count_nothing():
    parts = [torch.ones(3, 2), torch.full((2, 2), torch.nan)]
    batch = side_by_side([Batch.of(part) for part in parts])
    assert batch.x.shape == (2, 3, 2)
    assert batch.observed[0].all()
    assert not batch.observed[1].any()
    assert batch.target is batch.x
    assert batch.weight.tolist() == [[1, 1, 1], [1.5, 1.5, 0]]


def test_layers_of_a_stack_are_those_of_the_modules():
    modules = [nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)) for _ in range(3)]
    x = torch.randn(3, 5, 3)
    expected = torch.stack([module(rows) for module, rows in zip(modules, x, strict=True)])
    torch.testing.assert_close(stacked(modules)(x), expected)


def test_weights_do_not_share_memory_afterwards(X):
    estimator = Autoencoder(**FEW, callbacks=[])
    nets = []

    def keep(trainer):
        nets.extend(trainer.nets)
        return end(trainer)

    end = Together.end
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Together, "end", keep)
        estimator.fit(X)
    for net in nets:
        for weight in net.module_.parameters():
            assert weight.untyped_storage().nbytes() == weight.nbytes


def test_a_layer_at_two_places_is_one(X, trained):
    layer = nn.Linear(6, 6)
    encoder = nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), nn.Linear(6, 2))
    trainer, found, expected = trained(Autoencoder(**FEW, encoder=encoder), X)
    assert isinstance(trainer, Together)
    assert_allclose(found[0], expected[0], rtol=1e-4)


def test_a_frozen_layer_stays_as_it_is(X, trained):
    encoder = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 2))
    encoder[0].requires_grad_(False)
    trainer, found, expected = trained(Autoencoder(**{**FEW, "encoder": encoder, "lr": 0.01}), X)
    assert isinstance(trainer, Together)
    assert_allclose(found[0], expected[0], rtol=1e-3)
    for net in trainer.nets:
        assert torch.equal(net.module_.get_parameter(FROZEN), encoder[0].weight)


FROZEN = "encoder.path.0.0.weight"


def test_what_has_hooks_is_trained_alone(X, trained):
    seen = []
    encoder = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 2))
    encoder[2].register_forward_hook(lambda layer, given, answer: seen.append(answer.shape))
    trainer, *_ = trained(Autoencoder(**FEW, encoder=encoder), X)
    assert isinstance(trainer, Apart)
    assert seen
