"""Numbers as cells: every value in one, frequent ones in a cell of their own."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skae.rows.histogram import histogram


def spiked(n=4000):
    """Half zeros, the rest skewed."""
    rng = np.random.default_rng(0)
    return np.where(rng.random(n) < 0.5, 0.0, rng.lognormal(size=n))


COLUMNS = {
    "normal": lambda: np.random.default_rng(0).normal(size=1000),
    "spiked": spiked,
    "counts": lambda: np.random.default_rng(0).poisson(30, size=1000).astype(float),
    "large whole numbers": lambda: np.random.default_rng(0).integers(0, 10**6, 500).astype(float),
    "few values": lambda: np.repeat([1.5, 2.5, 7.0], [10, 1, 5]),
    "constant": lambda: np.full(20, 3.0),
    "one row": lambda: np.array([0.1]),
    "infrequent between frequent": lambda: np.r_[
        np.zeros(500), np.ones(500), 0.5, np.arange(2, 60)
    ],
}


@pytest.mark.parametrize("name", COLUMNS)
def test_cells_hold_all_values_and_do_not_overlap(name):
    values = COLUMNS[name]()
    cells = histogram(values)
    assert_allclose(cells.frequency.sum(), 1)
    assert np.all(cells.lower <= cells.mean)
    assert np.all(cells.mean <= cells.upper)
    assert np.all(cells.upper[:-1] <= cells.lower[1:])
    assert cells.lower[0] <= values.min()
    assert values.max() <= cells.upper[-1]
    assert_allclose(cells.frequency @ cells.mean, values.mean(), rtol=1e-9)
    inside = (values[:, None] >= cells.lower) & (values[:, None] <= cells.upper)
    assert inside.any(axis=1).all()
    assert np.all(np.diff(cells.score) > 0)
    assert len(cells.frequency) <= 2 * 32 + 33


def test_a_frequent_value_is_a_cell_without_width():
    cells = histogram(spiked())
    assert (cells.lower[0], cells.upper[0]) == (0.0, 0.0)
    assert abs(cells.frequency[0] - 0.5) < 0.03
    assert cells.frequency[1:].max() < 0.06


GRIDS = {
    "whole numbers": (COLUMNS["counts"], 1.0),
    "hundreds": (lambda: 100.0 * np.random.default_rng(0).integers(3, 900, 500), 100.0),
    "cents": (lambda: np.random.default_rng(0).integers(1, 10**5, 800) / 100, 0.01),
    "days, in seconds": (
        lambda: 1.6e9 + 86400.0 * np.random.default_rng(0).permutation(300),
        86400.0,
    ),
}


@pytest.mark.parametrize("name", GRIDS)
def test_values_on_a_grid_stay_on_it(name):
    make, step = GRIDS[name]
    values = make()
    cells = histogram(values)
    assert_allclose(cells.step, step)
    assert_allclose(cells.lower[0], values.min() - step / 2)
    assert_allclose(cells.upper[-1], values.max() + step / 2)
    assert np.all(cells.upper - cells.lower > 0.99 * step)
    assert_array_equal(cells.exact(values.astype(np.float32).astype(float)), values)
    anywhere = np.random.default_rng(1).uniform(cells.lower[0], cells.upper[-1], 100)
    on_grid = (cells.exact(anywhere) - values.min()) / step
    assert_allclose(on_grid, np.rint(on_grid), atol=1e-6)


def test_frequent_values_come_back_exactly_from_float32():
    values = np.repeat([4.123456789, 1234567.89, 0.1], 100)
    cells = histogram(values)
    assert_array_equal(cells.exact(values.astype(np.float32).astype(float)), values)
    moved = np.array([4.98, 0.9])
    assert_array_equal(histogram(np.repeat([np.pi, 0.1], 9)).exact(moved), moved)
