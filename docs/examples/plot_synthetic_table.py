"""
Synthetic data: a table like yours, of nobody
=============================================

:class:`~skae.VariationalAutoencoder` takes a frame of numbers, categories and dates as it is,
and ``sample`` gives new rows of the same columns that go together as they did. ``condition``
asks for rows with the values that you name.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skae import VariationalAutoencoder

rng = np.random.default_rng(0)
n = 1500
plan = rng.choice(["basic", "family", "business"], n, p=[0.5, 0.3, 0.2])
age = np.clip(rng.gamma(9, 5, n) + 10 * (plan == "business"), 18, 90).round()
fee = pd.Series(plan).map({"basic": 9.99, "family": 19.99, "business": 49.99}).to_numpy()
usage = (rng.gamma(2, 4, n) * (1 + fee / 20) * (90 / (age + 20))).round(1)
customers = pd.DataFrame({"plan": plan, "age": age, "fee": fee, "usage": usage})

model = VariationalAutoencoder(hidden_layer_sizes=(64,), random_state=0).fit(customers)
synthetic = model.sample(n, random_state=0)
business = model.sample(500, condition={"plan": "business"}, random_state=0)
print(synthetic.head())
fee_of = customers.groupby("plan")["fee"].first()
print(
    f"{np.mean(synthetic['fee'] == synthetic['plan'].map(fee_of)):.1%} have the fee of their plan"
)
print("asked for business, plans:", set(business["plan"]))

figure, axes = plt.subplots(1, 3, figsize=(10, 3.5), layout="constrained")
shares = pd.DataFrame(
    {"real": customers["plan"].value_counts(), "synthetic": synthetic["plan"].value_counts()}
)
shares.plot.bar(ax=axes[0], rot=0, title="plans", xlabel="", ylabel="customers")
for ax, frame, name in zip(axes[1:], (customers, synthetic), ("real", "synthetic"), strict=True):
    for color, (kind, rows) in enumerate(frame.groupby("plan")):
        ax.scatter(rows["age"], rows["usage"], s=5, color=f"C{color}", label=kind)
    ax.set(title=name, xlabel="age", ylabel="usage", xlim=(15, 95), ylim=(-2, 90))
axes[2].legend(markerscale=3)
plt.show()
