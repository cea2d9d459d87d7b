"""The k-sparse autoencoder: exactly k, or a threshold learned of batches; and who stays alive."""

import numpy as np
import pytest
import torch
from helpers import SHORT
from numpy.testing import assert_allclose, assert_array_equal

from skae import KSparseAutoencoder
from skae.families.k_sparse import Annealed, AuxKObjective, geometric_median
from skae.model_selection import reconstruction_r2
from skae.nn.autoencoder import find
from skae.nn.mlp import MLP
from skae.nn.top_k import BatchTopK, Shift, TopKEncoderDecoder, UnitLinear, top_k
from skae.rows.given import Given

SHORT = {**SHORT, "code_size": 24, "hidden_layer_sizes": (), "k": 5}
pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")


# -- exactly k ----------------------------------------------------------------------------------


def test_top_k_keeps_exactly_k_ties_included():
    activations = torch.tensor([[3.0, 1.0, 2.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0, 1.0]])
    for k in (1, 2, 3, 4, 5):
        kept = top_k(activations, k)
        assert ((kept != 0).sum(1) == k).all()
        assert torch.equal(kept[kept != 0], activations[kept != 0])
    assert torch.equal(top_k(activations, 1)[0], torch.tensor([3.0, 0, 0, 0, 0]))


@pytest.mark.parametrize("alpha", [1.0, 1.5, 3.0, 100.0])
def test_codes_have_exactly_alpha_k_entries(alpha, X):
    ae = KSparseAutoencoder(**SHORT, alpha=alpha).fit(X)
    # duplicates and a row far off among them
    rows = np.vstack([X, X[:3], 100 * X[:1]])
    expected = min(round(alpha * 5), 24)
    assert ((ae.transform(rows) != 0).sum(axis=1) == expected).all()
    assert ae.l0_ == expected


def test_scores_are_those_of_k_entries_whatever_alpha(X):
    one, three = (KSparseAutoencoder(**SHORT, alpha=alpha).fit(X) for alpha in (1.0, 3.0))
    assert_array_equal(one.score_samples(X), three.score_samples(X))
    assert_array_equal(one.reconstruct(X), three.reconstruct(X))
    assert_allclose(one.reconstruct(X), one.inverse_transform(one.transform(X)), rtol=1e-12)


def test_k_falls_to_its_target_in_the_first_half():
    annealed = Annealed(100, 25)
    ks = [annealed(progress) for progress in np.linspace(0, 1, 21)]
    assert ks[0] == 100
    assert ks[5] == round(100 - 75 / 2)
    assert set(ks[10:]) == {25}
    assert (np.diff(ks) <= 0).all()


def test_training_follows_the_schedule(X):
    ae = KSparseAutoencoder(**SHORT).fit(X)
    module = ae.net_.module_.train()
    x = ae._as_rows(Given(X)).x
    for progress, k in ((0.0, 20), (1.0, 5)):
        module.progress = progress
        assert ((module(x).code != 0).sum(1) == k).all()
    module.eval()
    module.progress = 0.0
    assert ((module(x).code != 0).sum(1) == 5).all()


def test_training_does_not_stall_while_k_still_falls(digits):
    # held-out rows are judged with k entries, and suffer as long as training keeps more
    ae = KSparseAutoencoder(128, k=32, n_iter_no_change=5, random_state=0).fit(digits[:1300])
    assert ae.n_iter_ > len(ae.validation_loss_curve_) / 2
    assert reconstruction_r2(ae, digits[1300:]) > 0.93


# -- batch top-k --------------------------------------------------------------------------------


def test_batch_top_k_keeps_k_a_row_on_average_and_learns_the_threshold():
    generator = torch.Generator().manual_seed(0)
    selection = BatchTopK(k=3, k_encode=6).train()
    for _ in range(100):
        activations = torch.randn(64, 20, generator=generator)
        assert (selection(activations, 3) != 0).sum() == 3 * 64
        assert (selection(activations, 10) != 0).sum() == 10 * 64  # while annealing
    new = torch.randn(5000, 20, generator=generator)
    selection.eval()
    assert (selection(new, 3) != 0).sum(1).float().mean().item() == pytest.approx(3, rel=0.1)
    assert (selection.encode(new) != 0).sum(1).float().mean().item() == pytest.approx(6, rel=0.1)


def test_batch_top_k_spends_more_on_some_rows(digits):
    train, test = digits[:1300], digits[1300:]
    ae = KSparseAutoencoder(128, k=8, selection="batchtopk", random_state=0).fit(train)
    counts = (ae.transform(test) != 0).sum(axis=1)
    assert counts.mean() == pytest.approx(8, rel=0.15)
    assert counts.std() > 1
    assert reconstruction_r2(ae, test) > 0.8
    for i in (0, 100, 200):  # alone as in company
        assert_allclose(ae.transform(test[i : i + 1])[0], ae.transform(test)[i], rtol=1e-7)


# -- dead units ---------------------------------------------------------------------------------


def test_idle_counts_the_rows_since_a_unit_was_kept(X):
    ae = KSparseAutoencoder(**SHORT).fit(X)
    module, x = ae.net_.module_.train(), ae._as_rows(Given(X)).x
    module.idle.zero_()
    code = module(x).code
    assert_array_equal(module.idle, np.where((code != 0).any(0), 0, len(X)))
    module(x)
    assert module.idle.max() == 2 * len(X)
    module.eval()
    module(x)
    assert module.idle.max() == 2 * len(X)


