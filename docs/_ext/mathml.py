"""Formulas as MathML, which browsers show by themselves: no script, nothing from the network."""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

LOG = logging.getLogger(__name__)
TOGETHER = re.compile(r"frac\d\d")  # docutils takes both digits for one number


def formula(node: nodes.Element, *, displayed: bool) -> str:
    """A formula in MathML; one that cannot be read, or would be read wrongly, is a warning."""
    if TOGETHER.search(node.astext()):
        LOG.warning("formula %r: write \\frac{1}{2}", node.astext(), location=node)
    try:
        return tex2mathml(node.astext(), as_block=displayed)
    except MathError as error:
        LOG.warning("formula %r: %s", node.astext(), error, location=node)
        return ""


def inline(writer, node: nodes.math) -> None:
    """A formula within a sentence."""
    writer.body.append(formula(node, displayed=False))
    raise nodes.SkipNode


def displayed(writer, node: nodes.math_block) -> None:
    """A formula of its own."""
    writer.body.append(f'<div class="equation">{formula(node, displayed=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the renderer."""
    app.add_html_math_renderer("mathml", (inline, None), (displayed, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
