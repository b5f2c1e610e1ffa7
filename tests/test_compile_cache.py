"""Compiled code between processes: found again, never trusted when damaged, never in the way."""

import errno
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from handrail.core import compile_cache
from handrail.core.compile_cache import DIGEST, Store, cache_folder, machine_digest, prune

ROOT = Path(__file__).parents[1]
COMPILES = """
import json, sys
import jax
from jax import monitoring
from handrail.core.jax_setup import settle

events = []
monitoring.register_event_listener(lambda name, **_: events.append(name.rpartition("/")[2]))
settle()
number = float(jax.jit(lambda x: (x @ x.T).sum() / 3)(jax.numpy.arange(12.0).reshape(3, 4)))
counts = {name: events.count(name) for name in ("cache_hits", "cache_misses")}
print(json.dumps([number, counts, jax.config.jax_compilation_cache_dir]))
"""
RUNS = """
import sys
from pathlib import Path
from handrail.core.jax_setup import settle
from handrail.train.run import execute

settle()
from tests.train.small import small_loop
execute(small_loop(), Path(sys.argv[1]), {}, seed=3, summarise=lambda state: {})
"""


def python(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """A process of its own, which JAX was not told of any folder in."""
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, env=environment | variables, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def compiled(**variables: str) -> tuple[float, dict[str, int], str | None]:
    """A number, how often compiled code was found or was not, and JAX's folder."""
    return tuple(json.loads(python(COMPILES, **variables).stdout))


def only_entry(store: Store) -> Path:
    (path,) = store._path.glob("*.compiled")
    return path


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "jax-1")


def test_an_entry_is_found_by_its_key_alone(store):
    store.put("key", b"code")
    assert Store(store._path).get("key") == b"code"
    assert store.get("other") is None
    assert not list(store._path.glob("*.part"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: content[: DIGEST - 1],
        lambda content: content[:DIGEST] + b"e" + content[DIGEST + 1 :],
        lambda content: content + b"\0",
    ],
    ids=["shorter", "empty", "digest cut", "flipped", "longer"],
)
def test_a_damaged_entry_is_removed_and_written_anew(store, damage):
    store.put("key", b"code")
    path = only_entry(store)
    path.write_bytes(damage(path.read_bytes()))
    assert store.get("key") is None
    assert not path.exists()
    store.put("key", b"code")
    assert store.get("key") == b"code"


def test_an_entry_under_another_key_is_none(store):
    store.put("key", b"code")
    only_entry(store).rename(store._file("other"))
    assert store.get("other") is None


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path, caplog):
    (tmp_path / "file").touch()  # in place of a folder: root may write anywhere else
    store = Store(tmp_path / "file" / "jax-1")
    with caplog.at_level(logging.WARNING):
        store.put("one", b"code")
        store.put("two", b"code")
    assert store.get("one") is None
    assert len(caplog.records) == 1 and "HANDRAIL_CACHE" in caplog.text


def test_a_full_disk_leaves_nothing_half_written(store, monkeypatch, caplog):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    store.put("key", b"code")
    assert not list(store._path.iterdir())
    assert "No space left" in caplog.text


def test_an_entry_that_cannot_be_marked_as_used_is_read_all_the_same(store, monkeypatch):
    def read_only(path):
        raise OSError(errno.EROFS, "Read-only file system")

    store.put("key", b"code")
    monkeypatch.setattr(os, "utime", read_only)
    assert store.get("key") == b"code"


def test_the_least_recently_used_go_first_whatever_their_folder(tmp_path):
    for age, folder in ((30, "jax-1"), (20, "jax-2"), (10, "jax-1")):
        store = Store(tmp_path / folder)
        store.put(str(age), bytes(1000 - DIGEST))
        os.utime(store._file(str(age)), (1e9 - age, 1e9 - age))
    Store(tmp_path / "jax-1").get("30")  # used just now
    foreign = tmp_path / "jax-1" / "notes.txt"
    foreign.write_bytes(bytes(5000))
    abandoned = tmp_path / "jax-1" / "x.part"
    abandoned.touch()
    os.utime(abandoned, (1e9, 1e9))

    prune(tmp_path, limit=3000)
    left = [Store(tmp_path / f).get(k) is not None for f, k in (("jax-1", "30"), ("jax-2", "20"))]
    assert left == [True, True] and not abandoned.exists()
    os.utime(Store(tmp_path / "jax-2")._file("20"), (1e9 - 20, 1e9 - 20))
    prune(tmp_path, limit=2000)
    assert Store(tmp_path / "jax-1").get("30") is not None
    assert Store(tmp_path / "jax-2").get("20") is None
    assert Store(tmp_path / "jax-1").get("10") is None  # a tenth is left free
    assert foreign.exists()


