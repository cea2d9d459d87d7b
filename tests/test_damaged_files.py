"""Files that are damaged, changed or made up: an error, or the same model, and never code.

``pytest tests/test_damaged_files.py --mutations 2000`` tries more of them.
"""

import copy
import hashlib
import io
import json
import random
import subprocess
import sys
import time
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from discovery import quick
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skae
from skae import (
    Autoencoder,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    RatingAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from skae.storage.archive import ARRAYS, HEADER, MODEL, VERSION

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=", "ignore:Posterior collapse")


@pytest.fixture(scope="module")
def files(X):
    """Names, bytes, and what the models answer."""
    labels = np.array(["a", "b"] * 40)
    models = [quick(cls).fit(X) for cls in (Autoencoder, StackedAutoencoder, RatingAutoencoder)]
    models += [quick(cls).fit(X) for cls in (AutoencoderImputer, AutoencoderOutlierDetector)]
    models += [quick(VariationalAutoencoder).fit(X)]
    models += [make_pipeline(StandardScaler(), quick(Autoencoder), LogisticRegression())]
    models[-1].fit(X, labels)
    found = []
    for model in models:
        file = io.BytesIO()
        skae.save(model, file)
        found.append((file.getvalue(), answer(model, X)))
    return found


def answer(model, X):
    """A number or a label for each row, whatever the model is."""
    for name in ("score_samples", "decision_function", "transform"):
        if hasattr(model, name):
            return np.asarray(getattr(model, name)(X))
    raise AssertionError(f"{model} answers nothing")


def load(content, **given):
    return skae.load(io.BytesIO(content), **given)


def unpacked(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members, signed=True, how=zipfile.ZIP_STORED):
    """A file of these members; ``signed`` with the sizes and checksums that they have."""
    members = dict(members)
    if signed:
        header = json.loads(members[HEADER])
        for name, stated in header["members"].items():
            stated["size"] = len(members[name])
            stated["sha256"] = hashlib.sha256(members[name]).hexdigest()
        members[HEADER] = json.dumps(header).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return file.getvalue()


# -- mutations ----------------------------------------------------------------------------------


def flip(content, rng):
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def cut(content, rng):
    start, stop = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return rng.choice([content[:stop], content[start:], content[:start] + content[stop:]])


def leaves(node, path=()):
    """Paths of all that can be replaced in JSON."""
    if path:
        yield path
    if isinstance(node, dict | list):
        for key, part in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(part, (*path, key))


SCRAPS = [None, True, 0, -1, 3, 10**9, 2.5, "", "tanh", "object", [], {}, {"$": "object", "v": 0}]
SCRAPS += [{"$": "float", "v": "nan"}, {"$": "tuple", "v": []}, {"$": "missing", "v": "encoder"}]
SCRAPS += [{"$": "dtype", "v": "O"}, {"$": "ufunc", "v": "log1p"}, {"$": "bytes", "v": "eA=="}]


def edit(members, rng):
    model = json.loads(members[MODEL])
    for _ in range(rng.choice([1, 1, 3])):
        places = list(leaves(model))
        *path, last = rng.choice(places)
        node = model
        for key in path:
            node = node[key]
        if rng.random() < 0.2:
            del node[last]
        elif rng.random() < 0.3:  # the part of another place
            other = model
            for key in rng.choice(places if len(places) < 2 else list(leaves(model))):
                other = other[key]
            node[last] = copy.deepcopy(other)
        else:
            node[last] = rng.choice(SCRAPS)
    return {**members, MODEL: json.dumps(model).encode()}


def swap(members, rng):
    arrays = safetensors.numpy.load(members[ARRAYS])
    one, other = rng.sample(sorted(arrays), 2)
    arrays[one], arrays[other] = arrays[other], arrays[one]
    return {**members, ARRAYS: safetensors.numpy.save(arrays)}


def reshape(members, rng):
    arrays = safetensors.numpy.load(members[ARRAYS])
    name = rng.choice(sorted(arrays))
    array = arrays[name]
    changed = [
        array[None],
        array.ravel(),
        np.asarray(array != 0),
        array.T.copy(),
        array.ravel()[:0],
    ]
    arrays[name] = rng.choice(changed)
    return {**members, ARRAYS: safetensors.numpy.save(arrays)}


def change(members, rng):
    arrays = safetensors.numpy.load(members[ARRAYS])
    array = arrays[rng.choice([name for name in arrays if arrays[name].size])]
    array.reshape(-1)[rng.randrange(array.size)] = rng.choice([0, 1, 2])
    return {**members, ARRAYS: safetensors.numpy.save(arrays)}


@pytest.fixture(scope="module")
def n_mutations(request):
    return request.config.getoption("--mutations")


def test_mutations_are_refused_or_change_nothing(files, X, n_mutations):
    """As storage, networks and hands change files: without new checksums."""
    rng, messages = random.Random(0), []
    for i in range(n_mutations):
        content, said = files[i % len(files)]
        kind = rng.choice([flip, flip, cut, edit, swap, change, reshape])
        if kind in (flip, cut):
            mutated = kind(content, rng)
        else:
            mutated = packed(kind(unpacked(content), rng), signed=False)
        try:
            model = load(mutated)
        except ValueError as error:
            messages.append(str(error))
        else:
            assert_array_equal(answer(model, X), said)
    assert len(messages) > 0.7 * n_mutations
    assert all("damaged" in message for message in messages)
    assert len({message[:80] for message in messages}) >= 5


def test_files_with_new_checksums_do_no_harm(files, X, n_mutations):
    """As somebody makes them who knows how: an error, or a model, whatever it answers."""
    rng, refused = random.Random(1), 0
    started = time.monotonic()
    for i in range(n_mutations):
        content, _ = files[i % len(files)]
        mutated = packed(rng.choice([edit, edit, swap, reshape])(unpacked(content), rng))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                load(mutated)
            except ValueError:
                refused += 1
    assert refused > 0.3 * n_mutations
    assert time.monotonic() - started < 0.5 * n_mutations


# -- one by one ---------------------------------------------------------------------------------


@pytest.fixture
def members(files):
    return unpacked(files[0][0])


def refused(content, match):
    with pytest.raises(ValueError, match=match):
        load(content)


def with_header(members, **changed):
    return {**members, HEADER: json.dumps(json.loads(members[HEADER]) | changed).encode()}


def test_what_is_no_file_of_skae(files, tmp_path):
    for content in (b"", b"PK", b"\x80\x04\x95 a pickle", b"x" * 1000, files[0][0][:-30]):
        refused(content, "no file that skae has written")
    refused(packed({"a": b"b"}, signed=False), r"it holds \['a'\]")
    with pytest.raises(IsADirectoryError):
        skae.load(tmp_path)


def test_versions_of_the_format(members):
    newer = with_header(members, version=VERSION + 1, skae="9.0")
    refused(packed(newer), f"version {VERSION + 1} .*skae 9.0.*install a newer skae")
    for version in (0, -1, "1", True, None, 1.0):
        refused(packed(with_header(members, version=version)), "no version of the format")
    refused(packed(with_header(members, format="onnx")), "says nothing of skae")
    refused(packed({**members, HEADER: b"[]"}, signed=False), "says nothing of skae")
    refused(packed(with_header(members, **{"class": "StackedAutoencoder"})), "does not hold")


def test_checksums(members):
    for name in (MODEL, ARRAYS):
        changed = members[name].replace(b"0", b"1", 1)
        assert changed != members[name]
        refused(packed({**members, name: changed}, signed=False), "checksum")
        refused(packed({**members, name: members[name] + b" "}, signed=False), "size")


def test_entries_that_do_not_belong_there(members):
    refused(packed({**members, "setup.py": b"print('here')"}), "setup.py")
    refused(packed({**members, "../../header.json": b"{}"}), "it holds")
    refused(packed({**members, "/etc/passwd": b""}), "it holds")
    file = io.BytesIO(packed(members))
    with zipfile.ZipFile(file, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the name that is there already
        archive.writestr(MODEL, members[MODEL])
    refused(file.getvalue(), "once each")


def test_bombs(members):
    zeros = {**members, MODEL: b"[" + b"0," * 2**22 + b"0]"}
    refused(packed(zeros, how=zipfile.ZIP_DEFLATED), r"compressed|more than is allowed")
    bomb = {**members, HEADER: b" " * 2**20 + members[HEADER]}
    refused(packed(bomb, signed=False), "more than is allowed")
    file = io.BytesIO(packed(members))
    with zipfile.ZipFile(io.BytesIO(), "w") as archive:
        archive.writestr(HEADER, members[HEADER])
    compressed = io.BytesIO()
    with zipfile.ZipFile(compressed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content, zipfile.ZIP_BZIP2 if name == MODEL else None)
    refused(compressed.getvalue(), "a way that skae does not use")
    compressed = io.BytesIO()
    with zipfile.ZipFile(compressed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    refused(compressed.getvalue(), f"{ARRAYS} is compressed")
    deep = {**members, MODEL: b"[" * 10**5 + b"]" * 10**5}
    refused(packed(deep), "its JSON")
    assert load(file.getvalue()) is not None


def test_sizes_that_the_zip_misstates(members):
    content = packed(members)
    size = len(members[ARRAYS]).to_bytes(4, "little")
    assert content.count(size + size) == 2
    refused(content.replace(size + size, size + (2**31 - 1).to_bytes(4, "little")), "damaged")


def edited(members, function):
    model = json.loads(members[MODEL])
    function(model)
    return packed({**members, MODEL: json.dumps(model).encode()})


def state_of(model, number=-1):
    return model["objects"][number]["state"]


def set_everywhere(model, name, value):
    """Set an attribute of all objects that have it."""
    states = [description["state"] for description in model["objects"]]
    states = [state for state in states if name in state]
    assert states
    for state in states:
        state[name] = value


def test_a_few_bytes_cannot_ask_for_much_memory(members):
    """A net of any size is described by a number, but has as many weights as the file."""
    for name, value in {
        "hidden_layer_sizes": [10**9, 10**9],
        "code_size_": 10**9,
        "n_numbers": 10**9,
    }.items():
        content = edited(members, lambda model, n=name, v=value: set_everywhere(model, n, v))
        tracemalloc.start()
        refused(content, "weights are not those of the net")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 100 * len(content)


def test_arrays_of_other_shapes(members):
    arrays = safetensors.numpy.load(members[ARRAYS])
    name = next(name for name in arrays if name.endswith("encoder.shortcut.weight"))
    for changed in (arrays[name].T, arrays[name][:, :-1], arrays[name].astype(np.int32)):
        other = {**arrays, name: np.ascontiguousarray(changed)}
        content = packed({**members, ARRAYS: safetensors.numpy.save(other)})
        refused(content, "encoder.shortcut.weight")
    del arrays[name]
    refused(packed({**members, ARRAYS: safetensors.numpy.save(arrays)}), name)


@pytest.mark.parametrize(
    "description",
    [
        {"class": "os.system", "state": {}},
        {"class": "sklearn:os", "state": {}},
        {"class": "sklearn:SVC", "state": {}},
        {"class": "sklearn:Pipeline", "state": {"$": "object", "v": 0}},
        {"class": "AutoencoderNet", "state": {}},
        {"class": "Popen", "fields": ["ls"]},
        {"class": "Fold", "fields": [1]},
        {"class": "SparseRows", "state": []},
        {"class": None},
        {},
        [],
        7,
    ],
)
def test_objects_of_other_classes(members, description):
    content = edited(members, lambda model: model["objects"].insert(0, description))
    refused(content, "damaged")


@pytest.mark.parametrize(
    "node",
    [
        {"$": "code", "v": "print()"},
        {"$": "object", "v": 99},
        {"$": "object", "v": -1},
        {"$": "ufunc", "v": "fromfile"},
        {"$": "numpy type", "v": "ndarray"},
        {"$": "numpy type", "v": "memmap"},
        {"$": "optimizer", "v": "lr_scheduler"},
        {"$": "type", "v": "type"},
        {"$": "dtype", "v": "f8,f8"},
        {"$": "dtype", "v": "V999999999999"},
        {"$": "array", "v": "nowhere"},
        {"$": "objects", "dtype": "|O", "shape": [10**12], "v": []},
        {"$": "texts", "dtype": "<U1000000000", "shape": [1], "v": ["a"]},
        {"$": "sparse", "format": "os", "array": True, "shape": [1, 1], "parts": {}},
        {"$": "Generator", "v": {"bit_generator": "seed"}},
        {"$": "slice", "v": [1, 2, 3, 4]},
        {"$": "float", "v": "__import__('os')"},
        {"$": "bytes", "v": "?"},
        {"$": "set", "v": [[]]},
        {"$": ["float"], "v": 1},
        {"$": "missing", "v": "warm_start"},
    ],
)
def test_values_of_other_kinds(members, node):
    content = edited(members, lambda model: state_of(model).update(some=node))
    refused(content, "damaged")


def test_sparse_matrices_with_indices_past_their_width(X):
    file = io.BytesIO()
    quick(RatingAutoencoder).fit(X).save(file)
    members = unpacked(file.getvalue())
    arrays = safetensors.numpy.load(members[ARRAYS])
    name = next(name for name in arrays if name.endswith("indices"))
    arrays[name] = arrays[name] + 10**6
    refused(packed({**members, ARRAYS: safetensors.numpy.save(arrays)}), "damaged")


# -- nothing is run -----------------------------------------------------------------------------

UNDER_WATCH = """
import io, json, sys, warnings
warnings.simplefilter("ignore")
import skae
paths = sys.argv[1:]
from importlib import import_module
from skae.storage.objects import OF_SCIKIT_LEARN
for name in OF_SCIKIT_LEARN:  # whose classes a file may name
    import_module(name)
for path in paths[:8]:  # whatever torch imports at the first use
    skae.load(path)
contents = [open(path, "rb").read() for path in paths]
happened, allowed = [], {"opened": set()}
FORBIDDEN = ("exec", "compile", "import", "open", "socket", "subprocess", "os.", "shutil", "pickle",
             "marshal", "ctypes", "code.", "sys.addaudithook", "tempfile", "glob", "urllib", "http")

def hook(event, arguments):
    if watching and event.startswith(FORBIDDEN):
        happened.append([event, str(arguments)[:200]])

watching = False
sys.addaudithook(hook)
for path, content in zip(paths, contents):
    watching = True
    try:
        skae.load(path)
        skae.load(io.BytesIO(content))
    except ValueError:
        pass
    watching = False
print(json.dumps(happened))
"""


def test_loading_opens_imports_and_runs_nothing(files, X, tmp_path):
    rng, paths = random.Random(2), []
    encoder = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    pipeline = make_pipeline(encoder, quick(Autoencoder))
    file = io.BytesIO()
    skae.save(pipeline, file)
    contents = [content for content, _ in files] + [file.getvalue()]
    contents += [packed(edit(unpacked(content), rng)) for content, _ in 6 * files]
    for i, content in enumerate(contents):
        paths.append(tmp_path / f"{i}.skae")
        paths[-1].write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", UNDER_WATCH, *map(str, paths)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    happened = json.loads(done.stdout.splitlines()[-1])
    opened = [arguments for event, arguments in happened if event == "open"]
    assert len(opened) >= len(paths)
    others = [entry for entry in happened if entry[0] != "open" or ".skae" not in entry[1]]
    assert not others, others[:5]
