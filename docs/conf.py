"""How the documentation is built: ``sphinx-build -W -b html docs docs/_build/html``."""

from importlib.metadata import version as installed

project = "skae"
author = "The skae developers"
copyright = "The skae developers"
version = release = installed("skae")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_typehints = "none"  # the docstring says more
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
default_role = "py:obj"  # what docstrings have in single backticks
# The blank line that ends a doctest before the closing fence is not shown.
highlight_options = {lexer: {"stripnl": True} for lexer in ("python", "pycon", "default")}

html_theme = "alabaster"
html_title = f"skae {release}"
html_static_path = ["_static"]
html_css_files = ["skae.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_theme_options = {
    "description": "Autoencoders as scikit-learn estimators",
    "fixed_sidebar": True,
    "page_width": "1100px",
    "sidebar_width": "230px",
    "body_max_width": "820px",
    "font_family": "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif",
    "head_font_family": "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, "
    "sans-serif",
    "font_size": "16px",
    "code_font_size": "0.85em",
    "show_powered_by": False,
    "show_relbars": True,
}
