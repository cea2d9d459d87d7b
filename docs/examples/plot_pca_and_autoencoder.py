"""
Dimension reduction: PCA and an autoencoder at equal code size
==============================================================

Handwritten digits of 64 pixels are reduced to a few numbers and rebuilt, by PCA and by
:class:`~skae.Autoencoder`, which starts at PCA's solution and learns the curvature that a linear map
misses. Both are judged on rows that they have not seen.
"""

# sphinx_gallery_thumbnail_number = 1
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import Autoencoder

X_train, X_test = train_test_split(load_digits().data, random_state=0)


def held_out_error(model):
    rebuilt = model.inverse_transform(model.transform(X_test))
    return np.mean((X_test - rebuilt) ** 2) / np.mean((X_test - X_train.mean(axis=0)) ** 2)


sizes = [2, 4, 8, 16]
pcas = [PCA(size).fit(X_train) for size in sizes]
autoencoders = [Autoencoder(code_size=size, random_state=0).fit(X_train) for size in sizes]
errors = {
    "PCA": [held_out_error(model) for model in pcas],
    "Autoencoder": [held_out_error(model) for model in autoencoders],
}
for size, pca, autoencoder in zip(sizes, *errors.values(), strict=True):
    print(f"code size {size:2}: PCA loses {pca:.1%} of the variance, Autoencoder {autoencoder:.1%}")

# %%
# With eight numbers the autoencoder rebuilds about what PCA does with sixteen.

figure = plt.figure(figsize=(9, 3.6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.3])
ax = left.subplots()
for name, values in errors.items():
    ax.plot(sizes, values, "o-", label=name)
ax.set(xlabel="code size", ylabel="share of variance lost", xscale="log", ylim=(0, None))
ax.set_xticks(sizes, sizes)
ax.minorticks_off()
ax.legend()

at = sizes.index(8)
lines = {
    "digit": X_test,
    "PCA": pcas[at].inverse_transform(pcas[at].transform(X_test)),
    "autoencoder": autoencoders[at].reconstruct(X_test),
}
grid = right.subplots(3, 8)
for axes, (name, images) in zip(grid, lines.items(), strict=True):
    axes[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for cell, image in zip(axes, images, strict=False):
        cell.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        cell.set(xticks=[], yticks=[])
right.suptitle("held-out digits from eight numbers")
plt.show()
