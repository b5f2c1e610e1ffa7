"""The public names of `handrail`, by their docstrings; none may be missing or without one."""

import inspect
import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import handrail

LOG = logging.getLogger(__name__)
DOCUMENTED = "handrail_documented"
MODULES = re.compile(r"(?:jax\.)?jaxlib\._jax\.|jaxtyping\.|collections\.abc\.")


class Public(SphinxDirective):
    """`{public}`, and one public name a line."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        lines = ["```{eval-rst}"]
        for name in filter(None, map(str.strip, self.content)):
            thing = getattr(handrail, name, None)
            if name not in handrail.__all__ or not inspect.getdoc(thing):
                raise self.error(f"handrail.{name} is not public, or has no docstring")
            documented(self.env).setdefault(self.env.docname, set()).add(name)
            kind = "class" if inspect.isclass(thing) else "function"
            lines += [f".. auto{kind}:: handrail.{name}"]
            listed = kind == "class" and "Attributes:" not in inspect.getdoc(thing)
            lines += ["   :members:", ""] if listed else [""]
        return self.parse_text_to_nodes("\n".join([*lines, "```"]))


def documented(env) -> dict[str, set[str]]:
    """Public names by the page that documents them."""
    if not hasattr(env, DOCUMENTED):
        setattr(env, DOCUMENTED, {})
    return getattr(env, DOCUMENTED)


def forget(app: Sphinx, env, docname: str) -> None:
    """A page that is read again begins anew."""
    documented(env).pop(docname, None)


def all_there(app: Sphinx, env) -> None:
    """A site that leaves out a public name has a warning, which is an error."""
    missing = set(handrail.__all__) - set().union(*documented(env).values())
    if missing:
        LOG.warning("no page under docs/api documents %s", ", ".join(sorted(missing)))


def one_home(app: Sphinx, env, node: nodes.Element, shown: nodes.TextElement):
    """A type such as `handrail.core.types.Context` is documented as `handrail.Context`."""
    target = node.get("reftarget", "")
    name = target.rpartition(".")[2]
    if node.get("refdomain") == "py" and target != f"handrail.{name}" and name in handrail.__all__:
        domain, node["reftarget"] = env.domains["py"], f"handrail.{name}"
        return domain.resolve_xref(
            env, node["refdoc"], app.builder, "obj", node["reftarget"], node, shown
        )
    return None


def named_as_imported(app: Sphinx, doctree: nodes.document) -> None:
    """Types by the names that the code has for them, and not with the modules that they lie in."""
    for text in list(doctree.findall(nodes.Text)):
        short = MODULES.sub("", text)
        if "jaxlib._jax." in text and short != text:
            text.parent.replace(text, nodes.Text(short))


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directive and the check."""
    app.add_directive("public", Public)
    app.connect("env-purge-doc", forget)
    app.connect("env-check-consistency", all_there)
    app.connect("missing-reference", one_home)
    app.connect("doctree-read", named_as_imported)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
