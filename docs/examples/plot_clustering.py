"""
Clustering: k-means on codes
============================

Distances between pixels say little of what a digit is. Clusters of codes follow the digits
better than clusters of pixels or of principal components do, and the middle of a cluster can
be looked at: ``inverse_transform`` of its center is a row again.
"""

import matplotlib.pyplot as plt
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from skae import Autoencoder

X, y = load_digits(return_X_y=True)
autoencoder = Autoencoder(code_size=6, random_state=0).fit(X)
features = {
    "64 pixels": X,
    "6 principal components": PCA(6).fit_transform(X),
    "6 numbers of the autoencoder": autoencoder.transform(X),
}
scores = {}
for name, values in features.items():
    clusters = KMeans(12, n_init=10, random_state=0).fit(values)
    scores[name] = adjusted_rand_score(y, clusters.labels_)
    print(f"{name}: adjusted Rand index {scores[name]:.3f}")

figure = plt.figure(figsize=(9, 3.6), layout="constrained")
left, right = figure.subfigures(1, 2)
ax = left.subplots()
ax.barh(list(scores), list(scores.values()))
ax.invert_yaxis()
ax.set(xlabel="adjusted Rand index", xlim=(0, 1))
grid = right.subplots(3, 4)
centers = autoencoder.inverse_transform(clusters.cluster_centers_)
for cell, image in zip(grid.flat, centers, strict=False):
    cell.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
    cell.set(xticks=[], yticks=[])
right.suptitle("centers of the twelve clusters, rebuilt")
plt.show()
