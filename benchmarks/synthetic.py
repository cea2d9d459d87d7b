"""Synthetic tables: how like real ones the rows are that the variational family draws.

``python benchmarks/synthetic.py --data DIR`` takes Adult, Titanic and a simulated table of loans;
without data only the last. Beside it: columns drawn independently of each other, a Gaussian copula,
and TVAE and CTGAN where PyPI's ``ctgan`` is installed. All are fitted to the same rows, and judged
by others that none has seen. Complete rows only: which entries are missing is not what is asked.
"""

import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from tables import parser

from skae import VariationalAutoencoder

N_TRAIN = 5000
N_BINS = 10  # of a number beside a category
N_SEEDS = 3


def loans(n, seed=0):
    """A simulated table of loans: skewed amounts, a date, prices with a spike, and defaults."""
    rng = np.random.default_rng(seed)
    age = (18 + rng.gamma(3, 9, n)).clip(18, 90).round()
    job = np.array(["worker", "clerk", "manager", "none"])[
        (rng.random(n)[:, None] > np.cumsum([0.45, 0.3, 0.15])).sum(axis=1)
    ]
    wage = pd.Series({"worker": 7.9, "clerk": 8.1, "manager": 8.8, "none": 6.8})[job].to_numpy()
    income = np.exp(wage + 0.006 * (age - 40) + 0.3 * rng.normal(size=n)).round(2)
    owner = rng.random(n) < 1 / (1 + np.exp(-(np.log(income) - 8) - 0.05 * (age - 40)))
    rate = np.where(rng.random(n) < 0.4, 4.99, (3 + rng.gamma(2, 1.5, n)).round(2))
    amount = (income * np.exp(rng.normal(1, 0.6, n)) * (1 + owner) / 100).round() * 100
    late = rng.poisson(np.exp(0.8 - 0.5 * owner - 0.3 * (np.log(income) - 8)))
    risk = -2.2 + 0.5 * late + 0.25 * (rate - 5) + 0.4 * np.log(amount / income) - 0.5 * owner
    day = np.datetime64("2019-01-01") + (1500 * rng.beta(2, 1, n)).astype("m8[D]")
    return pd.DataFrame(
        {
            "granted": pd.Series(day).astype("datetime64[s]"),
            "age": age.astype(int),
            "job": pd.Series(job).astype("category"),
            "income": income,
            "owner": owner,
            "amount": amount,
            "rate": rate,
            "late": late,
            "default": np.where(rng.random(n) < 1 / (1 + np.exp(-risk)), "yes", "no"),
        }
    )


def adult(folder):
    frame = pd.read_csv(Path(folder) / "adult.csv.gz", na_values="?").dropna()
    return frame.drop(columns="split").reset_index(drop=True)


def titanic(folder):
    """Without the deck, which is known of one in four; classes as the numbers that they are."""
    frame = pd.read_csv(Path(folder) / "titanic.csv").drop(columns="deck").dropna()
    return frame.astype({"survived": bool}).reset_index(drop=True)


# -- contenders: a frame and a seed, to as many new rows ----------------------------------------


def skae(frame, n, seed):
    model = VariationalAutoencoder(random_state=seed).fit(frame)
    return model.sample(n, random_state=seed, mean=False)


def independent(frame, n, seed):
    """Each column by itself, drawn from its values."""
    rng = np.random.default_rng(seed)
    rows = {c: frame[c].iloc[rng.integers(len(frame), size=n)].to_numpy() for c in frame}
    return pd.DataFrame(rows).astype(frame.dtypes)


