"""What must happen before the tests import anything, and the rows that most of them use."""

import os

# scikit-learn skips its array API check without it, and scipy reads it at import. (This is also
# why the category below is not in pyproject.toml: pytest would import scikit-learn to find it.)
os.environ["SCIPY_ARRAY_API"] = "1"
# Where the tests share the cores among workers, threads of small nets would wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from functools import cache

import numpy as np
import pytest
from discovery import quick
from sklearn.datasets import load_digits


def pytest_addoption(parser):
    parser.addoption("--mutations", type=int, default=200, help="files that are damaged at random")
    parser.addoption("--kills", type=int, default=1, help="how often a fit is killed and goes on")


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "error::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="session")
def X():
    """80 rows near a curved surface of two dimensions in six; nobody may write to them."""
    rng = np.random.default_rng(0)
    X = np.tanh(2 * rng.normal(size=(80, 2)) @ rng.normal(size=(2, 6)))
    X += 0.05 * rng.normal(size=X.shape)
    X.flags.writeable = False
    return X


@pytest.fixture(scope="session")
def X_missing(X):
    """The same with a tenth of the entries missing, none of its rows or columns empty."""
    X = X.copy()
    X[np.random.default_rng(1).random(X.shape) < 0.1] = np.nan
    assert np.isnan(X).any()
    assert not np.isnan(X).all(axis=1).any()
    X.flags.writeable = False
    return X


@pytest.fixture(scope="session")
def unit_X(X):
    """The same between 0 and 1."""
    X = (X - X.min()) / (X.max() - X.min())
    X.flags.writeable = False
    return X


@pytest.fixture(scope="session")
def fitted(X):
    """From a class to its quick instance fitted to X, which tests share and so must not change."""
    return cache(lambda cls: quick(cls).fit(X))


@pytest.fixture(scope="session")
def digits():
    """The handwritten digits in random order."""
    X = load_digits().data
    X = X[np.random.default_rng(0).permutation(len(X))]
    X.flags.writeable = False
    return X
