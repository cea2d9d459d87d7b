"""Ratings of MovieLens predicted, films recommended to new users, and the memory that it takes.

``python benchmarks/recommendation.py --data DIR`` takes ``movielens_100k.npz``; without data, a
synthetic matrix of low rank is rated and recommended from.
"""

import resource
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import normalize
from tables import parser
from threadpoolctl import threadpool_limits

from skae import MultinomialVariationalAutoencoder, RatingAutoencoder

LIKED = 4  # stars, from which on a film is one that a user has chosen
FEWEST_CHOICES = 5  # of users that are recommended to
# Users, items and ratings of matrices that would not fit into memory if they were dense.
SHAPES = [(5_000, 50_000, 200_000), (20_000, 50_000, 200_000), (5_000, 50_000, 2_000_000)]


def movielens(folder):
    """Users, items, ratings, and the test set of the official split u1."""
    file = np.load(Path(folder) / "movielens_100k.npz")
    ratings = file["rating"].astype(np.float32)
    return file["user"].astype(int), file["item"].astype(int), ratings, file["u1_test"]


def newsgroups(folder):
    """Which of 1 000 words posts hold; how EASE is joined was chosen on others."""
    file = np.load(Path(folder) / "newsgroups20_w1000.npz")
    parts = (file[f"test_{part}"] for part in ("data", "indices", "indptr"))
    X = sp.csr_array(tuple(parts), shape=tuple(file["test_shape"]))
    order = np.random.default_rng(0).permutation(X.shape[0])[:3000]
    return sp.csr_array((X[order] > 0).astype(np.float32))


def synthetic(n_users=600, n_items=400, rank=5, share=0.1):
    """Stars that follow from tastes of low rank; popular items are rated more often."""
    rng = np.random.default_rng(0)
    tastes = rng.normal(size=(n_users, rank)) @ rng.normal(size=(rank, n_items)) / np.sqrt(rank)
    liked = (
        3.4 + 0.7 * tastes + 0.5 * rng.normal(size=n_items) + 0.4 * rng.normal(size=(n_users, 1))
    )
    stars = np.clip(np.round(liked + 0.5 * rng.normal(size=liked.shape)), 1, 5)
    popularity = rng.gamma(1.0, size=n_items)
    users, items = np.nonzero(rng.random(stars.shape) < share * popularity)
    ratings = stars[users, items].astype(np.float32)
    return users, items, ratings, rng.random(len(ratings)) < 0.2


def matrix(rows, columns, values, shape):
    return sp.coo_array((values, (rows, columns)), shape=shape).tocsr()


def rating_errors(name, users, items, ratings, is_test, models):
    """Root mean squared errors of held-out ratings."""
    shape = users.max() + 1, items.max() + 1
    train, pairs = ~is_test, (users[is_test], items[is_test])
    X = matrix(users[train], items[train], ratings[train], shape)

    def error(predicted):
        return np.sqrt(np.mean((predicted - ratings[is_test]) ** 2))

    print(f"\n{name}: {train.sum()} ratings to train, {is_test.sum()} to test, RMSE")
    print(f"  mean rating                     {error(ratings[train].mean()):.4f}")
    # Nothing is trained in 0 epochs; the code of a user ends with his bias.
    biases = RatingAutoencoder(2, max_epochs=0, random_state=0).fit(X)
    of_users = biases.transform(X)[:, -1]
    by_biases = biases.center_[pairs[1]] + of_users[pairs[0]]
    print(f"  biases of users and items       {error(by_biases.clip(1, 5)):.4f}")
    both = []
    for model in models:
        start = time.perf_counter()
        model.fit(X)
        seconds = time.perf_counter() - start
        both.append(model.predict_ratings(*pairs))
        as_new = error(model.predict_ratings(*pairs, X))
        print(f"  RatingAutoencoder, {model.based_on:5s}        {error(both[-1]):.4f}  ", end="")
        print(f"users taken for new ones {as_new:.4f}  {model.n_iter_} epochs, {seconds:.0f} s")
    if len(both) > 1:
        print(f"  mean of both                    {error(np.mean(both, axis=0)):.4f}", flush=True)


