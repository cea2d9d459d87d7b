"""
Forecast: the next day of a series, from the two days before
============================================================

With ``horizon``, :class:`~skae.SequenceAutoencoder` learns the past and the future of a window
together and forecasts from the past alone. It starts at the best linear prediction and learns what
bends. The series is made: power used by the hour, with a peak that is early in winter and late in
summer.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import RidgeCV

from skae import SequenceAutoencoder
from skae.windows import sliding_windows

rng = np.random.default_rng(0)
hours = np.arange(24 * 240)
season = np.sin(2 * np.pi * hours / 24 / 40) + 0.03 * rng.standard_normal(240).repeat(24)
weight = 1 + 0.05 * rng.standard_normal(240).repeat(24)
series = 1 + weight * np.exp(-((hours % 24 - 12 - 5 * season) ** 2) / 8)
series = series + 0.03 * rng.standard_normal(len(hours))

windows = sliding_windows(series, 72)[::5]
train, test = windows[:800], windows[815:]  # what lies between is in windows of both
past, future = test[:, :48], test[:, 48:]

model = SequenceAutoencoder(code_size=16, horizon=24, hidden_size=32, random_state=0).fit(train)
ridge = RidgeCV(np.logspace(-3, 3, 7)).fit(train[:, :48], train[:, 48:])
forecasts = {
    "the day before": past[:, 24:],
    "ridge regression": ridge.predict(past),
    "SequenceAutoencoder": model.forecast(past),
}
for name, values in forecasts.items():
    print(f"{name}: mean squared error {np.mean((values - future) ** 2):.4f}")

figure, grid = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for ax, at in zip(grid, (20, 130), strict=True):
    ax.plot(np.arange(-48, 24), test[at], "k", lw=1, label="used")
    for name, values in list(forecasts.items())[1:]:
        ax.plot(np.arange(24), values[at], label=name)
    ax.axvline(0, color="gray", lw=0.5)
    ax.set(xlabel="hours ahead")
grid[0].set_ylabel("power")
grid[0].legend(fontsize=8)
plt.show()