def test_the_auxiliary_loss_rebuilds_the_residual_by_dead_units_only(X):
    ae = KSparseAutoencoder(**SHORT, aux_weight=0.5, dead_after=10, tied_weights=False).fit(X)
    module, rows = ae.net_.module_.train(), ae._as_rows(Given(X))
    module.progress = 1.0
    output = module(rows.x)
    objective = ae.net_.criterion_
    module.idle.zero_()
    assert objective.penalty(output, rows, module) is None
    dead = torch.arange(24) < 7
    module.idle.copy_(20 * dead)
    penalty = objective.penalty(output, rows, module)
    weight, code = find(module.decoder, MLP)[0].weight, top_k(output.activations[:, :7], 3)
    residual = rows.target - output.reconstruction
    expected = 0.5 * (residual - code @ weight[:, :7].T).square().mean()
    assert penalty.item() == pytest.approx(expected.item(), rel=1e-4)
    module.zero_grad()
    penalty.backward()
    gradient = find(module.encoder, MLP)[0].weight.grad
    assert (gradient[:7].abs().sum(1) > 0).any()
    assert (gradient[7:] == 0).all()
    module.eval()
    assert objective.penalty(output, rows, module) is None


def test_the_auxiliary_loss_keeps_units_alive(digits):
    settings = {
        "k": 4,
        "k_schedule": "constant",
        "tied_weights": False,
        "early_stopping": False,
        "max_epochs": 150,
        "random_state": 0,
    }
    with_it, without = (
        KSparseAutoencoder(512, **settings, aux_weight=weight, dead_after=1000).fit(digits)
        for weight in (1 / 32, 0)
    )
    assert without.dead_fraction_ > 0.4
    assert with_it.dead_fraction_ < without.dead_fraction_ / 3
    assert with_it.loss_curve_[-1] < without.loss_curve_[-1]


def test_dead_after_goes_with_the_density_of_the_code(X):
    ae = KSparseAutoencoder(**SHORT).fit(X)
    assert isinstance(ae.net_.criterion_, AuxKObjective)
    assert ae.net_.criterion_.dead_after == 100 * 24 // 5


# -- bias, norm, ties ---------------------------------------------------------------------------


def test_geometric_median_is_where_unit_vectors_cancel():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(201, 3, generator=generator).double() ** 3 + 1
    center = geometric_median(x)
    directions = torch.nn.functional.normalize(x - center, dim=1)
    assert directions.mean(0).norm() < 1e-3
    assert (x.mean(0) - center).norm() > 0.01


@pytest.mark.parametrize("pre_bias", ["geometric_median", "median", "mean"])
def test_pre_bias_starts_where_it_should(pre_bias, X):
    ae = KSparseAutoencoder(**{**SHORT, "max_epochs": 0}, pre_bias=pre_bias).fit(X)
    x = ae._as_rows(Given(X)).x
    expected = {
        "geometric_median": geometric_median(x),
        "median": x.median(0).values,
        "mean": x.new_zeros(6),
    }
    shift = find(ae.net_.module_.encoder, Shift)
    assert_allclose(shift.bias.detach(), expected[pre_bias], atol=1e-6)
    assert find(ae.net_.module_.decoder, Shift).bias is shift.bias


@pytest.mark.parametrize("tied_weights", [True, False])
def test_unit_norm_decoder_columns(tied_weights, X):
    ae = KSparseAutoencoder(**SHORT, unit_norm=True, tied_weights=tied_weights).fit(X)
    assert find(ae.net_.module_, UnitLinear) is not None
    columns = ae.inverse_transform(np.eye(24)) - ae.inverse_transform(np.zeros((1, 24)))
    assert_allclose(np.linalg.norm(columns, axis=1), ae.scale_, rtol=1e-6)
    free = KSparseAutoencoder(**SHORT, tied_weights=tied_weights).fit(X)
    columns = free.inverse_transform(np.eye(24)) - free.inverse_transform(np.zeros((1, 24)))
    assert np.std(np.linalg.norm(columns, axis=1)) > 0.01


def test_the_defaults_are_the_papers(X):
    ae = KSparseAutoencoder(random_state=0).fit(X)
    module = ae.net_.module_
    assert isinstance(module, TopKEncoderDecoder)
    assert ae.code_size_ == 12
    assert len(find(module.encoder, MLP)) == 1
    weight = find(module.encoder, MLP)[0].weight
    columns = ae.inverse_transform(np.eye(12)) - ae.inverse_transform(np.zeros((1, 12)))
    assert_allclose(columns / ae.scale_, weight.detach(), atol=1e-5)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"k": 0}, "'k' parameter"),
        ({"k": 2.5}, "'k' parameter"),
        ({"k": 25}, "k=25 .* codes of 24 numbers"),
        ({"alpha": 0.5}, "alpha"),
        ({"selection": "all"}, "selection"),
        ({"k_schedule": "cosine"}, "k_schedule"),
        ({"aux_weight": -1}, "aux_weight"),
        ({"aux_k": 0}, "aux_k"),
        ({"dead_after": 0}, "dead_after"),
        ({"unit_norm": True, "shortcut": "linear"}, "unit_norm=True"),
    ],
)
def test_bad_parameters(params, match, X):
    with pytest.raises(ValueError, match=match):
        KSparseAutoencoder(**{**SHORT, **params}).fit(X)
