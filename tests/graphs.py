"""What the tests of graphs of ONNX share."""

import numpy as np


def answers(model, given):
    """The outputs of a graph, by their names."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString())
    if not isinstance(given, dict):
        given = {session.get_inputs()[0].name: given}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, given), strict=True))


def assert_close(answer, expected, name):
    """Within 1e-5 of the largest number, the same shape, type and places of NaN."""
    expected = np.asarray(expected)
    assert (answer.shape, answer.dtype) == (expected.shape, expected.dtype), name
    if expected.dtype.kind != "f":
        assert (answer == expected).mean() >= 0.999, name  # a score may lie at the threshold
        return
    known = ~np.isnan(expected)
    assert (known == ~np.isnan(answer)).all(), name
    assert np.abs(answer - expected)[known].max() <= 1e-5 * np.abs(expected[known]).max(), name
