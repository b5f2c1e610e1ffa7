"""Which tasks are worked on as one program, and how their ends are told."""

from pathlib import Path

import pytest

from handrail.core.errors import HandrailError
from handrail.engines.ray_engine import OnRay
from handrail.experiments.groups import TaskGroup, alone_of, by_seeds
from handrail.experiments.plan import Task, plan
from handrail.experiments.scheduler import AbstractExecutor, Failed, drive, with_needs
from handrail.experiments.schema import only, read


def tasks(name: str, seeds: int) -> list[Task]:
    return with_needs(task for _, task in plan(read(name), "quick", seeds, Path("out")))


def test_seeds_of_a_variant_and_their_guides_are_groups():
    groups = by_seeds(tasks("sagui-static", 3))
    assert all(isinstance(group, TaskGroup) for group in groups)
    assert {len(group.tasks) for group in groups} == {3}
    for group in groups:
        assert len({task.kind for task in group.tasks}) == 1
        assert len({task.folder for task in group.tasks}) == 3
    runs = [group for group in groups if group.tasks[0].kind == "run"]
    methods = [{task.settings.run.method for task in group.tasks} for group in runs]
    assert all(len(method) == 1 for method in methods)
    assert alone_of(groups) is None


def test_tasks_on_the_host_stay_by_themselves_and_are_named():
    groups = by_seeds(tasks("sagui-semi-dynamic", 2))
    assert all(isinstance(group, Task) for group in groups)
    assert "computed by themselves, since they run on the host" in str(alone_of(groups))


class Noted(AbstractExecutor):
    """Finishes the tasks of a group, but for those in `bad`."""

    def __init__(self, bad: set[str]):
        self.bad, self.sent, self.ended = bad, [], {}

    slots = 4  # type: ignore[assignment]

    def submit(self, work):
        self.sent.append([task.folder.name for task in work.tasks])
        for task in work.tasks:
            if task.folder.name not in self.bad:
                task.folder.mkdir(parents=True)
                task.file.write_text("")
        failed = any(task.folder.name in self.bad for task in work.tasks)
        self.ended[work.folder] = "no luck" if failed else None

    def finished(self, seconds):
        ended, self.ended = self.ended, {}
        return ended

    def at_work(self, work):
        return True

    def close(self):
        pass

    def stop(self):
        pass


def test_a_cluster_whose_nodes_share_no_folder_refuses_programs():
    with pytest.raises(HandrailError, match=r"--vmapped on Ray needs .* add --shared"):
        OnRay().compute([], lambda running, done: None, vmapped=True)


def test_one_that_fails_takes_only_what_needs_it_along(tmp_path):
    experiment = only(read("sagui-static"), ["budget-switch"])
    wanted = [task for _, task in plan(experiment, "quick", 2, tmp_path)]
    guide = wanted[0].needs[0]
    executor = Noted({guide.folder.name})
    with pytest.raises(Failed, match=r"2 of the tasks failed.*no luck"):
        drive(wanted, lambda waiting: executor, vmapped=True)
    guides = [[need.folder.name for task in wanted for need in task.needs]]
    assert executor.sent == [*guides, [wanted[1].folder.name]]
    assert wanted[1].done
    assert not wanted[0].done
