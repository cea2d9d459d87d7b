"""Errors on names offer the nearest one."""

import numpy as np
import pytest
from discovery import ALL_ESTIMATORS, over

from skae import Autoencoder, AutoencoderOutlierDetector, VariationalAutoencoder

X = np.random.default_rng(0).normal(size=(30, 4))


@pytest.mark.parametrize(
    ("estimator", "name", "meant"),
    [
        (Autoencoder(loss="mse"), "loss", "squared_error"),
        (Autoencoder(loss="squared-error"), "loss", "squared_error"),
        (Autoencoder(activation="Swish"), "activation", "silu"),
        (Autoencoder(optimizer="Adam"), "optimizer", "adam"),
        (VariationalAutoencoder(likelihood="normal"), "likelihood", "gaussian"),
        (AutoencoderOutlierDetector(method="neighbor"), "method", "neighbors"),
    ],
)
def test_what_a_parameter_may_be(estimator, name, meant):
    with pytest.raises(ValueError, match=rf"'{name}' parameter.*Did you mean '{meant}'\?"):
        estimator.fit(X)


def test_nothing_is_offered_where_nothing_is_near():
    with pytest.raises(ValueError, match="'loss' parameter") as error:
        Autoencoder(loss="xyz").fit(X)
    assert "Did you mean" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("n_components", "code_size"),
        ("hidden_layers", "hidden_layer_sizes"),
        ("epochs", "max_epochs"),
    ],
)
def test_parameters(given, meant):
    with pytest.raises(TypeError, match=rf"Autoencoder has no parameter '{given}'.*'{meant}'"):
        Autoencoder(**{given: 2})


@over(ALL_ESTIMATORS)
def test_parameters_of_every_estimator(cls):
    with pytest.raises(
        TypeError, match=f"{cls.__name__} has no parameter 'randomstate'.*random_state"
    ):
        cls(randomstate=0)


def test_a_users_family_takes_what_it_likes():
    class Mine(Autoencoder):
        def __init__(self, width, **others):
            super().__init__(hidden_layer_sizes=(width,), **others)

    assert Mine(3, code_size=2).hidden_layer_sizes == (3,)
