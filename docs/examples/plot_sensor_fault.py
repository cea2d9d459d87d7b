"""
Anomaly detection: a sensor fault, found and explained
======================================================

Twelve sensors of a plant follow two hidden states. One of them starts to drift, within the
range that it has always had, so that no limit on a single sensor sees it.
:class:`~skae.AutoencoderOutlierDetector` knows which readings go together. It raises an alarm
and names the sensor.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skae import Autoencoder, AutoencoderOutlierDetector

rng = np.random.default_rng(0)


def readings(n):
    load, heat = rng.uniform(-2, 2, size=(2, n))
    states = np.c_[load, heat, np.sin(2 * load), np.cos(2 * heat), load * heat / 2]
    mixed = states @ np.random.default_rng(1).normal(size=(5, 12))
    names = [f"sensor {number}" for number in range(1, 13)]
    return pd.DataFrame(mixed + 0.1 * rng.normal(size=mixed.shape), columns=names)


normal, calibration, new = readings(1000), readings(500), readings(300)
new.loc[200:, "sensor 7"] += np.linspace(0, 2, 100)
low, high = normal["sensor 7"].min(), normal["sensor 7"].max()
print(f"sensor 7 was within [{low:.1f}, {high:.1f}] before, and is within "
      f"[{new['sensor 7'].min():.1f}, {new['sensor 7'].max():.1f}] now")  # fmt: skip

detector = AutoencoderOutlierDetector(Autoencoder(5, random_state=0), random_state=0)
detector.fit(normal).calibrate(calibration)
p_values = detector.p_value(new)
alarms = np.flatnonzero(p_values < 0.01)
print(f"{np.sum(alarms < 200)} alarms among 200 rows before the drift, "
      f"{np.sum(alarms >= 200)} among 100 after its start")  # fmt: skip

# %%
# What the alarms say: the share of each sensor in the score, the median of the last ten rows.

explained = detector.explain(new[-10:])
shares = explained["share"].groupby("feature", sort=False).median()
print(detector.top_features(new[-1:], k=1))

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.semilogy(p_values, ".", label="rows")
left.axhline(0.01, color="C3", label="alarm: p < 0.01")
left.axvspan(200, 300, color="C1", alpha=0.15, label="sensor 7 drifts")
left.set(xlabel="row", ylabel="p-value", title="alarms")
left.legend(loc="lower left")
right.barh(shares.index, shares, color=["C1" if n == "sensor 7" else "C0" for n in shares.index])
right.invert_yaxis()
right.set(xlabel="share of the score", title="why: the last ten rows")
plt.show()
