"""Windows of a series, and points of windows."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skae.windows import find_period, fold_scores, sliding_windows


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("channels", [(), (2,)])
def test_windows_are_pieces_of_the_series(step, channels):
    series = np.arange(20 * np.prod(channels, dtype=int)).reshape(20, *channels)
    windows = sliding_windows(series, 5, step)
    starts = [*range(0, 16, step)]
    starts += [15] if starts[-1] != 15 else []
    assert_array_equal(windows, [series[start : start + 5] for start in starts])
    windows[0] = -1  # a copy
    assert series.min() == 0


@pytest.mark.parametrize("step", [1, 2, 3, 4])
@pytest.mark.parametrize("reduce", ["mean", "min", "max"])
def test_a_point_is_given_what_its_windows_have(step, reduce):
    rng = np.random.default_rng(0)
    index = sliding_windows(np.arange(30), 4, step)
    scores = rng.normal(size=len(index))
    points = fold_scores(scores, 30, 4, step, reduce)
    for i in range(30):
        of_point = scores[(index == i).any(axis=1)]
        assert points[i] == pytest.approx(getattr(np, reduce)(of_point))
    each = np.repeat(scores[:, None], 4, axis=1)
    assert_array_equal(fold_scores(each, 30, 4, step, reduce), points)


def test_scores_of_the_points_of_windows_come_back():
    series = np.random.default_rng(0).normal(size=50)
    windows = sliding_windows(series, 8, 3)
    np.testing.assert_allclose(fold_scores(windows, 50, 8, 3), series)


def test_points_between_windows_have_no_score():
    points = fold_scores(np.ones(3), 8, 2, step=3)
    assert_array_equal(np.isnan(points), [0, 0, 1, 0, 0, 1, 0, 0])


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: sliding_windows(np.zeros(3), 4), "shorter than length=4"),
        (lambda: sliding_windows(np.zeros((3, 2, 2)), 2), "must be of shape"),
        (lambda: sliding_windows(np.zeros(9), 0), "length must be an integer"),
        (lambda: sliding_windows(np.zeros(9), 3, step=0.5), "step must be an integer"),
        (lambda: fold_scores(np.zeros(3), 9, 3), "has 7 windows"),
        (lambda: fold_scores(np.zeros(7), 9, 3, reduce="median"), "reduce must be one of"),
        (lambda: find_period(np.zeros((9, 2, 2))), "must be of shape"),
        (lambda: find_period([1.0, np.nan, 2.0]), "not finite"),
        (lambda: find_period([]), "is empty"),
    ],
)
def test_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.parametrize("channels", [(), (2,)])
@pytest.mark.parametrize("period", [4, 7, 24, 100])
def test_the_period_of_a_series(period, channels):
    """Also where it has overtones and noise, and in any unit."""
    rng = np.random.default_rng(0)
    t = np.arange(1000).reshape(-1, *[1 for _ in channels]) / period
    series = (
        np.sin(2 * np.pi * t)
        + 0.5 * np.sin(4 * np.pi * t)
        + 0.2 * rng.normal(size=(1000, *channels))
    )
    assert find_period(1e9 * series) == find_period(series) == period


def test_the_shortest_of_the_periods_that_are_nearly_as_strong():
    hours = np.arange(3000)
    series = np.sin(2 * np.pi * hours / 24) * (1 + 0.3 * np.sin(2 * np.pi * hours / 168))
    assert find_period(series) == 24
    assert find_period(series, longest=20) is None


@pytest.mark.parametrize(
    "series", [np.ones(100), np.full(99, 0.1), np.arange(12.0), np.zeros((50, 2)), [1.0, 2.0]]
)
def test_a_series_without_a_period(series):
    assert find_period(series) is None
