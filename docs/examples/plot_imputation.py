"""
Imputation: fill the missing values of a table with categories
==============================================================

A passenger list has holes in numbers and in words. :class:`~skae.AutoencoderImputer` takes the
frame as it is, learns how columns go together, and gives the frame back complete, with the
dtypes it had. The list is made here, so that what was hidden is known.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer

from skae import AutoencoderImputer

rng = np.random.default_rng(0)
n = 1200
cabin = rng.choice([1, 2, 3], n, p=[0.25, 0.25, 0.5])
sex = rng.choice(["female", "male"], n)
age = np.clip(rng.normal(45 - 6 * cabin, 12, n), 1, 80).round()
fare = np.exp(rng.normal(5.2 - 0.9 * cabin, 0.25)).round(2)
port = np.where(rng.random(n) < 0.85, np.array(["C", "Q", "S"])[cabin - 1], "S")
whole = pd.DataFrame({"class": cabin, "sex": sex, "age": age, "fare": fare, "port": port})
whole = whole.astype({"class": "Int64", "sex": "category", "port": "category"})
hidden = rng.random(whole.shape) < 0.2
table = whole.mask(hidden)

filled = AutoencoderImputer(random_state=0).fit_transform(table)
usual = pd.DataFrame(index=table.index, columns=table.columns)
for column in table:
    strategy = "mean" if column in ("age", "fare") else "most_frequent"
    values = table[[column]].astype(object).where(table[[column]].notna(), np.nan)
    usual[column] = SimpleImputer(strategy=strategy).fit_transform(values).ravel()
print(filled.dtypes.equals(whole.dtypes), "- the same dtypes;", filled.isna().sum().sum(), "holes")

errors = {}
for name, table_filled in {"mean or most frequent": usual, "autoencoder": filled}.items():
    for at, column in enumerate(whole):
        true, guess = whole[column][hidden[:, at]], table_filled[column][hidden[:, at]]
        if column in ("age", "fare"):
            spread = whole[column].std()
            wrong = np.sqrt(np.mean((true - guess.astype(float)) ** 2)) / spread
        else:
            wrong = np.mean(true.astype(str) != guess.astype(str))
        errors[name, column] = wrong
errors = pd.Series(errors).unstack(0)[["mean or most frequent", "autoencoder"]].loc[whole.columns]
print(errors.round(3))

ax = errors.plot.bar(rot=0, figsize=(8, 3.8), ylabel="error where values were hidden")
ax.set_title("numbers: in standard deviations; categories: share that is wrong")
plt.tight_layout()
plt.show()