def gaussian_copula(frame, n, seed):
    """Normal scores of all columns, their correlations, and the quantiles of each column.

    A value that occurs more than once, or a category, has a piece of the quantiles, in which the
    score of each of its rows is drawn; categories are in the order of their frequencies.
    """
    rng = np.random.default_rng(seed)
    scores, orders = [], []
    for name in frame:
        column = frame[name]
        if is_number(column):
            rank = column.rank(method="first" if column.is_unique else "min").to_numpy() - 1
            values = np.sort(column.to_numpy())
        else:
            counts = column.value_counts()
            values = np.repeat(counts.index.to_numpy(dtype=object), counts)
            rank = column.map(dict(zip(counts.index, counts.cumsum() - counts, strict=True)))
            rank = rank.to_numpy(dtype=float)
        sizes = column.map(column.value_counts()).to_numpy(dtype=float)
        share = (rank + sizes * rng.uniform(size=len(frame))) / len(frame)
        scores.append(stats.norm.ppf(share.clip(1e-6, 1 - 1e-6)))
        orders.append(values)
    drawn = rng.multivariate_normal(np.zeros(len(scores)), np.corrcoef(scores), size=n)
    places = (stats.norm.cdf(drawn) * len(frame)).astype(int).clip(0, len(frame) - 1)
    rows = {
        c: values[places[:, j]] for j, (c, values) in enumerate(zip(frame, orders, strict=True))
    }
    return pd.DataFrame(rows).astype(frame.dtypes)


def of_ctgan(name):
    """TVAE or CTGAN as they come; dates are days to them, as they know none."""

    def contender(frame, n, seed):
        import ctgan
        import torch

        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        dates = frame.select_dtypes("datetime").columns
        numbers = frame.assign(**{c: frame[c].astype(int) for c in dates})
        classes = [c for c in frame if not is_number(frame[c])]
        numbers = numbers.astype(dict.fromkeys(classes, str))
        model = getattr(ctgan, name)(enable_gpu=False)
        model.fit(numbers, classes)
        drawn = model.sample(n)
        for c in frame.select_dtypes("bool"):
            drawn[c] = drawn[c] == "True"
        return drawn[frame.columns].astype(frame.dtypes)

    return contender


def contenders():
    found = {
        "VariationalAutoencoder": skae,
        "independent columns": independent,
        "Gaussian copula": gaussian_copula,
    }
    try:
        import ctgan  # noqa: F401
    except ImportError:
        return found
    return {**found, "TVAE": of_ctgan("TVAE"), "CTGAN": of_ctgan("CTGAN")}


# -- measures -----------------------------------------------------------------------------------


def is_number(column):
    """Whether values are numbers or dates; booleans are a category."""
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

    if is_bool_dtype(column):
        return False
    return is_numeric_dtype(column) or is_datetime64_any_dtype(column)


def as_numbers(frame):
    """Dates as numbers, categories as texts."""
    return pd.DataFrame(
        {
            c: frame[c].astype(
                float if frame[c].dtype.kind in "iuf" else "int64" if is_number(frame[c]) else str
            )
            for c in frame
        }
    )


def column_error(real, drawn):
    """Mean over columns: the largest difference of the distribution functions of numbers
    (Kolmogorov-Smirnov), half the sum of the differences of the frequencies of categories.
    """
    errors = []
    for c in real:
        if is_number(real[c]):
            errors.append(stats.ks_2samp(real[c], drawn[c], method="asymp").statistic)
        else:
            errors.append(half_distance(real[[c]], drawn[[c]]))
    return np.mean(errors)


def pair_error(real, drawn):
    """Mean over pairs: of two numbers half the difference of their correlations, of others half the
    sum of the differences of the frequencies of both together, numbers being cut into ten bins of
    equal width.
    """
    classes = [c for c in real if not is_number(real[c])]
    cut_real, cut_drawn = real.copy(), drawn.copy()
    for c in real.columns.difference(classes):
        edges = np.histogram_bin_edges(real[c], N_BINS)[1:-1]
        cut_real[c], cut_drawn[c] = np.digitize(real[c], edges), np.digitize(drawn[c], edges)
    errors = []
    for i, a in enumerate(real):
        for b in real.columns[:i]:
            if a in classes or b in classes:
                errors.append(half_distance(cut_real[[a, b]], cut_drawn[[a, b]]))
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", stats.ConstantInputWarning)
                one, other = (stats.pearsonr(f[a], f[b]).statistic for f in (real, drawn))
            errors.append(abs(one - np.nan_to_num(other)) / 2)
    return np.mean(errors)