def measures(ranking, hidden):
    """Recall@20 and NDCG@100 of each user, as Liang et al. (2018) define them: (2, n_users)."""
    hits = np.take_along_axis(hidden, ranking, axis=1)
    n_hidden = hidden.sum(axis=1)
    recall = hits[:, :20].sum(axis=1) / np.minimum(20, n_hidden)
    discount = 1 / np.log2(np.arange(2, 102))
    best = np.cumsum(discount)[np.minimum(n_hidden, 100) - 1]
    return np.stack([recall, hits @ discount[: hits.shape[1]] / best])


def ranked(scores, shown):
    """The 100 best items that were not shown."""
    return np.argsort(np.where(shown.toarray() > 0, -np.inf, scores), axis=1)[:, :-101:-1]


def fold_in(X, seed):
    """Rows to train on, others of which a fifth is hidden, and what is hidden of them."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(X.shape[0])
    n_held = len(order) // 6
    held, train = X[order[:n_held]], X[order[n_held:]]
    rows, columns = held.nonzero()
    is_hidden = rng.random(len(rows)) < 0.2
    shown, hidden = (
        matrix(rows[chosen], columns[chosen], np.ones(chosen.sum(), np.float32), held.shape)
        for chosen in (~is_hidden, is_hidden)
    )
    hidden = hidden.toarray() > 0
    some = hidden.any(axis=1)
    return train, shown[some], hidden[some]


def neighbors(train, shown):
    """Rankings by the likeness of items, for each number of neighbors."""
    directions = normalize(train.T.tocsr())
    likeness = (directions @ directions.T).toarray()
    np.fill_diagonal(likeness, 0)
    for k in (20, 50, 100, 200):
        kth = np.sort(likeness, axis=1)[:, -k, None]
        yield k, ranked(shown @ np.where(likeness >= kth, likeness, 0), shown)


def ease(train, shown):
    """Rankings by EASE, for each ridge; written out, not skae's."""
    for ridge in (50, 100, 200, 400, 800):
        squares = (train.T @ train).toarray() + ridge * np.eye(train.shape[1])
        inverse = np.linalg.inv(squares)
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0)
        yield ridge, ranked(shown @ weights, shown)


def implicit_als(train, shown):
    """Rankings by the factors of PyPI's `implicit`, if it is installed, for each number."""
    try:
        from implicit.als import AlternatingLeastSquares
    except ImportError:
        return
    train, shown = sp.csr_matrix(train), sp.csr_matrix(shown)
    for k in (8, 16, 32, 64):
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(factors=k, random_state=0)
            model.fit(train, show_progress=False)
            users = model.recalculate_user(np.arange(shown.shape[0]), shown)
        yield k, ranked(users @ model.item_factors.T, shown)


def components(train, shown):
    """Rankings by TruncatedSVD, for each number of components."""
    for k in (8, 16, 32, 64):
        svd = TruncatedSVD(k, random_state=0).fit(train)
        yield k, ranked(svd.inverse_transform(svd.transform(shown)), shown)


BY_NUMBER = {
    "item-kNN": neighbors,
    "TruncatedSVD": components,
    "EASE": ease,
    "implicit ALS": implicit_als,
}
SETTINGS = {
    "skae": {},
    "skae, the net alone": {"ease_weight": 0},
    "skae, EASE alone": {"ease_weight": 1, "max_epochs": 0},
}


def top_n(title, X, n_splits, max_epochs):
    """New users: a fifth of what they liked is hidden and to be recommended."""
    X = X[np.diff(X.indptr) >= FEWEST_CHOICES]
    found, seconds = defaultdict(list), defaultdict(float)
    for seed in range(n_splits):
        train, shown, hidden = fold_in(X, seed)
        popular = np.tile(np.asarray(train.sum(axis=0)).ravel(), (len(hidden), 1))
        found["popularity"].append(measures(ranked(popular, shown), hidden))
        for name, rankings in BY_NUMBER.items():
            for k, ranking in rankings(train, shown):
                found[name, k].append(measures(ranking, hidden))
        settings = {"max_epochs": max_epochs, "random_state": 0}
        for name, more in SETTINGS.items():
            model = MultinomialVariationalAutoencoder(**{**settings, **more})
            start = time.perf_counter()
            model.fit(train)
            seconds[name] += time.perf_counter() - start
            found[name].append(measures(model.recommend(shown, 100)[0], hidden))
    print(f"\nTop n, {title}: {train.shape[0]} users to train, the others to recommend to,", end="")
    print(f" {n_splits} splits")
    found = {name: np.concatenate(splits, axis=1) for name, splits in found.items()}
    for name in BY_NUMBER:  # the best number of each, with the truth in hand
        kinds = [key for key in found if key[0] == name]
        if not kinds:
            continue
        best = max(kinds, key=lambda key: found[key][1].mean())
        found[f"{name}, best k ({best[1]})"] = found[best]
    for name, values in found.items():
        if isinstance(name, str):
            error = values.std(axis=1) / np.sqrt(values.shape[1])
            print(f"  {name:28s} Recall@20 {values[0].mean():.4f} (+-{error[0]:.4f})  ", end="")
            print(f"NDCG@100 {values[1].mean():.4f} (+-{error[1]:.4f})", end="")
            print(f"  {seconds[name] / n_splits:.0f} s a fit" if name in SETTINGS else "")
    default, rival = found["skae"], next(v for k, v in found.items() if k[:5] == "EASE,")
    gain = default - rival
    error = gain.std(axis=1) / np.sqrt(gain.shape[1])
    print(f"  skae less EASE: Recall@20 {gain[0].mean():+.4f} (+-{error[0]:.4f})  ", end="")
    print(f"NDCG@100 {gain[1].mean():+.4f} (+-{error[1]:.4f})", flush=True)


