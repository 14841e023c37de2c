"""How Sphinx makes the site; `python -m tools.site` puts its sources together."""

import os
from importlib.metadata import version as version_of

# The API pages import the package with its frameworks.
os.environ |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}

project = "splitdeconv"
author = "The splitdeconv authors"
version = release = version_of("splitdeconv")
copyright = author  # noqa: A001 - Sphinx' own name

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
extensions += ["tools.site_math", "tools.site_search"]
# Parts of other pages.
exclude_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
exclude_patterns += ["figures.md", "help.md", "report.md", "slider.md"]
# In docstrings `a` is code; a fence without a language is what a shell prints.
default_role = "code"
highlight_language = "text"

myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
myst_update_mathjax = False
html_math_renderer = "mathtext"
nb_execution_mode = "off"  # what is shown has been executed by `make reproduce`
nb_ipywidgets_js = {}  # would be fetched from elsewhere
nb_merge_streams = True
nb_output_stderr = "remove"  # what libraries log

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # as they are written: some are paths of this machine
autodoc_typehints = "signature"
# Arrays are of any library; their alias says more than what it stands for.
autodoc_type_aliases = {name: name for name in ("Array", "ArrayLike", "NumpyArray", "ShapeLike")}
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
python_display_short_literal_types = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes are described once, with their class
napoleon_use_rtype = False  # what stands before a colon is no type here
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"splitdeconv {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
smartquotes_action = "D"  # dashes; quotes in the reference are code
