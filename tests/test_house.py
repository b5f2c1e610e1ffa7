"""The rules of the house: what may import what, and what no file may contain."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "handrail"

# From the ground up. A room may import from itself and from the rooms below it.
FLOORS = (
    ("core",),
    ("equations",),
    ("networks",),
    ("replay",),
    ("interventions",),
    ("learners",),
    ("envs",),
    ("train",),
    ("methods",),
    ("transfer_check",),
    ("tasks",),
    ("knowledge",),
    ("experiments",),
    ("engines",),
    ("report", "tracking", "hub"),
    ("safe_exploration", "api"),
    ("cli", "__main__"),
    ("",),  # the package itself, which gathers the public names
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def python_files(*folders: str) -> list[Path]:
    """Every Python file below the folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def repository_files() -> list[Path]:
    """Every text file that is tracked, or would be with `git add`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout, so there is no list of tracked files")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    binary = {".npz", ".safetensors", ".png", ".gif", ".webp"}
    return [path for path in paths if path.is_file() and path.suffix not in binary]


def module_of(path: Path) -> str:
    """The dotted name of a file of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """`handrail.train.step` is in the room `train`, `handrail` itself in the room ``."""
    return [*module.split("."), ""][1]


def imports_of(tree: ast.AST, module: str, is_package: bool) -> set[str]:
    """The handrail modules that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".") + ([""] if is_package else [])
                base = ".".join([*parts[: -node.level], *([base] if base else [])])
            if base == "handrail":  # `from handrail import envs` imports the room envs
                found |= {
                    f"handrail.{name.name}" if name.name in FLOOR else base for name in node.names
                }
            else:
                found.add(base)
    return {name for name in found if name.split(".")[0] == "handrail"}


def upward(module: str, source: str, is_package: bool = False) -> list[str]:
    """The imports of a file that go up the house."""
    imported = imports_of(ast.parse(source), module, is_package)
    own = FLOOR[room_of(module)]
    return sorted(name for name in imported if FLOOR[room_of(name)] > own)


def test_every_module_has_a_floor():
    rooms = {room_of(module_of(path)) for path in python_files("src")}
    assert rooms <= set(FLOOR), f"say in FLOORS where {sorted(rooms - set(FLOOR))} belong"


@pytest.mark.parametrize("path", python_files("src"), ids=module_of)
def test_imports_go_down(path):
    module = module_of(path)
    is_package = path.name == "__init__.py"
    assert not upward(module, path.read_text(encoding="utf-8"), is_package), (
        f"{module} imports from a room above its own"
    )


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("handrail.equations.td", "from handrail.learners.base import Clock"),
        ("handrail.replay.ring", "def f():\n    import handrail.train.step"),
        ("handrail.learners.base", "from ..train import step"),
        ("handrail.core.types", "from handrail import artifact, envs"),
        ("handrail.cli.commands", "from handrail import Transition"),
    ],
)
def test_an_upward_import_is_found(module, source):
    assert upward(module, source)


@pytest.mark.parametrize("path", python_files("src"), ids=module_of)
def test_public_names_are_documented(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not tree.body:
        return  # an empty __init__.py only marks a package
    undocumented = [] if ast.get_docstring(tree) else ["the module"]
    undocumented += [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not undocumented, f"{path.name}: no docstring for {', '.join(undocumented)}"


MAPPED = [
    path for path in sorted(PACKAGE.rglob("__init__.py")) if "\n- *" in path.read_text("utf-8")
]


@pytest.mark.parametrize("init", MAPPED, ids=module_of)
def test_a_map_of_a_package_names_all_that_is_in_it(init):
    """Where its docstring says what is where, in a list."""
    said = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
    named = set(re.findall(r"`(\w+)`", said))
    modules = [
        *init.parent.glob("*.py"),
        *(path.parent for path in init.parent.glob("*/__init__.py")),
    ]
    there = {path.stem for path in modules} - {"__init__"}
    assert not there - named, f"{init}: its map leaves out {', '.join(sorted(there - named))}"
    assert not named - there, f"{init}: its map names {', '.join(sorted(named - there))}"


def test_files_stay_small():
    folders = ("src", "tests", "benchmarks", "examples")
    long = {
        str(path.relative_to(ROOT)): lines
        for path in python_files(*folders)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 350
    }
    assert not long, f"over 350 lines: {long}"


def test_no_machine_paths_or_registries():
    # Written in pieces, so that this file does not find itself.
    forbidden = re.compile(
        "|".join(
            [
                r"(?<![\w.])/(?:root|Users)/\w",
                r"(?<![\w.])/home/" r"\w+/",
                r"(?<![\w.])/work" r"/\w",
                r"(?<![\w.])/tmp" r"/\w",
                r"pypi\." r"org|pythonhosted\." r"org|npmjs\." r"org|conda\.anaconda\." r"org",
                r"--(?:extra-)?index" r"-url",
            ]
        )
    )
    found = []
    for path in repository_files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if forbidden.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert not found, "\n".join(found)


def risky(tree: ast.AST) -> list[str]:
    """Ways to run code that arrives as data."""
    modules = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name.split(".")[0] in modules]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in modules:
            found.append(node.module)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}:
                found.append(node.func.id)
            for keyword in node.keywords:
                allowed = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg == "allow_pickle" and not allowed:
                    found.append("allow_pickle")
    return found


@pytest.mark.parametrize("path", python_files("src"), ids=module_of)
def test_data_is_never_run(path):
    assert not risky(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from joblib import load", "eval('1')", "np.load(f, allow_pickle=True)"],
)
def test_running_data_is_found(source):
    assert risky(ast.parse(source))


def test_importing_handrail_is_light():
    heavy = {"torch", "gymnasium", "minigrid", "mujoco", "matplotlib", "pygame", "ray"}
    code = f"import sys, handrail; print(*sorted({heavy!r} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not loaded, f"`import handrail` imports {loaded}"
