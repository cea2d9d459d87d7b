"""The compressor: bounds held by every entry, containers, damaged bytes, never much worse."""

import contextlib
import io
import pickle
import zlib

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    Autoencoder,
    AutoencoderCompressor,
    ConvolutionalAutoencoder,
    VariationalAutoencoder,
    load,
)
from skae.around import column_codec
from skae.around.container import DamagedBytes, join, split
from skae.around.entropy import LARGEST, bits_after, numbers_of, pack, tokens_of, unpack
from skae.around.fixed_rate import FixedRate
from skae.streams import Blocks

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=", "ignore:Posterior collapse")

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "early_stopping": False, "random_state": 0}


def compressor(code_size=2, **params):
    return AutoencoderCompressor(Autoencoder(code_size, **SMALL), random_state=0, **params)


@pytest.fixture(scope="module")
def table():
    """Eight columns of two hidden numbers, on which a code pays."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(1200, 1))
    return hidden @ rng.normal(size=(1, 30)) + 0.05 * rng.normal(size=(1200, 30))


@pytest.fixture(scope="module")
def fitted(table):
    return compressor(1, max_error="5%").fit(table[::2])


def test_tokens_are_numbers_and_back():
    edges = [0, 1, 15, 16, 17, 31, 32, 1000, 2**20 - 1, 2**20, 2**43, LARGEST]
    numbers = np.array([*edges, *(-n for n in edges)])
    tokens, n_bits, rest = tokens_of(numbers)
    assert_array_equal(bits_after(tokens), n_bits)
    assert_array_equal(numbers_of(tokens, rest), numbers)


@pytest.mark.parametrize("dtype", ["u1", "i8", "f4", "f8", "?"])
def test_columns_alone_come_back_bit_for_bit(dtype):
    column = (100 * np.random.default_rng(0).random(500)).astype(dtype)
    assert_array_equal(unpack(pack(column), dtype, 500), column)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("max_error", [0.5, "1%", "10%"])
def test_every_entry_is_within_the_bound(table, dtype, max_error):
    X = (1000 * table).astype(dtype)
    X[::5, 3] = np.nan
    X[7, 4] = 1e9
    model = compressor(max_error=max_error).fit(X[:600])
    back = model.decompress(model.compress(X))
    assert back.dtype == dtype
    assert_array_equal(np.isnan(back), np.isnan(X))
    error = np.abs(back.astype(np.longdouble) - X)
    assert np.nanmax(error / model.max_error_) <= 1


def test_the_code_is_used_where_it_pays_and_both_beat_columns_alone(table, fitted):
    assert fitted.code_step_ is not None or fitted._codec.prediction.inputs[-1].size
    X = table[1::2]
    content = fitted.compress(X)
    grids = zip(fitted._codec.grids, X.T, strict=True)
    alone = sum(len(pack(grid.numbers(column))) for grid, column in grids)
    assert len(content) < 0.9 * alone
    assert fitted.info(content)["modelled"] == 1


@pytest.mark.parametrize("autoencoder", [VariationalAutoencoder, ConvolutionalAutoencoder])
@pytest.mark.parametrize("step", [0.1, 1.0])
def test_codes_of_other_families_are_decoded(autoencoder, step, monkeypatch):
    monkeypatch.setattr("skae.around.compressor.CODE_STEPS", (step,))
    X = load_digits().images[:300].astype(np.uint8)
    X = X if autoencoder is ConvolutionalAutoencoder else X.reshape(300, -1)
    inner = autoencoder(2, max_epochs=2, early_stopping=False, random_state=0)
    model = AutoencoderCompressor(inner, random_state=0).fit(X)
    assert_array_equal(model.decompress(model.compress(X)), X)


def test_rows_unlike_those_of_fit_take_hardly_more_than_columns_alone(fitted):
    X = np.random.default_rng(1).normal(size=(400, 30)) * 7
    content = fitted.compress(X)
    grids = zip(fitted._codec.grids, X.T, strict=True)
    alone = sum(len(pack(grid.numbers(column))) for grid, column in grids)
    assert len(content) < alone + 400
    assert np.all(np.abs(fitted.decompress(content) - X) <= fitted.max_error_)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_frames_come_back_as_they_were(make):
    rng = np.random.default_rng(0)
    columns = {
        "small": rng.integers(0, 9, 200).astype(np.int8),
        "yes": rng.random(200) > 0.5,
        "price": np.round(rng.normal(5, 2, 200), 2),
        "float": rng.normal(size=200),
        "id": np.arange(200) + 2**60,
    }
    columns["price"][::9] = np.nan
    X = make(columns)
    model = compressor().fit(X)
    back = model.decompress(model.compress(X))
    if make is pd.DataFrame:
        pd.testing.assert_frame_equal(back, X)
        holes = X.astype({"small": "Int8"})
        holes.loc[::4, "small"] = pd.NA
        model = compressor().fit(holes)
        pd.testing.assert_frame_equal(model.decompress(model.compress(holes)), holes)
    else:
        assert back.schema == X.schema
        assert back.fill_nan(None).equals(X.fill_nan(None))


def test_zeros_keep_their_sign_without_loss():
    X = np.random.default_rng(0).integers(-2, 3, (200, 3)).astype(float)
    X[5, 1] = -0.0
    model = compressor().fit(X)
    back = model.decompress(model.compress(X))
    assert_array_equal(back.view(np.int64), X.view(np.int64))


def test_changed_bytes_are_refused(fitted, table):
    content = fitted.compress(table[:50])
    rng = np.random.default_rng(0)
    for _ in range(2000):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
        with pytest.raises(DamagedBytes):
            fitted.decompress(bytes(damaged[: rng.integers(len(content)) or None]))
        with pytest.raises(DamagedBytes):
            fitted.decompress(bytes(damaged))


def test_changes_that_the_checksum_does_not_show_end_in_errors(fitted, table):
    """As by someone who makes the checksum anew: an error, or rows, but nothing else."""
    X = table[:50]
    content = fitted.compress(X)[:-4]
    rng = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
        damaged += zlib.crc32(damaged).to_bytes(4, "little")
        with contextlib.suppress(ValueError):  # of ours, or one that says what is wrong
            assert np.shape(fitted.decompress(damaged))[1] == 30


def test_another_model_and_other_answers_are_refused(fitted, table, monkeypatch):
    content = fitted.compress(table)
    other = clone(fitted).fit(table[:300])
    with pytest.raises(ValueError, match="fingerprint"):
        other.decompress(content)
    expected = column_codec.ColumnCodec.decode.__globals__["zlib"].crc32
    monkeypatch.setattr(column_codec.zlib, "crc32", lambda *args: expected(*args) ^ 1)
    same = fitted._codec.encode(list(table.T), *rebuilt_by(fitted, table))
    monkeypatch.undo()
    with pytest.raises(ValueError, match="answers otherwise"):
        fitted._codec.decode(same[0] | {"n": len(table)}, same[1], ["<f8"] * 30, fitted._rebuilt)


def rebuilt_by(model, X):
    if model.code_step_ is None:
        return None, None
    code = model._code(X)
    return code, model._rebuilt(code)


def test_threads_and_files_change_nothing(fitted, table):
    content = fitted.compress(table)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert fitted.compress(table) == content
    finally:
        torch.set_num_threads(threads)
    file = io.BytesIO()
    fitted.save(file)
    assert_array_equal(load(file).decompress(content), fitted.decompress(content))


def test_a_grid_search_over_code_sizes_is_scored_by_bits(table):
    grid = {"autoencoder__code_size": [1, 2]}
    search = GridSearchCV(compressor(max_error="5%"), grid, cv=2).fit(table[:200])
    assert -64 < search.best_score_ < 0


@pytest.mark.parametrize("max_error", [-1, "x%", "0.1", [1, 2], np.nan])
def test_bounds_that_are_none(table, max_error):
    with pytest.raises(ValueError, match="max_error"):
        compressor(max_error=max_error).fit(table)


def test_texts_are_refused():
    with pytest.raises(ValueError, match="'a'"):
        compressor().fit(pd.DataFrame({"a": ["x", "y"], "b": [1, 2]}))


# -- a rate -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def curved():
    """Rows near a surface of two dimensions."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(600, 2))
    return np.tanh(z @ rng.normal(size=(2, 8))) + 0.02 * rng.normal(size=(600, 8))


