"""Codes of vectors from a codebook."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from skae import DenoisingAutoencoder, VectorQuantizedAutoencoder
from skae.model_selection import reconstruction_r2
from skae.nn.vector_quantizer import VectorQuantizer

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")
QUICK = {
    "code_size": 4,
    "embedding_size": 2,
    "codebook_size": 16,
    "hidden_layer_sizes": (8,),
    "max_epochs": 3,
    "early_stopping": False,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def ae(X):
    return VectorQuantizedAutoencoder(**QUICK).fit(X)


@pytest.fixture(scope="module")
def trained(digits):
    return VectorQuantizedAutoencoder(16, codebook_size=64, random_state=0).fit(digits[:1200])


def test_codes_consist_of_the_nearest_vectors(ae, X):
    codes = ae.transform(X).reshape(80, 2, 2)
    with torch.no_grad():
        x = torch.from_numpy((X - ae.center_) / ae.scale_).float()
        continuous = ae.net_.module_.encoder(x).numpy().reshape(80, 2, 2)
    distances = ((continuous[:, :, None] - ae.codebook_) ** 2).sum(-1)
    assert_allclose(codes, ae.codebook_[distances.argmin(-1)], atol=1e-5)


def test_indices_and_vectors_say_the_same(ae, X):
    numbers = VectorQuantizedAutoencoder(output="indices", **QUICK).fit(X)
    indices = numbers.transform(X)
    assert indices.shape == (80, 2)
    assert indices.dtype.kind == "i"
    assert_allclose(numbers.codebook_[indices].reshape(80, 4), ae.transform(X), atol=1e-6)
    assert_allclose(
        numbers.inverse_transform(indices), ae.inverse_transform(ae.transform(X)), atol=1e-5
    )
    assert len(numbers.get_feature_names_out()) == 2
    assert_allclose(numbers.sample(5, random_state=0), ae.sample(5, random_state=0), atol=1e-5)


def test_the_default_size_of_a_vector_divides_the_code(X):
    for code_size, size in ((3, 3), (8, 4), (5, 1), (6, 3), (None, 4)):
        params = {**QUICK, "code_size": code_size, "embedding_size": "auto"}
        ae = VectorQuantizedAutoencoder(**params).fit(X)
        assert ae.embedding_size_ == size
        assert ae.transform(X).shape == (80, code_size or 4)


def test_perplexity_counts_the_vectors_in_use(ae, X):
    codes = ae.transform(X).reshape(-1, 2)
    _, counts = np.unique(codes, axis=0, return_counts=True)
    shares = counts / counts.sum()
    assert ae.perplexity_ == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert 1 <= ae.perplexity_ <= 16


def test_the_vectors_become_the_means_of_what_chooses_them():
    quantizer = VectorQuantizer(2, 1, decay=0.9).train()
    quantizer.start_at(torch.tensor([[-1.0], [1.0]]))
    pieces = torch.tensor([[-3.0], [-2.0], [2.0], [3.0]])
    for _ in range(200):
        quantizer(pieces)
    assert_allclose(quantizer.codebook[:, 0], [-2.5, 2.5], atol=1e-3)
    frozen = quantizer.codebook.clone()
    quantizer.eval()(pieces + 5)
    assert torch.equal(quantizer.codebook, frozen)


def test_a_vector_that_is_not_chosen_moves_to_where_there_are_codes():
    torch.manual_seed(0)
    quantizer = VectorQuantizer(2, 1, decay=0.5).train()
    quantizer.start_at(torch.tensor([[0.0], [1e3]]))
    for _ in range(20):
        quantizer(torch.randn(64, 1))
    assert quantizer.codebook.abs().max() < 5


def test_the_gradient_passes_straight_through():
    quantizer = VectorQuantizer(4, 2, decay=0.9).eval()
    quantizer.start_at(torch.randn(4, 2))
    code = torch.randn(3, 6, requires_grad=True)
    weights = torch.randn(3, 6)
    (quantizer(code) * weights).sum().backward()
    assert_allclose(code.grad, weights)


def test_it_learns_and_uses_its_vectors(trained, digits):
    start = VectorQuantizedAutoencoder(16, codebook_size=64, max_epochs=0, random_state=0)
    start.fit(digits[:1200])
    r2 = reconstruction_r2(trained, digits[1200:])
    assert r2 > reconstruction_r2(start, digits[1200:]) + 0.02
    # Four numbers below 64 a row; one of k-means in 64 clusters says far less.
    means = KMeans(64, n_init=1, random_state=0).fit(digits[:1200])
    rebuilt = means.cluster_centers_[means.predict(digits[1200:])]
    assert r2 > 1 - ((digits[1200:] - rebuilt) ** 2).sum() / digits[1200:].var(0).sum() / 597 + 0.05
    assert trained.perplexity_ > 32


def test_it_starts_at_pca_in_quantised_codes(digits):
    ae = VectorQuantizedAutoencoder(4, codebook_size=256, max_epochs=0, random_state=0).fit(digits)
    codes = PCA(4, random_state=0).fit((digits - digits.mean(0)) / ae.scale_)
    codes = codes.transform((digits - digits.mean(0)) / ae.scale_)
    away = ((ae.transform(digits) - codes) ** 2).sum() / (codes**2).sum()
    assert away < 0.1


class DenoisingVQ(DenoisingAutoencoder, VectorQuantizedAutoencoder):
    pass


def test_it_crosses_with_denoising(X):
    ae = DenoisingVQ(noise_level=0.2, **QUICK).fit(X)
    assert len(np.unique(ae.transform(X).reshape(-1, 2), axis=0)) <= 16
    quiet = DenoisingVQ(noise_level=0.0, **QUICK).fit(X)
    assert_array_equal(quiet.transform(X), VectorQuantizedAutoencoder(**QUICK).fit(X).transform(X))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"code_size": 3}, "code_size=3 is no multiple of embedding_size=2"),
        ({"codebook_size": 0}, "'codebook_size'"),
        ({"embedding_size": 0}, "'embedding_size'"),
        ({"commitment": -1.0}, "'commitment'"),
        ({"decay": 1.0}, "'decay'"),
        ({"output": "codes"}, "'output'"),
    ],
)
def test_bad_parameters(params, message, X):
    with pytest.raises(ValueError, match=message):
        VectorQuantizedAutoencoder(**{**QUICK, **params}).fit(X)


@pytest.mark.parametrize(("codebook_size", "dtype"), [(16, "u1"), (256, "u1"), (257, "u2")])
def test_bytes_are_the_numbers_in_the_smallest_type(codebook_size, dtype, X):
    settings = {**QUICK, "codebook_size": codebook_size}
    numbers = VectorQuantizedAutoencoder(output="indices", **settings).fit(X)
    small = VectorQuantizedAutoencoder(output="bytes", **settings).fit(X)
    codes = small.transform(X)
    assert codes.dtype == np.dtype(dtype)
    assert (codes == numbers.transform(X)).all()
    assert_allclose(small.inverse_transform(codes), numbers.inverse_transform(codes))
    assert small.get_feature_names_out().shape == (codes.shape[1],)


@pytest.mark.parametrize("indices", [[[0, 16]], [[-1, 0]], [[0.5, 0]], [[0, 0, 0]]])
def test_numbers_of_no_vector(indices, X):
    ae = VectorQuantizedAutoencoder(output="indices", **QUICK).fit(X)
    with pytest.raises(ValueError, match="X must be 2 integers from 0 to 15 a row"):
        ae.inverse_transform(indices)
