"""
Feature learning: the directions that embeddings are made of
============================================================

Embeddings of language models are said to be sums of a few out of very many directions, each of
which means something. :class:`~skae.KSparseAutoencoder` (a top-k sparse autoencoder) looks for
them. The embeddings here are made, so that the directions are known: 64 numbers, sums of about
4 out of 128 directions.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA, FastICA

from skae import KSparseAutoencoder

rng = np.random.default_rng(0)
directions = rng.normal(size=(128, 64))
directions /= np.linalg.norm(directions, axis=1, keepdims=True)
active = rng.random((6000, 128)) < 4 / 128
X = (active * rng.uniform(0.5, 1.5, active.shape)) @ directions
X += 0.01 * rng.normal(size=X.shape)

model = KSparseAutoencoder(code_size=128, k=4, selection="batchtopk", random_state=0).fit(X)


def found(learned):
    """For each true direction, the cosine of the learned one that is closest to it."""
    learned = learned / np.linalg.norm(learned, axis=1, keepdims=True)
    return np.abs(directions @ learned.T).max(axis=1)


def dictionary(model):
    """What each unit adds to a row when it is active."""
    units = np.eye(128)
    return model.inverse_transform(units) - model.inverse_transform(np.zeros((1, 128)))


cosines = {
    "PCA": found(PCA(64).fit(X).components_),
    "ICA": found(FastICA(64, random_state=0, max_iter=300, tol=0.01).fit(X).mixing_.T),
    "k-sparse autoencoder": found(dictionary(model)),
}

figure, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
for name, values in cosines.items():
    print(f"{name}: {np.mean(values > 0.9):.0%} of the 128 directions found (cosine above 0.9)")
    ax.hist(values, bins=np.linspace(0, 1, 41), alpha=0.7, label=name)
ax.set(xlabel="cosine with the closest learned direction", ylabel="true directions")
ax.legend(loc="upper left")
plt.show()
