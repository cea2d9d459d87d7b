"""
Interpolation: from one digit to another
========================================

Half way between two rows is a blend of both, which is seldom a row of the same kind. Half way
between their codes lies a row that could be: ``interpolate`` goes that way. How far each step
is from the nearest real digit tells the two apart.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from skae import VariationalAutoencoder

X, y = load_digits(return_X_y=True)
model = VariationalAutoencoder(8, random_state=0).fit(X)
nearest = NearestNeighbors(n_neighbors=1).fit(X)

steps = np.linspace(0, 1, 9)
rng = np.random.default_rng(1)
first, last = rng.integers(len(X), size=(2, 200))
blends = X[first, None] + steps[:, None] * (X[last] - X[first])[:, None]
walks = model.interpolate(X[first], X[last], n_steps=len(steps))
figure, (top, bottom) = plt.subplots(2, 1, figsize=(9, 5), layout="constrained")
for name, rows in [("between pixels", blends), ("between codes", walks)]:
    distances = nearest.kneighbors(rows.reshape(-1, 64))[0].reshape(200, -1).mean(axis=0)
    print(f"{name}: half way, {distances[4]:.1f} from the nearest real digit")
    top.plot(steps, distances, "o-", label=name)
top.set(xlabel="part of the way", ylabel="distance to the\nnearest digit", ylim=(0, None))
top.legend()

shown = np.r_[blends[0], walks[0]].reshape(2, 9, 8, 8).swapaxes(1, 2).reshape(16, 72)
bottom.imshow(shown, cmap="gray_r", vmin=0, vmax=16)
bottom.set_yticks([3.5, 11.5], ["pixels", "codes"])
bottom.set_xticks([])
plt.show()
