"""Files without code, pickles, and skops: what is in them, and that models answer the same."""

import copy
import io
import json
import pickle
import pickletools
import re
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from answers import assert_equal, everything_said
from discovery import ALL_ESTIMATORS, ESTIMATORS, labels_for, over, quick
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.callback import ProgressBar
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import load_wine
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import get_tags
from skorch.callbacks import EpochTimer
from torch import nn

import skae
from skae import (
    Autoencoder,
    AutoencoderOutlierDetector,
    DenoisingAutoencoder,
    RatingAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from skae.base.autoencoder import BaseAutoencoder
from skae.persistence import CLASSES, TRUSTED_TYPES, OtherVersionWarning
from skae.persistence import ESTIMATORS as KNOWN

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=", "ignore:Posterior collapse")

HERE = Path(__file__).parent
# Those that are made of training rows, and say so.
KEEP_ROWS = {"AutoencoderOutlierDetector", "RatingAutoencoder"}


def rows_for(cls, X):
    """Rows that a class takes."""
    return np.round(5 * np.abs(X)) if get_tags(cls()).input_tags.positive_only else X


OF_NETS = [cls for cls in ALL_ESTIMATORS if issubclass(cls, BaseAutoencoder)]


@pytest.fixture(scope="module")
def models(X):
    """From a class to a fitted instance, which tests share and do not change, and its rows."""

    @cache
    def make(cls):
        rows = rows_for(cls, X)
        return quick(cls).fit(rows, labels_for(cls, rows)), rows

    return make


def saved(estimator):
    file = io.BytesIO()
    estimator.save(file)
    return file.getvalue()


def loaded(content, **given):
    return skae.load(io.BytesIO(content), **given)


def through_file(estimator):
    return loaded(saved(estimator))


def through_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


# -- the same answers ---------------------------------------------------------------------------

IN_A_FRESH_PROCESS = """
import pickle, sys
import numpy as np
from pathlib import Path
import skae
from answers import everything_said
folder = Path(sys.argv[1])
rows = np.load(folder / "rows.npz")
said = {}
for path in sorted(folder.glob("*.skae")):
    said[path.stem] = everything_said(skae.load(path), rows[path.stem])
(folder / "said.pickle").write_bytes(pickle.dumps(said))
"""


def in_a_fresh_process(script, *arguments):
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE,
    )


