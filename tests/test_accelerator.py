"""What is promised of an accelerator, on a pretended one: any machine can test it."""

import io

import numpy as np
import pytest
import torch
from discovery import ALL_ESTIMATORS, over
from numpy.testing import assert_allclose
from pretend import DEVICE, pretended
from test_cuda import METHODS, on, rows_and_labels

import skae
from skae.around import supervised

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """Each operation of the pretended device takes long."""
    monkeypatch.setattr(supervised, "STEPS_PER_EPOCH", 2)


def on_device(cls, device, **settings):
    """An instance of little work, with these parameters where it or what it holds has them."""
    estimator = on(cls, device, max_epochs=1)
    names = estimator.get_params()
    for name, value in settings.items():
        there = [found for found in names if found.split("__")[-1] == name]
        estimator.set_params(**dict.fromkeys(there, value))
    return estimator


def answers(estimator, X):
    methods = [method for method in METHODS if hasattr(estimator, method)]
    said = {method: getattr(estimator, method)(X) for method in methods}
    if hasattr(estimator, "sample"):
        said["sample"] = estimator.sample(3, random_state=0)
    return said


def gappy(X):
    """The same rows with missing entries."""
    return np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.nan, X)


VARIANTS = [
    (skae.KSparseAutoencoder, {"selection": "batchtopk"}, np.copy),
    (skae.DenoisingAutoencoder, {"noise": "masking"}, np.copy),
    (skae.DenoisingAutoencoder, {"noise": "swap"}, np.copy),
    (skae.Autoencoder, {"dropout": 0.1}, gappy),
    (skae.Autoencoder, {"ordered": True}, gappy),
    (skae.VariationalAutoencoder, {"dispersion": "predicted", "free_bits": 0.1}, gappy),
]


@pytest.mark.parametrize(
    ("cls", "settings", "change"),
    [*((cls, {}, np.copy) for cls in ALL_ESTIMATORS), *VARIANTS],
    ids=lambda part: getattr(part, "__name__", None) or "-".join(map(str, part.values())),
)
def test_answers_are_those_of_the_cpu_and_no_step_waits(cls, settings, change):
    """No method mixes tensors of the CPU with those of the device, and waits and copies are of
    epochs: as many in few steps as in many.
    """
    X, y = rows_and_labels(cls)
    X = change(X)
    # Adam makes steps of what is all but zero, of a rounding as of a gradient.
    few, many = ({**settings, "optimizer": "sgd", "batch_size": size} for size in (40, 8))
    here = answers(on_device(cls, "cpu", **few).fit(X, y), X)
    with pretended() as counts:
        estimator = on_device(cls, str(DEVICE), **few).fit(X, y)
        in_few_steps = dict(counts)
        there = answers(estimator, X)
    assert there.keys() == here.keys()
    for method, expected in here.items():
        assert type(there[method]) is type(expected)
        if method == "predict":
            assert np.isclose(there[method], expected, atol=0.02).mean() > 0.9
        else:
            assert_allclose(there[method], expected, rtol=1e-4, atol=1e-4, err_msg=method)
    with pretended() as counts:
        on_device(cls, str(DEVICE), **many).fit(X, y)
    assert in_few_steps["sent"] > 0
    assert counts == in_few_steps


@over(ALL_ESTIMATORS)
def test_a_file_that_was_written_there_opens_without_it(cls):
    X, y = rows_and_labels(cls)
    file = io.BytesIO()
    with pretended():
        estimator = on_device(cls, str(DEVICE), batch_size=40).fit(X, y)
        there = answers(estimator, X)
        estimator.save(file)
    file.seek(0)
    read = skae.load(file)
    if hasattr(read, "device_"):
        assert torch.device(read.device_).type == "cpu"
    here = answers(read, X)
    assert here.keys() == there.keys()
    for method, expected in there.items():
        if method != "predict":
            assert_allclose(here[method], expected, rtol=1e-4, atol=1e-4, err_msg=method)


def test_pictures_from_pictures_there():
    """Their linear start is solved on the CPU."""
    X = np.random.default_rng(0).normal(size=(60, 6, 6))
    small = {"channels": (4,), "max_epochs": 1, "random_state": 0}
    with pretended():
        there = skae.ConvolutionalAutoencoder(None, **small, device=str(DEVICE)).fit(
            X, target=2 * X
        )
        answer = there.reconstruct(X)
    here = skae.ConvolutionalAutoencoder(None, **small, device="cpu").fit(X, target=2 * X)
    assert_allclose(answer, here.reconstruct(X), rtol=1e-4, atol=1e-4)
