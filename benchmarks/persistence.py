"""Sizes of fitted estimators: as a file, as a pickle, the weights, and what methods need beside.

Beside weights, `sample` needs a mixture of Gaussians (means and covariances of codes), neighbors
need reference rows, `predict_ratings` ratings, draws of an imputer its errors, and a coder its
table of frequencies.

Each estimator is fitted to the handwritten digits (1 797 x 64) with its defaults but for a few
epochs; a pickle's size does not depend on how many there were.
"""

import io
import pickle
import warnings
import zipfile

from safetensors.numpy import load
from sklearn.datasets import load_digits
from tables import parser

import skae

X, y = load_digits(return_X_y=True)
SETTINGS = {"code_size": 8, "max_epochs": 2, "random_state": 0}
OTHER_SIZES = {"RatingAutoencoder": 500, "SparseAutoencoder": 128, "KSparseAutoencoder": 128}
OTHER_SIZES |= {"MaskedAutoencoder": 64}


def fitted(rows, labels):
    """The estimators by name."""
    for name in skae.__all__:
        cls = getattr(skae, name)
        if not isinstance(cls, type):
            continue
        known = cls().get_params()
        if "autoencoder" in known:
            inner = skae.Autoencoder(**SETTINGS) if "Detector" in name else None
            estimator = cls(inner, random_state=0)
        else:
            settings = {k: v for k, v in SETTINGS.items() if k in known}
            estimator = cls(**{**settings, "code_size": OTHER_SIZES.get(name, 8)})
        yield name, estimator.fit(rows, labels)


def weights(estimator):
    """Bytes of the weights of all nets that an estimator holds."""
    if hasattr(estimator, "net_"):
        tensors = {t.data_ptr(): t.nbytes for t in estimator.net_.module_.state_dict().values()}
        inner = [*getattr(estimator, "layers_", ())]
        return sum(tensors.values()) + sum(map(weights, inner))
    inner = [*getattr(estimator, "estimators_", ())]
    held = ("autoencoder_", "encoder_")
    inner += [getattr(estimator, name) for name in held if hasattr(estimator, name)]
    return sum(map(weights, inner))


def needed(file):
    """Bytes of what methods need beside the weights, of the arrays in a file."""
    with zipfile.ZipFile(file) as archive:
        arrays = load(archive.read("arrays.safetensors"))
    parts = ("means_", "covariances_", "_neighbors", "_scores", "_ratings", "_errors", "_codec")
    beside = {name: array for name, array in arrays.items() if "weights." not in name}
    return sum(a.nbytes for name, a in beside.items() if any(part in name for part in parts))


def main():
    options = parser(__doc__).parse_args()
    print(f"| {'estimator':34} | weights | needed | file | file / both | pickle |")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = slice(0, 100 if options.quick else None)
        for name, estimator in fitted(X[rows], y[rows]):
            content = pickle.dumps(estimator)
            size, file = weights(estimator), io.BytesIO()
            if hasattr(estimator, "save"):
                estimator.save(file)
            n, beside = len(file.getvalue()), needed(file)
            figures = " | ".join(f"{b / 1e3:7.0f}" for b in (size, beside, n))
            figures += f" | {n / (size + beside):5.2f} | {len(content) / 1e3:7.0f}"
            print(f"| {name:34} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
