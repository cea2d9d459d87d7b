"""Serve a fitted estimator over HTTP, without torch, scikit-learn or skae.

python serve.py model.onnx 8000

A client posts rows as JSON, {"rows": [[5.1, 3.5, ...], ...]}, and is sent what each output of the
graph says of them, {"score_samples": [...], "predict": [...]}. A missing entry is null.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import onnxruntime


def make_server(path, port):
    session = onnxruntime.InferenceSession(path)
    given = session.get_inputs()[0]
    names = [output.name for output in session.get_outputs()]
    dtype = np.float32 if given.type == "tensor(float)" else np.float64

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            try:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                rows = np.array(body["rows"], dtype=dtype)  # null becomes NaN
                answers = session.run(None, {given.name: rows})
            except Exception as error:
                self.answer(400, {"error": str(error)})
            else:
                self.answer(200, {n: a.tolist() for n, a in zip(names, answers, strict=True)})

        def answer(self, status, content):
            content = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    server = make_server(sys.argv[1], int(sys.argv[2]))
    print(server.server_port, flush=True)
    server.serve_forever()
