"""
Sequences: a map of city names, letter by letter
================================================

:class:`~skae.SequenceAutoencoder` reads strings of any length as they are. Here these are the
names of cities and islands after which time zones are called. Names that are spelled alike get
codes that are close.
"""

import warnings
import zoneinfo

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from skae import SequenceAutoencoder

zones = sorted(name for name in zoneinfo.available_timezones() if "/" in name)
names = sorted({zone.split("/")[-1].lower() for zone in zones if zone.split("/")[-1].isalpha()})
print(len(names), "names, such as", ", ".join(names[::70]))

letters = "".join(sorted(set("".join(names))))
warnings.simplefilter(
    "ignore", ConvergenceWarning
)  # few names: all are learned from, for 100 epochs
model = SequenceAutoencoder(
    code_size=16, vocabulary=letters, hidden_size=64, early_stopping=False, max_epochs=100,
    random_state=0,
)  # fmt: skip
model.fit(names)
codes = model.transform(names)
both = zip(names, model.reconstruct(names), strict=True)
same = np.concatenate([np.equal(list(a), list(b.ljust(len(a))[: len(a)])) for a, b in both])
print(f"{same.mean():.0%} of the letters are rebuilt from 16 numbers")

nearest = NearestNeighbors(n_neighbors=4).fit(codes)
for word in ("bangkok", "santiago", "louisville"):
    close = nearest.kneighbors(codes[[names.index(word)]], return_distance=False)[0, 1:]
    print(f"nearest to {word}:", ", ".join(names[i] for i in close))

flat = TSNE(random_state=0).fit_transform(codes)
figure, ax = plt.subplots(figsize=(9, 6), layout="constrained")
lengths = np.array([len(word) for word in names])
points = ax.scatter(*flat.T, c=lengths, s=10, cmap="viridis", vmax=12)
figure.colorbar(points, label="letters in the name")
for i in np.random.default_rng(1).permutation(len(names))[:50]:
    ax.annotate(names[i], flat[i], fontsize=7)
ax.set(title="names of cities by their codes", xticks=[], yticks=[])
plt.show()
