"""
Sequences: a map of city names, letter by letter
================================================

:class:`~skae.SequenceAutoencoder` reads strings of any length as they are. Here these are the names of cities and islands after
which time zones are called. Names that are spelled alike get codes that are close.
"""

import zoneinfo

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from skae import SequenceAutoencoder

zones = sorted(name for name in zoneinfo.available_timezones() if "/" in name)
names = sorted({zone.split("/")[-1].lower() for zone in zones if zone.split("/")[-1].isalpha()})
print(len(names), "names, such as", ", ".join(names[::70]))

model = SequenceAutoencoder(
    code_size=16, vocabulary="".join(sorted(set("".join(names)))), hidden_size=64, max_epochs=60, early_stopping=False, random_state=0
).fit(names)
codes = model.transform(names)
rebuilt = model.reconstruct(names)
same = np.mean([a == b for word, back in zip(names, rebuilt) for a, b in zip(word, back)])
print(f"{same:.0%} of the letters are rebuilt from 16 numbers")

nearest = NearestNeighbors(n_neighbors=4).fit(codes)
for word in ("bangkok", "santiago", "louisville"):
    close = nearest.kneighbors(codes[[names.index(word)]], return_distance=False)[0, 1:]
    print(f"nearest to {word}:", ", ".join(names[i] for i in close))

flat = PCA(2).fit_transform(codes)
figure, ax = plt.subplots(figsize=(9, 6), layout="constrained")
lengths = np.array([len(word) for word in names])
points = ax.scatter(*flat.T, c=lengths, s=10, cmap="viridis", vmax=12)
figure.colorbar(points, label="letters in the name")
for i in np.random.default_rng(1).permutation(len(names))[:60]:
    ax.annotate(names[i], flat[i], fontsize=7)
ax.set(title="names of cities by their codes", xlabel="PCA of the codes", ylabel="")
plt.show()
