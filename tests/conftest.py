"""Test configuration: annotations are checked at run time, and sloppy broadcasting is an error."""

import os
import sys
import types

# Tests run in parallel processes, so each keeps to one thread. These must be set before JAX starts.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HANDRAIL_REPORT", "off")  # trainings leave pages only where tests read them
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import beartype
import hypothesis
import jax
import jaxtyping
import pytest

# Every annotation in handrail becomes an assertion, while users pay nothing for it. As in
# Python's own rules, an int will do where a float is asked for. The hook takes the checker by
# its dotted name, so it needs a module to live in.
checker = types.ModuleType("handrail_annotations")
checker.check = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
sys.modules[checker.__name__] = checker
jaxtyping.install_import_hook("handrail", f"{checker.__name__}.check")

from handrail.core.compile_cache import VARIABLE, keep_compiled

jax.config.update("jax_numpy_rank_promotion", "raise")

# Compiling makes the first example of a property slow, which says nothing about the property;
# a fixed derivation keeps a red run red when it is repeated.
hypothesis.settings.register_profile("handrail", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("handrail")


def pytest_configure(config):
    """What was compiled for one test serves the others, in this process, beside it and the next
    time: compiling is two thirds of the suite, a part of it while tests are collected.

    The store is the one that users have, which is bounded and survives killed writers; JAX's own
    does not. It lies below .pytest_cache, or in the folder that the variable `HANDRAIL_TEST_CACHE`
    names; processes that tests start keep theirs as users' do, in a folder beside.
    """
    folder = os.environ.get("HANDRAIL_TEST_CACHE", config.rootpath / ".pytest_cache" / "compiled")
    os.environ[VARIABLE] = str(folder)
    keep_compiled()
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    os.environ[VARIABLE] = f"{folder}-by-commands"
    _optimize(False)


def _optimize(wanted: bool) -> None:
    jax.config.update("jax_disable_most_optimizations", not wanted)


@pytest.fixture(autouse=True, scope="module")
def optimized_module(request):
    """What modules compare to the last digit is compiled as users have it. Most tests run what
    they compile for less time than compiling takes, and that is two fifths less without.
    """
    _optimize(request.node.get_closest_marker("optimized") is not None)


@pytest.fixture(autouse=True)
def optimized_where_it_pays(request, optimized_module):
    """So is what learns for long. Processes that tests start take no part in this."""
    exact = request.node.get_closest_marker("optimized") is not None
    _optimize(exact or request.node.get_closest_marker("slow") is not None)
    yield
    _optimize(exact)


@pytest.fixture(autouse=True, scope="module")
def forget_compiled_code():
    """Compiled code of a module's tests serves no other module; kept, it fills the memory."""
    yield
    jax.clear_caches()