def at_rate(rate, X, **settings):
    return AutoencoderCompressor(
        Autoencoder(2, hidden_layer_sizes=(32,), **settings), rate=rate, random_state=0
    ).fit(X)


@pytest.mark.parametrize("rate", [1, 5, 8, 13, 24])
def test_a_rate_is_the_size_of_codes(rate, curved):
    compressor = at_rate(rate, curved[:400])
    codes = compressor.transform(curved[400:])
    assert codes.shape == (200, -(-rate // 8))
    assert codes.dtype == np.uint8
    assert compressor.code_bits_.sum() == rate
    padding = np.unpackbits(codes, axis=1)[:, rate:]
    assert not padding.any()
    content = compressor.compress(curved[400:])
    assert codes.nbytes < len(content) < codes.nbytes + 400
    rebuilt = compressor.inverse_transform(codes)
    assert_array_equal(compressor.decompress(content), rebuilt)
    errors = np.square(rebuilt - curved[400:]).sum(1)
    assert compressor.score(curved[400:]) == pytest.approx(-errors.mean())


def test_more_bits_less_error_down_to_that_of_the_code(curved):
    scores = [at_rate(rate, curved[:400]).score(curved[400:]) for rate in (2, 6, 10, 24)]
    assert (np.diff(scores) > 0).all()
    whole = at_rate(24, curved[:400])
    unrounded = whole.autoencoder_.reconstruct(curved[400:]) - curved[400:]
    assert scores[-1] == pytest.approx(-np.square(unrounded).sum(1).mean(), rel=0.02)


def test_bits_go_where_the_row_depends_on_the_code():
    """Of a linear map all is known: twice the standard deviation is one bit more."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 4)) * [8, 4, 2, 1]
    pca = AutoencoderCompressor(Autoencoder(4, max_epochs=0), rate=14, random_state=0).fit(X)
    assert_array_equal(pca.code_bits_, [5, 4, 3, 2])
    # the distortion of Lloyd-Max levels of a normal distribution, by Max (1960)
    known = {2: 0.1175, 3: 0.03454, 4: 0.009497, 5: 0.002499}
    expected = sum(known[b] * v for b, v in zip([5, 4, 3, 2], X.var(axis=0), strict=True))
    assert -pca.score(X) == pytest.approx(expected, rel=0.08)


def test_a_scale_of_the_code_changes_nothing(curved):
    """Codes of a first number that is a thousand times too large: the slope says what it is."""
    quantizer = FixedRate(8).learn(curved[:, :2], lambda codes: codes)
    stretch = np.array([1000.0, 1.0])
    other = FixedRate(8).learn(curved[:, :2] * stretch, lambda codes: codes / stretch)
    assert_allclose(
        other.unpack(other.pack(curved[:, :2] * stretch)) / stretch,
        quantizer.unpack(quantizer.pack(curved[:, :2])),
        atol=1e-3,
    )


def test_containers_come_back_from_a_rate(curved):
    frame = pd.DataFrame(curved, columns=list("abcdefgh"))
    frame["a"] = (10 * frame["a"]).round().astype("int16")
    frame["b"] = frame["b"] > 0
    compressor = at_rate(24, frame)
    back = compressor.decompress(compressor.compress(frame))
    assert (back.dtypes == frame.dtypes).all()
    assert (back["b"] == frame["b"]).mean() > 0.8
    images = np.round(curved.reshape(-1, 2, 4) * 50 + 100).astype(np.uint8)
    maker = ConvolutionalAutoencoder(2, channels=(4,), max_epochs=1, random_state=0)
    compressor = AutoencoderCompressor(maker, rate=24, random_state=0).fit(images)
    back = compressor.decompress(compressor.compress(images))
    assert back.shape == images.shape
    assert back.dtype == np.uint8
    assert compressor.inverse_transform(compressor.transform(images)).shape == images.shape


def test_a_rate_in_a_search_and_a_pipeline(curved):
    make = AutoencoderCompressor(Autoencoder(2, max_epochs=0), rate=12, random_state=0)
    search = GridSearchCV(make, {"autoencoder__code_size": [1, 4], "rate": [12]}, cv=2).fit(curved)
    assert search.best_params_["autoencoder__code_size"] == 4
    assert_array_equal(clone(make).fit_transform(curved), make.fit(curved).transform(curved))
    codes = make_pipeline(StandardScaler(), clone(make)).fit_transform(curved)
    assert codes.dtype == np.uint8


def test_a_rate_in_files_and_damaged_bytes(curved, tmp_path):
    compressor = at_rate(13, curved, max_epochs=0)
    compressor.save(tmp_path / "c.skae")
    same = load(tmp_path / "c.skae")
    content = compressor.compress(curved)
    assert_array_equal(same.decompress(content), compressor.decompress(content))
    assert pickle.loads(pickle.dumps(compressor)).compress(curved) == content
    other = at_rate(12, curved, max_epochs=0)
    with pytest.raises(ValueError, match="fingerprint"):
        other.decompress(content)
    for damaged in (content[:-7], content[:50] + b"x" + content[51:]):
        with pytest.raises(ValueError, match="damaged"):
            compressor.decompress(damaged)


@pytest.mark.parametrize(
    ("X", "text"),
    [
        (np.zeros((3, 2)), "from 0 to 255"),
        (np.zeros((3, 5), int), "2 integers"),
        (np.full((3, 2), 256), "from 0 to 255"),
        (np.full((3, 2), -1), "from 0 to 255"),
    ],
)
def test_what_are_no_codes(X, text, curved):
    with pytest.raises(ValueError, match=text):
        at_rate(13, curved, max_epochs=0).inverse_transform(X)


def test_without_a_rate_there_are_no_codes(curved):
    for rate in (0, 2.5, "8"):
        with pytest.raises(ValueError, match="'rate' parameter"):
            at_rate(rate, curved)
    assert not hasattr(AutoencoderCompressor(), "transform")
    assert hasattr(AutoencoderCompressor(rate=8), "transform")


def test_missing_entries_come_back_filled_from_a_rate(curved):
    gappy = np.where(np.random.default_rng(0).random(curved.shape) < 0.1, np.nan, curved)
    compressor = at_rate(16, gappy, max_epochs=0)
    assert np.isfinite(compressor.decompress(compressor.compress(gappy))).all()


@pytest.mark.parametrize("n", [10**12, -1, 2.0, "3", None])
@pytest.mark.parametrize("rate", [None, 16])
def test_forged_headers_take_no_memory(n, rate, curved):
    """The checksum is right, the number of rows is not."""
    make = AutoencoderCompressor(Autoencoder(2, max_epochs=0), rate=rate, random_state=0)
    fitted = make.fit(curved)
    header, parts = split(fitted.compress(curved[:5]))
    with pytest.raises(DamagedBytes, match="rows of 8 numbers"):
        fitted.decompress(join(header | {"n": n}, parts))


# -- files of blocks ----------------------------------------------------------------------------


@pytest.fixture
def file(fitted, table, tmp_path):
    return fitted.compress_blocks(table, tmp_path / "table.skae", block_size=500)


def test_blocks_of_a_file_are_read_alone(fitted, table, file):
    blocks = fitted.decompress_blocks(str(file))
    assert (len(blocks), blocks.n_samples, blocks.starts) == (3, 1200, [0, 500, 1000])
    parts = [fitted.decompress(fitted.compress(table[i : i + 500])) for i in blocks.starts]
    for i in (1, 0, -1):
        assert_array_equal(blocks[i], parts[i])
    assert_array_equal(np.concatenate(list(blocks)), np.concatenate(parts))
    with pytest.raises(IndexError):
        blocks[3]
    assert_array_equal(pickle.loads(pickle.dumps(blocks))[1], parts[1])


def test_files_of_blocks_are_sources(fitted, table, file, tmp_path):
    """From a memory map to a file, and from there to a fit and to another file."""
    np.save(tmp_path / "table.npy", table)
    from_map = fitted.compress_blocks(tmp_path / "table.npy", tmp_path / "again", block_size=500)
    assert from_map.read_bytes() == file.read_bytes()
    blocks = Blocks(fitted.decompress_blocks(file))
    model = Autoencoder(1, **SMALL).fit(blocks)
    assert model.transform(table).shape == (1200, 1)
    assert len(np.load(blocks.write_npy(tmp_path / "back.npy"))) == 1200


def test_files_of_frames_and_of_a_rate(curved, tmp_path):
    frame = pd.DataFrame(curved, columns=[f"c{j}" for j in range(curved.shape[1])])
    model = at_rate(16, frame)
    path = model.compress_blocks(Blocks(frame, block_size=100), tmp_path / "small")
    first = model.decompress_blocks(path)[0]
    pd.testing.assert_frame_equal(first, model.decompress(model.compress(frame[:100])))


def test_files_of_blocks_that_are_damaged(fitted, table, file, tmp_path):
    content = file.read_bytes()
    rng = np.random.default_rng(0)
    bad = tmp_path / "bad"
    for cut in (*rng.integers(len(content), size=50), 0, 3, len(content) - 1):
        bad.write_bytes(content[:cut])
        with pytest.raises(DamagedBytes, match=r"compress_blocks|damaged"):
            fitted.decompress_blocks(bad)
    for _ in range(200):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
        bad.write_bytes(damaged)
        with pytest.raises(DamagedBytes):
            list(fitted.decompress_blocks(bad))
    other = compressor(1, max_error="10%").fit(table[::2])
    with pytest.raises(ValueError, match="made by the compressor with the fingerprint"):
        other.decompress_blocks(file)


def test_a_file_is_there_when_it_is_whole(fitted, table, tmp_path):
    def source():
        yield table[:100]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        fitted.compress_blocks(source, tmp_path / "never")
    with pytest.raises(ValueError, match="no rows"):
        fitted.compress_blocks(list, tmp_path / "never")
    assert not list(tmp_path.iterdir())
