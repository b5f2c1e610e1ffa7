"""Training a guide goes on until it passes its shield test, or says that it cannot."""

import logging

import pytest

from handrail.core.artifact import load
from handrail.core.errors import HandrailError
from handrail.core.files import read_json
from handrail.core.records import BEST, EVALUATIONS, read_table
from handrail.knowledge.matching import matching
from handrail.methods.sagui import epochs, train_guide
from handrail.methods.sagui.acquired import check_acquired
from handrail.methods.sagui.shield import LIMIT_COLUMNS
from handrail.tasks.navigation.family import NAVIGATION, resolve_settings
from handrail.tasks.registry import with_defaults
from handrail.train import run
from handrail.train.together import RECORD, together
from tests.experiments.navigation.toy import SMALL, acquire_guide, guide_loop, small, use_toy

PATIENT = {"guide.selection": "shield", "guide.limit": 1.0, "guide.patience": 3}


class Stopped(Exception):
    """Stands for a process that is killed."""


@pytest.fixture
def shielded(monkeypatch):
    """Sets what the shield test costs after each epoch; alone the guide costs nothing."""
    use_toy(monkeypatch)
    monkeypatch.setattr(epochs, "CHECKPOINT_SECONDS", 0.0)  # one after every chunk

    def costing(*costs: float, alone: float = 0.0):
        def tried(trial, networks, takeover_cost, step, key):
            row = dict.fromkeys(set(trial.columns) - {"step"}, 0.0)
            named = dict.fromkeys(LIMIT_COLUMNS, 0.5)
            return row | named | {"cost": alone, "shielded_cost": costs[step // 100 - 1]}

        monkeypatch.setattr(train_guide._Trial, "__call__", tried)

    return costing


def trained(folder, report=lambda *_: None, **own):
    """The steps of the training, the step of the guide that is kept, and all steps evaluated."""
    settings = small("control-switch", **(PATIENT | own)).knowledge["guide"]
    path = acquire_guide(settings, folder, report)
    kept = load(path, expect="guide")[0].training["evaluation"]["step"]
    table = read_table(folder / EVALUATIONS)
    return read_json(folder / "summary.json")["steps"], kept, table["step"].tolist()


@pytest.mark.parametrize(
    ("costs", "ends", "kept"),
    [
        ((0.5, 3.0), 200, 100),  # one of the first two passes, though not the last
        ((3.0, 1.0), 200, 200),
        ((3.0, 3.0, 3.0, 0.9), 400, 400),
        ((3.0, 1.1, 1.2, 1.3, 1.4, 0.0), 600, 600),
        ((3.0, 2.0, 3.0, 3.0, 3.0, 3.0), 600, 200),  # none
    ],
)
def test_training_ends_with_the_first_epoch_whose_guide_passes(
    shielded, tmp_path, caplog, costs, ends, kept
):
    shielded(*costs)
    with caplog.at_level(logging.WARNING):
        assert trained(tmp_path / "guide") == (ends, kept, [*range(100, ends + 1, 100)])
    failed = [record.message for record in caplog.records if "no guide passed" in record.message]
    assert len(failed) == (min(costs) > 1.0)
    assert all("600 steps" in message and "costs 2 " not in message for message in failed)


def test_a_guide_that_is_not_safe_alone_does_not_pass(shielded, tmp_path, caplog):
    shielded(*[0.0] * 6, alone=1.5)
    with caplog.at_level(logging.WARNING):
        assert trained(tmp_path / "guide")[0] == 600
    assert any("costs 1.5 alone (limit 1)" in record.message for record in caplog.records)


def test_it_goes_no_further_without_patience(shielded, tmp_path, caplog):
    shielded(3.0, 3.0)
    assert trained(tmp_path / "guide", **{"guide.patience": 1})[0] == 200
    assert not any("no guide passed" in record.message for record in caplog.records)


@pytest.mark.parametrize("killed_at", [100, 200, 300, 400])
def test_a_training_that_goes_on_resumes_exactly(shielded, tmp_path, killed_at):
    shielded(3.0, 3.0, 3.0, 0.5)

    def kill(what, step, total):
        if step == killed_at:
            raise Stopped

    whole = trained(tmp_path / "whole")
    with pytest.raises(Stopped):
        trained(tmp_path / "cut", kill)
    assert trained(tmp_path / "cut") == whole == (400, 400, [100, 200, 300, 400])
    for name in ("episodes.csv", "progress.csv", EVALUATIONS):
        written = [(tmp_path / run / name).read_bytes() for run in ("whole", "cut")]
        assert written[0] == written[1], name


def test_a_guide_that_an_interruption_undid_does_not_end_it(shielded, monkeypatch, tmp_path):
    """Ctrl-C comes after the test of the last epoch, and before its checkpoint."""
    shielded(3.0, 3.0, 0.5)
    whole = trained(tmp_path / "whole")
    real = run.save_checkpoint

    def interrupted(folder, state, *, step, **options):
        if step > 200:
            raise Stopped
        return real(folder, state, step=step, **options)

    monkeypatch.setattr(run, "save_checkpoint", interrupted)
    with pytest.raises(Stopped):
        trained(tmp_path / "cut")
    monkeypatch.setattr(run, "save_checkpoint", real)
    assert trained(tmp_path / "cut") == whole == (300, 300, [100, 200, 300])
    for name in ("episodes.csv", "progress.csv", EVALUATIONS):
        written = [(tmp_path / place / name).read_bytes() for place in ("whole", "cut")]
        assert written[0] == written[1], name


def test_a_warning_is_of_what_the_file_says(shielded, tmp_path, caplog):
    """Said again of a finished run, whose best evaluation may be gone; the run is not repeated."""
    shielded(*[3.0] * 6)
    trained(tmp_path / "guide")
    (tmp_path / "guide" / BEST).unlink()
    shielded()  # nothing can be tried any more
    with caplog.at_level(logging.WARNING):
        settings = small("control-switch", **PATIENT).knowledge["guide"]
        acquire_guide(settings, tmp_path / "guide")
    assert any("costs 0 alone (limit 1) and 3 in" in record.message for record in caplog.records)


def test_guides_of_one_program_end_where_each_of_them_passes(shielded, monkeypatch, tmp_path):
    passing = {0: 200, 1: 400, 2: 600}

    def costing(trial, networks, takeover_cost, step, key):
        row = dict.fromkeys({*trial.columns, *LIMIT_COLUMNS} - {"step"}, 0.0)
        return row | {"shielded_cost": 0.0 if step >= passing[trial._settings.seed] else 3.0}

    shielded()
    monkeypatch.setattr(train_guide._Trial, "__call__", costing)
    courses = []
    for seed in passing:
        settings = small("control-switch", **PATIENT, seed=seed).knowledge["guide"]
        where = tmp_path / str(seed)
        courses.append(
            NAVIGATION.acquire.course("guide", settings, where, lambda what, step, total: None)
        )
    together(courses)
    assert (tmp_path / "0" / RECORD).exists()  # they did share a program
    for seed, end in passing.items():
        assert read_json(tmp_path / str(seed) / "summary.json")["steps"] == end


def test_the_steps_that_it_has_anyway_are_the_same(shielded, tmp_path):
    shielded(3.0, 0.5)
    trained(tmp_path / "patient")
    trained(tmp_path / "plain", **{"guide.patience": 1})
    for name in ("episodes.csv", "progress.csv", EVALUATIONS):
        written = [(tmp_path / run / name).read_bytes() for run in ("patient", "plain")]
        assert written[0] == written[1], name
    files = [tmp_path / run / "guide.safetensors" for run in ("patient", "plain")]
    arrays = [load(file, expect="guide")[1] for file in files]
    assert all((arrays[0][name] == arrays[1][name]).all() for name in arrays[1])


def test_a_guide_passes_at_its_students_limit():
    """Which is above its own; a guide without patience is never compared with it."""
    own = {"guide.patience": 2}
    assert resolve_settings(SMALL | own).knowledge["guide"].accepted == SMALL["limit"]
    stricter = own | {"guide.shield_limit": 0.5}
    assert resolve_settings(SMALL | stricter).knowledge["guide"].accepted == 0.5
    assert resolve_settings(SMALL).knowledge["guide"].shield_limit is None


def test_the_command_has_patience_and_still_finds_what_ships():
    chosen = with_defaults({"environment": "navigation-static"}, {})
    row = resolve_settings(chosen)
    guide = row.knowledge["guide"]
    assert (guide.longest, guide.accepted) == (600_000, row.run.limit)
    assert set(matching(row)) == {"guide"}


def test_a_limit_that_no_training_waits_for_is_refused(shielded):
    row = resolve_settings(SMALL | {"guide.shield_limit": 3.0})
    with pytest.raises(HandrailError, match=r"guide\.shield_limit is 3, but guide\.patience is 1"):
        check_acquired(row.run, row.knowledge)
    with pytest.raises(HandrailError, match=r"^shield_limit is 3, but patience is 1"):
        guide_loop(row.knowledge["guide"])


@pytest.mark.parametrize("patience", [0, -1, 1.5])
def test_patience_is_a_positive_whole_number(patience):
    with pytest.raises(HandrailError, match="patience"):
        resolve_settings(SMALL | {"guide.patience": patience})
