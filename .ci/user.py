"""What users write, for a type checker: ``pyright .ci/user.py`` finds nothing. It is not run."""

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderCompressor,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    KSparseAutoencoder,
    SequenceAutoencoder,
    VariationalAutoencoder,
)

X = np.zeros((20, 4))
a = Autoencoder(code_size=8, hidden_layer_sizes=(64,), random_state=0, max_epochs=3).fit(X)
Z = a.transform(X)
print(
    Z.shape,
    a.inverse_transform(Z).shape,
    a.score(X),
    a.predict(X),
    a.reconstruct(X).shape,
    a.loss_curve_,
)
a = Autoencoder(8, code_activation="relu", batch_size=3, lr=1e-3, device="cpu")
s = GridSearchCV(make_pipeline(StandardScaler(), a), {"autoencoder__code_size": [2, 16]}, cv=2).fit(
    X
)
print(s.best_params_)
v = VariationalAutoencoder(2, beta=2.0, likelihood="normal").fit(X, condition=[1] * 20)
print(v.sample(3, condition=1), v.elbo(X))
d = AutoencoderOutlierDetector(Autoencoder(3), contamination=0.1).fit(X)
print(d.explain(X)["share"], d.p_value(X))
i = AutoencoderImputer(random_state=0).fit_transform(X)
c = AutoencoderCompressor(max_error=0.1).fit(X)
print(c.decompress(c.compress(X)))
k = KSparseAutoencoder(code_size=20, k=3).fit(X)
n = DenoisingAutoencoder(noise="gaussian").fit(X).denoise(X)
q = SequenceAutoencoder(code_size=3, horizon=2).fit(X).forecast(X)
m = ConvolutionalAutoencoder(3).fit(X)
y = AutoencoderClassifier(Autoencoder(3)).fit(X, [1] * 20).predict_proba(X)
a.save("x.skae")
b = skae.load("x.skae")