@pytest.fixture(scope="module")
def said_by_a_fresh_process(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    rows = {}
    for cls in ALL_ESTIMATORS:
        estimator, rows[cls.__name__] = models(cls)
        estimator.save(folder / f"{cls.__name__}.skae")
    np.savez(folder / "rows.npz", **rows)
    done = in_a_fresh_process(IN_A_FRESH_PROCESS, folder)
    assert done.returncode == 0, done.stderr
    return pickle.loads((folder / "said.pickle").read_bytes())


@over(ALL_ESTIMATORS)
def test_a_file_says_the_same_in_a_fresh_process(cls, models, said_by_a_fresh_process):
    said = everything_said(*models(cls))
    assert sum(not isinstance(answer, str) for answer in said.values()) >= 8
    assert_equal(said, said_by_a_fresh_process[cls.__name__])


@over(ALL_ESTIMATORS)
@pytest.mark.parametrize("through", [through_pickle, copy.deepcopy, copy.copy])
def test_copies_say_the_same(cls, through, models):
    estimator, rows = models(cls)
    assert_equal(everything_said(through(estimator), rows), everything_said(estimator, rows))


@over(ALL_ESTIMATORS)
def test_the_public_estimators_are_known_to_files(cls):
    assert cls in KNOWN


@over(ALL_ESTIMATORS)
def test_unfitted_estimators(cls):
    assert repr(through_file(quick(cls))) == repr(quick(cls))
    assert repr(through_pickle(quick(cls))) == repr(quick(cls))


@over(ALL_ESTIMATORS)
def test_the_same_estimator_gives_the_same_bytes(cls, models):
    estimator, _ = models(cls)
    assert saved(estimator) == saved(estimator)
    assert saved(through_file(estimator)) == saved(estimator)


@over(
    [
        cls
        for cls in ALL_ESTIMATORS
        if issubclass(cls, BaseAutoencoder) and hasattr(cls, "partial_fit")
    ]
)
def test_training_goes_on_from_a_file(cls, models):
    estimator, rows = models(cls)
    first, second = through_file(estimator), through_pickle(estimator)
    for copied in (first, second):
        copied.partial_fit(rows)
        assert copied.n_iter_ == estimator.n_iter_ + 1
        assert copied.loss_curve_[:-1] == estimator.loss_curve_
        assert copied.net_.optimizer_.state_dict()["state"]
    assert_equal(everything_said(first, rows), everything_said(second, rows))
    before = first.net_.module_.state_dict()
    changed = [n for n, t in estimator.net_.module_.state_dict().items() if not t.equal(before[n])]
    assert changed
    warm = [
        one.set_params(warm_start=True).fit(rows) for one in map(copy.deepcopy, (first, second))
    ]
    assert_equal(everything_said(warm[0], rows), everything_said(warm[1], rows))


def test_parameters_set_since_do_not_change_what_was_learned(X):
    ae = Autoencoder(3, hidden_layer_sizes=(8,), max_epochs=2, random_state=0).fit(X)
    said = everything_said(ae, X)
    other = {"hidden_layer_sizes": (5, 5), "activation": "tanh", "shortcut": None, "loss": "huber"}
    ae.set_params(**other)
    codes = ae.transform(X)
    for copied in (through_file(ae), through_pickle(ae), through_pickle(through_file(ae))):
        assert_array_equal(copied.transform(X), codes)
        assert_array_equal(copied.transform(X), said["transform"])
        assert copied.activation == "tanh"
        copied.set_params(code_activation="tanh")
        assert_array_equal(through_file(copied).transform(X), codes)


def test_what_is_learned_of_parameters_of_all_kinds(X):
    labels = np.array(["a", "b"] * 40)
    vae = VariationalAutoencoder(
        np.int64(2),
        categorical_condition=True,
        hidden_layer_sizes=[8],
        max_epochs=2,
        optimizer=torch.optim.Adagrad,
        optimizer_params={"lr_decay": 1e-3},
        device=torch.device("cpu"),
        random_state=np.random.RandomState(0),  # noqa: NPY002
    ).fit(X, condition=labels)
    copied = through_file(vae)
    assert_equal(copied.transform(X, condition=labels), vae.transform(X, condition=labels))
    assert copied.optimizer is torch.optim.Adagrad
    assert copied.random_state.randint(1000) == vae.random_state.randint(1000)
    assert type(copied.code_size) is np.int64
    with pytest.raises(ValueError, match="not seen"):
        copied.transform(X, condition=["c"] * 80)


def test_sparse_rows_frames_and_output_containers(X):
    matrix = sp.csr_array(np.where(X > 0.5, np.round(5 * X), 0))
    ratings = quick(RatingAutoencoder, based_on="items", hidden_layer_sizes=()).fit(matrix)
    assert_equal(everything_said(through_file(ratings), X), everything_said(ratings, X))
    frame = pd.DataFrame(X, columns=list("abcdef"))
    ae = quick(Autoencoder).set_output(transform="pandas").fit(frame)
    copied = through_file(ae)
    pd.testing.assert_frame_equal(copied.reconstruct(frame), ae.reconstruct(frame))
    pd.testing.assert_frame_equal(copied.transform(frame), ae.transform(frame))


def test_paired_rows_and_metadata_requests(X):
    target = pd.DataFrame(X[:, :2] ** 2, columns=["p", "q"])
    ae = quick(Autoencoder).set_output(transform="pandas").fit(X, target=target)
    pd.testing.assert_frame_equal(through_file(ae).reconstruct(X), ae.reconstruct(X))
    import sklearn

    with sklearn.config_context(enable_metadata_routing=True):
        asking = quick(Autoencoder).set_fit_request(target=True)
        for copied in (through_file(asking), through_pickle(asking)):
            requests = copied.get_metadata_routing().fit.requests
            assert requests == {"sample_weight": None, "target": True}


def test_a_stack_of_fitted_layers(X):
    first = quick(Autoencoder, code_size=4).fit(X)
    second = quick(DenoisingAutoencoder, code_size=2).fit(first.transform(X))
    stack = StackedAutoencoder.from_layers([first, second])
    for copied in (through_file(stack), through_pickle(stack)):
        assert_array_equal(copied.transform(X), stack.transform(X))
        copied.partial_fit(X)


# -- pipelines ----------------------------------------------------------------------------------


def pipelines():
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_include="number")),
            ("kinds", OneHotEncoder(dtype=np.float32, handle_unknown="ignore"), ["kind"]),
            ("logs", FunctionTransformer(np.log1p), [0]),
        ],
        sparse_threshold=0,
    )
    yield make_pipeline(columns, quick(Autoencoder), LogisticRegression())
    yield make_pipeline(clone(columns), quick(AutoencoderOutlierDetector))


