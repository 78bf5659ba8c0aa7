"""Sphinx configuration; `make docs` builds the pages from the installed wheel."""

from importlib.metadata import version as installed_version

project = "cm_collectives"
author = "cm_collectives developers"
copyright = "2026, cm_collectives developers"  # noqa: A001 (Sphinx reads this name)
version = release = installed_version("cm-collectives")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_nb",
]
nb_execution_mode = "off"  # the gate runs the examples as doctests
myst_enable_extensions = ["dollarmath"]
numpydoc_show_class_members = False
autosummary_generate = True
autosummary_ignore_module_all = False
exclude_patterns = ["_build"]
templates_path = ["_templates"]

html_theme = "pydata_sphinx_theme"
html_title = f"cm_collectives {version}"
html_show_sourcelink = False
