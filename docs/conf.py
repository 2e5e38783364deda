"""Configuration of the documentation site: `make docs` builds it, and every warning is an error."""

import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
sys.path.insert(0, str(Path(__file__).parent))

import rpca_affect

project = "rpca_affect"
author = "rpca_affect developers"
project_copyright = "rpca_affect developers, BSD-3-Clause"
version = release = rpca_affect.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "mathml",
    "numpydoc",
    "myst_nb",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
]
exclude_patterns = [
    "_build",
    "gallery",
    "examples/*.ipynb",
    "**.ipynb_checkpoints",
    "**/sg_execution_times.rst",
    "sg_execution_times.rst",
]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}
highlight_language = "none"  # a block without a language is a command or a formula
suppress_warnings = ["config.cache"]  # sphinx-gallery's own options hold functions

# The API: one page per public name, from its docstring.
autosummary_generate = True
autodoc_default_options = {"members": False}
numpydoc_show_class_members = True
numpydoc_class_members_toctree = False
numpydoc_show_inherited_class_members = False
numpydoc_xref_param_type = False

myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the course is executed by `make notebooks`, and the tests run every block of the pages

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "filename_pattern": r"/plot_",
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_signature": False,
    "abort_on_example_error": True,
    "min_reported_time": 1e9,
    "within_subsection_order": "FileNameSortKey",
}

html_theme = "pydata_sphinx_theme"
html_title = "rpca_affect"
html_static_path = ["_static"]
html_show_sourcelink = False
html_css_files = ["site.css"]
html_context = {"default_mode": "auto"}  # the reader's own choice of light or dark
html_sidebars = {
    name: [] for name in ("index", "start", "choose", "meaning", "nothing", "faq", "benchmarks", "changelog", "cite")
}
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 4,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "navigation_with_keys": False,
}
html_math_renderer = "mathml"

import reference

HERE = Path(__file__).parent
reference.write(HERE / "api" / "index.md")
# The notebooks are pages of the course as they are; they live where their readers look for them.
for notebook in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
    (HERE / "course").mkdir(exist_ok=True)
    shutil.copy(notebook, HERE / "course")
