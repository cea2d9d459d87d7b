"""Files of every version of the format open for ever, and answer as they did."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from discovery import ALL_ESTIMATORS, over

import skae
from skae.storage.archive import VERSION

pytest.importorskip("safetensors")
FILES = Path(__file__).parent / "files"
OLD = sorted(FILES.glob("v*/*.skae"))

spec = importlib.util.spec_from_file_location("make", FILES / "make.py")
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)


@over(ALL_ESTIMATORS)
def test_a_file_of_each_estimator_is_kept(cls):
    assert (FILES / f"v{VERSION}" / f"{cls.__name__}.skae").exists(), (
        "run python tests/files/make.py, and keep what it writes"
    )


@pytest.mark.parametrize("path", OLD, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_old_files_open_and_answer_as_they_did(path):
    estimator = skae.load(path)
    with np.load(path.with_suffix(".npz")) as kept:
        rows = kept["X"]
        expected = {name: kept[name] for name in kept.files if name != "X"}
    found = make.answers(estimator, rows)
    assert found.keys() >= expected.keys() != set()
    for name, answer in expected.items():
        if answer.dtype.kind == "f":
            tolerance = 1e-6 * np.nanmax(np.abs(answer))
            np.testing.assert_allclose(found[name], answer, rtol=0, atol=tolerance, err_msg=name)
        else:
            assert (found[name] == answer).all(), name
