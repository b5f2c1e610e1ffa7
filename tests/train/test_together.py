"""Runs driven as one program: each is what it would be by itself, resumes exactly, fails alone."""

import json
from unittest import mock

import jax
import numpy as np
import pytest

from handrail.core.artifact import load
from handrail.core.errors import HandrailError
from handrail.core.records import EPISODES, EVALUATIONS, PROGRESS, read_table
from handrail.core.rows import padded_throughout
from handrail.methods.contrastive.settings import QLearning
from handrail.methods.contrastive.student import student_loop, train_student
from handrail.methods.contrastive.table import METHODS
from handrail.tasks.lava.problems import student_problem
from handrail.tasks.lava.settings import LavaRun
from handrail.tasks.navigation.family import NAVIGATION
from handrail.train import run as train_run
from handrail.train.course import alone
from handrail.train.together import RECORD, together
from tests.experiments.navigation.toy import small, use_toy

pytestmark = pytest.mark.optimized  # bit for bit
SEEDS = (0, 1, 2)
STEPS, CHUNK = 1_500, 500
LEARNING = QLearning(learning_starts=500, batch=8, hidden=(8,), novelty=0.1)
FILES = (EPISODES, PROGRESS, "run.json", "policy.safetensors", RECORD)


class Cut(BaseException):
    """Like Ctrl-C: no handler of `Exception` sees it."""


def ignore(step, total):
    """A report that nobody reads."""


def run_of(seed: int) -> LavaRun:
    return LavaRun("LavaGapS5", "dqn", seed=seed, steps=STEPS, learning=LEARNING)


@pytest.fixture(scope="module")
def problems():
    return {seed: student_problem(run_of(seed), "symbolic") for seed in SEEDS}


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setenv("HANDRAIL_CHECKPOINT_SECONDS", "0")
    with mock.patch.object(train_run, "CHUNK_STEPS", CHUNK):
        yield


def courses(problems, folder, **reports):
    """One course a seed; `reports` by the name of the seed, such as `s1`."""
    return [
        train_student.course(
            problems[seed], {}, METHODS["dqn"], run_of(seed), folder / str(seed),
            recorded={"seed": seed}, provenance={}, test_episodes=1,
            report=reports.get(f"s{seed}", ignore),
        )
        for seed in SEEDS
    ]  # fmt: skip


def content(folder):
    return {(s, name): (folder / str(s) / name).read_bytes() for s in SEEDS for name in FILES}


@pytest.fixture(scope="module")
def whole(problems, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with mock.patch.object(train_run, "CHUNK_STEPS", CHUNK):
        summaries = together(courses(problems, folder))
    assert all(isinstance(summary, dict) for summary in summaries), summaries
    return folder


def close(one, other):
    for name, table in one.items():
        np.testing.assert_allclose(table, other[name], rtol=2e-4, atol=1e-5, err_msg=name)


def test_lava_layouts_of_other_sizes_are_what_they_would_be_alone(problems, whole, tmp_path):
    rows = {len(problem.environment.observations.frames) for problem in problems.values()}
    assert len(rows) > 1, "their tables are padded"
    names = json.loads((whole / "1" / RECORD).read_text())
    assert names["run"] == 1
    assert len(names["runs"]) == len(SEEDS)
    for seed, course in zip(SEEDS[:2], courses(problems, tmp_path)[:2], strict=True):
        alone(course)
        own, shared = tmp_path / str(seed), whole / str(seed)
        for table in (EPISODES, PROGRESS):
            close(read_table(own / table), read_table(shared / table))
        for a, b in zip(*(jax.tree.leaves(load(one / "policy.safetensors")[1])
                          for one in (own, shared)), strict=True):  # fmt: skip
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
        assert (own / "run.json").read_bytes() == (shared / "run.json").read_bytes()
        assert not (own / RECORD).exists()
    episodes = [read_table(whole / str(seed) / EPISODES)["step"] for seed in SEEDS]
    assert not np.array_equal(episodes[0], episodes[1]), "the seeds do differ"


@pytest.mark.parametrize("at", [2 * CHUNK, STEPS])
def test_a_program_that_was_cut_ends_with_the_same_bytes(problems, whole, tmp_path, at):
    """The second run is cut before its checkpoint, so it is a chunk behind the first; at the end,
    the first one is finished by then and no longer there.
    """

    def cut(step, total):
        if step == at:
            raise Cut

    with pytest.raises(Cut):
        together(courses(problems, tmp_path, s1=cut))
    assert (tmp_path / "0" / "summary.json").exists() == (at == STEPS)
    assert all(isinstance(summary, dict) for summary in together(courses(problems, tmp_path)))
    names = [name for name in FILES if name != RECORD]
    found, expected = content(tmp_path), content(whole)
    for key in ((seed, name) for seed in SEEDS for name in names):
        assert found[key] == expected[key], key


def test_a_run_that_fails_leaves_the_others_as_they_are(problems, whole, tmp_path):
    def fail(step, total):
        raise HandrailError("no more")

    first, failed, last = together(courses(problems, tmp_path, s1=fail))
    assert str(failed) == "no more"
    assert isinstance(first, dict)
    assert isinstance(last, dict)
    for seed in (0, 2):
        for name in (EPISODES, PROGRESS, "policy.safetensors"):
            same = (tmp_path / str(seed) / name).read_bytes()
            assert same == (whole / str(seed) / name).read_bytes()


def test_padding_changes_nothing_that_is_read(problems):
    loop = student_loop(problems[0], {}, METHODS["dqn"], run_of(0))
    rows = loop.environment.most_rows
    longer = padded_throughout(loop, rows)
    assert longer.environment.successor.shape[0] == rows
    own = len(loop.environment.successor)
    np.testing.assert_array_equal(longer.environment.successor[:own], loop.environment.successor)
    live = len(loop.agent.loss.values.evaluate.frames)
    frames = longer.agent.loss.values.evaluate.frames
    np.testing.assert_array_equal(
        frames[live:], np.broadcast_to(frames[live - 1], frames[live:].shape)
    )
    assert longer.agent.novelty.kinds == rows


def test_guides_and_students_are_what_they_would_be_alone(monkeypatch, tmp_path):
    use_toy(monkeypatch)
    rows = [small("budget-switch", seed=seed) for seed in (0, 1)]

    def guides(root):
        return [
            NAVIGATION.acquire.course("guide", row.knowledge["guide"], root / str(seed), print_no)
            for seed, row in enumerate(rows)
        ]

    def students(root):
        return [
            NAVIGATION.train.course(
                row.run, {"guide": tmp_path / "g" / str(seed) / "guide.safetensors"},
                root / str(seed), {"seed": seed}, ignore,
            )
            for seed, row in enumerate(rows)
        ]  # fmt: skip

    for make, name in ((guides, "g"), (students, "s")):
        ends = together(make(tmp_path / name))
        assert not [end for end in ends if isinstance(end, Exception)], ends
        for seed, course in enumerate(make(tmp_path / f"{name}-alone")):
            alone(course)
            own, shared = tmp_path / f"{name}-alone" / str(seed), tmp_path / name / str(seed)
            for table in (EPISODES, PROGRESS, EVALUATIONS):
                close(read_table(own / table), read_table(shared / table))
            own_files = {path.name for path in own.iterdir()}
            assert {path.name for path in shared.iterdir()} == own_files | {RECORD}


def print_no(what, step, total):
    """A report that nobody reads."""