@pytest.mark.parametrize("pipeline", list(pipelines()), ids=["classifier", "detector"])
@pytest.mark.parametrize("through", ["file", "skops", "pickle"])
def test_pipelines_of_frames(pipeline, through):
    X, y = load_wine(return_X_y=True, as_frame=True)
    X["kind"] = np.where(X["hue"] > 1, "reddish", "other")
    X.loc[::7, "ash"] = np.nan
    pipeline = clone(pipeline).fit(X, y)
    if through == "file":
        file = io.BytesIO()
        skae.save(pipeline, file)
        copied = skae.load(file)
    elif through == "pickle":
        copied = through_pickle(pipeline)
    else:
        copied = through_skops(pipeline)
    assert type(copied) is type(pipeline)
    assert_array_equal(copied.predict(X), pipeline.predict(X))
    assert_array_equal(copied[:-1].transform(X), pipeline[:-1].transform(X))
    assert_array_equal(copied.decision_function(X), pipeline.decision_function(X))


def test_what_is_no_estimator_and_what_files_do_not_know(X, tmp_path):
    with pytest.raises(TypeError, match="estimator is of type ndarray"):
        skae.save(X, tmp_path / "rows.skae")
    own = quick(OfTheUser).fit(X)
    with pytest.raises(TypeError, match=r"OfTheUser.*pickle"):
        own.save(tmp_path / "own.skae")
    detector = AutoencoderOutlierDetector(KernelCodes()).fit(X)
    with pytest.raises(TypeError, match=r"estimators__0.*KernelCodes"):
        detector.save(tmp_path / "detector.skae")
    assert list(tmp_path.iterdir()) == []


class OfTheUser(Autoencoder):
    """A family of the user's, which files cannot know."""


class KernelCodes(BaseEstimator):
    """An autoencoder of the user's."""

    def fit(self, X, y=None):
        self.mean_ = X.mean(axis=0)
        return self

    def transform(self, X):
        return np.asarray(X)[:, :2]

    def reconstruct(self, X):
        return np.asarray(X) * 0.9


# -- code of the user's -------------------------------------------------------------------------


