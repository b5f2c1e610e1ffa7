"""Long names in tables may break, but only at their seams: `.`, `/`, `_`, `:`, capitals."""

import re

from sphinx.application import Sphinx

LITERAL = re.compile(r'(<span class="pre">)([^<]{14,})(</span>)')
SEAM = re.compile(r"(?<=[a-z0-9])([./_]|::)(?=[A-Za-z0-9])|(?<=[a-z])(?=[A-Z])")
TABLE = re.compile(r"<table.*?</table>", re.DOTALL)


def broken(page: str) -> str:
    """The page's HTML with places at which a browser may break a name."""

    def name(match: re.Match[str]) -> str:
        return match[1] + SEAM.sub(r"\g<0><wbr>", match[2]) + match[3]

    return TABLE.sub(lambda table: LITERAL.sub(name, table[0]), page)


def add(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Looks through a page that is about to be written."""
    if "body" in context:
        context["body"] = broken(context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers it."""
    app.connect("html-page-context", add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
