"""
Denoising: remove noise from images
===================================

:class:`~skae.DenoisingAutoencoder` learns to rebuild digits from noisy copies of them. PCA can
remove noise too, by dropping small components; it is given its best number of components here,
chosen on the test digits.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import DenoisingAutoencoder

X_train, X_test = train_test_split(load_digits().data, random_state=0)
noisy = X_test + np.random.default_rng(0).normal(0, 3, X_test.shape)


def error(images):
    return np.mean((images - X_test) ** 2) / np.mean((noisy - X_test) ** 2)


def by_pca(size):
    pca = PCA(size).fit(X_train)
    return pca.inverse_transform(pca.transform(noisy))


autoencoder = DenoisingAutoencoder(code_size=48, random_state=0).fit(X_train)
cleaned = {
    "noisy": noisy,
    "PCA": min((by_pca(size) for size in range(4, 64, 4)), key=error),
    "autoencoder": autoencoder.denoise(noisy),
    "clean": X_test,
}

figure, grid = plt.subplots(4, 12, figsize=(9, 3.4), layout="constrained")
for axes, (name, images) in zip(grid, cleaned.items(), strict=True):
    print(f"{name}: {error(images):.3f} of the noise is left")
    axes[0].set_ylabel(f"{name}\n{error(images):.0%}", rotation=0, ha="right", va="center")
    for cell, image in zip(axes, images, strict=False):
        cell.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        cell.set(xticks=[], yticks=[])
figure.suptitle("what is left of the noise")
plt.show()
