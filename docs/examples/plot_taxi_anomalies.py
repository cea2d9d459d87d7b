"""
Time series anomaly detection: days that are not like the others
================================================================

A series of taxi rides by the half hour, made here after the kind of New York's: days and
weeks, and three days that differ: a holiday, a storm, a night with a marathon's start.
:class:`~skae.SeriesOutlierDetector` finds the period, a day of 48 half hours, and how unlike the
others the windows around each point are.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skae import SeriesOutlierDetector

rng = np.random.default_rng(0)
time = pd.date_range("2025-09-01", periods=48 * 7 * 12, freq="30min")
hour, weekend = time.hour + time.minute / 60, time.day_of_week >= 5
day = 9 + 6 * np.exp(-(((hour - 19) / 3) ** 2)) + 4 * np.exp(-(((hour - 9) / 2) ** 2)) * ~weekend
night = -7 * np.exp(-(((hour - 4 - 1.5 * weekend) / 2.5) ** 2))
rides = pd.Series(1000 * (day + night) + 500 * rng.normal(size=len(time)), index=time)
rides["2025-10-13"] *= 0.6  # a holiday
rides["2025-10-29 10:00":"2025-10-30 06:00"] = 1500 + 300 * rng.normal(size=41)  # a storm
rides["2025-11-09 01:00":"2025-11-09 07:00"] += 6000  # a marathon's start

detector = SeriesOutlierDetector(random_state=0).fit(rides)
scores = detector.score_samples(rides)
print("points of a window:", detector.window_)
by_day = pd.Series(-scores, index=time).resample("D").mean().nlargest(4)
for found in by_day.sort_index().index:
    print("unlike the others:", found.strftime("%A %d %B"))

figure, (above, below) = plt.subplots(2, 1, figsize=(9, 4.5), sharex=True, layout="constrained")
above.plot(rides, lw=0.7)
above.set(ylabel="rides in half an hour", title="twelve weeks of rides")
below.plot(time, -scores, color="C3", lw=0.8)
below.set(ylabel="anomaly score")
for start, name in [("2025-10-13", "holiday"), ("2025-10-29", "storm"), ("2025-11-09", "marathon")]:
    for ax in (above, below):
        ax.axvspan(pd.Timestamp(start), pd.Timestamp(start) + pd.Timedelta("1D"), alpha=0.2)
    above.annotate(name, (pd.Timestamp(start), above.get_ylim()[1]), va="top")
plt.show()
