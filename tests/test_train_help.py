"""`handrail train --help` lists every setting of the chosen family and method."""

import dataclasses

import pytest

from handrail.cli import commands
from handrail.cli.settings_help import docstrings, options, settings_of_run
from handrail.core.arguments import override
from handrail.core.errors import HandrailError
from handrail.methods.contrastive.settings import QLearning, Safety
from handrail.methods.sagui.on_policy_settings import (
    OnPolicySettings,
    PpoSettings,
    TrustRegionSettings,
)
from handrail.methods.sagui.settings import GuideSettings, SacSettings, StudentRun
from handrail.tasks.lava.settings import LavaEncoder, LavaPrior, LavaRun
from handrail.tasks.own.settings import OwnGuide, OwnStudent

KINDS = (
    QLearning, Safety, SacSettings, GuideSettings, StudentRun, LavaRun, LavaPrior, LavaEncoder,
    OwnStudent, OwnGuide, OnPolicySettings, PpoSettings, TrustRegionSettings,
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_says_what_it_is(kind):
    said = docstrings(kind)
    assert [field.name for field in dataclasses.fields(kind) if not said.get(field.name)] == []


def test_names_are_those_that_set_takes():
    found = settings_of_run({"environment": "navigation-static", "method": "budget-switch"})
    run, guide = StudentRun(), GuideSettings()
    for one in found:
        kind, _, rest = one.name.partition(".")
        settings, name = (guide, rest) if kind == "guide" else (run, one.name)
        override(settings, {name: one.default})
    by_name = {one.name: one for one in found}
    assert by_name["learning.reward_scale"].default == 10.0  # our preset's, not the dataclass's
    assert by_name["guide.steps"].default == 300_000
    assert by_name["learning.discount"].expected == "float, at least 0 and below 1"
    assert "steps" not in by_name  # an option of the command


def test_an_environment_of_ones_own_says_what_has_to_be_given():
    chosen = {"environment": "tests.experiments.own_walker:make"}
    by_name = {one.name: one for one in settings_of_run(chosen)}
    assert by_name["limit"].default == "to be given"
    assert by_name["cost_fn"].default == "" and by_name["guide.rescue.share"].default == 0.0


def test_the_method_decides_what_is_brought_along():
    for method, kinds in (("dqn", set()), ("full", {"prior", "encoder"})):
        chosen = {"environment": "LavaCrossingS9N1", "method": method}
        brought = {one.name.partition(".")[0] for one in settings_of_run(chosen)}
        assert brought & {"prior", "encoder"} == kinds


def test_the_command_shows_them_below_its_options(monkeypatch, capsys):
    line = ["train", "--environment", "navigation-static", "--method=control-switch", "--help"]
    monkeypatch.setattr("sys.argv", ["handrail", *line])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    assert not ended.value.code
    out = capsys.readouterr().out
    assert "--environment" in out and "--method control-switch" in out
    assert "learning.discount = 0.99  (float, at least 0 and below 1)" in out


def test_mistakes_are_one_line():
    with pytest.raises(HandrailError, match="did you mean 'navigation-static'"):
        settings_of_run(options(["--environment", "navigation-statik", "--help"]))
