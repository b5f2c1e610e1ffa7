"""The digest of a function's code follows what it computes, not where or how it is written."""

import importlib.util
import itertools
import linecache

import pytest

from handrail.core.code_digest import closure, code_digests, referenced

NUMBERS = itertools.count()


@pytest.fixture
def loaded(tmp_path):
    """Gives the functions of a module of this text."""

    def load(text, name="own"):
        path = tmp_path / f"{name}_{next(NUMBERS)}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def digests(function):
    found = code_digests(function.__code__)
    return found.pop("source", None), *found.values()


PLAIN = "def cost(o, a):\n    return float(o > 1)\n"


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "\n\n# above\n" + PLAIN,
        'def cost(o, a):\n    "What it costs."\n    return float(o > 1)  # at last\n',
        "def cost(o,a): return (float( o>1 ))\n",
    ],
)
def test_comments_docstrings_and_places_are_no_part_of_it(loaded, text):
    assert digests(loaded(text).cost) == digests(loaded(PLAIN).cost)
    assert digests(loaded(PLAIN).cost)[0] is not None


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("1", "2"),
        PLAIN.replace("1", "1.0"),
        PLAIN.replace(">", ">="),
        PLAIN.replace("o > 1", "a > 1"),
        PLAIN.replace("float", "bool"),
        "def cost(o, a):\n    return float((lambda: o > 2)())\n",
        "def cost(o, a):\n    return o in {'x', 'z'}\n",
    ],
)
def test_what_is_computed_is(loaded, text):
    ours, theirs = digests(loaded(text).cost), digests(loaded(PLAIN).cost)
    assert all(one != other for one, other in zip(ours, theirs, strict=True))


def test_lambdas_of_one_line_are_told_apart(loaded):
    module = loaded("a, b, c = lambda o: o + 1, lambda o: o + 2, (lambda o: (lambda: o + 1)())\n")
    alone = loaded("a = (lambda o:\n    o + 1)\n")
    found = [digests(function) for function in (module.a, module.b, module.c, alone.a)]
    assert None not in {source for source, _ in found}
    assert found[0] == found[3]
    assert len({source for source, _ in found[:3]}) == len({code for _, code in found[:3]}) == 3


def test_a_file_that_was_changed_since_is_not_taken_for_its_source(loaded):
    module = loaded(PLAIN)
    before = digests(module.cost)
    path = module.__file__
    with open(path, "w") as file:
        file.write(PLAIN.replace("1", "2345"))
    linecache.clearcache()
    assert digests(module.cost) == (None, before[1])


def test_without_a_file_there_is_the_bytecode():
    names: dict = {}
    exec(PLAIN, names)
    source, bytecode = digests(names["cost"])
    assert source is None and bytecode


def test_reads_and_writes(loaded):
    module = loaded(
        "import math\nLIMIT, SEEN, other = 1, 0, 3\n"
        "def outer(x, y):\n    count = 0\n"
        "    def cost(o):\n        nonlocal count\n        global SEEN\n"
        "        count += 1; SEEN += 1\n"
        "        return (lambda: math.pi * LIMIT * o.other * x)()\n"
        "    return cost\n"
    )
    cost = module.outer(5, 6)
    assert referenced(cost).keys() == {"LIMIT", "math"}
    assert closure(cost) == {"x": 5}