def peak(n_users, n_items, n_ratings):
    """Megabytes that this process took at most, before and after a fit."""
    rng = np.random.default_rng(0)
    users, items = rng.integers(n_users, size=n_ratings), rng.integers(n_items, size=n_ratings)
    ratings = rng.integers(1, 6, size=n_ratings).astype(np.float32)
    X = matrix(users, items, ratings, (n_users, n_items))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    model = RatingAutoencoder(16, max_epochs=1, random_state=0).fit(X)
    model.recommend(X[:100])
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    gigabytes = n_users * n_items * 4 / 2**30
    print(
        f"  {n_users:6d} x {n_items} with {n_ratings:7d} ratings, dense {gigabytes:4.1f} GiB: ",
        end="",
    )
    print(f"peak {after:5.0f} MiB, {before:4.0f} of it before fit, {seconds:.0f} s", flush=True)


def main():
    """Run from the command line."""
    options = parser(__doc__)
    options.add_argument("--part", choices=["ratings", "top_n", "memory"])
    options.add_argument("--peak", nargs=3, type=int, help="a matrix to measure the memory of")
    arguments = options.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if arguments.peak:
        peak(*arguments.peak)
        return
    start = time.perf_counter()
    wanted = [arguments.part] if arguments.part else ["ratings", "top_n", "memory"]
    if "memory" in wanted:  # first: a process starts with the peak of the one that starts it
        print("Memory of a process that fits one epoch, code size 16")
        shapes = [(2_000, 20_000, 50_000)] if arguments.quick else SHAPES
        for shape in shapes:
            command = [sys.executable, __file__, "--peak", *map(str, shape)]
            subprocess.run(command, check=True)
    if arguments.data:
        users, items, ratings, u1_test = movielens(arguments.data)
        name = "MovieLens-100k"
    else:
        users, items, ratings, u1_test = synthetic()
        name = "Synthetic ratings of rank 5 (no --data)"
    settings = {"max_epochs": 2} if arguments.quick else {}
    model = RatingAutoencoder(random_state=0, **settings)
    by_items = RatingAutoencoder(based_on="items", random_state=0, **settings)
    if "ratings" in wanted:
        is_test = np.zeros(len(ratings), dtype=bool)
        is_test[np.random.default_rng(0).permutation(len(ratings))[: len(ratings) // 10]] = True
        title = f"{name}, random 90/10"
        rating_errors(title, users, items, ratings, is_test, [model, by_items])
        if not arguments.quick:
            rating_errors(f"{name}, split u1 (80/20)", users, items, ratings, u1_test, [model])
    if "top_n" in wanted:
        n_splits, max_epochs = (1, 2) if arguments.quick else (5, "auto")
        liked = ratings >= LIKED
        shape = users.max() + 1, items.max() + 1
        X = matrix(users[liked], items[liked], np.ones(liked.sum(), np.float32), shape)
        top_n(name, X, n_splits, max_epochs)
        if arguments.data and not arguments.quick:
            top_n("words of 3 000 newsgroup posts", newsgroups(arguments.data), 2, max_epochs)
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{time.perf_counter() - start:.0f} s, peak of this process {largest:.0f} MiB")


if __name__ == "__main__":
    main()
