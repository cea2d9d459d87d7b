"""A family and a format in one file each, which pass the common checks and touch nothing else."""

import numpy as np
import pytest
from helpers import SHORT
from newcomer.angles import AngleAutoencoder
from newcomer.group_sparse import GroupSparseAutoencoder
from numpy.testing import assert_allclose
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import AutoencoderOutlierDetector, DenoisingAutoencoder

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")
NEWCOMERS = GroupSparseAutoencoder, AngleAutoencoder


@parametrize_with_checks(
    [cls(code_size=2, hidden_layer_sizes=(4,), max_epochs=1) for cls in NEWCOMERS]
)
@pytest.mark.filterwarnings("ignore")
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("cls", NEWCOMERS)
def test_a_detector_stands_around_it(cls, X):
    detector = AutoencoderOutlierDetector(cls(**SHORT)).fit(X)
    assert np.isfinite(detector.score_samples(X)).all()


def test_the_penalty_shortens_groups(X):
    def lengths(sparsity):
        codes = GroupSparseAutoencoder(4, sparsity=sparsity, random_state=0).fit_transform(X)
        return np.linalg.norm(codes.reshape(-1, 2, 2), axis=2).mean()

    assert lengths(1.0) < 0.5 * lengths(0.0)


def test_the_family_crosses_with_another(X):
    class Both(GroupSparseAutoencoder, DenoisingAutoencoder):
        pass

    both = Both(**SHORT, noise_level=0.5, sparsity=0.1).fit(X)
    assert both.net_.criterion_.sparsity == 0.1
    assert both.get_params()["noise_level"] == 0.5


def test_angles_come_back():
    X = np.random.default_rng(0).uniform(0, 360, (100, 2))
    angles = AngleAutoencoder(code_size=4, max_epochs=0).fit(X)
    assert_allclose(angles.reconstruct(X), X, rtol=1e-4)
    turned = angles.transform(X + 360)
    assert_allclose(turned, angles.transform(X), atol=1e-5)
