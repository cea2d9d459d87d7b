"""The rooms and the one-way rule between them: each imports only from what stands before it."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import skae

PACKAGE = Path(skae.__file__).parent

# From the ground up: each may import only from those before it, and from its own folder but for
# circles.
ROOMS = [
    "_version",
    "_errors",
    "_sklearn",
    "windows",
    "storage",
    "nn",
    "engine",
    "rows",
    "base",
    "families",
]
ROOMS += ["around", "export", "persistence", "onnx", "streams"]
TORCH_SIDE = ["nn"]
# Over any estimator that has the public methods, be it from skae or not: each may import only those
# before it.
BESIDE = ["model_selection", "inspection"]
PUBLIC = "__init__"
# Lines of a file, and lines of code in it: a longer one is two.
MOST_LINES, MOST_LINES_OF_CODE = 500, 300
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef


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


def room(name):
    return name.split(".")[0]


def test_the_import_statements_are_read():
    """That the reader below reads: what it would not find it could not forbid."""
    assert {"engine.batches", "rows.units", "base.scores"} <= {*from_skae("base.autoencoder")}
    assert "nn.layers" in from_skae("nn.mlp")
    assert "families.autoencoder" in from_skae(PUBLIC)
    assert "torch" in set(imported(FILES["engine.net"], "engine.net"))


def test_every_file_has_its_room():
    unknown = [name for name in FILES if room(name) not in (*ROOMS, *BESIDE, PUBLIC)]
    assert not unknown, (
        f"{unknown} have no room: docs/architecture.md says what stands where. What only uses "
        f"public methods of estimators goes into BESIDE of {Path(__file__).name}."
    )


@pytest.mark.parametrize("name", FILES)
def test_each_room_imports_only_from_those_before_it(name):
    if name == PUBLIC:
        allowed = {*ROOMS, *BESIDE}
    elif room(name) in BESIDE:
        allowed = set(BESIDE[: BESIDE.index(room(name)) + 1])
    else:
        allowed = set(ROOMS[: ROOMS.index(room(name)) + 1])
    forbidden = [module for module in from_skae(name) if room(module) not in allowed]
    assert not forbidden, f"{name} imports {forbidden}, which stand after it or beside it"


@pytest.mark.parametrize("folder", ROOMS)
def test_files_of_one_room_do_not_import_each_other_in_a_circle(folder):
    files = [name for name in FILES if room(name) == folder and name != folder]
    left = {name: {*from_skae(name)} - {name} for name in files}
    while left:
        free = [name for name, needs in left.items() if not needs & left.keys()]
        assert free, f"{sorted(left)} import each other"
        for name in free:
            del left[name]


@pytest.mark.parametrize("name", FILES)
def test_no_file_is_too_long_to_read_at_once(name):
    source = FILES[name].read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MOST_LINES
    assert lines_of_code(source) <= MOST_LINES_OF_CODE


def lines_of_code(source):
    """Lines that are neither blank nor a comment nor in a docstring."""
    documented = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            documented.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and number not in documented
        for number, line in enumerate(source.splitlines(), start=1)
    )


def test_private_scikit_learn_is_imported_by_one_file():
    private = {
        name: [module for module in imported(path, name) if is_private(module)]
        for name, path in FILES.items()
        if name != "_sklearn"
    }
    assert not {name: modules for name, modules in private.items() if modules}


def is_private(module):
    return is_in(module, "sklearn") and "._" in module


@pytest.mark.parametrize("name", [name for name in FILES if room(name) in TORCH_SIDE])
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
