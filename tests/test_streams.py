"""Rows that are read a block at a time: all sources say the same, and nets learn of them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import torch
from discovery import AUTOENCODERS, over, quick
from helpers import assert_equal_states, states
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.callback import ProgressBar
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from skae import (
    Autoencoder,
    AutoencoderCompressor,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    ConvolutionalAutoencoder,
    StackedAutoencoder,
)
from skae.base import streaming
from skae.engine.stream import Stream
from skae.streams import Blocks

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=", "ignore:Posterior collapse")
STREAMING = [cls for cls in AUTOENCODERS if cls._streams]


@pytest.fixture(scope="module")
def X():
    """Curved rows."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(900, 2))
    curved = np.tanh(z @ rng.normal(size=(2, 6))) + 0.2 * z**2 @ rng.normal(size=(2, 6))
    return curved + 0.02 * rng.normal(size=(900, 6))


@pytest.fixture(params=[None, 50], ids=["one part", "parts"])
def rows_of_part(request, monkeypatch):
    """How many rows of six columns are held at a time."""
    if request.param:
        monkeypatch.setattr(streaming, "PART_BYTES", 4 * 6 * request.param)


# -- blocks -------------------------------------------------------------------------------------


def of_file(X, folder):
    np.save(folder / "x.npy", X)
    return folder / "x.npy"


def of_map(X, folder):
    return np.load(of_file(X, folder), mmap_mode="r")


def of_csv(X, folder):
    pd.DataFrame(X).to_csv(folder / "x.csv", index=False)
    return str(folder / "x.csv")


def of_folder(X, folder):
    return Blocks(X, block_size=400).write_parquet(folder / "parts")


SOURCES = {
    "array": lambda X, folder: X,
    "memory map": of_map,
    "part of a memory map": lambda X, folder: of_map(np.vstack([X[:7], X]), folder)[7:],
    "file": of_file,
    "csv": of_csv,
    "parquet": of_folder,
    "tensor": lambda X, folder: torch.from_numpy(X).requires_grad_(),
    "sparse": lambda X, folder: sp.coo_array(X),
    "pandas": lambda X, folder: pd.DataFrame(X),
    "polars": lambda X, folder: pl.DataFrame(X),
    "lazy": lambda X, folder: pl.DataFrame(X).lazy(),
    "list": lambda X, folder: [X[:300], X[300:301], of_file(X[301:], folder)],
    "function": lambda X, folder: lambda: iter([X[:500], X[500:]]),
    "blocks": lambda X, folder: Blocks(Blocks(X, block_size=50).map(lambda block: block)),
    "iterable": lambda X, folder: {0: X[:10], 1: X[10:]}.values(),
}


@pytest.mark.parametrize("name", SOURCES)
def test_sources(name, X, tmp_path):
    blocks = Blocks(SOURCES[name](X, tmp_path), block_size=128)
    for _ in range(2):
        read = [b.toarray() if sp.issparse(b) else np.asarray(b) for b in blocks]
        assert len(read) > 1
        assert_allclose(np.concatenate(read), X, rtol=1e-12)


def test_parts_come_in_random_order_when_asked(X):
    blocks = Blocks(X, block_size=100)
    orders = [[place for place, _ in blocks.numbered(np.random.default_rng(s))] for s in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == [(i, 0) for i in range(9)]


@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        ((row for row in [1]), TypeError, "once only"),
        (3, TypeError, "source must be rows"),
        ("nowhere.npy", ValueError, "no file or folder 'nowhere.npy'"),
        (np.arange(3), TypeError, "array of shape"),
        (torch.tensor(3), TypeError, "array of shape"),
    ],
)
def test_what_is_no_source(source, error, text):
    with pytest.raises(error, match=text):
        Blocks(source)


@pytest.mark.parametrize("function", [lambda rows: rows, lambda: 3])
def test_functions_that_give_no_blocks(function):
    with pytest.raises(TypeError, match="function without arguments"):
        list(Blocks(function))


def test_files_that_are_none(tmp_path):
    with pytest.raises(ValueError, match="no .parquet file"):
        Blocks(tmp_path)
    (tmp_path / "x.txt").write_text("1")
    with pytest.raises(ValueError, match="must be .npy"):
        Blocks(tmp_path / "x.txt")
    np.save(tmp_path / "x.npy", np.asfortranarray(np.ones((3, 2))))
    with pytest.raises(ValueError, match="C order"):
        Blocks(tmp_path / "x.npy")


# -- training -----------------------------------------------------------------------------------


@over(STREAMING)
def test_every_family_learns_of_blocks(cls, X):
    model = quick(cls, max_epochs=1, early_stopping=True).fit(Blocks(X, block_size=200))
    assert model.n_features_in_ == 6
    assert np.isfinite(model.score_samples(X)).all()
    codes = list(model.transform_blocks(Blocks(X, block_size=250)))
    assert [len(block) for block in codes] == [250, 250, 250, 150]
    assert_allclose(np.concatenate(codes), model.transform(X), rtol=1e-6, atol=1e-9)