class Encoder(nn.Module):
    """A module of the user's."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.linear = nn.Linear(n_inputs, n_outputs)

    def forward(self, x):
        return torch.tanh(self.linear(x))


def falling(progress):
    return 1.0 - 0.5 * progress


def test_modules_and_callables_are_given_to_load(X):
    ae = quick(Autoencoder, encoder=Encoder(6, 3), lr_schedule=falling).fit(X)
    with pytest.warns(UserWarning, match=r"'encoder', 'lr_schedule'.*encoder=\.\.\., lr_schedule="):
        content = saved(ae)
    for encoder in (Encoder, Encoder(6, 3)):
        copied = loaded(content, encoder=encoder, lr_schedule=falling)
        assert_array_equal(copied.transform(X), ae.transform(X))
        assert copied.encoder is encoder
    with pytest.raises(ValueError, match=r"does not hold \['encoder'\].*encoder=\.\.\."):
        loaded(content, lr_schedule=falling)
    with pytest.raises(ValueError, match="decoder.*cannot be given.*misses only"):
        loaded(content, encoder=Encoder, lr_schedule=falling, decoder=Encoder)
    with pytest.raises(ValueError, match=r"what was given, \['encoder', 'lr_schedule'\]"):
        loaded(content, encoder=nn.Linear, lr_schedule=falling)
    with pytest.raises(ValueError, match="encoder.*cannot be given.*has all of its parameters"):
        loaded(saved(quick(Autoencoder)), encoder=Encoder)


def test_modules_of_autoencoders_inside(X):
    prototypes = [quick(Autoencoder, encoder=Encoder), quick(Autoencoder, encoder=Narrow)]
    detector = AutoencoderOutlierDetector(prototypes, random_state=0).fit(X)
    with pytest.warns(UserWarning, match="autoencoder__0__encoder.*estimators__1__encoder"):
        content = saved(detector)
    given = {f"{name}__0__encoder": Encoder for name in ("autoencoder", "estimators")}
    given |= {f"{name}__1__encoder": Narrow for name in ("autoencoder", "estimators")}
    copied = loaded(content, **given)
    assert_array_equal(copied.score_samples(X), detector.score_samples(X))
    with pytest.raises(ValueError, match="weights are not those"):
        loaded(content, encoder=Encoder)


class Narrow(nn.Sequential):
    """Another."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__(nn.Linear(n_inputs, 2), nn.Linear(2, n_outputs))


def test_densities_of_the_users(X):
    ae = quick(Autoencoder, code_density=KernelDensity(bandwidth=0.1)).fit(X)
    drawn = ae.sample(5, random_state=0)
    with pytest.warns(UserWarning, match="code_density"):
        content = saved(ae)
    copied = loaded(content, code_density=KernelDensity(bandwidth=0.1))
    assert_array_equal(copied.sample(5, random_state=0), drawn)
    assert_array_equal(through_pickle(ae).sample(5, random_state=0), drawn)


class Watching(EpochTimer):
    """A callback of the user's."""


def test_callbacks(X):
    ae = quick(Autoencoder, callbacks=[Watching()]).set_callbacks(ProgressBar()).fit(X)
    with pytest.warns(UserWarning, match=r"load\(path, callbacks=\.\.\.\)"):
        content = saved(ae)
    for callbacks in (None, [Watching()]):
        copied = loaded(content, callbacks=callbacks)
        assert_array_equal(copied.transform(X), ae.transform(X))
        copied.partial_fit(X)


def test_a_device_that_is_not_here(X):
    ae = quick(Autoencoder).fit(X)
    codes = ae.transform(X)
    ae.device_ = torch.device("cuda", 99)
    for copied in (through_file(ae), through_pickle(ae)):
        assert copied.device_ == torch.device("cpu")
        assert_array_equal(copied.transform(X), codes)


@pytest.mark.parametrize("missing", ["safetensors", "safetensors.numpy"])
def test_without_safetensors_the_error_names_the_extra(missing, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, missing, None)
    for use in (quick(Autoencoder).save, skae.load):
        with pytest.raises(ImportError, match=r"skae\[persistence\]"):
            use(tmp_path / "ae.skae")
    assert list(tmp_path.iterdir()) == []


# -- what is in them ----------------------------------------------------------------------------


def opcodes(content):
    return list(pickletools.genops(content))


def holds_rows(content, rows):
    """Whether the memory of three rows is somewhere in the bytes, in either precision."""
    return any(row.astype(t).tobytes() in content for row in rows[:3] for t in ("f4", "f8"))


@over(ALL_ESTIMATORS)
def test_files_hold_no_pickle_no_path_and_no_training_row(cls, models):
    estimator, rows = models(cls)
    content = saved(estimator)
    assert b"\x80\x04\x95" not in content
    assert b"torch" not in content.replace(b"torch.float", b"")
    here = {str(Path.home()), str(HERE), sys.prefix, str(Path.cwd())} - {"/"}
    assert not [path for path in here if path.encode() in content]
    holds = holds_rows(content, scaled(estimator, rows)) or holds_rows(content, rows)
    assert holds == (cls.__name__ in KEEP_ROWS)
    if cls.__name__ in KEEP_ROWS:
        assert re.search(r"pickles[\s\w]+and\s+of\s+the\s+files|files\s+of\s+`save`", cls.__doc__)


