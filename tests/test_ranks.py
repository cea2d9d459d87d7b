"""Several processes that train together: what they learn is what one would."""

import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import ranks
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from numpy.testing import assert_allclose, assert_array_equal

import skae
from skae.around import supervised
from skae.engine.ranks import ALONE, ranks_of

N_PROCESSES = 2


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """What each of two processes has found."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(N_PROCESSES),
        "OMP_NUM_THREADS": "1",  # as launchers set it: the cores are divided among processes
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, ranks.__file__, folder],
            env={**os.environ, **settings, "RANK": str(i), "LOCAL_RANK": str(i)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(N_PROCESSES)
    ]
    said = [process.communicate(timeout=600)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * N_PROCESSES, said
    return [pickle.loads((Path(folder) / f"{i}.pickle").read_bytes()) for i in range(N_PROCESSES)]


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(supervised, "STEPS_PER_EPOCH", 2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ranks.CASES)
def test_what_two_processes_learn_is_what_one_learns(name, answered):
    """Noise, masks and choices between rows of a batch included, and the same bits in both."""
    first, second = (found[name] for found in answered)
    for method, expected in ranks.said(name).items():
        assert_array_equal(first[method], second[method])
        if method == "predict":
            assert np.isclose(first[method], expected, atol=0.02).mean() > 0.9
        else:
            assert_allclose(first[method], expected, rtol=1e-5, atol=1e-5, err_msg=method)


@pytest.mark.filterwarnings("ignore")
def test_each_process_has_its_share_of_a_batch(answered):
    assert ranks.sizes_of_batches() == [11, 11]
    assert [found["sizes"] for found in answered] == [[5, 5], [6, 6]]


@pytest.mark.filterwarnings("ignore")
def test_running_means_count_the_rows_of_all(answered):
    for found in answered:
        assert_allclose(found["running"], ranks.running(), rtol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_two_processes_agree(answered):
    first, second = answered
    for case in ("no seed", "checkpoint"):
        assert first[case].keys() == second[case].keys()
        for method in first[case]:
            assert_array_equal(first[case][method], second[case][method])
    for method, expected in first["checkpoint"].items():
        assert_array_equal(first["again"][method], expected)
        assert_array_equal(first["Autoencoder"][method], expected)
        assert_array_equal(first["object"][method], expected)


@pytest.mark.filterwarnings("ignore")
def test_each_process_reads_its_share_of_blocks(answered):
    """Other batches than those of one process, but of as many rows."""
    assert_array_equal(answered[0]["streamed"], answered[1]["streamed"])
    X = ranks.curved()
    total = X.var(axis=0).sum()
    for scores in (answered[0]["streamed"], ranks.streamed().score_samples(X)):
        assert 1 + scores.mean() / total == pytest.approx(0.95, abs=0.02)
    read = [set(found["read"]) for found in answered]
    assert read[0] | read[1] == set(range(20))
    assert not read[0] & read[1]
    for found in answered:
        assert "1 block(s), fewer than the 2 processes" in found["one block"]


@pytest.mark.filterwarnings("ignore:max_epochs")
def test_an_accelerator_of_one_process_changes_nothing(X):
    settings = {"max_epochs": 2, "early_stopping": False, "random_state": 0}
    here = skae.Autoencoder(2, **settings).fit(X)
    there = skae.Autoencoder(2, **settings, accelerator=Accelerator(cpu=True)).fit(X)
    assert_array_equal(here.transform(X), there.transform(X))
    assert ranks_of("auto") is ALONE


def test_what_cannot_be_trained_by_is_refused(X):
    class Scaled(Accelerator):
        mixed_precision = "fp16"

    with pytest.raises(ValueError, match="mixed_precision='fp16'"):
        skae.Autoencoder(2, accelerator=Scaled(cpu=True)).fit(X)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    with pytest.raises(ValueError, match="gradient_accumulation_steps=2"):
        skae.Autoencoder(2, accelerator=accelerator).fit(X)
    with pytest.raises(ValueError, match="'accelerator' parameter of Autoencoder"):
        skae.Autoencoder(2, accelerator="gpu").fit(X)


def test_without_accelerate_the_error_names_the_extra(X, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ImportError, match=r"skae\[accelerate\]"):
        skae.Autoencoder(2, accelerator="auto").fit(X)


@pytest.mark.filterwarnings("ignore:max_epochs")
def test_bfloat16(X):
    """Learned in half the precision, and close to what is learned in the whole."""
    AcceleratorState._reset_state()  # as accelerate's own tests do: a process has one
    accelerator = Accelerator(cpu=True, mixed_precision="bf16")
    settings = {"early_stopping": False, "max_epochs": 5, "random_state": 0}
    half = skae.Autoencoder(2, **settings, accelerator=accelerator).fit(X)
    whole = skae.Autoencoder(2, **settings).fit(X)
    AcceleratorState._reset_state()
    assert half.loss_curve_ != whole.loss_curve_
    assert_allclose(half.loss_curve_, whole.loss_curve_, rtol=0.05)
