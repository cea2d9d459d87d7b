"""
Inpainting: fill in missing pixels
==================================

A quarter of each digit is missing: NaN, as a table has it. :class:`~skae.DenoisingAutoencoder`
learns to undo a noise of your own: here a square that is hidden, at another place in every
step. Beside it are the mean of each pixel, and the ten nearest digits by what is not missing
(:class:`~sklearn.impute.KNNImputer`), which keep all training rows.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.model_selection import train_test_split

from skae import DenoisingAutoencoder

X_train, X_test = train_test_split(load_digits().data, random_state=0)


def squares(n):
    """Which pixels a square of four by four hides, for each of n images."""
    corners, at = torch.randint(5, (n, 2, 1)), torch.arange(8)
    inside = (corners <= at) & (at < corners + 4)
    return (inside[:, 0, :, None] & inside[:, 1, None, :]).reshape(n, 64)


torch.manual_seed(0)
holes = squares(len(X_test)).numpy()
broken = np.where(holes, np.nan, X_test)

autoencoder = DenoisingAutoencoder(
    code_size=64,
    noise=lambda rows: rows.masked_fill(
        squares(len(rows)), 0
    ),  # 0 is the mean, as of a missing entry
    random_state=0,
).fit(X_train)
filled = {
    "missing": broken,
    "mean": SimpleImputer(keep_empty_features=True).fit(X_train).transform(broken),
    "10 nearest": KNNImputer(n_neighbors=10).fit(X_train).transform(broken),
    "autoencoder": np.where(holes, autoencoder.reconstruct(broken), X_test),
    "whole": X_test,
}

colors = plt.get_cmap("gray_r").with_extremes(bad="tab:orange")
figure, grid = plt.subplots(5, 12, figsize=(9, 4), layout="constrained")
for axes, (name, images) in zip(grid, filled.items(), strict=True):
    error = np.mean((images - X_test)[holes] ** 2)
    axes[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for cell, image in zip(axes, images, strict=False):
        cell.imshow(image.reshape(8, 8), cmap=colors, vmin=0, vmax=16)
        cell.set(xticks=[], yticks=[])
    if name not in ("missing", "whole"):
        print(f"{name}: mean squared error of missing pixels {error:.1f}")
plt.show()
