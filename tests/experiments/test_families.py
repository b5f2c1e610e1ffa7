"""Which methods, settings and files go with an environment, and what is said of others."""

import pytest

from handrail.core.errors import HandrailError, UnknownName
from handrail.envs.navigation.make import NAMES, make_navigation
from handrail.envs.registry import make, names
from handrail.tasks.family import grouped
from handrail.tasks.lava.family import LAVA
from handrail.tasks.navigation.family import NAVIGATION
from handrail.tasks.navigation.problems import DEFAULTS
from handrail.tasks.registry import FAMILIES, family_of, with_defaults


def settings(environment, **given):
    options = ("method", "observation", "knowledge", "preset", "steps")
    return {"environment": environment, "seed": 7, **dict.fromkeys(options), **given}


def test_every_environment_has_the_family_that_lists_it():
    for family in FAMILIES:
        assert family.environments
        assert all(family_of(name) is family for name in family.environments)
    assert set(DEFAULTS) == set(NAVIGATION.environments)
    assert not set(LAVA.methods) & set(NAVIGATION.methods)


def test_defaults_depend_on_the_environment():
    assert with_defaults(settings("LavaCrossingS9N1"), {"prior": None}) == {
        "environment": "LavaCrossingS9N1",
        "seed": 7,
        "method": "full",
        "observation": "symbolic",
        "knowledge": "many",
        "preset": "recommended",
        "steps": 200_000,
    }
    assert with_defaults(settings("navigation-static"), {"guide": None}) == {
        "environment": "navigation-static",
        "seed": 7,
        "method": "budget-switch",
        "preset": "recommended",
        "guide.steps": 300_000,
        "guide.patience": 2,
    }


def test_what_is_given_stays():
    given = settings("navigation-static", method="egpo", steps=90_000)
    assert with_defaults(given, {"expert": "x"})["method"] == "egpo"
    assert with_defaults(given, {"expert": "x"})["steps"] == 90_000


@pytest.mark.parametrize(
    ("environment", "given", "files", "message"),
    [
        ("navigation-static", {"method": "full"}, {}, "'full' is for lava; methods for navigation"),
        ("LavaCrossingS9N1", {"method": "egpo"}, {}, "'egpo' is for navigation; methods for lava"),
        ("navigation-static", {"method": "budget"}, {}, "did you mean 'budget-switch'"),
        ("navigation-static", {"observation": "pixels"}, {}, "--observation is for lava"),
        ("navigation-static", {}, {"prior": "p"}, "--prior is for lava; navigation brings along"),
        ("LavaGapS5", {}, {"expert": "e"}, "--expert is for navigation; lava brings along prior"),
    ],
)
def test_what_belongs_elsewhere_is_refused(environment, given, files, message):
    with pytest.raises(HandrailError, match=message):
        with_defaults(settings(environment, **given), files)


def test_the_registry_makes_navigation_tasks_with_their_options():
    assert set(NAMES) <= set(names())
    for name in NAMES:
        assert make(name).task.has_goal
    source = make("navigation-static", variant="source", episode_length=20)
    assert (source.task.has_goal, source.episode_length) == (False, 20)
    assert type(source) is type(make_navigation("navigation-static"))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("navigation-static", {"layout": 3}, "no option 'layout'; its options are variant"),
        ("navigation-semi-dynamic", {}, "MujocoNavigation"),
        ("navigation-goal2", {}, "simulated by MuJoCo, on the host"),
        ("velocity-ant", {}, "simulated by MuJoCo, on the host"),
    ],
)
def test_the_registry_refuses_what_does_not_fit(name, options, message):
    with pytest.raises(HandrailError, match=message):
        make(name, **options)


def test_an_unknown_task_names_the_known_ones():
    with pytest.raises(UnknownName, match="did you mean 'navigation-static'"):
        make("navigation-statik")


def test_settings_of_a_run_may_say_that_they_are():
    settings = {"run.steps": 3, "seed": 1, "guide.steps": 5, "learning.tau": 0.1}
    assert grouped(settings, ("guide",)) == (
        {"steps": 3, "seed": 1, "learning.tau": 0.1},
        {"guide": {"steps": 5}},
    )