def scaled(estimator, rows):
    """Rows as a detector compares them."""
    return estimator._standardized(rows) if hasattr(estimator, "_standardized") else rows


@over(ALL_ESTIMATORS)
def test_pickles_hold_what_inference_needs_and_no_pickle(cls, models):
    estimator, rows = models(cls)
    content = pickle.dumps(estimator)
    names = [str(argument) for code, argument, _ in opcodes(content) if "GLOBAL" in code.name]
    strings = [argument for code, argument, _ in opcodes(content) if "UNICODE" in code.name]
    assert not [name for name in names if "torch" in name]
    modules = {text for text in strings if text.startswith(("torch", "skorch", "io", "_io"))}
    assert modules <= {"torch"}  # of torch.device
    inner = [argument for code, argument, _ in opcodes(content) if isinstance(argument, bytes)]
    assert not [part for part in inner if part[:1] == b"\x80" and part[1:2] in b"\x02\x03\x04\x05"]
    assert not [text for text in strings if "optim" in text and text not in PARAMETERS_OF_TRAINING]
    if cls.__name__ not in KEEP_ROWS:
        assert not holds_rows(content, rows)


PARAMETERS_OF_TRAINING = {"optimizer", "optimizer_params"}


@over([cls for cls in ALL_ESTIMATORS if "keep_training_rows" in cls().get_params()])
@pytest.mark.parametrize("based_on", ["users", "items"])
def test_training_rows_may_be_left_out(cls, based_on, X):
    ratings = sp.csr_array(np.where(X > 0.2, np.round(5 * X) + 0.125, 0))
    settings = {"based_on": based_on, "hidden_layer_sizes": ()}
    keeping = quick(cls, **settings).fit(ratings)
    leaving = quick(cls, **settings, keep_training_rows=False).fit(ratings)
    assert_array_equal(leaving.transform(ratings), keeping.transform(ratings))
    data = ratings.data[:20].tobytes(), ratings.data[:20].astype(np.float32).tobytes()
    for dump in (saved, pickle.dumps):
        assert any(part in dump(keeping) for part in data) or based_on == "items"
        assert not any(part in dump(leaving) for part in data)
    assert_array_equal(
        leaving.predict_ratings([0, 1], [0, 0], X=ratings),
        through_file(leaving).predict_ratings([0, 1], [0, 0], X=ratings),
    )
    keeping.predict_ratings([0, 1], [0, 0])
    with pytest.raises(ValueError, match="keep_training_rows=False"):
        leaving.predict_ratings([0, 1], [0, 0])


def test_a_detector_that_compares_with_no_rows_keeps_none(X):
    for method in ("error", "masked"):
        detector = quick(AutoencoderOutlierDetector, method=method).fit(X)
        for dump in (saved, pickle.dumps):
            assert not holds_rows(dump(detector), scaled(detector, X))
        assert_array_equal(through_file(detector).score_samples(X), detector.score_samples(X))


def size_of_arrays(module):
    tensors = {tensor.data_ptr(): tensor for tensor in module.state_dict().values()}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def test_files_are_hardly_larger_than_the_weights(digits):
    for cls in (Autoencoder, DenoisingAutoencoder, VariationalAutoencoder):
        ae = cls(8, max_epochs=1, early_stopping=False, random_state=0).fit(digits[:500])
        assert len(saved(ae)) < 1.3 * size_of_arrays(ae.net_.module_)


# -- versions -----------------------------------------------------------------------------------


def test_a_pickle_of_another_version_warns(X, monkeypatch):
    ae = quick(Autoencoder).fit(X)
    with monkeypatch.context() as patch:
        patch.setattr("skae.base.saving.__version__", "0.0.1")
        old, content = pickle.dumps(ae), saved(ae)
    with pytest.warns(InconsistentVersionWarning, match=r"Autoencoder was pickled by skae 0\.0\.1"):
        copied = pickle.loads(old)
    assert_array_equal(copied.transform(X), ae.transform(X))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded(content)
        pickle.loads(pickle.dumps(copied))
    assert issubclass(OtherVersionWarning, InconsistentVersionWarning)


