"""What the pages name exists: functions, tests, files, methods, settings, columns."""

import ast
import importlib
import inspect
import re

import pytest

import handrail
from handrail.core.errors import HandrailError
from handrail.core.records import EPISODE_COLUMNS
from handrail.experiments.schema import names
from handrail.learners.onpolicy.agent import OnPolicyAgent
from handrail.learners.onpolicy.updates import Cpo, PpoLagrangian, TrpoLagrangian
from handrail.learners.sac.state import METRICS
from handrail.methods.sagui.evaluations import KNOWLEDGE_COLUMNS, STUDENT_COLUMNS
from handrail.report import experiment, navigation_figures
from handrail.tasks.registry import FAMILIES
from tests.docs.pages import DOCS, ROOT, TEXTS, TODAY, code

METRICS_PAGE = TEXTS["metrics.md"]
FOLDERS = ("src/", "tests/", "docs/", "results/", "benchmarks/")


def exists(dotted: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        except HandrailError as error:  # a module for a library that is no dependency
            return "pip install" in str(error)
        for name in parts[end:]:
            if not hasattr(thing, name):
                return False
            thing = getattr(thing, name)
        return True
    return False


@pytest.mark.parametrize("page", TODAY)
def test_names_in_the_code_exist(page):
    dotted = {name for name in code(TODAY[page]) if re.fullmatch(r"handrail(\.\w+)+", name)}
    assert [name for name in sorted(dotted) if not exists(name)] == []


@pytest.mark.parametrize("page", TODAY)
def test_files_and_tests_exist(page):
    for name in code(TODAY[page]):
        path, _, test = name.partition("::")
        if path.startswith(FOLDERS) and not re.search(r"[\s*A-Z]{2}|NAME|…", path):
            assert (ROOT / path).exists(), name
            assert not test or f"def {test}(" in (ROOT / path).read_text("utf-8"), name


def test_a_name_that_does_not_exist_is_found():
    assert not exists("handrail.equations.td.no_such_function") and exists("handrail.train_guide")


def test_pages_name_experiments_that_exist():
    for page, text in TODAY.items():
        shown = {
            name for name in code(text) if re.fullmatch(r"(lava|sagui)-[a-z-]+|pointgoal1", name)
        }
        assert shown <= set(names()) | {"sagui-random-guide"}, page


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_method_has_a_page_and_every_page_a_method(family):
    for name in family.methods:
        page = TEXTS[f"methods/{name}.md"]
        having = [other.name for other in FAMILIES if name in other.methods]
        assert any(f"```{{method-card}} {other} {name}\n" in page for other in having)
        assert "## When to use it" in page and "## Known failures" in page
    pages = {path.stem for path in (DOCS / "methods").glob("*.md")} - {"index", "settings"}
    assert pages == {name for family in FAMILIES for name in family.methods}


def test_every_public_name_is_documented_once_and_has_a_docstring():
    listed = re.findall(r"^```\{public\}\n(.*?)^```", "\n".join(TEXTS.values()), re.S | re.M)
    shown = [name for block in listed for name in block.split()]
    assert sorted(shown) == sorted(handrail.__all__)
    assert [name for name in shown if not inspect.getdoc(getattr(handrail, name))] == []


def evidence() -> set[str]:
    """The names of what triggers say that they saw: the keys of every verdict's evidence."""
    found = {"not_finite"}
    for path in (ROOT / "src" / "handrail" / "interventions").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Verdict"
            named = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "evidence"
            if called or named:
                dictionaries = [one for one in ast.walk(node) if isinstance(one, ast.Dict)]
                found |= {key.value for one in dictionaries for key in one.keys}
    return found


def logged() -> dict[str, set[str]]:
    """What the code says that it logs, by where."""
    return {
        "episodes": set(EPISODE_COLUMNS),
        "student": set(STUDENT_COLUMNS),
        "guide": set(KNOWLEDGE_COLUMNS),
        "SAC": set(METRICS),
        "on-policy": {
            name
            for update in (Cpo(), PpoLagrangian(), TrpoLagrangian())
            for name in OnPolicyAgent(update=update).metrics
        },
        "evidence": {f"evidence/{name}" for name in evidence()},
        "summaries": {*experiment.COLUMNS, *navigation_figures.COLUMNS},
    }


@pytest.mark.parametrize("where", logged())
def test_every_logged_name_is_on_the_page_of_metrics(where):
    assert len(evidence()) > 8
    assert {name for name in logged()[where] if f"`{name}`" not in METRICS_PAGE} == set()
