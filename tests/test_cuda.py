"""Every estimator on a GPU: the answers are the CPU's, and of the kinds that users have."""

import numpy as np
import pytest
import torch
from discovery import ALL_ESTIMATORS, over, quick
from numpy.testing import assert_allclose

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]
METHODS = (
    "transform",
    "reconstruct",
    "score_samples",
    "decision_function",
    "predict",
    "predict_proba",
)


def on(cls, device, **settings):
    """A quick instance on a device, whether it is a family or stands around one."""
    estimator = quick(cls, **settings)
    if "device" in estimator.get_params():
        return estimator.set_params(device=device)
    if "max_epochs" in settings and "max_epochs" in estimator.get_params():
        estimator.set_params(autoencoder__max_epochs=settings["max_epochs"])
    return estimator.set_params(autoencoder__device=device)


def rows_and_labels(cls):
    """Counts serve all: they are numbers, ratings and choices."""
    rng = np.random.default_rng(0)
    rows = rng.poisson(np.exp(rng.normal(size=(80, 2)) @ rng.normal(size=(2, 6)))).astype(float)
    return np.clip(rows, 0, 5), np.arange(80) % 2


@over(ALL_ESTIMATORS)
@pytest.mark.filterwarnings("ignore")
def test_answers_on_a_gpu_are_those_on_the_cpu(cls):
    X, y = rows_and_labels(cls)
    # at the start, where both devices are at the same weights, and float64 shows a fault
    start = {"max_epochs": 0} if "max_epochs" in cls().get_params() else {}
    if not start and "autoencoder" in cls().get_params():
        start = {"max_epochs": 0}
    there, here = (on(cls, device, **start).fit(X, y) for device in ("cuda", "cpu"))
    for method in METHODS:
        if hasattr(here, method):
            answer, expected = getattr(there, method)(X), getattr(here, method)(X)
            assert type(answer) is type(expected)
            if method != "predict":
                assert_allclose(answer, expected, rtol=1e-4, atol=1e-4, err_msg=method)


@over(ALL_ESTIMATORS)
@pytest.mark.filterwarnings("ignore")
def test_training_on_a_gpu_is_reproducible_and_finite(cls):
    X, y = rows_and_labels(cls)
    one, other = (on(cls, "cuda").fit(X, y) for _ in range(2))
    for method in METHODS:
        if hasattr(one, method):
            answer = np.asarray(getattr(one, method)(X), dtype=float)
            assert np.isfinite(answer).all(), method
            assert_allclose(answer, getattr(other, method)(X), rtol=1e-4, atol=1e-4)
    if hasattr(one, "inverse_transform") and hasattr(one, "sample"):
        assert np.isfinite(np.asarray(one.sample(3, random_state=0), dtype=float)).all()
