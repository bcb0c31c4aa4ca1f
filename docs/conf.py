"""How Sphinx builds the book: ``make docs``; no network, warnings are errors."""

from __future__ import annotations

from npnet import __version__

project = "npnet"
author = "The npnet maintainers"
project_copyright = "2026, the npnet maintainers"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx-mathjax-offline",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "reference/generated/*/modules.rst"]

# Names are described where they are defined, not again where a package re-exports them.
autodoc_default_options = {"ignore-module-all": True}
apidoc_modules = [
    {
        "path": f"../{package}",
        "destination": f"reference/generated/{package}",
        "exclude_patterns": ["**/tests"],
        "separate_modules": True,
        "module_first": True,
    }
    for package in ("npnet", "torchref")
]
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types in words
napoleon_google_docstring = False
napoleon_use_ivar = True  # attributes are described once, by their property if there is one
suppress_warnings = ["ref.python"]  # a type is said in words, and "shape" is also an attribute
napoleon_use_rtype = False
napoleon_preprocess_types = False
napoleon_custom_sections = [("Shape", "notes_style")]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"npnet {version}"
