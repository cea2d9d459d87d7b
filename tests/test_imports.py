"""The rooms and the one-way rule between them: each imports only from what stands before it."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from discovery import ALL_ESTIMATORS

import skae

PACKAGE = Path(skae.__file__).parent

# From the ground up: each may import only from those before it.
ROOMS = [
    # the torch side
    "nn.layers",
    "nn.filling",
    "nn.mlp",
    "nn.autoencoder",
    "nn.jacobian",
    "nn.convolutional",
    "nn.masked",
    "nn.recurrent",
    "nn.top_k",
    "nn.likelihoods",
    "nn.variational",
    "nn.vector_quantizer",
    "nn.fold_in",
    "nn",
    "objectives",
    "_batches",
    "_net",
    # the scikit-learn side
    "_validation",
    "_architecture",
    "_outlier",
    "_neighbors",
    "_generative",
    "_training",
    "_base",
    "_shapes",
    "_images",
    "_sparse_codes",
    "_recommender",
]
TORCH_SIDE = ROOMS[: ROOMS.index("_net") + 1]
# The files of the public estimators. They may import all rooms, and each other but for circles.
FAMILIES = sorted({cls.__module__.removeprefix("skae.") for cls in ALL_ESTIMATORS})
# Over any estimator that has the public methods, be it from skae or not: they import none of it.
BESIDE = ["model_selection", "windows", "_displays"]
PUBLIC = "__init__"
KNOWN = [*ROOMS, *FAMILIES, *BESIDE, PUBLIC]


def module_name(path):
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return name.removesuffix(".__init__")


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(path, name):
    """The full names of the modules that a file imports, wherever in the file it does."""
    is_package = path.name == "__init__.py"
    here = ["skae", *([] if name == PUBLIC else name.split("."))]
    package = here if is_package else here[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - (node.level - 1)] if node.level else []
            origin = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                # ``from . import nn`` imports a module, ``from .nn.mlp import MLP`` from one
                full = f"{origin}.{alias.name}"
                yield full if full.removeprefix("skae.") in FILES else origin


def from_skae(name):
    """The files of skae that a file imports."""
    found = imported(FILES[name], name)
    inside = {module.removeprefix("skae").lstrip(".") for module in found if is_in(module, "skae")}
    return sorted(module or PUBLIC for module in inside)


def is_in(module, package):
    return module == package or module.startswith(package + ".")


def test_the_import_statements_are_read():
    """That the reader below reads: what it would not find it could not forbid."""
    assert {"_architecture", "_batches", "_net", "_outlier", "objectives"} <= {*from_skae("_base")}
    assert "nn.layers" in from_skae("nn.mlp")
    assert "_autoencoder" in from_skae(PUBLIC)
    assert "torch" in set(imported(FILES["_net"], "_net"))


def test_every_file_has_its_room():
    unknown = [name for name in FILES if name not in KNOWN]
    assert not unknown, (
        f"{unknown} have no room. A family's file has its estimator in skae.__all__. What families "
        f"share goes into ROOMS of {Path(__file__).name}, after all that it imports, and into the "
        "architecture page in docs/, with what it is for. What only uses public methods of "
        "estimators goes into BESIDE."
    )


@pytest.mark.parametrize("name", FILES)
def test_each_room_imports_only_from_those_before_it(name):
    if name == PUBLIC:
        allowed = set(FILES) - {PUBLIC}
    elif name in ROOMS:
        allowed = set(ROOMS[: ROOMS.index(name)])
    elif name in BESIDE:
        allowed = set()
    else:  # a family, or new: the test above says what to do with it
        allowed = {*ROOMS, *FAMILIES} - {name}
    forbidden = [module for module in from_skae(name) if module not in allowed]
    assert not forbidden, f"{name} imports {forbidden}, which stand after it or beside it"


def test_families_do_not_import_each_other_in_a_circle():
    families = {name: {*from_skae(name)} for name in FAMILIES}
    while families:
        free = [name for name, needs in families.items() if not needs & families.keys()]
        assert free, f"{sorted(families)} import each other"
        for name in free:
            del families[name]


@pytest.mark.parametrize("name", [name for name in FILES if name in TORCH_SIDE])
def test_the_torch_side_knows_nothing_of_scikit_learn(name):
    others = ("sklearn", "pandas", "polars", "matplotlib")
    known = [module for module in imported(FILES[name], name) if module.startswith(others)]
    assert not known


@pytest.mark.parametrize("name", FILES)
def test_matplotlib_and_frames_are_imported_by_no_module(name):
    """At the top of a file, that is: a function may import what it needs when it is called."""
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [alias.name for node in top if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in top if isinstance(node, ast.ImportFrom)]
    heavy = {"matplotlib", "pandas", "polars", "pytest"}
    assert not heavy & {module.split(".")[0] for module in names}


def modules_after(statement):
    script = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return {module.split(".")[0] for module in json.loads(done.stdout.splitlines()[-1])}


def test_importing_skae_imports_little_beyond_what_it_stands_on():
    ground = modules_after("import torch, sklearn.decomposition, sklearn.callback, skorch")
    added = modules_after("import skae") - ground
    assert not added & {
        "matplotlib",
        "pandas",
        "polars",
        "rich",
        "pytest",
        "IPython",
        "torchvision",
    }


def test_public_names():
    assert sorted(skae.__all__) == sorted(set(skae.__all__))
    for name in skae.__all__:
        assert getattr(skae, name).__module__.startswith("skae.")
    assert skae.__version__.count(".") >= 2
