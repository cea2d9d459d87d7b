"""Sequences of numbers and of tokens by recurrent nets."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skae import (
    DenoisingAutoencoder,
    KSparseAutoencoder,
    SequenceAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae.nn.recurrent import Steps, reversed_steps, told

pytestmark = pytest.mark.filterwarnings(
    "ignore:max_epochs=", "ignore:Posterior collapse:UserWarning"
)
QUICK = {
    "code_size": 4,
    "hidden_size": 8,
    "max_epochs": 2,
    "early_stopping": False,
    "random_state": 0,
}
LETTERS = "abcdefgh"
VARIANTS = [
    {},
    {"cell": "lstm"},
    {"n_layers": 2, "dropout": 0.2},
    {"bidirectional": True},
    {"reverse": True},
    {"teacher_forcing": 1.0},
    {"teacher_forcing": 0.5, "reverse": True, "cell": "lstm", "n_layers": 2},
    {"horizon": 2},
    {"horizon": 2, "reverse": True, "teacher_forcing": 1.0},
    {"hidden_layer_sizes": (6,)},
    {"shortcut": None},
]


def over_variants():
    return pytest.mark.parametrize("params", VARIANTS, ids=str)


def waves(n=30, t=12, d=None, seed=0):
    """Waves of random phase and frequency, in one or more channels."""
    rng = np.random.default_rng(seed)
    phases, speeds = rng.uniform(0, 6, (n, 1, d or 1)), rng.uniform(0.3, 0.6, (n, 1, 1))
    X = np.sin(phases + speeds * np.arange(t)[:, None]) + 0.05 * rng.normal(size=(n, t, d or 1))
    return X[..., 0] if d is None else X


def ragged(n=30, d=None, shortest=5, longest=12):
    lengths = np.random.default_rng(1).integers(shortest, longest + 1, n)
    lengths[0] = longest
    return [row[:t] for row, t in zip(waves(n, longest, d), lengths, strict=True)]


def padded(rows, n_steps=None):
    n_steps = n_steps or max(map(len, rows))
    X = np.full((len(rows), n_steps, *rows[0].shape[1:]), np.nan)
    for i, row in enumerate(rows):
        X[i, : len(row)] = row
    return X


def words(n=60, longest=6):
    rng = np.random.default_rng(0)
    return ["".join(rng.choice(list(LETTERS), rng.integers(1, longest + 1))) for _ in range(n)]


# -- numbers ------------------------------------------------------------------------------------


@over_variants()
@pytest.mark.parametrize("d", [None, 1, 3])
def test_any_shape_comes_back(d, params):
    X = waves(20, 10, d)
    ae = SequenceAutoencoder(**{**QUICK, **params}).fit(X)
    codes = ae.transform(X)
    assert codes.shape == (20, 4)
    assert (ae.n_steps_, ae.n_channels_) == (10, d or 1)
    for rows in (ae.inverse_transform(codes), ae.reconstruct(X)):
        assert rows.shape == X.shape
        assert np.isfinite(rows).all()
    # The same numbers, flat: the channels are said once.
    flat = X.reshape(20, -1)
    again = SequenceAutoencoder(**{**QUICK, **params}, n_channels=d).fit(flat)
    assert_allclose(again.transform(flat), codes, atol=1e-6)
    assert again.inverse_transform(codes).shape == flat.shape


@over_variants()
@pytest.mark.parametrize("d", [None, 3])
def test_padded_or_not_is_the_same(d, params):
    rows = ragged(d=d)
    table = padded(rows)
    ae = SequenceAutoencoder(**{**QUICK, **params}).fit(rows)
    other = SequenceAutoencoder(**{**QUICK, **params}).fit(table)
    codes, scores = ae.transform(rows), ae.score_samples(rows)
    assert_array_equal(other.transform(table), codes)
    assert_array_equal(other.score_samples(table), scores)
    assert_allclose(ae.transform(table), codes)
    wider = padded(rows, 20)
    if d is not None:  # in two axes, columns are counted
        assert_allclose(ae.transform(wider), codes)
    # A row says the same alone, where it is padded less.
    for i in (1, 2):
        assert_allclose(ae.transform(rows[i : i + 1]), codes[i : i + 1], rtol=1e-6)
        assert_allclose(ae.score_samples(rows[i : i + 1]), scores[i : i + 1], rtol=1e-6)


@over_variants()
def test_padding_has_no_influence_on_the_training(params):
    """Steps that no row has change neither code nor loss, but for what is drawn at random."""
    params = {**QUICK, **params, "shortcut": None, "dropout": 0.0}
    params["teacher_forcing"] = round(params.get("teacher_forcing", 0))
    rows = ragged(d=2)
    narrow = SequenceAutoencoder(**params).fit(padded(rows))
    wide = SequenceAutoencoder(**params).fit(padded(rows, 15))
    assert wide.n_steps_ == 15
    assert_allclose(wide.loss_curve_, narrow.loss_curve_, rtol=1e-4)
    assert_allclose(wide.transform(rows), narrow.transform(rows), atol=1e-3)


def test_the_encoder_stops_at_the_end_of_each_row():
    ae = SequenceAutoencoder(**{**QUICK, "shortcut": None}, bidirectional=True).fit(ragged())
    module = ae.net_.module_.eval()
    x = torch.randn(3, 12)
    lengths = torch.tensor([[5.0], [12.0], [7.0]])
    after = torch.where(torch.arange(12) < lengths, x, 1e3)
    with torch.no_grad():
        assert_array_equal(module.encode(after, lengths), module.encode(x, lengths))
        assert not torch.equal(module.encode(after), module.encode(x))
        with told(lengths[:1]):
            alone = module.encoder(module.units(x[:1]))
        assert_allclose(module.encode(x, lengths)[:1], alone, atol=1e-6)


def test_rows_come_back_as_long_as_they_were():
    rows = ragged(d=2)
    ae = SequenceAutoencoder(**QUICK).fit(rows)
    rebuilt = ae.reconstruct(rows)
    assert [row.shape for row in rebuilt] == [row.shape for row in rows]
    table = ae.reconstruct(padded(rows))
    assert_array_equal(np.isnan(table), np.isnan(padded(rows)))
    assert_array_equal(table[3, : len(rows[3])], rebuilt[3])
    codes = ae.transform(rows)
    assert np.isfinite(ae.inverse_transform(codes)).all()
    lengths = [len(row) for row in rows]
    assert_array_equal(ae.inverse_transform(codes, lengths=lengths), table)
    # an array of objects is a list, and so is a column of a frame
    objects = np.empty(len(rows), dtype=object)
    objects[:] = rows
    assert_array_equal(ae.transform(objects), codes)
    assert_array_equal(ae.transform(pd.Series(rows)), codes)


def test_lists_of_numbers():
    rows = [row.tolist() for row in ragged()]
    ae = SequenceAutoencoder(**QUICK).fit(rows)
    assert ae.transform(rows).shape == (30, 4)
    # that are by chance of one length, and not the longest
    assert ae.transform([rows[0][:5], rows[1][:5]]).shape == (2, 4)
    assert [len(row) for row in ae.reconstruct([np.array(rows[0][:5])])] == [5]


def test_scores_are_minus_the_error_of_the_observed_entries():
    rows = ragged(d=2)
    rows[3] = rows[3].copy()
    rows[3][1, 0] = np.nan  # missing, and no end
    ae = SequenceAutoencoder(**QUICK).fit(rows)
    scale = ae.scale_[:2]  # each channel has a unit of its own
    rebuilt = ae.reconstruct(rows)
    errors = [np.nanmean(((x - y) / scale) ** 2) for x, y in zip(rows, rebuilt, strict=True)]
    assert_allclose(ae.score_samples(rows), -24 * np.array(errors), rtol=1e-4)
    assert set(ae.predict(rows)) <= {-1, 1}


def test_where_all_rows_are_of_one_length_nan_is_missing():
    X = waves()
    ae = SequenceAutoencoder(**QUICK).fit(X)
    holes = X.copy()
    holes[:, -3:] = np.nan
    filled = np.where(np.isnan(holes), X.mean(0), holes)
    assert_allclose(ae.transform(holes), ae.transform(filled), atol=1e-5)
    assert_allclose(ae.center_, X.mean(0), rtol=1e-5)


def test_the_center_of_steps_that_few_rows_reach():
    rows = [np.full(4, 2.0), np.full(4, 4.0), np.full(5, 6.0), np.full(4, 8.0)]
    ae = SequenceAutoencoder(**QUICK).fit(rows)
    overall = np.concatenate(rows).mean()
    assert_allclose(ae.center_, [5, 5, 5, 5, 0.25 * 6 + 0.75 * overall], rtol=1e-6)


def test_it_starts_at_pca():
    X = waves(100, 12, 2)
    ae = SequenceAutoencoder(5, max_epochs=0, random_state=0).fit(X)
    flat = X.reshape(100, -1) / ae.scale_  # each channel in its own unit
    pca = PCA(5).fit(flat)
    expected = ae.scale_ * pca.inverse_transform(pca.transform(flat))
    assert_allclose(ae.reconstruct(X).reshape(100, -1), expected, atol=1e-3)


def test_it_beats_pca_on_rows_it_has_not_seen():
    X = waves(400, 16)
    train, test = X[:300], X[300:]
    ae = SequenceAutoencoder(3, hidden_size=32, max_epochs=15, early_stopping=False, lr=0.01)
    ae.set_params(random_state=0).fit(train)
    pca = PCA(3).fit(train)
    of_pca = ((test - pca.inverse_transform(pca.transform(test))) ** 2).sum()
    assert ((test - ae.reconstruct(test)) ** 2).sum() < 0.9 * of_pca


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("teacher_forcing", [0.0, 1.0])
def test_without_pca_it_learns_as_well(teacher_forcing, reverse):
    X = waves(300, 10)
    ae = SequenceAutoencoder(
        4, shortcut=None, teacher_forcing=teacher_forcing, reverse=reverse, hidden_size=24,
        early_stopping=False, max_epochs=15, lr=0.02, n_iter_no_change=30, random_state=0,
    ).fit(X[:200])  # fmt: skip
    error = ((X[200:] - ae.reconstruct(X[200:])) ** 2).sum()
    assert error < 0.6 * ((X[200:] - X[:200].mean(0)) ** 2).sum()


def test_teacher_forcing_shows_the_true_steps_in_training_only():
    X = waves()
    ae = SequenceAutoencoder(**QUICK, teacher_forcing=1.0).fit(X)
    module, x = ae.net_.module_, torch.randn(4, 12)
    changed = x.clone()
    changed[:, 5] += 1
    module.train()
    with torch.no_grad(), told(None, x):
        shown = module.decoder(torch.zeros(4, 4))
    with torch.no_grad(), told(None, changed):
        differs = (module.decoder(torch.zeros(4, 4)) != shown).any(0)
    assert_array_equal(torch.nonzero(differs)[:, 0], np.arange(6, 12))
    module.eval()
    with torch.no_grad():
        free = module.decoder(torch.zeros(4, 4))
        assert_array_equal(module(x).reconstruction, module.decoder(module(x).code))
    # What it runs on is what it gave: shown that, it says it again.
    module.train()
    with torch.no_grad(), told(None, free):
        assert_allclose(module.decoder(torch.zeros(4, 4)), free, atol=1e-5)


def test_in_reverse_each_row_begins_with_its_end():
    steps = torch.arange(10.0).view(2, 5, 1)
    assert_array_equal(reversed_steps(steps)[0, :, 0], [4, 3, 2, 1, 0])
    lengths = torch.tensor([[3.0], [5.0]])
    there = reversed_steps(steps, lengths)
    assert_array_equal(there[0, :, 0], [2, 1, 0, 3, 4])
    assert_array_equal(reversed_steps(there, lengths), steps)


def test_steps_fold_and_unfold():
    steps = Steps(3, 2)
    x = torch.arange(12.0).view(2, 6)
    assert_array_equal(steps.inverse(steps(x)), x)
    # With means and dispersions, all means come first.
    both = torch.cat([steps(x), 2 * steps(x)], dim=2)
    assert_array_equal(steps.inverse(both), torch.cat([x, 2 * x], dim=1))


# -- what follows -------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [None, 2])
def test_forecasts_beat_the_last_value_and_the_mean(d):
    X = waves(400, 16, d)
    ae = SequenceAutoencoder(
        6, horizon=4, hidden_size=16, max_epochs=5, early_stopping=False, random_state=0
    ).fit(X[:300])
    past, after = X[300:, :12], X[300:, 12:]
    predicted = ae.forecast(past)
    assert predicted.shape == after.shape
    error = ((predicted - after) ** 2).mean()
    assert error < 0.3 * ((past[:, -1:] - after) ** 2).mean()
    assert error < 0.3 * ((X[:300, 12:].mean(0) - after) ** 2).mean()
    # Only the last steps are read, and those that were rebuilt beside them are the same.
    assert_allclose(ae.forecast(np.concatenate([past[:, :5], past], axis=1)), predicted)
    assert_allclose(ae.reconstruct(X[300:])[:, 12:], predicted, atol=1e-6)
    flat = SequenceAutoencoder(**QUICK, horizon=4, n_channels=d).fit(X.reshape(400, -1))
    assert flat.forecast(past.reshape(100, -1)).shape == (100, 4 * (d or 1))


@over_variants()
def test_codes_say_nothing_of_the_future(params):
    X = waves(d=2)
    ae = SequenceAutoencoder(**{**QUICK, **params, "horizon": 3}).fit(X)
    changed = X.copy()
    changed[:, -3:] += 10
    assert_array_equal(ae.transform(changed), ae.transform(X))
    assert (ae.score_samples(changed) < ae.score_samples(X)).all()


def test_forecasts_of_rows_of_any_length():
    rows = ragged(d=2, shortest=6)
    ae = SequenceAutoencoder(**{**QUICK, "max_epochs": 5}, horizon=2, reverse=True).fit(rows)
    predicted = ae.forecast([row[:-2] for row in rows])
    assert predicted.shape == (30, 2, 2)
    rebuilt = ae.reconstruct(rows)
    assert_allclose(predicted, [row[-2:] for row in rebuilt], atol=1e-6)


def test_it_starts_at_the_best_linear_prediction():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 6))
    X[:, 4:] = X[:, :2] - X[:, 2:4]
    ae = SequenceAutoencoder(4, horizon=2, max_epochs=0, random_state=0).fit(X)
    assert_allclose(ae.forecast(X[:, :4]), X[:, 4:], atol=0.02)


# -- tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params", [p for p in VARIANTS if "horizon" not in p and "shortcut" not in p], ids=str
)
def test_words_come_back(params):
    X = words()
    ae = SequenceAutoencoder(**{**QUICK, **params}, vocabulary=LETTERS).fit(X)
    codes = ae.transform(X)
    assert codes.shape == (60, 4)
    back = ae.inverse_transform(codes)
    assert back.shape == (60,)
    assert all(isinstance(word, str) and set(word) <= set(LETTERS) for word in back)
    assert_array_equal(ae.reconstruct(X), back)
    # as an array of strings, as numbers, as lists of symbols
    assert_array_equal(ae.transform(np.array(X)), codes)
    numbers = [[LETTERS.index(letter) for letter in word] for word in X]
    by_number = SequenceAutoencoder(**{**QUICK, **params}, vocabulary=8).fit(numbers)
    assert_array_equal(by_number.transform(numbers), codes)
    ids = by_number.inverse_transform(codes)
    assert ids.dtype.kind == "i"
    for word, row in zip(back, ids, strict=True):
        assert word == "".join(LETTERS[i] for i in row[row >= 0])
    for filler in (-1, np.nan):
        table = padded([np.array(row) for row in numbers])
        table[np.isnan(table)] = filler
        assert_array_equal(by_number.transform(table), codes)
    listed = SequenceAutoencoder(**{**QUICK, **params}, vocabulary=list(LETTERS)).fit(X)
    assert ["".join(word) for word in listed.inverse_transform(codes)] == list(back)


@pytest.mark.parametrize("params", [{}, {"reverse": True}, {"teacher_forcing": 0.8}], ids=str)
def test_words_are_rebuilt_exactly(params):
    X = words(400, 4)
    ae = SequenceAutoencoder(
        24, vocabulary=LETTERS, hidden_size=48, early_stopping=False, max_epochs=25, batch_size=32,
        n_iter_no_change=20, random_state=0, **params,
    ).fit(X[:360])  # fmt: skip
    assert np.mean(ae.reconstruct(X[:360]) == np.array(X[:360], dtype=object)) > 0.6
    assert np.mean(ae.reconstruct(X[360:]) == np.array(X[360:], dtype=object)) > 0.3


def test_scores_of_tokens_are_nats():
    X = words()
    ae = SequenceAutoencoder(**QUICK, vocabulary=LETTERS).fit(X)
    module = ae.net_.module_.eval()
    logits = module.decoder(torch.from_numpy(ae.transform(X))).unflatten(1, (6, 9))
    log_p = logits.log_softmax(-1).detach().numpy()
    for i, word in enumerate(X[:10]):
        ids = [LETTERS.index(letter) for letter in word] + [8] * (len(word) < 6)
        expected = 6 * np.mean([log_p[i, t, token] for t, token in enumerate(ids)])
        assert ae.score_samples(X)[i] == pytest.approx(expected, rel=1e-4)
    assert ae.loss_curve_[0] < 2 * np.log(9)


def test_words_between_words():
    X = words()
    ae = SequenceAutoencoder(**QUICK, vocabulary=LETTERS).fit(X)
    steps = ae.interpolate("abc", "def", 5)
    assert steps.shape == (5,)
    assert_array_equal(steps[[0, -1]], ae.reconstruct(["abc", "def"]))
    assert ae.interpolate(X[:3], X[3:6], 4).shape == (3, 4)
    assert ae.sample(3, random_state=0).shape == (3,)
    direction = ae.attribute_direction(X, [word[0] for word in X] > np.array("d"))
    assert isinstance(ae.edit("abc", direction), str)
    assert ae.traverse("abc", 0, [-1, 1]).shape == (2,)


def test_words_of_symbols_that_are_no_characters():
    X = [["the", "cat"], ["the", "dog", "sat"], ["cat"]] * 10
    ae = SequenceAutoencoder(**QUICK, vocabulary=["the", "cat", "dog", "sat"]).fit(X)
    assert all(isinstance(row, list) for row in ae.reconstruct(X))
    assert ae.interpolate(["the", "cat"], ["cat"], 3).shape == (3,)


# -- with other things --------------------------------------------------------------------------


def test_rows_between_rows():
    rows = ragged(d=2)
    ae = SequenceAutoencoder(**QUICK).fit(rows)
    assert ae.interpolate(rows[0], rows[1], 5).shape == (5, 12, 2)
    assert ae.interpolate(rows[1], rows[2], 5).shape == (5, 12, 2)
    assert ae.interpolate(rows[:3], rows[3:6], 5).shape == (3, 5, 12, 2)
    assert ae.edit(rows, np.zeros(4)).shape == (30, 12, 2)
    assert ae.sample(3, random_state=0).shape == (3, 12, 2)


def test_in_a_pipeline():
    X = np.concatenate([waves(60, 12, 2), 1.3 * waves(60, 12, 2, seed=1) ** 3])
    y = np.repeat([0, 1], 60)
    pipeline = make_pipeline(SequenceAutoencoder(**QUICK), LogisticRegression(max_iter=1000))
    rows = [row[: 8 + i % 5] for i, row in enumerate(X)]
    assert pipeline.fit(rows, y).predict(rows).shape == (120,)
    frame = pd.DataFrame(waves(), columns=[f"t{i}" for i in range(12)])
    codes = SequenceAutoencoder(**QUICK).set_output(transform="pandas").fit_transform(frame)
    assert codes.shape == (30, 4)


class DenoisingSequences(DenoisingAutoencoder, SequenceAutoencoder):
    pass


class SparseSequences(SparseAutoencoder, SequenceAutoencoder):
    pass


class KSparseSequences(KSparseAutoencoder, SequenceAutoencoder):
    pass


class VariationalSequences(VariationalAutoencoder, SequenceAutoencoder):
    pass


@pytest.mark.parametrize(
    "cls", [DenoisingSequences, SparseSequences, KSparseSequences, VariationalSequences]
)
@pytest.mark.parametrize("horizon", [0, 3])
def test_it_crosses_with_other_families(cls, horizon):
    X = waves(d=2)
    settings = QUICK | ({"tied_weights": False} if cls is KSparseSequences else {})
    ae = cls(**settings, horizon=horizon).fit(X)
    assert ae.reconstruct(X).shape == X.shape
    assert np.isfinite(ae.score_samples(X)).all()
    assert ae.sample(3, random_state=0).shape == (3, 12, 2)
    if horizon:
        assert ae.forecast(X[:, :9]).shape == (30, 3, 2)
    rows = ragged(d=2)
    for early_stopping in (False, True):
        ae = cls(**settings | {"early_stopping": early_stopping}).fit(rows)
        assert np.isfinite(ae.score_samples(rows)).all()


def test_a_variational_one_starts_at_probabilistic_pca():
    X = waves(200, 10, 2)
    start = VariationalSequences(**{**QUICK, "max_epochs": 0}, dispersion="shared").fit(X)
    assert_allclose(
        start.score(X), PCA(4).fit(X.reshape(200, -1)).score(X.reshape(200, -1)), atol=0.1
    )


def test_sequences_become_sequences_of_another_shape():
    X = waves(60, 12, 2)
    target = X[:, ::3, :1]
    ae = SequenceAutoencoder(**{**QUICK, "max_epochs": 5}).fit(X, target=target)
    assert ae.reconstruct(X).shape == target.shape
    assert ae.score(X, target=target) > -((target - target.mean(0)) ** 2).sum() / 60 / 2
    rows = ragged(60, 2)
    ae = SequenceAutoencoder(**QUICK).fit(rows, target=[row[:3] for row in rows])
    assert ae.reconstruct(rows).shape == (60, 3, 2)


def test_one_seed_one_fit_and_pickles():
    rows = ragged()
    first, second = (SequenceAutoencoder(**QUICK, teacher_forcing=0.5).fit(rows) for _ in range(2))
    copied = pickle.loads(pickle.dumps(first))
    for ae in (second, copied):
        assert_array_equal(ae.transform(rows), first.transform(rows))
    assert clone(first).get_params() == first.get_params()
    assert SequenceAutoencoder(**QUICK).partial_fit(rows).partial_fit(rows).n_iter_ == 2


def test_held_out_rows_of_any_length():
    rows = ragged(40)
    ae = SequenceAutoencoder(**{**QUICK, "early_stopping": True}).fit(rows)
    assert len(ae.validation_loss_curve_) == 3
    assert np.isfinite(ae.offset_)


# -- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"cell": "rnn"}, "'cell'"),
        ({"hidden_size": 0}, "'hidden_size'"),
        ({"teacher_forcing": 1.5}, "'teacher_forcing'"),
        ({"tied_weights": True}, "tied_weights=True is for dense layers"),
        ({"horizon": 12}, "horizon=12 .* rows have 12 steps"),
        ({"n_channels": 5}, "n_channels=5 .* 12 columns"),
        ({"teacher_forcing": 1.0, "decoder": torch.nn.Linear}, "built-in decoder"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        SequenceAutoencoder(**{**QUICK, **params}).fit(waves())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"loss": "huber"}, "loss='huber' is for numbers"),
        ({"horizon": 1}, "horizon is for numbers"),
        ({"code_size": 0.9}, "code_size=0.9 is a share"),
    ],
)
def test_bad_parameters_with_a_vocabulary(params, message):
    with pytest.raises(ValueError, match=message):
        SequenceAutoencoder(**{**QUICK, **params}, vocabulary=LETTERS).fit(words())


@pytest.mark.filterwarnings("ignore:.*no observed entry:UserWarning")
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda rows: [*rows[:3], rows[3][:0], *rows[4:]], "Row 3 of X has length 0"),
        (lambda rows: [*rows[:3], rows[3] * np.nan], "no observed entry .*row 3"),
        (lambda rows: [*rows[:3], rows[3][:, :1]], r"Row 3 of X has shape \(\d+, 1\).*\(12, 2\)"),
        (lambda rows: [*rows[:3], rows[3][None]], "Row 3 of X has shape"),
        (lambda rows: [*rows[:3], np.array([["a", "b"]])], "Row 3 of X .* other than numbers"),
        (lambda rows: [np.where(row > 0.5, np.inf, row) for row in rows], "infinity"),
        (lambda rows: [row * [1, np.nan] for row in rows], r"no observed entry in channel.*\[1\]"),
    ],
)
def test_bad_sequences(spoil, message):
    ae = SequenceAutoencoder(**QUICK)
    with pytest.raises(ValueError, match=message):
        ae.fit(spoil(ragged(d=2)))
    assert not hasattr(ae, "net_")


def test_bad_shapes():
    X = waves(d=2)
    ae = SequenceAutoencoder(**QUICK).fit(X)
    with pytest.raises(ValueError, match="sequences of 15 steps, but .* at most 12"):
        ae.transform(waves(t=15, d=2))
    with pytest.raises(ValueError, match=r"rows of shape \(12, 3\), but .*shape \(12, 2\)"):
        ae.transform(waves(d=3))
    with pytest.raises(ValueError, match="23 features.*24"):
        ae.transform(X.reshape(30, -1)[:, :23])
    with pytest.raises(ValueError, match=r"\(2, 3, 4\) are no sequences"):
        SequenceAutoencoder(**QUICK).fit(np.zeros((5, 2, 3, 4)))
    with pytest.raises(ValueError, match="2 numbers at each step, but n_channels is 3"):
        SequenceAutoencoder(**QUICK, n_channels=3).fit(X)
    with pytest.raises(ValueError, match="set horizon="):
        ae.forecast(X)
    ahead = SequenceAutoencoder(**QUICK, horizon=2).fit(X)
    with pytest.raises(ValueError, match="has 7 steps, but forecast reads 10"):
        ahead.forecast(X[:, :7])
    with pytest.raises(ValueError, match="has 3 numbers at each step, but .* 2"):
        ahead.forecast(waves(d=3))
    with pytest.raises(ValueError, match="has 2 steps, but horizon=2"):
        SequenceAutoencoder(**QUICK, horizon=2).fit([*ragged(), np.ones(2)])
    with pytest.raises(ValueError, match="target cannot be combined"):
        SequenceAutoencoder(**QUICK, horizon=2).fit(X, target=X)
    varied = SequenceAutoencoder(**QUICK).fit(ragged())
    for lengths, message in (([3], "shape"), ([0] * 30, "from 1 to 12"), ([13] * 30, "to 12")):
        with pytest.raises(ValueError, match=message):
            varied.inverse_transform(np.zeros((30, 4)), lengths=lengths)


@pytest.mark.parametrize(
    ("vocabulary", "X", "message"),
    [
        (LETTERS, ["abc", "axe"], "Row 1 of X has the token 'x' at step 1.*'abcdefgh'"),
        (LETTERS, ["abc", ""], "Row 1 of X has length 0"),
        (LETTERS, "abc", "list or an array of sequences"),
        (3, [[0, 1], [2, 3]], "Row 1 of X has the token 3 at step 1.*0 to 2"),
        (3, [[0, 1], [-2, 1]], "the token -2 at step 0"),
        (3, [[0, 1], [-1, 1]], "the token -1 at step 0"),
        (3, [[0, 1], [0.5, 1]], "the token 0.5"),
        (3, [[0, 1], [-1, -1]], "Row 1 of X has length 0"),
        (3, [["a"], ["b"]], "no sequence of integers"),
        (["on", "off"], [["on"], ["of"]], "the token 'of'.*'on', 'off'"),
    ],
)
def test_bad_tokens(vocabulary, X, message):
    with pytest.raises(ValueError, match=message):
        SequenceAutoencoder(**QUICK, vocabulary=vocabulary).fit(X)


def test_too_many_tokens():
    ae = SequenceAutoencoder(**QUICK, vocabulary=LETTERS).fit(words())
    with pytest.raises(ValueError, match="sequences of 8 tokens, but .* at most 6"):
        ae.transform(["abcdefgh"])


# -- one long series ------------------------------------------------------------------------------


def long_series(n=800, d=None):
    t = np.arange(n)[:, None] + 5 * np.arange(d or 1)
    series = np.sin(2 * np.pi * t / 20) + 0.05 * np.random.default_rng(0).normal(size=t.shape)
    return series if d else series[:, 0]


@pytest.mark.filterwarnings("ignore:max_epochs")
@pytest.mark.parametrize("d", [None, 2])
def test_a_long_series_goes_on(d):
    series = long_series(d=d)
    ahead = SequenceAutoencoder(6, horizon=10, hidden_size=8, max_epochs=2, random_state=0)
    ahead.fit_series(series[:780])
    assert ahead.n_steps_ == 2 * 20 + 10
    predicted = ahead.forecast(series[:780])
    assert predicted.shape == ((10, d) if d else (10,))
    assert np.mean((predicted - series[780:790]) ** 2) < 0.05 * series.var()


@pytest.mark.filterwarnings("ignore:max_epochs")
def test_gaps_and_what_is_read_of_a_series():
    series, gaps = long_series(), long_series()
    gaps[100:103] = np.nan
    straight = pd.Series(gaps).interpolate().to_numpy()
    ahead = SequenceAutoencoder(6, horizon=10, hidden_size=8, max_epochs=1, random_state=0)
    first = ahead.fit_series(pd.Series(gaps), n_past=15).forecast(series)
    assert ahead.n_steps_ == 25
    assert_allclose(ahead.fit_series(straight, n_past=15).forecast(series), first)
    short = ahead.fit_series(series[:60])
    assert short.n_steps_ == 30  # two windows, though it has only three periods


@pytest.mark.parametrize(
    ("settings", "n_past", "n", "match"),
    [
        ({"horizon": 0}, "auto", 100, "set horizon= to a number"),
        ({"horizon": 5}, 0, 100, "n_past must be an integer of at least 1"),
        ({"horizon": 5}, "all", 100, "n_past must be an integer"),
        ({"horizon": 5}, 20, 49, "49 points, fewer than two windows of 25"),
        ({"horizon": 5}, "auto", 11, "11 points, fewer than two windows of 6"),
    ],
)
def test_series_that_are_refused(settings, n_past, n, match):
    with pytest.raises(ValueError, match=match):
        SequenceAutoencoder(2, **settings).fit_series(np.arange(float(n)), n_past=n_past)


@pytest.mark.parametrize(
    ("series", "match"),
    [
        (pd.DataFrame({"at": pd.date_range("2026", periods=50)}), r"\['at'\] of series are times"),
        (["a"] * 50, r"'a'.*\n.*at fault: \[0\]"),
        (np.full(50, np.inf), "series.*infinity"),
        (np.zeros((5, 5, 5)), "series.*dim 3|dim 3"),
        (3.0, "2D array"),
        (np.full(50, np.nan), "series has no observed entry"),
    ],
)
def test_what_is_no_series(series, match):
    with pytest.raises(ValueError, match=match):
        SequenceAutoencoder(2, horizon=3).fit_series(series)