# -- skops --------------------------------------------------------------------------------------


def through_skops(estimator):
    skops = pytest.importorskip("skops.io")
    content = skops.dumps(estimator)
    unknown = set(skops.get_untrusted_types(data=content))
    others = {name for name in unknown if name.startswith(("numpy.", "sklearn."))}
    assert unknown - others <= set(TRUSTED_TYPES)
    return skops.loads(content, trusted=[*TRUSTED_TYPES, *others])


@over(ALL_ESTIMATORS)
def test_skops_needs_no_types_but_those_listed(cls, models):
    estimator, rows = models(cls)
    copied = through_skops(estimator)
    assert_equal(everything_said(copied, rows), everything_said(estimator, rows))


def test_the_types_to_trust_are_few():
    assert set(CLASSES) >= {cls.__name__ for cls in ALL_ESTIMATORS}
    others = [name for name in TRUSTED_TYPES if name.rsplit(".", 1)[-1] not in CLASSES]
    assert sorted(name.split(".")[0] for name in others) == ["scipy", "torch"]


# -- elsewhere ----------------------------------------------------------------------------------


def test_joblib_and_processes(X, tmp_path):
    ae = quick(Autoencoder).fit(X)
    joblib.dump(ae, tmp_path / "ae.joblib")
    assert_array_equal(joblib.load(tmp_path / "ae.joblib").transform(X), ae.transform(X))
    with joblib.parallel_config("loky", n_jobs=2):
        fitted = joblib.Parallel()(joblib.delayed(quick(Autoencoder).fit)(X) for _ in range(2))
    for one in fitted:
        assert_array_equal(one.transform(X), ae.transform(X))


def test_a_file_that_cannot_be_written_leaves_the_old_one(X, tmp_path):
    path = tmp_path / "ae.skae"
    quick(Autoencoder).fit(X).save(path)
    before = path.read_bytes()
    with pytest.raises(TypeError, match="OfTheUser"):
        quick(OfTheUser).fit(X).save(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["ae.skae"]
    with pytest.raises(FileNotFoundError):
        skae.load(tmp_path / "none.skae")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@over(ESTIMATORS)
def test_a_file_written_on_a_gpu_opens_without_one(cls, X, tmp_path):
    settings = {"device": "cuda"} if "device" in cls().get_params() else {}
    estimator = quick(cls, **settings).fit(X)
    assert_equal(everything_said(through_file(estimator), X), everything_said(estimator, X))
    estimator.save(tmp_path / "model.skae")
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(estimator))
    np.save(tmp_path / "rows.npy", X)
    script = (
        "import os, sys, json, pickle\nos.environ['CUDA_VISIBLE_DEVICES'] = ''\n"
        "import numpy as np, torch, skae\nassert not torch.cuda.is_available()\n"
        "folder = sys.argv[1]\nX = np.load(folder + '/rows.npy')\n"
        "one = skae.load(folder + '/model.skae')\n"
        "other = pickle.load(open(folder + '/model.pickle', 'rb'))\n"
        "name = 'transform' if hasattr(one, 'transform') else 'score_samples'\n"
        "print(json.dumps([np.asarray(getattr(m, name)(X)).tolist() for m in (one, other)]))\n"
    )
    done = in_a_fresh_process(script, tmp_path)
    assert done.returncode == 0, done.stderr
    one, other = json.loads(done.stdout.splitlines()[-1])
    assert one == other
    name = "transform" if hasattr(cls, "transform") else "score_samples"
    np.testing.assert_allclose(one, getattr(estimator, name)(X), rtol=1e-5, atol=1e-6)


def test_a_frozen_estimator_comes_back(X, tmp_path):
    pipeline = make_pipeline(FrozenEstimator(quick(Autoencoder).fit(X))).fit(X)
    skae.persistence.save(pipeline, tmp_path / "frozen.skae")
    loaded = skae.load(tmp_path / "frozen.skae")
    assert_array_equal(loaded.transform(X), pipeline.transform(X))
