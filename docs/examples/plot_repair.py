"""
Repair: remove scratches, learned from pairs
============================================

With pairs of rows, marked and clean, an autoencoder learns to make the one of the other:
``fit(marked, target=clean)``. Here these are digits through which a line is drawn across and
another down, at random places. Ridge regression, the best linear map, does not find out where
the lines are.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split

from skae import Autoencoder

clean = load_digits().data
marked = clean.reshape(-1, 8, 8).copy()
rng, rows = np.random.default_rng(0), np.arange(len(clean))
marked[rows, rng.integers(8, size=len(rows))] = 16
marked[rows, :, rng.integers(8, size=len(rows))] = 16
X_train, X_test, T_train, T_test = train_test_split(
    marked.reshape(clean.shape), clean, random_state=0
)

ridge = RidgeCV(np.logspace(-3, 4, 10)).fit(X_train, T_train)
autoencoder = Autoencoder(code_size=32, random_state=0).fit(X_train, target=T_train)
repaired = {
    "marked": X_test,
    "ridge": ridge.predict(X_test),
    "autoencoder": autoencoder.reconstruct(X_test),
    "clean": T_test,
}

variance = np.mean((T_test - T_train.mean(axis=0)) ** 2)
figure, grid = plt.subplots(4, 12, figsize=(9, 3.3), layout="constrained")
for axes, (name, images) in zip(grid, repaired.items(), strict=True):
    error = np.mean((images - T_test) ** 2) / variance
    print(f"{name}: error {error:.3f} of the variance")
    axes[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for cell, image in zip(axes, images, strict=False):
        cell.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        cell.set(xticks=[], yticks=[])
plt.show()
