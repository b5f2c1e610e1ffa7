"""What ships with the package: every file loads, says what it was measured to do, and acts."""

import json
import math
from pathlib import Path

import jax
import numpy as np
import pytest

import handrail
from handrail.cli.knowledge import list_shipped, show_shipped
from handrail.cli.train import resume, train_one
from handrail.core.arguments import override
from handrail.core.artifact import load
from handrail.core.errors import HandrailError, UnknownName
from handrail.core.files import read_json
from handrail.envs.base import AbstractEnvironment
from handrail.envs.navigation.problems import navigation_problem
from handrail.experiments import launch
from handrail.experiments.schema import flat
from handrail.knowledge import runs
from handrail.knowledge.catalog import FOLDER, located, named, shipped, with_checksum
from handrail.knowledge.matching import made, matching, served
from handrail.methods.sagui.offline_batch import beside
from handrail.tasks.registry import family_of, with_defaults

EACH = pytest.mark.parametrize("one", shipped(), ids=lambda one: f"{one.kind}-{one.name}")
GUIDES = [one for one in shipped() if one.kind == "guide"]


def row(**settings):
    """The run of `handrail train` with these settings."""
    chosen = with_defaults(settings, {})
    return family_of(chosen["environment"]).resolve(chosen)


@EACH
def test_a_card_says_how_it_was_made_and_what_was_measured(one):
    card, _ = load(one.file, expect=one.kind)
    said = card.training["shipped"]
    assert said["name"] == one.name
    assert said["made_by"] == f"handrail knowledge make {one.name}"
    assert said["calibration"]
    for measured in ("cost", "shield_test", "limit" if one.kind == "guide" else "without"):
        assert math.isfinite(said[measured])
    settings = made(one, said.get("seed", 0)).knowledge[one.kind]
    assert override(type(settings)(), flat(card.training["settings"])) == settings


@pytest.mark.parametrize("one", GUIDES, ids=lambda one: one.name)
def test_a_guide_passes_its_shield_test_or_says_that_it_does_not(one):
    card, _ = load(one.file, expect="guide")
    said = card.training["shipped"]
    assert (said["shield_test"] <= said["limit"]) == ("none passes" not in said["chosen"])
    assert said["shield_test"] == card.training["evaluation"]["shielded_cost"]


def test_all_of_it_is_small():
    files = {path for path in FOLDER.rglob("*") if path.is_file()}
    steps = {beside(one.file) for one in GUIDES}
    assert files == {one.file for one in shipped()} | steps
    assert sum(path.stat().st_size for path in files) <= 20_000_000


@pytest.mark.parametrize("one", GUIDES, ids=lambda one: one.name)
def test_a_guide_acts_in_the_task_of_its_name(one):
    guide = handrail.load_guide(one.name, limit=served(one, 0).run.limit)
    target = navigation_problem(one.name).target
    key = jax.random.key(0)
    if isinstance(target, AbstractEnvironment):
        state, observation = target.reset(key=key)
    else:
        observation = target.reset(key=key)
    for _ in range(3):
        action, _ = guide.policy.act(observation, key)
        assert np.all(np.abs(action) <= 1)
        assert math.isfinite(guide.cost(observation, action))
        if isinstance(target, AbstractEnvironment):
            state, timestep = target.step(state, action, key=key)
        else:
            timestep = target.step(np.asarray(action), key=key)
        observation = timestep.observation


@pytest.mark.parametrize(("name", "share"), [("lava", 0.9), ("lava-pixels", 0.6)])
def test_prior_and_encoder_warn_on_a_layout_that_they_have_not_seen(name, share):
    world = handrail.make("LavaCrossingS9N1", layout=789)
    rows = np.arange(world.observations.live)
    unsafe = np.asarray(world.unsafe_table)[rows]
    values = np.asarray(jax.vmap(handrail.load_prior(name, world))(rows))
    below = values < values.mean(axis=1, keepdims=True)
    assert below[unsafe].mean() > share > below[~unsafe].mean()
    embed, known = handrail.load_encoder(name, world)
    distances = np.linalg.norm(jax.vmap(embed)(rows)[:, None] - known[None], axis=-1).min(axis=1)
    assert np.median(distances[unsafe.any(axis=1)]) < np.median(distances[~unsafe.any(axis=1)])