def test_a_process_keeps_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(compile_cache, "SOME", 1000)
    monkeypatch.setattr(compile_cache, "prune", lambda root: prune(root, limit=5000))
    store = Store(tmp_path / "jax-1")
    for key in range(40):
        store.put(str(key), bytes(500))
    total = sum(path.stat().st_size for path in store._path.iterdir())
    assert 3000 < total < 7000


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HANDRAIL_CACHE": ""}, None),
        ({"HANDRAIL_CACHE": "/somewhere"}, "/somewhere"),
        ({"HANDRAIL_CACHE": "~/mine"}, "/user/mine"),
        ({"XDG_CACHE_HOME": "/cache"}, "/cache/handrail/compiled"),
        ({"XDG_CACHE_HOME": "relative"}, "/user/.cache/handrail/compiled"),
        ({}, "/user/.cache/handrail/compiled"),
    ],
)
def test_the_folder_is_the_users_cache_or_the_variables(monkeypatch, variables, expected):
    monkeypatch.setenv("HOME", "/user")
    for name in ("HANDRAIL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == (None if expected is None else Path(expected))


def test_another_processor_or_other_flags_have_a_folder_of_their_own(monkeypatch):
    here = machine_digest()
    assert machine_digest() == here
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    flags = machine_digest()
    monkeypatch.setattr(compile_cache, "processor", lambda: ("another",))
    assert len({here, flags, machine_digest()}) == 3


def test_a_second_process_finds_the_code_and_a_damaged_one_is_compiled_anew(tmp_path):
    number, first, folder = compiled(HANDRAIL_CACHE=str(tmp_path))
    assert first["cache_hits"] == 0 and first["cache_misses"] > 0
    assert Path(folder).parent == tmp_path
    again, second, _ = compiled(HANDRAIL_CACHE=str(tmp_path))
    assert again == number
    assert second == {"cache_hits": first["cache_misses"], "cache_misses": 0}
    for path in Path(folder).iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    assert compiled(HANDRAIL_CACHE=str(tmp_path))[:2] == (number, first)


def test_nothing_is_kept_with_an_empty_variable_nor_in_a_folder_that_is_none(tmp_path):
    assert compiled(HANDRAIL_CACHE="")[1:] == ({"cache_hits": 0, "cache_misses": 0}, None)
    (tmp_path / "file").touch()
    done = python(COMPILES, HANDRAIL_CACHE=str(tmp_path / "file"))
    assert done.stderr.count("\n") == 1 and "HANDRAIL_CACHE" in done.stderr


def test_a_folder_that_jax_was_told_of_is_left_alone(tmp_path):
    own = str(tmp_path / "own")
    found = compiled(HANDRAIL_CACHE=str(tmp_path / "ours"), JAX_COMPILATION_CACHE_DIR=own)
    assert found[2] == own
    assert not (tmp_path / "ours").exists()


def test_a_program_that_imports_handrail_keeps_its_own_configuration(tmp_path):
    code = "import handrail, handrail.core.jax_setup, jax; jax.jit(lambda x: x + 1)(1)"
    python(code, HANDRAIL_CACHE=str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_run_has_the_same_bytes_with_and_without(tmp_path):
    files = []
    for name, cache in (("without", ""), ("cold", "cache"), ("warm", "cache")):
        folder = tmp_path / name
        python(RUNS, str(folder), HANDRAIL_CACHE=cache and str(tmp_path / cache))
        files.append({p.name: p.read_bytes() for p in folder.iterdir() if p.suffix == ".csv"})
    assert files[0] and files[0] == files[1] == files[2]