@over([cls for cls in AUTOENCODERS if not cls._streams])
def test_those_that_need_all_rows_say_so(cls, X):
    with pytest.raises((TypeError, ValueError), match="read a block at a time|list or an array"):
        quick(cls).fit(Blocks(np.abs(X)))


def test_rows_are_rebuilt_as_well_as_from_memory(X, rows_of_part):
    train, test = X[:700], X[700:]
    settings = {"code_size": 2, "hidden_layer_sizes": (32,), "random_state": 0}
    in_memory = Autoencoder(**settings).fit(train)
    model = Autoencoder(**settings).fit(Blocks(train, block_size=100))
    pca = PCA(2).fit(train)
    linear = -((pca.inverse_transform(pca.transform(test)) - test) ** 2).sum(1).mean()
    assert model.score(test) > 0.5 * linear
    assert model.score(test) > 2 * in_memory.score(test)
    assert model.n_iter_ == len(model.loss_curve_) < len(model.validation_loss_curve_)


def test_it_is_never_worse_than_its_start(X):
    """Steps that are far too large: the start, PCA, is kept."""
    settings = {"code_size": 2, "random_state": 0, "lr_schedule": "constant"}
    start = Autoencoder(**settings, max_epochs=0).fit(Blocks(X))
    model = Autoencoder(**settings, lr=0.5, max_epochs=2, weight_decay=0).fit(Blocks(X))
    assert model.score(X) >= start.score(X) * 1.001
    assert start.n_iter_ == 0


def test_the_same_seed_the_same_bits(X, rows_of_part):
    first, again = (quick(Autoencoder, max_epochs=2).fit(Blocks(X)) for _ in range(2))
    assert_equal_states(states(first.net_), states(again.net_))
    other = quick(Autoencoder, max_epochs=2, random_state=1).fit(Blocks(X))
    assert not np.allclose(other.transform(X), first.transform(X))


def test_held_out_rows_are_not_trained_on(X, monkeypatch):
    monkeypatch.setattr(streaming, "PART_BYTES", 4 * 6 * 50)
    seen, parts = [], Stream.part

    def part(stream, number):
        rows = parts(stream, number)
        seen.append(rows.x.numpy())
        return rows

    monkeypatch.setattr(Stream, "part", part)
    model = Autoencoder(2, max_epochs=1, n_iter_no_change=100, random_state=0)
    model.fit(Blocks(X, block_size=100))
    trained = np.concatenate(seen) * model.scale_ + model.center_
    found = {row.tobytes() for row in np.round(trained, 3)}
    assert len(found) == len(trained) == 800  # of 810: parts are whole


def test_all_rows_are_trained_on_once_a_pass(X, monkeypatch):
    monkeypatch.setattr(streaming, "PART_BYTES", 4 * 6 * 90)
    stream_of = Autoencoder(2, early_stopping=False, max_epochs=3, random_state=0)
    seen, parts = [], Stream.part

    def part(stream, number):
        rows = parts(stream, number)
        seen.append(rows.x.numpy().copy())
        return rows

    monkeypatch.setattr(Stream, "part", part)
    model = stream_of.fit(Blocks(X, block_size=70))
    assert len(seen) == 30
    for first in 0, 10, 20:
        rows = np.concatenate(seen[first : first + 10]) * model.scale_ + model.center_
        assert_allclose(rows[rows[:, 0].argsort()], X[X[:, 0].argsort()], atol=1e-5)


