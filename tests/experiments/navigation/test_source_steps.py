"""Steps of the source that a guide's training keeps, and students that learn from them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.artifact import load, save
from handrail.core.errors import HandrailError
from handrail.core.types import Transition
from handrail.envs.transfer import SameView
from handrail.learners.sac.agent import SacAgent, SacAgentState
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.methods.sagui.acquired import check_acquired
from handrail.methods.sagui.offline_batch import beside, load_steps, save_steps
from handrail.methods.sagui.train_student import check
from handrail.replay.ring import Ring
from tests.experiments.navigation.toy import (
    COSTLY,
    acquire_guide,
    build,
    parts,
    run_student,
    small,
    toy_problem,
    use_toy,
)

PROBLEM = toy_problem("toy")
CAPACITY = 30


def filled(added: int) -> tuple[SacAgent, SacAgentState]:
    """An agent with a memory of steps that are known by their numbers."""
    memory = Ring(CAPACITY)
    learner = SacLagrangian().init(1, 1, (1,), key=jax.random.key(0))

    def step(n) -> Transition:
        seen = {"hazards_lidar": n[None], "place": jnp.stack([n, -n])}
        action = jnp.stack([n, -n]) / 100
        return Transition(
            observation=seen, proposed=action, action=action, reward=n, cost=n,
            next_observation=seen, terminated=n < 0, truncated=n < 0, intervened=n < 0,
            weight=jnp.ones(()), extras={},
        )  # fmt: skip

    steps = [step(jnp.float32(n)) for n in range(added)]
    state = memory.init(steps[0])
    for one in steps:
        state = memory.add(state, one)
    return SacAgent(replay=memory), SacAgentState(learner, state)


def kept_by(guide, added: int, count: int):
    save_steps(
        beside(guide), *filled(added), source="toy", count=count, key=jax.random.key(0),
    )  # fmt: skip


def loaded(guide, problem=PROBLEM):
    shapes = parts(problem.target)
    example = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return load_steps(guide, problem.view, example, actions=2)[1]


@pytest.mark.parametrize(("added", "count", "kept"), [(40, 10, 10), (40, 99, 30), (8, 99, 8)])
def test_what_is_kept_is_drawn_from_all_that_is_remembered(tmp_path, added, count, kept):
    guide = tmp_path / "guide.safetensors"
    kept_by(guide, added, count)
    data = loaded(guide)
    numbers = np.asarray(data.steps.cost)
    assert len(set(numbers)) == len(numbers) == kept == data.steps.size
    assert set(numbers) <= set(range(max(0, added - CAPACITY), added))
    assert (data.steps.observation["place"][:, 1] == -numbers).all()
    assert np.allclose(data.steps.action[:, 0], numbers / 100)
    if kept == 10:
        assert numbers.max() - numbers.min() > 15, "not one stretch of the memory"


@pytest.fixture
def kept(tmp_path):
    guide = tmp_path / "guide.safetensors"
    kept_by(guide, 20, 20)
    return guide


def changed(guide, change):
    """The file again, with arrays that a change was made to, and a checksum that fits."""
    card, arrays = load(beside(guide))
    arrays = {name: array.copy() for name, array in arrays.items()}
    change(arrays)
    save(beside(guide), card, arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a["cost"].__setitem__(3, -1.0), "cost has numbers outside of its range"),
        (lambda a: a["action"].__setitem__((3, 0), 1.5), "action has numbers outside"),
        (lambda a: a["terminated"].__setitem__(3, 2.0), "terminated has numbers outside"),
        (lambda a: a.update(cost=a["cost"][:5]), r"'cost' is float32\[5\], expected float32\[20\]"),
        (lambda a: a.pop("action"), r"arrays missing \['action'\]"),
    ],
)
def test_a_file_that_is_no_steps_of_the_source_is_refused(kept, change, message):
    changed(kept, change)
    with pytest.raises(HandrailError, match=message):
        loaded(kept)


@pytest.mark.parametrize("count", [0, "many", None, True])
def test_a_card_without_a_count_is_refused(kept, count):
    path = beside(kept)
    card, arrays = load(path)
    save(path, dataclasses.replace(card, spec={**card.spec, "count": count}), arrays)
    with pytest.raises(HandrailError, match="the card's count is"):
        loaded(kept)


def test_a_file_of_another_task_is_refused(kept):
    other = dataclasses.replace(PROBLEM, source=PROBLEM.target, view=SameView())
    with pytest.raises(HandrailError, match="does not fit: its parts"):
        loaded(kept, other)


def test_a_guide_without_steps_says_how_to_get_them(tmp_path):
    with pytest.raises(HandrailError, match=r"no steps of the source.*guide\.keep = 100_000"):
        loaded(tmp_path / "guide.safetensors")


def test_a_student_learns_from_what_its_guide_has_kept(tmp_path, monkeypatch):
    """From training the guide to the student, whose costs are learnt from both tasks."""
    use_toy(monkeypatch)
    row = small("budget-switch", source_data=True, **{"guide.keep": 50})
    guide = acquire_guide(row.knowledge["guide"], tmp_path / "guide")
    data = loaded(guide)
    assert data.steps.size == 50
    costs, times = data.steps.cost, 10 * data.steps.observation["hazards_lidar"][:, 0]
    assert (costs == jnp.isin(jnp.round(times), jnp.array(COSTLY))).all() and costs.any()
    loop = build(row.run, dict(guide=guide))
    assert loop.agent.source is not None
    summary = run_student(row.run, dict(guide=guide), tmp_path / "run", settings={"n": 1})
    assert summary["epochs"] == 2
    alone = small("budget-switch").run
    other = run_student(alone, dict(guide=guide), tmp_path / "alone", settings={"n": 2})
    policies = [load(tmp_path / name / "policy.safetensors")[1] for name in ("run", "alone")]
    assert any((a != b).any() for a, b in zip(*(p.values() for p in policies), strict=True))
    assert other["epochs"] == 2


def test_settings_that_cannot_work_are_refused(tmp_path):
    assert small("control-switch", source_data=True).knowledge["guide"].keep == 100_000
    assert small("control-switch").knowledge["guide"].keep == 0
    none = small("control-switch", source_data=True, **{"guide.keep": 0})
    with pytest.raises(HandrailError, match=r"guide\.keep is 0: expected the number of steps"):
        check_acquired(none.run, none.knowledge)
    with pytest.raises(HandrailError, match=r"guide\.keep is -1"):
        small("control-switch", **{"guide.keep": -1})
    with pytest.raises(HandrailError, match="method 'sac-lagrangian' has no guide beside which"):
        check(small("sac-lagrangian", source_data=True).run, dict())
