"""Further rules of the house: no circles, names of tasks and cards in their own rooms alone."""

import ast
import graphlib

import pytest

from handrail.tasks.registry import FAMILIES
from tests.test_house import imports_of, module_of, python_files

CARDS = {
    "handrail.core.artifact",
    "handrail.methods.contrastive.artefacts",
    "handrail.methods.sagui.cards",
    "handrail.methods.sagui.offline_batch",
    "handrail.train.checkpoint",
}
"""Where cards of artefacts are written."""
NAMED = ("handrail.tasks.", "handrail.envs.", "handrail.cli.")
"""Where tasks have names; elsewhere methods are functions of environments."""
TREES = {module_of(path): ast.parse(path.read_text("utf-8")) for path in python_files("src")}


def first_imports(module: str) -> set[str]:
    """The modules that are imported with this one: not those imported within functions."""
    found = set()
    for node in TREES[module].body:
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {name.name: f"{node.module}.{name.name}" for name in node.names}
            found |= {whole if whole in TREES else node.module for whole in inner.values()}
    return (found & TREES.keys()) - {module}


def test_modules_import_each_other_in_no_circle():
    order = graphlib.TopologicalSorter({module: first_imports(module) for module in TREES})
    order.prepare()


def test_methods_know_neither_tasks_nor_experiments():
    for module in TREES:
        if module.startswith("handrail.methods"):
            imported = imports_of(TREES[module], module, is_package=False)
            above = ("handrail.tasks", "handrail.experiments")
            assert not [name for name in imported if name.startswith(above)], module


def calls_of(tree: ast.AST) -> set[str]:
    """The names of what is called."""
    return {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def test_cards_are_written_in_few_places():
    assert {module for module, tree in TREES.items() if "Card" in calls_of(tree)} == CARDS


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_no_room_below_the_tasks_knows_their_names(family):
    """But for the default of settings, which every run overrides."""
    for module, tree in TREES.items():
        if module.startswith(NAMED) or module == "handrail.methods.sagui.settings":
            continue
        texts = {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not texts & set(family.environments), module


def test_no_two_public_classes_have_one_name():
    homes: dict[str, list[str]] = {}
    for module, tree in TREES.items():
        for node in ast.iter_child_nodes(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(module)
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}
