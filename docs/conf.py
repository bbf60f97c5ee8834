"""The site: ``make site`` builds it into ``build/site``; nothing is fetched, while it is built or when it is read."""

from __future__ import annotations

from frontdef import __version__

project, author, version = "frontdef", "frontdef", __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
exclude_patterns = ["__pycache__"]
html_theme = "furo"
html_title = f"frontdef {__version__}"
html_show_sphinx = False
html_show_copyright = False
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
smartquotes = False  # of two hyphens of an option it makes a dash
suppress_warnings = ["myst.header"]
