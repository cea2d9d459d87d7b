"""How the documentation is built: ``sphinx-build -W -b html docs docs/_build/html``."""

import inspect
import os
import re
import sys
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))
os.environ["TQDM_DISABLE"] = "1"  # progress bars are not for pages

project = "skae"
author = "The skae developers"
copyright = "The skae developers"
version = release = installed("skae")

extensions = [
    "llms",
    "mathml",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "examples/*", "**/sg_execution_times.rst", "sg_execution_times.rst"]
templates_path = ["_templates"]
suppress_warnings = ["config.cache"]  # the gallery's functions in this file are not pickled

autodoc_typehints = "none"  # the docstring says more
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"
autosummary_generate = True
numpydoc_show_class_members = False
default_role = "py:obj"  # what docstrings have in single backticks
html_math_renderer = "mathml"
# The blank line that ends a doctest before the closing fence is not shown.
highlight_options = {lexer: {"stripnl": True} for lexer in ("python", "pycon", "default")}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

EXAMPLES = HERE / "examples"
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skae",),
    "filename_pattern": r"plot_",
    "ignore_pattern": r"serve\.py",  # an example for a terminal, shown on the page on deployment
    "within_subsection_order": "FileNameSortKey",
    "show_signature": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "plot_gallery": "True",
    "parallel": 2,
    "matplotlib_animations": False,
}

# An API page of a class lists what skae gives it, and not what every estimator has.
autosummary_context = {
    "not_documented": "BaseEstimator, TransformerMixin, OutlierMixin, ClassifierMixin, "
    "RegressorMixin, ClassNamePrefixFeaturesOutMixin, _SetOutputMixin, _MetadataRequester",
    "routing": ", ".join(
        f"set_{method}"
        for method in (
            "callbacks",
            *(f"{m}_request" for m in ("fit", "partial_fit", "predict", "transform", "score")),
            "inverse_transform_request",
        )
    ),
    "shown_in_gallery": {
        f"{module}.{name}"
        for example in EXAMPLES.glob("plot_*.py")
        for module, names in re.findall(
            r"^from (skae[.\w]*) import \(?([^)]*?)\)?$", example.read_text(), re.M
        )
        for name in re.findall(r"\w+", names)
    },
}

html_baseurl = "https://skae.readthedocs.io/en/latest"
html_theme = "pydata_sphinx_theme"
html_title = f"skae {release}"
html_static_path = ["_static"]
html_css_files = ["skae.css"]
html_favicon = "_static/skae.svg"
html_search_scorer = str(HERE / "_static" / "scorer.js")
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "skae", "image_light": "_static/skae.svg", "image_dark": "_static/skae.svg"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
html_sidebars = {"index": [], "gallery/index": [], "benchmarks": []}


def parameters_of_class(app, what, name, obj, options, signature, return_annotation):
    """The parameters of ``__init__``, where sphinx would show those of ``__new__``."""
    if what != "class" or not signature or "*args" not in signature:
        return None
    parameters = inspect.signature(obj).parameters.values()
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    return str(inspect.Signature(parameters)), None


def setup(app):
    app.connect("autodoc-process-signature", parameters_of_class)
