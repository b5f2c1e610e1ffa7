"""Jobs sent through submitit: by its executor for this machine, and by one that loses jobs.

No Slurm is at hand here: what is tested is what we ask of submitit, which is the same for
its executors.
"""

import pytest

from handrail.core.errors import HandrailError
from handrail.engines import slurm
from handrail.engines.slurm import OnSlurm
from handrail.experiments.plan import Task
from handrail.experiments.scheduler import Failed
from handrail.methods.contrastive.settings import QLearning
from handrail.tasks.family import Row
from handrail.tasks.lava.settings import LavaRun

pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")


def ignore(running, done):
    pass


class Jobs:
    """An executor that loses the first `lost` jobs and does the others at once."""

    def __init__(self, lost: int):
        self.lost, self.sent = lost, []

    def submit(self, function, task, variables):
        self.sent.append(task.folder.name)
        return Job(task, lost=len(self.sent) <= self.lost)


class Job:
    def __init__(self, task, lost):
        self.task, self.lost = task, lost

    def done(self):
        return True

    def result(self):
        if self.lost:
            raise RuntimeError("Job 7 was preempted\nand more")
        assert all(need.done for need in self.task.needs)
        self.task.folder.mkdir(parents=True)
        self.task.file.write_text("")

    def cancel(self):
        pass


@pytest.fixture
def chain(tmp_path):
    prior = Task("prior", tmp_path / "p", None, (), "prior")
    return [Task("run", tmp_path / "r", None, (prior,), "run")]


def test_a_job_that_died_is_sent_again(chain, monkeypatch, tmp_path):
    jobs = Jobs(lost=2)
    monkeypatch.setattr(slurm, "_executor", lambda engine: jobs)
    OnSlurm(tmp_path, poll_seconds=0.01).compute(chain, ignore)
    assert jobs.sent == ["p", "p", "p", "r"]
    assert chain[0].done


class Full(Jobs):
    """Slurm takes two jobs at a time, and says so."""

    def __init__(self):
        super().__init__(lost=0)
        self.refused, self.at_work = 0, []

    def submit(self, function, task, variables):
        if len([job for job in self.at_work if not job.task.done]) == 2:
            self.refused += 1
            raise RuntimeError("sbatch: error: QOSMaxSubmitJobPerUserLimit\nand more")
        self.at_work.append(super().submit(function, task, variables))
        return self.at_work[-1]


def test_a_refused_job_waits_while_others_are_sent(monkeypatch, tmp_path, caplog):
    """Until it is taken nobody asks for more: Slurm is not to be asked 20 times a poll."""
    jobs = Full()
    monkeypatch.setattr(slurm, "_executor", lambda engine: jobs)
    tasks = [Task("prior", tmp_path / f"{number}", None, (), "prior") for number in range(20)]
    OnSlurm(tmp_path, poll_seconds=0.01).compute(tasks, ignore)
    assert sorted(jobs.sent) == sorted(task.folder.name for task in tasks)
    assert all(task.done for task in tasks) and "QOSMax" in caplog.text
    assert jobs.refused < len(tasks)


def test_where_slurm_takes_no_job_at_all_there_is_one_clear_error(chain, monkeypatch, tmp_path):
    class Closed(Jobs):
        def submit(self, function, task, variables):
            raise RuntimeError("sbatch: error: invalid account\nand more")

    monkeypatch.setattr(slurm, "_executor", lambda engine: Closed(lost=0))
    with pytest.raises(HandrailError, match=r"Slurm takes no job: .*invalid account$"):
        OnSlurm(tmp_path, poll_seconds=0.01).compute(chain, ignore)


def test_a_job_that_keeps_dying_is_given_up(chain, monkeypatch, tmp_path):
    jobs = Jobs(lost=99)
    monkeypatch.setattr(slurm, "_executor", lambda engine: jobs)
    with pytest.raises(Failed) as caught:
        OnSlurm(tmp_path, retries=1, poll_seconds=0.01).compute(chain, ignore)
    assert jobs.sent == ["p", "p"]
    assert "died 2 times; submitit says: Job 7 was preempted;" in str(caught.value)


def test_without_slurm_there_is_one_clear_error(chain, tmp_path):
    with pytest.raises(HandrailError, match="jobs cannot be sent to 'slurm' from here"):
        OnSlurm(tmp_path / "logs").compute(chain, ignore)


@pytest.mark.slow
def test_jobs_in_processes_of_their_own(tmp_path):
    run = LavaRun("Empty-5x5", "dqn", steps=100, learning=QLearning(learning_starts=100))
    dqn = Task("run", tmp_path / "dqn", Row(run, {}, {"knowledge": "none"}), (), "dqn")
    wrong = LavaRun("Emty-5x5", "dqn", steps=100)
    typo = Task("run", tmp_path / "typo", Row(wrong, {}, {"knowledge": "none"}), (), "typo")
    with pytest.raises(Failed, match=r"1 of the tasks failed: typo: unknown environment"):
        OnSlurm(tmp_path / "logs", cluster="local", poll_seconds=0.2).compute([dqn, typo], ignore)
    assert dqn.done
    assert (tmp_path / "dqn" / "policy.safetensors").is_file()
