"""Ordered codes: one net for all code sizes beside a net of each, and PCA.

For each table: the held-out share of the variance that is not rebuilt of the first 2, 4, 8, ...
numbers, and the seconds of processor time that all sizes took. Without data: scikit-learn's tables.
"""

import time
import warnings

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from tables import mnist, mnist_test, parser, tables

from skae import Autoencoder, DenoisingAutoencoder

FAMILIES = {"plain": Autoencoder, "denoising": DenoisingAutoencoder}
MOST_ROWS = 6000
LARGEST = 32
# How lengths are drawn, weighed and judged was chosen on these.
TUNED_ON = ("mnist", "satellite", "digits", "cardio", "wine", "vowels", "Ionosphere")


def split(name, load, folder, quick):
    """Rows to learn of, and others: standardized, but for images."""
    if name == "mnist":
        return mnist(folder), mnist_test(folder, 2000)
    X = np.asarray(load(), dtype=float)
    X = X[np.random.default_rng(0).permutation(len(X))[: 300 if quick else MOST_ROWS]]
    train, test = train_test_split(X, test_size=1 / 3, random_state=0)
    if name != "digits":
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
    return train, test


def of_prefixes(pca, X, sizes):
    """Rows rebuilt of the first components."""
    codes = pca.transform(X)
    return [codes[:, :k] @ pca.components_[:k] + pca.mean_ for k in sizes]


def compare(family, train, test, sizes, **settings):
    """Unexplained shares by size: of PCA, of a net of each, of one for all; and seconds."""
    total = ((test - train.mean(axis=0)) ** 2).sum()
    rebuilt = {"PCA": of_prefixes(PCA(sizes[-1]).fit(train), test, sizes)}
    start = time.process_time()
    nets = [family(k, random_state=0, **settings).fit(train) for k in sizes]
    seconds = [time.process_time() - start]
    rebuilt["a net of each"] = [net.reconstruct(test) for net in nets]
    start = time.process_time()
    net = family(sizes[-1], ordered=True, random_state=0, **settings).fit(train)
    seconds += [time.process_time() - start]
    codes = net.transform(test)
    rebuilt["one for all"] = [net.inverse_transform(codes[:, :k]) for k in sizes]
    shares = {
        name: np.array([((test - X) ** 2).sum() / total for X in found])
        for name, found in rebuilt.items()
    }
    return shares, seconds


def main():
    options = parser(__doc__)
    options.add_argument("--tables", nargs="+")
    options.add_argument("--family", choices=FAMILIES, default="plain")
    options = options.parse_args()
    warnings.simplefilter("ignore")
    found = tables(options.data)
    names = ["wine"] if options.quick else options.tables or list(found)
    settings = {"max_epochs": 2} if options.quick else {}
    ratios = {True: [], False: []}
    for name in names:
        train, test = split(name, found[name], options.data, options.quick)
        sizes = [k for k in (2, 4, 8, 16, 32) if k <= min(LARGEST, train.shape[1] // 2)]
        shares, seconds = compare(FAMILIES[options.family], train, test, sizes, **settings)
        print(f"\n{name}, {len(train)} rows: numbers{'':6s}" + "".join(f"{k:8d}" for k in sizes))
        for method, values in shares.items():
            print(f"  {method:20s}" + "".join(f"{value:8.4f}" for value in values))
        each, one = shares["a net of each"], shares["one for all"]
        ratios[name in TUNED_ON] += list(zip(one / each, one / shares["PCA"], strict=True))
        print(f"  one over each{'':7s}" + "".join(f"{r:8.3f}" for r in one / each))
        print(f"  seconds: {seconds[0]:.1f} of all nets, {seconds[1]:.1f} of one", flush=True)
    for tuned, values in ratios.items():
        if values:
            each, pca = np.array(values).T
            print(
                f"{'chosen on' if tuned else 'no part in it'}: one over each, median "
                f"{np.median(each):.3f}, worst {each.max():.3f}, within .10 in "
                f"{(each <= 1.1).sum()} of {len(each)}; over PCA, worst {pca.max():.3f}"
            )


if __name__ == "__main__":
    main()
