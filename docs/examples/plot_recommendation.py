"""
Recommendation: movies for people who were not there in training
================================================================

People have watched a few of 120 movies. :class:`~skae.MultinomialVariationalAutoencoder`
learns from that what else they would choose, also for people it has not seen. The viewers are
made: each likes two of six genres. Beside it is what everybody watches, and truncated SVD.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse as sp
from sklearn.decomposition import TruncatedSVD

from skae import MultinomialVariationalAutoencoder

rng = np.random.default_rng(0)
genres = ["action", "comedy", "drama", "horror", "romance", "documentary"]
genre_of = np.repeat(np.arange(6), 20)
fame = rng.gamma(1, 1, 120)
likes = np.array([rng.choice(6, 2, replace=False) for _ in range(1200)])
weight = fame * (0.02 + (genre_of == likes[:, :1]) + 0.6 * (genre_of == likes[:, 1:]))
watched = np.zeros((1200, 120))
for row, w in zip(watched, weight, strict=True):
    row[rng.choice(120, 24, replace=False, p=w / w.sum())] = 1
train, test = watched[:900], watched[900:]
kept = test * (rng.random(test.shape) < 0.6)  # the rest is to be recommended
hidden = test - kept


def best_of(scores):
    return np.argsort(-np.where(kept > 0, -np.inf, scores), axis=1)[:, :10]


def recall(best):
    hits = np.take_along_axis(hidden, best, axis=1).sum(axis=1)
    return np.mean(hits / np.minimum(hidden.sum(axis=1), 10))


model = MultinomialVariationalAutoencoder(code_size=16, random_state=0)
model.fit(sp.csr_array(train))
svd = TruncatedSVD(6, random_state=0).fit(train)
recalls = {
    "most watched": recall(best_of(np.broadcast_to(train.sum(axis=0), test.shape))),
    "truncated SVD": recall(best_of(svd.inverse_transform(svd.transform(kept)))),
    "autoencoder": recall(model.recommend(sp.csr_array(kept), n_items=10)[0]),
}
for name, value in recalls.items():
    print(f"{name}: {value:.3f} of the first ten are movies that were watched")

best, scores = model.recommend(sp.csr_array(kept[:40]), n_items=10)
share = np.array([[np.mean(genre_of[row] == g) for g in range(6)] for row in best])
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.barh(list(recalls), list(recalls.values()))
left.set(xlabel="recall at 10", title="new people")
order = np.lexsort(likes[900:940].T[::-1])
right.imshow(share[order].T, aspect="auto", cmap="Blues", vmin=0, vmax=1)
for at, person in enumerate(order):
    right.plot([at, at], likes[900 + person], "r.", ms=4)
right.set_yticks(range(6), genres)
right.set(xlabel="person", title="recommended (blue), liked (red)")
plt.show()
