"""
Labeling: which rows to label, when you can label few
=====================================================

Labels cost money. Rather than labeling rows at random, cluster their codes and label the row
in the middle of each cluster: the labels then cover what there is. All other rows help through
the autoencoder, which needs no labels; :class:`~skae.AutoencoderClassifier` does both at once.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skae import Autoencoder

X_train, X_test, y_train, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
autoencoder = Autoencoder(code_size=8, random_state=0).fit(X_train)
codes, codes_test = autoencoder.transform(X_train), autoencoder.transform(X_test)


def accuracy(rows, picked, test):
    head = LogisticRegression(max_iter=2000).fit(rows[picked], y_train[picked])
    return head.score(test, y_test)


def middles(rows, n, seed):
    """The row next to the center of each of n clusters."""
    return KMeans(n, n_init=3, random_state=seed).fit(rows).transform(rows).argmin(axis=0)


budgets = [10, 20, 40, 80, 160]
curves = {"random rows, pixels": [], "random rows, codes": [], "middles of clusters, codes": []}
for n in budgets:
    runs = []
    for seed in range(10):
        picked = np.random.default_rng(seed).choice(len(X_train), n, replace=False)
        picked[:2] = np.flatnonzero(y_train == 0)[0], np.flatnonzero(y_train == 1)[0]
        chosen = middles(codes, n, seed)
        runs.append([
            accuracy(X_train, picked, X_test),
            accuracy(codes, picked, codes_test),
            accuracy(codes, chosen, codes_test),
        ])  # fmt: skip
    for curve, value in zip(curves.values(), np.mean(runs, axis=0), strict=True):
        curve.append(value)

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for name, values in curves.items():
    print(f"{name}: {values[1]:.3f} with {budgets[1]} labels, {values[-1]:.3f} with {budgets[-1]}")
    ax.plot(budgets, values, "o-", label=name)
ax.set(xscale="log", xlabel="labels", ylabel="accuracy on test digits")
ax.set_xticks(budgets, budgets)
ax.minorticks_off()
ax.legend()
plt.show()