def half_distance(one, other):
    """Half the sum of the differences of frequencies."""
    one, other = (frame.value_counts(normalize=True) for frame in (one, other))
    return one.sub(other, fill_value=0).abs().sum() / 2


def booster(frame):
    """Gradient boosting on numbers and categories."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    classes = make_column_selector(dtype_exclude="number")
    columns = make_column_transformer((encoder, classes), remainder="passthrough")
    return make_pipeline(columns, HistGradientBoostingClassifier(max_iter=60, random_state=0))


def usefulness(train, test, target):
    """Area under the curve on real rows, of a classifier trained on the rows given."""
    y = train[target]
    if y.nunique() < 2:
        return 0.5
    model = booster(train).fit(train.drop(columns=target), y)
    chances = model.predict_proba(test.drop(columns=target))[:, 1]
    return roc_auc_score(test[target] == model.classes_[1], chances)


def telling_apart(real, drawn):
    """Area under the curve of a classifier of real against drawn rows; one half is best."""
    n = min(len(real), len(drawn))
    both = pd.concat([real[:n], drawn[:n]], ignore_index=True)
    is_drawn = np.repeat([0, 1], n)
    chances = cross_val_predict(booster(both), both, is_drawn, method="predict_proba", cv=3)
    return roc_auc_score(is_drawn, chances[:, 1])


def distances(train, *others):
    """Median distance of rows to the closest training row: of numbers in units of the standard
    deviation, and one for another category.
    """
    numbers = [c for c in train if is_number(train[c])]
    classes = [c for c in train if c not in numbers]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(train[classes])
    scale = train[numbers].std()

    def rows(frame):
        indicators = encoder.transform(frame[classes]) * np.sqrt(0.5)
        return np.hstack([frame[numbers] / scale, indicators])

    closest = NearestNeighbors(n_neighbors=1).fit(rows(train))
    return [np.median(closest.kneighbors(rows(frame))[0]) for frame in others]


def judge(name, make, train, test, target, seed):
    start = time.perf_counter()
    drawn = make(train, len(train), seed)
    seconds = time.perf_counter() - start
    train, test, drawn = map(as_numbers, (train, test, drawn))
    near, near_real = distances(train, drawn, test)
    return {
        "columns %": 100 * column_error(train, drawn),
        "pairs %": 100 * pair_error(train, drawn),
        "useful": usefulness(drawn, test, target),
        "told apart": telling_apart(test, drawn),
        "closest": near,
        "of held-out": near_real,
        "s": seconds,
    }


def main():
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--only", nargs="*", help="names of contenders")
    options.add_argument("--tables", nargs="*", help="names of tables")
    options.add_argument("--seeds", type=int, default=N_SEEDS)
    options = options.parse_args()
    found = {"loans": (lambda: loans(8000), "default")}
    if options.data is not None:
        found["Adult"] = (lambda: adult(options.data), "income")
        found["Titanic"] = (lambda: titanic(options.data), "survived")
    if options.quick:
        found = {"loans": (lambda: loans(400), "default")}
    seeds = range(1 if options.quick else options.seeds)
    for name, (load, target) in found.items():
        if options.tables and name not in options.tables:
            continue
        frame = load()
        found_rows = []
        for seed in seeds:
            n = min(N_TRAIN, 2 * len(frame) // 3)
            train, test = train_test_split(frame, train_size=n, random_state=seed)
            train, test = (part.reset_index(drop=True) for part in (train, test[:n]))
            real = usefulness(as_numbers(train), as_numbers(test), target)
            for who, make in contenders().items():
                if options.quick and who in ("TVAE", "CTGAN"):
                    continue
                if options.only and who not in options.only:
                    continue
                row = judge(who, make, train, test, target, seed)
                found_rows.append({"": who, **row, "real": real})
        table = pd.DataFrame(found_rows).groupby("", sort=False).mean()
        print(f"\n{name}: {n} rows, {frame.shape[1]} columns, {len(seeds)} splits")
        print(f"trained on real rows: {table.pop('real').iloc[0]:.3f}")
        print(table.round(3).to_string(), flush=True)


if __name__ == "__main__":
    main()
