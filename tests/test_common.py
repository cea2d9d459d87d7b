"""scikit-learn's own checks, with no exceptions, over every public estimator and some variants."""

import pytest
from discovery import OF_ROWS
from scipy.special import expit
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import (
    Autoencoder,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    KSparseAutoencoder,
    MaskedAutoencoder,
    SequenceAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
    VectorQuantizedAutoencoder,
)
from skae.around import linear_start, supervised
from skae.base import training
from skae.families import stacked
from skae.rows.table import Table

# The variants are small and train for one epoch, which is cut short and says so.
pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=1 ended the training")
SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 1}

VARIANTS = [
    {"hidden_layer_sizes": ()},
    {"tied_weights": True},
    {"shortcut": None},
    {"shortcut": "linear"},
    {"early_stopping": False},
    {"refit": False},
    {"code_size": 0.9},
]


class SquashedAutoencoder(Autoencoder):
    """Brings the rows into [0, 1], each for itself, before anything else sees them.

    The checks' data lie outside it, which binary cross-entropy refuses. A Pipeline with a scaler,
    which is what a user would take, fails some checks of its own accord: it has no ``offset_``,
    and fitting it changes its parameters.
    """

    _formats = (Table,)

    def _check_rows(self, X, reset=False):
        return expit(super()._check_rows(X, reset))


def briefly(train):
    """The same for at most two epochs, whatever the default of an estimator is."""
    return lambda *args, max_epochs, **how: train(*args, max_epochs=min(max_epochs, 2), **how)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """The checks ask how estimators behave, not how well they learn: all but the number of steps
    that "auto" allows, and of folds, is as users have it."""
    small = {
        "N_UPDATES": 4,
        "N_UPDATES_OF_FOLDS": 4,
        "FEWEST_EPOCHS": 2,
        "FROM_SCRATCH": 1,
        "N_FOLDS": 2,
    }
    for name, number in small.items():
        monkeypatch.setattr(training, name, number)
    monkeypatch.setattr(stacked, "LAYER_EPOCHS", 2)
    monkeypatch.setattr(supervised, "STEPS_PER_EPOCH", 2)
    monkeypatch.setattr(supervised, "N_FOLDS", 2)
    monkeypatch.setattr(supervised, "train", briefly(supervised.train))
    monkeypatch.setattr(linear_start, "N_FOLDS", 2)


@parametrize_with_checks(
    [
        *(cls() for cls in OF_ROWS),
        *(Autoencoder(**{**SMALL, **variant}) for variant in VARIANTS),
        SquashedAutoencoder(loss="binary_cross_entropy", **SMALL),
        SparseAutoencoder(penalty="kl", max_epochs=1),
        KSparseAutoencoder(selection="batchtopk", unit_norm=True, max_epochs=1),
        DenoisingAutoencoder(noise="swap", noise_level=0.2, emphasis=(1.0, 0.5), **SMALL),
        ContractiveAutoencoder(n_projections=1, **SMALL),
        VariationalAutoencoder(likelihood="student_t", dispersion="predicted", **SMALL),
        VariationalAutoencoder(objective="iwae", shortcut=None, **SMALL),
        VectorQuantizedAutoencoder(output="indices", **SMALL),
        ConvolutionalAutoencoder(None, channels=(2, 3), upsampling="resize", max_epochs=1),
        MaskedAutoencoder(8, depth=1, pooling="tokens", max_epochs=1),
        SequenceAutoencoder(3, cell="lstm", bidirectional=True, shortcut=None, max_epochs=1),
        StackedAutoencoder(layer=DenoisingAutoencoder(noise="masking", **SMALL), **SMALL),
    ]
)
def test_estimator(estimator, check):
    check(estimator)
