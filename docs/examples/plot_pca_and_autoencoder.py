"""
Dimension reduction: PCA and an autoencoder at equal code size
==============================================================

Handwritten digits of 64 pixels are reduced to a few numbers and rebuilt, by PCA and by
:class:`~skae.Autoencoder`, which starts at PCA's solution and learns the curvature that a
linear map misses. Both are judged on rows that they have not seen.
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

figure, (left, right) = plt.subplots(
    1, 2, figsize=(9.5, 3.4), width_ratios=[1, 1.5], layout="constrained"
)
for name, values in errors.items():
    left.plot(sizes, values, "o-", label=name)
left.set(xlabel="code size", ylabel="share of variance lost", xscale="log", ylim=(0, None))
left.set_xticks(sizes, sizes)
left.minorticks_off()
left.legend()

at = sizes.index(8)
lines = {
    "digit": X_test,
    "PCA": pcas[at].inverse_transform(pcas[at].transform(X_test)),
    "autoencoder": autoencoders[at].reconstruct(X_test),
}
shown = np.stack([rows[:7].reshape(7, 8, 8) for rows in lines.values()])
shown = np.pad(shown, [(0, 0), (0, 0), (1, 1), (1, 1)])
right.imshow(shown.swapaxes(1, 2).reshape(30, 70), cmap="gray_r", vmin=0, vmax=16)
right.set_yticks([4.5, 14.5, 24.5], lines)
right.set(xticks=[], title="held-out digits from eight numbers")
plt.show()
