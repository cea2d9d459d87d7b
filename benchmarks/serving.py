"""One row at a time: milliseconds in onnxruntime beside skae's own, and the size of the graph.

    python benchmarks/serving.py

Each estimator is fitted to the handwritten digits (1 797 x 64) with its defaults but for a few
epochs, as many as change nothing in what a row takes. The median of many calls, on one thread.
"""

import argparse
import time
import warnings

import numpy as np
import onnxruntime
import torch
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae.onnx import to_onnx

SETTINGS = {"code_size": 8, "max_epochs": 2, "random_state": 0}


def estimators(names):
    """Estimators to time, unfitted, by name."""
    small = skae.Autoencoder(**SETTINGS)
    known = {
        "Autoencoder": small,
        "StandardScaler, Autoencoder": make_pipeline(StandardScaler(), small),
        "KSparseAutoencoder": skae.KSparseAutoencoder(**{**SETTINGS, "code_size": 128}),
        "VariationalAutoencoder": skae.VariationalAutoencoder(**SETTINGS),
        "VectorQuantizedAutoencoder": skae.VectorQuantizedAutoencoder(**SETTINGS),
        "ConvolutionalAutoencoder": skae.ConvolutionalAutoencoder(**SETTINGS),
        "MaskedAutoencoder": skae.MaskedAutoencoder(**{**SETTINGS, "code_size": 64}),
        "SequenceAutoencoder": skae.SequenceAutoencoder(**SETTINGS, n_channels=8),
        "AutoencoderOutlierDetector": skae.AutoencoderOutlierDetector(small, random_state=0),
    }
    return {name: known[name] for name in names or known}


def median_ms(call, n_calls):
    """Of a call, after some that do not count."""
    times = []
    for i in range(n_calls + 5):
        start = time.perf_counter()
        call()
        if i >= 5:
            times.append(time.perf_counter() - start)
    return 1e3 * np.median(times)


def compare(estimator, method, X, n_calls):
    """Milliseconds of one row by the estimator and by its graph, and the graph's kB."""
    model = to_onnx(estimator, method).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options)
    given = {session.get_inputs()[0].name: X[:1]}
    own = getattr(estimator, method)
    seconds = [median_ms(lambda: own(X[:1]), n_calls)]
    seconds.append(median_ms(lambda: session.run(None, given), n_calls))
    return *seconds, len(model) / 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run of two estimators")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    X = load_digits().data.astype(np.float32)
    names = ["Autoencoder", "VectorQuantizedAutoencoder"] if quick else None
    head = f"| {'estimator':28} | {'method':13} | skae ms | onnxruntime ms | times | graph kB |"
    print(head)
    print(f"|{'-' * 30}|{'-' * 15}|---------|----------------|-------|----------|")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, estimator in estimators(names).items():
            estimator.fit(X[:200] if quick else X)
            for method in ("transform", "score_samples"):
                if not hasattr(estimator, method):
                    continue
                own, graph, size = compare(estimator, method, X, 20 if quick else 300)
                figures = f"{own:7.2f} | {graph:14.3f} | {own / graph:5.0f} | {size:8.0f}"
                print(f"| {name:28} | {method:13} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