@pytest.mark.parametrize("seed", [0, None])
def test_a_killed_fit_goes_on_to_the_same_bits(seed, X, tmp_path, monkeypatch):
    from skorch.callbacks import Callback

    monkeypatch.setattr(streaming, "PART_BYTES", 4 * 6 * 50)
    monkeypatch.setattr("skae.engine.checkpoints.SHARE_OF_TIME", 1e9)

    class Kill(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 7 and (tmp_path / "armed").exists():
                (tmp_path / "armed").unlink()
                raise KeyboardInterrupt

    settings = {"code_size": 2, "max_epochs": 1, "random_state": seed, "n_iter_no_change": 50}
    blocks = Blocks(X, block_size=100)
    whole = Autoencoder(**settings, checkpoint=tmp_path / "other", callbacks=[Kill()]).fit(blocks)
    assert seed is None or whole.score(X) == Autoencoder(**settings).fit(blocks).score(X)
    killed = Autoencoder(**settings, checkpoint=tmp_path, callbacks=[Kill()])
    (tmp_path / "armed").touch()
    with pytest.raises(KeyboardInterrupt):
        killed.fit(blocks)
    with pytest.raises(NotFittedError):
        killed.transform(X)
    killed.fit(blocks)
    assert_equal_states(states(killed.net_), states(whole.net_))
    assert killed.loss_curve_ == whole.loss_curve_


def test_frames_of_mixed_columns(X, tmp_path):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame["kind"] = np.where(frame["a"] > 0, "high", "low")
    lazy = pl.DataFrame({name: frame[name].to_list() for name in frame}).lazy()
    model = Autoencoder(3, max_epochs=2, random_state=0).fit(lazy)
    back = model.reconstruct(frame)
    assert (np.asarray(back["kind"]) == np.asarray(frame["kind"])).mean() > 0.9
    assert list(model.feature_names_in_) == [*"abcdef", "kind"]


def test_missing_entries_and_images(X):
    gappy = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    assert np.isfinite(Autoencoder(2, max_epochs=1).fit(Blocks(gappy)).transform(gappy)).all()
    images = Blocks(X.reshape(-1, 3, 2), block_size=128)
    model = quick(ConvolutionalAutoencoder).fit(images)
    assert model.inverse_transform(np.zeros((1, 3))).shape == (1, 3, 2)


@pytest.mark.parametrize("name", ["target", "sample_weight"])
def test_what_cannot_be_streamed_is_named(name, X):
    with pytest.raises(ValueError, match=f"{name} cannot be given with blocks"):
        Autoencoder(2).fit(Blocks(X), **{name: X if name == "target" else np.ones(len(X))})


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (lambda: iter([]), "no rows"),
        (lambda: iter([np.ones((3, 2)), np.ones((3, 4))]), "features|columns|dimension"),
        (lambda: iter([[[1.0, 2.0]]]), "must give blocks of rows"),
        (lambda: iter([np.array([[1.0, np.inf]])]), "infinity|finite"),
    ],
)
def test_blocks_that_are_no_rows(source, text):
    model = Autoencoder(1, max_epochs=1)
    with pytest.raises((ValueError, TypeError), match=text):
        model.fit(Blocks(source))
    assert not hasattr(model, "net_")


def test_a_source_that_dries_up(X, monkeypatch):
    once = [iter([X])]
    with pytest.raises(ValueError, match="give them anew"):
        Autoencoder(2, max_epochs=1).fit(Blocks(lambda: once.pop() if once else iter([])))


def test_a_memory_map_that_memory_would_not_hold_is_streamed(X, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", X)
    rows = np.load(tmp_path / "x.npy", mmap_mode="r")
    settings = {"code_size": 2, "max_epochs": 2, "random_state": 0}
    small = Autoencoder(**settings).fit(rows)
    monkeypatch.setattr("skae.rows.blocks.memory_bytes", lambda: 3 * X.nbytes)
    large = Autoencoder(**settings).fit(rows)
    streamed = Autoencoder(**settings).fit(Blocks(rows))
    assert_array_equal(large.transform(rows), streamed.transform(X))
    assert not np.array_equal(small.transform(X), large.transform(X))


def test_callbacks_of_scikit_learn_watch_the_parts(X, capsys):
    model = quick(Autoencoder, max_epochs=2)
    model.set_callbacks(ProgressBar()).fit(Blocks(X))
    assert "Autoencoder" in capsys.readouterr().out


def test_warm_start_goes_on(X):
    model = quick(Autoencoder, warm_start=True, max_epochs=1).fit(Blocks(X))
    first = model.score(X)
    center = model.center_
    assert model.set_params(max_epochs=3).fit(Blocks(X)).score(X) > first
    assert_array_equal(model.center_, center)


@over(STREAMING)
def test_all_else_takes_rows_in_memory_and_says_so(cls, X):
    model = quick(cls).fit(X)
    for given in (Blocks(X), pl.DataFrame(X).lazy()):
        with pytest.raises(TypeError, match="read a block at a time"):
            model.score_samples(given)


@over([AutoencoderOutlierDetector, AutoencoderImputer, AutoencoderCompressor])
def test_what_stands_around_takes_rows_in_memory_and_says_so(cls, X):
    with pytest.raises(TypeError, match="read a block at a time"):
        quick(cls).fit(Blocks(X))


# -- answers ------------------------------------------------------------------------------------


def test_answers_go_into_files(X, tmp_path):
    model = quick(Autoencoder).fit(X)
    blocks = Blocks(X, block_size=128)
    path = model.transform_blocks(blocks).write_npy(tmp_path / "codes.npy")
    assert_allclose(np.load(path), model.transform(X), rtol=1e-6)
    folder = blocks.map(model.score_samples).write_parquet(tmp_path / "scores")
    scores = np.concatenate([np.asarray(block) for block in Blocks(folder)])
    assert_allclose(scores[:, 0], model.score_samples(X), rtol=1e-6)
    with pytest.raises(ValueError, match="nothing to write"):
        Blocks(lambda: iter([])).write_npy(tmp_path / "none.npy")


def test_no_more_than_a_block_is_held(X):
    """Blocks are made when they are asked for, one after the other."""
    made = []

    def source():
        for i in range(3):
            made.append(i)
            yield X[i * 300 : (i + 1) * 300]

    codes = iter(quick(StackedAutoencoder).fit(X).transform_blocks(source))
    assert made == []
    next(codes)
    assert made == [0]
