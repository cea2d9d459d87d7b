"""Arrays and frames of dask: answers by blocks, and searches by its workers."""

import cloudpickle
import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client, LocalCluster
from discovery import ALL_ESTIMATORS, OF_ROWS, over, quick
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from test_cuda import rows_and_labels

import skae
from skae.base.lazily import BY_ROW, LazyMixin

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def client():
    """Of two workers, each a process."""
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**settings, processes=True) as cluster, Client(cluster) as client:
        yield client


@over(OF_ROWS)
def test_every_method_of_rows_answers_for_blocks_as_for_all(cls):
    """Of arrays that are cut in columns too, when they are computed and not before."""
    X, y = rows_and_labels(cls)
    estimator = quick(cls).fit(X, y)
    lazy = da.from_array(X, chunks=(30, 4))
    methods = [m for m in BY_ROW if hasattr(estimator, m) and m != "inverse_transform"]
    assert methods or not isinstance(estimator, LazyMixin) or cls is skae.AutoencoderCompressor
    for method in methods:
        expected = getattr(estimator, method)(X)
        answer = getattr(estimator, method)(lazy)
        assert isinstance(answer, da.Array)
        assert answer.shape == np.shape(expected)
        assert answer.dtype == np.asarray(expected).dtype
        assert_allclose(answer.compute(), expected, rtol=1e-5, atol=1e-5, err_msg=method)
    if "transform" in methods and hasattr(estimator, "inverse_transform"):
        back = estimator.inverse_transform(estimator.transform(lazy))
        expected = estimator.inverse_transform(estimator.transform(X))
        assert_allclose(back.compute(), expected, rtol=1e-5, atol=1e-5)


def test_rows_of_more_axes():
    X = np.random.default_rng(0).normal(size=(40, 6, 6))
    model = quick(skae.ConvolutionalAutoencoder, channels=(4,)).fit(X)
    codes = model.transform(da.from_array(X, chunks=(7, 3, 3)))
    assert_allclose(codes.compute(), model.transform(X), atol=1e-6)
    assert model.inverse_transform(codes).shape == X.shape
    assert_allclose(model.inverse_transform(codes).compute(), model.reconstruct(X), atol=1e-6)


def test_frames():
    """Of mixed columns, with a partition without rows; as frames where these are asked for."""
    n = 60
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 9, n).round(),
            "sex": pd.Categorical(rng.choice(["f", "m"], n)),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 999, n), "D"),
        }
    )
    model = quick(skae.Autoencoder, code_size=2).fit(frame)
    lazy = dd.from_pandas(frame, npartitions=4)
    empty = lazy[lazy["age"] > lazy["age"].quantile(0.9)]
    assert_allclose(model.transform(lazy).compute(), model.transform(frame), atol=1e-6)
    assert_allclose(
        model.score_samples(empty).compute(),
        model.score_samples(empty.compute()),
        atol=1e-6,
    )
    rebuilt = model.reconstruct(lazy)
    pd.testing.assert_frame_equal(rebuilt._meta, frame[:0])
    pd.testing.assert_frame_equal(rebuilt.compute(), model.reconstruct(frame))
    model.set_output(transform="pandas")
    pd.testing.assert_frame_equal(model.transform(lazy).compute(), model.transform(frame))


def test_fit_reads_arrays_that_are_cut_in_columns():
    X = load_iris().data
    lazy = da.from_array(X, chunks=(40, 3))
    streamed = quick(skae.Autoencoder).fit(lazy)
    assert_allclose(streamed.center_, X.mean(axis=0))


def test_a_search_by_workers_is_that_of_this_process(client):
    X = load_iris().data
    search = GridSearchCV(quick(skae.Autoencoder), {"code_size": [1, 2]}, cv=2)
    expected = search.fit(X).cv_results_["mean_test_score"]
    with joblib.parallel_backend("dask"):
        found = search.fit(X).cv_results_["mean_test_score"]
    assert_allclose(found, expected, rtol=1e-6)


def test_the_model_is_one_part_of_the_graph():
    """Which a worker is sent once, and not with each of the blocks."""
    X = load_iris().data
    model = quick(skae.Autoencoder).fit(X)
    scores = model.score_samples(da.from_array(X, chunks=(5, 4)))
    sizes = [len(cloudpickle.dumps(task)) for task in dict(scores.__dask_graph__()).values()]
    of_model = len(cloudpickle.dumps(model))
    assert len(sizes) > 60  # a block of rows, and its scores
    assert sum(size > of_model / 2 for size in sizes) == 1


@over([c for c in ALL_ESTIMATORS if c not in OF_ROWS])
def test_points_of_a_series_have_no_blocks(cls):
    X, _ = rows_and_labels(cls)
    with pytest.raises(TypeError, match="in memory"):
        quick(cls).fit(X).score_samples(da.from_array(X, chunks=30))
