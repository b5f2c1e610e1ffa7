"""Where results could not be written in the end, nothing is begun."""

import pytest

from handrail.cli.reproduce import reproduce
from handrail.core.errors import HandrailError
from handrail.engines.base import AbstractEngine
from handrail.experiments import launch, worker
from handrail.experiments.plan import Task, report_folder
from handrail.experiments.schema import Portion, budget_of, only, read


class Engine(AbstractEngine):
    """Must not be asked for anything."""

    def compute(self, tasks, follow, *, vmapped=False):
        pytest.fail("began")


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_refused_first(out, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HandrailError, match=r"cannot write into .*file.*--out"):
        reproduce("demo", out=tmp_path / out, engine=Engine(), quiet=True)


def test_a_worker_that_cannot_write_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "work", lambda task, report: None)
    monkeypatch.setattr(worker, "_forget_compiled", lambda: None)
    (tmp_path / "file").write_text("")
    task = Task("run", tmp_path / "file" / "run", None, (), "run")
    assert "cannot lock" in str(worker.compute_in_place(task))


def test_another_budget_is_not_taken_for_the_one_that_there_is(tmp_path):
    with pytest.raises(HandrailError, match="unknown budget 'paper': known are quick"):
        reproduce("demo", Portion("paper"), out=tmp_path, engine=Engine(), quiet=True)


def test_a_report_of_a_part_does_not_take_the_place_of_the_whole_one(tmp_path):
    experiment = read("sagui-static")
    whole = report_folder(experiment, Portion("fresh-short"), tmp_path)
    some = only(experiment, ["scratch"], ())
    parts = [
        report_folder(experiment, Portion("fresh-short", seeds=1), tmp_path),
        report_folder(some, Portion("fresh-short", variants=("scratch",)), tmp_path),
        report_folder(some, Portion("fresh-short", seeds=1, variants=("scratch",)), tmp_path),
    ]
    assert len({whole, *parts}) == 4
    as_many = len(budget_of(experiment, "fresh-short", None).seeds)
    assert report_folder(experiment, Portion("fresh-short", seeds=as_many), tmp_path) == whole
