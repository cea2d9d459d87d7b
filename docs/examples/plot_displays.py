"""
Plots: what a fitted autoencoder has learned
============================================

The displays of :mod:`skae.inspection` draw fitted estimators, beside PCA where that says more. Each
keeps the numbers that it shows.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import Autoencoder, AutoencoderOutlierDetector
from skae.inspection import (
    CodeDisplay,
    ExplanationDisplay,
    FeatureErrorDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
    ScoreDisplay,
    TraversalDisplay,
)

X, y = load_digits(return_X_y=True)
X_train, X_test, _, y_test = train_test_split(X, y, random_state=0)
pca = PCA(8).fit(X_train)
autoencoder = Autoencoder(8, random_state=0).fit(X_train)

# %%
# How training went: what lies below the dashed line is what it won over PCA.

LossCurveDisplay.from_estimator(autoencoder)
plt.show()

# %%
# Held-out rows, what PCA makes of eight numbers, and what the autoencoder makes of eight.

ReconstructionDisplay.from_estimator([pca, autoencoder], X_test, image_shape=(8, 8))
plt.show()

# %%
# Where each is right: R2 by pixel.

FeatureErrorDisplay.from_estimator([pca, autoencoder], X_test, image_shape=(8, 8))
plt.show()

# %%
# The codes of held-out rows by t-SNE. The labels only color the points.

CodeDisplay.from_estimator(autoencoder, X_test, color=y_test, method="tsne")
plt.show()

# %%
# What the numbers of a code stand for: one is changed at a time.

TraversalDisplay.from_estimator(autoencoder, X_test, image_shape=(8, 8))
plt.show()

# %%
# A detector that knows zeros to fours, and its scores of all digits.

detector = AutoencoderOutlierDetector(standardize=False, random_state=0)
detector.fit(X[:1000][y[:1000] < 5])
ScoreDisplay.from_estimator(detector, X[1000:], y=y[1000:] >= 5)
plt.show()

# %%
# Which pixels make a seven unlike them.

seven = X[1000:][y[1000:] == 7][:1]
ExplanationDisplay.from_estimator(detector, seven, image_shape=(8, 8))
plt.show()