def test_a_name_stands_for_a_file_and_an_unknown_one_is_told_the_nearest(tmp_path, monkeypatch):
    assert located("guide", "navigation-static").name == "guide.safetensors"
    with pytest.raises(UnknownName, match="did you mean 'navigation-static'"):
        handrail.load_guide("navigation-statik")
    with pytest.raises(UnknownName, match="unknown shipped prior 'lavva': did you mean 'lava'"):
        located("prior", "lavva")
    with pytest.raises(HandrailError, match="give the problem that the guide is to act in"):
        handrail.load_guide(named("navigation-static")[0].file)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "navigation-static").write_text("")  # a file of this name comes first
    assert located("guide", "navigation-static").read_text() == ""
    assert located("expert", "navigation-static").name == "navigation-static"


@EACH
def test_runs_of_all_defaults_use_it(one):
    assert matching(row(**one.serves, seed=5))[one.kind] == one


@pytest.mark.parametrize(
    "settings",
    [
        {"preset": "paper"},
        {"preset": "tuned-on-static"},
        {"limit": 2.0},
        {"guide.seed": 7},
        {"learning.hidden": [8]},
        {"method": "sac-lagrangian"},
        {"environment": "navigation-dynamic-without-vases"},
    ],
    ids=str,
)
def test_runs_whose_knowledge_has_other_settings_acquire_it(settings):
    assert matching(row(**{"environment": "navigation-static", **settings})) == {}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"learning.hidden": [8], "learning.batch": 8}, "guide.learning.hidden, guide.learning."),
        ({"limit": 2.0}, "so it is not used; to take it all the same: --guide navigation-static"),
        ({"method": "sac-lagrangian"}, None),
        ({"environment": "navigation-dynamic-without-vases"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_a_run_says_why_what_ships_is_not_used(settings, said, tmp_path):
    asked = row(**{"environment": "navigation-static", **settings})
    told = runs.unused(asked, {}, tmp_path)
    assert bool(told) == bool(said) and all(said in text for text in told)
    assert runs.unused(asked, {"guide": Path("mine")}, tmp_path) == []


def test_nothing_ships_for_environments_of_the_users(tmp_path):
    asked = row(environment="gymnasium.envs.classic_control:PendulumEnv", limit=5.0)
    assert asked.knowledge.keys() == {"guide"} and runs.unused(asked, {}, tmp_path) == []


def test_what_ships_for_another_observation_is_not_named(tmp_path):
    asked = row(environment="LavaCrossingS9N1", **{"prior.prior_steps": 1000, "encoder.latent": 8})
    told = runs.unused(asked, {}, tmp_path)
    assert [text.partition(" (")[2].partition(")")[0] for text in told] == ["lava", "lava"]


def test_lava_runs_use_it_in_every_environment_if_they_see_the_same():
    settings = {"environment": "LavaCrossingS9N3", "seed": 9}
    assert {kind: one.name for kind, one in matching(row(**settings)).items()} == {
        "prior": "lava", "encoder": "lava"
    }  # fmt: skip
    pixels = {"observation": "pixels", "preset": "recommended"}
    assert {kind: one.name for kind, one in matching(row(**settings, **pixels)).items()} == {
        "prior": "lava-pixels", "encoder": "lava-pixels"
    }  # fmt: skip
    assert matching(row(**settings, **pixels, **{"encoder.batch": 32})).keys() == {"prior"}
    assert matching(row(**settings, knowledge="one")) == {}
    assert matching(row(**settings, **{"prior.prior_steps": 1000})).keys() == {"encoder"}


def test_a_run_keeps_the_knowledge_that_it_was_begun_with(tmp_path):
    wanted = row(environment="navigation-static")
    (one,) = named("navigation-static")
    assert runs.shipped_for(wanted, {}, tmp_path) == {"guide": one}
    assert runs.shipped_for(wanted, {"guide": one.file}, tmp_path) == {}
    begun = tmp_path / "run.json"
    begun.write_text(json.dumps({"needs": {"guide": "navigation-static-guide-0-56a1cb6bc7"}}))
    assert runs.shipped_for(wanted, {}, tmp_path) == {}
    begun.write_text(json.dumps({"needs": {"guide": one.checksum}}))
    assert runs.shipped_for(wanted, {}, tmp_path) == {"guide": one}
    assert with_checksum(one.checksum) == one
    assert with_checksum("0" * 64) is None


@pytest.mark.parametrize("kind", ["prior", "encoder"])
def test_knowledge_of_lava_makes_random_actions_much_safer(kind):
    for one in named("lava", kind) + named("lava-pixels", kind):
        said = load(one.file, expect=kind)[0].training["shipped"]
        assert said["cost"] < 0.5 * said["without"]


def test_a_run_that_uses_it_says_so_records_its_checksum_and_is_resumed(tmp_path, capsys):
    folders = {"knowledge_folder": tmp_path, "out": tmp_path / "run"}
    settings = {"environment": "LavaCrossingS9N1", "method": "priors-0.95", "steps": 100}
    train_one(settings, files={}, **folders)
    assert "prior: lava, which ships with handrail" in capsys.readouterr().err
    (one,) = named("lava", "prior")
    assert read_json(tmp_path / "run" / "run.json")["needs"] == {"prior": one.checksum}
    assert not (tmp_path / "knowledge").exists()
    summary = tmp_path / "run" / "summary.json"
    before = read_json(summary)
    summary.unlink()
    found = resume(tmp_path / "run", knowledge_folder=tmp_path, files={})
    assert found["violations"] == before["violations"]


def test_a_student_finds_the_guide_that_ships_and_the_steps_beside_it_again(tmp_path):
    settings = {"environment": "navigation-static", "steps": 100}
    few = ["epoch=100", "test_episodes=1"]
    folders = {"knowledge_folder": tmp_path, "out": tmp_path / "run"}
    train_one(settings, assignments=few, files={}, **folders)
    needs = read_json(tmp_path / "run" / "run.json")["needs"]
    (one,) = named("navigation-static")
    assert needs.keys() == {"guide", "transitions"} and needs["guide"] == one.checksum
    found = launch.knowledge_of_run(tmp_path / "run", knowledge_folder=tmp_path, files={})
    assert found == {"guide": one.file}
    with pytest.raises(HandrailError, match=r"needs .*, which is not found"):
        other = {"guide": named("navigation-dynamic")[0].file}
        launch.knowledge_of_run(tmp_path / "run", knowledge_folder=tmp_path, files=other)


def test_with_acquire_nothing_of_the_package_is_used(tmp_path, monkeypatch):
    given = {}

    def train(row, **options):
        given.update(options)
        return {}

    monkeypatch.setattr("handrail.experiments.launch.train", train)
    folders = {"knowledge_folder": tmp_path, "out": tmp_path / "run"}
    settings = {"environment": "navigation-static"}
    train_one(settings, files={}, acquire=True, **folders)
    assert given["files"] == {}
    train_one(settings, files={"guide": Path("navigation-dynamic")}, **folders)
    assert given["files"] == {"guide": named("navigation-dynamic")[0].file}


def test_the_command_lists_what_ships_and_shows_a_card(capsys):
    list_shipped()
    listed = capsys.readouterr().out
    assert all(one.name in listed for one in shipped())
    list_shipped("lava")
    listed = capsys.readouterr().out
    assert "lava" in listed and "navigation-static" not in listed
    with pytest.raises(UnknownName, match="larva"):
        list_shipped("larva")
    show_shipped("lava")
    shown = capsys.readouterr().out
    assert "prior lava" in shown and "encoder lava" in shown
    assert "handrail knowledge make lava" in " ".join(shown.split())
