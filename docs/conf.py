"""Settings of the documentation site: `make docs`."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "handrail"
author = "the handrail authors"
project_copyright = author
version = release = version_of("handrail")
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "mathml",
    "from_code",
    "public_names",
    "seams",
]
templates_path = ["_templates"]
exclude_patterns = ["_ext", "_templates"]
nitpicky = True
# Types of other libraries are named in signatures, and documented elsewhere.
nitpick_ignore_regex = [(r"py:.*", r"(?!handrail\.\w+$).*")]
default_role = "code"  # `x` in docstrings
toc_object_entries_show_parents = "hide"

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True

html_theme = "shibuya"
html_title = "handrail"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "accent_color": "teal",
    "show_ai_links": False,
    "globaltoc_expand_depth": 0,
    "nav_links": [
        {"title": "Start", "url": "start/index"},
        {"title": "Choose", "url": "choose"},
        {"title": "Methods", "url": "methods/index"},
        {"title": "Results", "url": "results/index"},
        {"title": "API", "url": "api/index"},
    ],
}
