"""Questions that a newcomer types into the search of the built site, in a headless browser.

Each must find its page among the first three hits, and no page may log an error. Needs
``pip install playwright`` and a Chromium: ``python .ci/search.py docs/_build/html [chromium]``.
"""

import functools
import http.server
import sys
import threading
from urllib.parse import quote

from playwright.sync_api import sync_playwright

QUESTIONS = {
    "anomaly": "outliers",
    "outlier detection": "outliers",
    "isolation forest": "outliers",
    "VAE": "variational",
    "variational": "variational",
    "embedding": "map_of_counts|k_sparse_features|pca_and_autoencoder|index.html",
    "visualization": "map_of_counts",
    "dimension reduction": "autoencoder.html|pca_and_autoencoder",
    "PCA": "autoencoder|coming_from",
    "compression": "compression|AutoencoderCompressor",
    "imputation": "imputation",
    "missing values": "imputation",
    "synthetic data": "synthetic",
    "feature learning": "sparse",
    "save model": "saving",
    "ONNX": "saving|onnx",
    "deploy": "saving",
    "GridSearchCV": "autoencoder|training|coming_from|index.html",
    "recommendation": "recommendation",
    "large data": "big_data",
    "parquet": "big_data",
    "time series": "sequence|taxi|outliers|windows",
    "forecast": "forecast|sequence",
    "categorical": "tables|imputation|titanic",
    "semi-supervised": "labels",
    "PyOD": "coming_from|outliers",
    "resume training": "training",
    "denoise images": "denoising|repair",
    "plot": "inspection|gallery",
}


def serve(folder):
    """Serve a folder from a thread; the address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def main(folder, browser=None):
    """Print the hits of each question; whether one failed."""
    address, missed, errors = serve(folder), [], []
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page()
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        for path in ("index.html", "api.html", "gallery/index.html", "user_guide/outliers.html"):
            page.goto(f"{address}/{path}")
        for question, expected in QUESTIONS.items():
            page.goto(f"{address}/search.html?q={quote(question)}")
            page.wait_for_function(
                "/finished|did not match/.test(document.querySelector('#search-results').innerText)"
            )
            hits = page.eval_on_selector_all(
                "#search-results ul.search li a", "links => links.map(link => link.href)"
            )
            first = [hit.removeprefix(address).split("?")[0] for hit in hits[:3]]
            found = any(part in hit for hit in first for part in expected.split("|"))
            print(f"{'ok  ' if found else 'MISS'} {question}: {', '.join(first)}")
            missed += [] if found else [question]
    for error in errors:
        print("console:", error)
    return bool(missed or errors)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
