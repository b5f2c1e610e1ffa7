"""The host loop: an environment in this process, and everything else compiled.

One call on the device settles a step and decides the next. Made of the functions of the compiled
loop (`train.step`), on the same keys: it takes the same decisions and stores the same transitions.
"""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from handrail.core.rng import stream
from handrail.core.types import Transition
from handrail.envs.base import zero_action
from handrail.envs.host import AbstractHost, AbstractHostEnvironment
from handrail.envs.vector_host import AbstractVectorHost
from handrail.interventions.base import Intervention
from handrail.interventions.substitutes import in_agent_units
from handrail.learners.base import AbstractAgent, Clock
from handrail.train.compiled import RunState, check_delay, first_state
from handrail.train.host_steps import HostSteps
from handrail.train.step import Record, check_fit, example_transition, store_block, zeros_like
from handrail.train.step_statistics import NOTHING, AbstractStepStatistics
from handrail.train.stepper import AbstractStepper, timestep_like
from handrail.train.steppers import SingleStepper, VectorStepper

UNSAVED = {"unsaved": np.zeros(0, np.uint8)}  # in place of an episode that cannot be saved


class HostLoop:
    """An agent in an environment on the host under an intervention, for `total` steps.

    The counterpart of `Loop`, with the same states, keys, records and metrics; statistics are given
    None in place of the environment's state. With `delayed`, a block is learnt from in a second
    thread while the next one is stepped (see `Loop`), which takes a second core; call
    `handrail.core.jax_setup.dispatch_at_once` at the beginning of the program.

    The environment may be a vector of several; a block is then a number of vector steps, in each of
    which all are decided for at once (`VectorStepper`).

    The environment itself lives in the object and its episode, as a snapshot, in the state
    between two blocks; any state goes on from where it was. An environment that has no snapshots
    begins a new episode if the state given is not the last one that was returned. States
    that were passed to `blocks` are used up: their arrays are overwritten.
    """

    def __init__(
        self,
        environment: AbstractHost,
        agent: AbstractAgent,
        intervention: Intervention,
        total: int,
        statistics: AbstractStepStatistics = NOTHING,
        *,
        delayed: bool = False,
    ):
        check_delay(agent, delayed=delayed)
        self.environment, self.agent = environment, agent
        self.intervention = in_agent_units(intervention, environment.agent_form)
        self.total, self.delayed = total, delayed
        self.statistics = statistics
        self._stepper = stepper_of(environment, total=total, block=agent.train_every)
        self._steps = HostSteps(agent, self.intervention, self.statistics, total, self._stepper)
        # The agent is an argument: the arrays in it (a guide's, a table) are not to be constants.
        self._arrays, static = eqx.partition(agent, eqx.is_array)
        self._episode: dict[str, np.ndarray] | None = None  # the one that the environment is in
        zeros = environment.observation_zeros()
        # what does not fit is refused here, before a run begins, if observations are known
        self._example = None if zeros is None else self._fitting(zeros)

        def prepare(arrays, state, key, step):
            policy_snapshot = eqx.combine(arrays, static).prepare(
                state, key=stream(key, "prepare", step)
            )
            # Copied, since the state may be overwritten while its block is still being acted on.
            return jax.tree.map(lambda x: jnp.copy(x) if eqx.is_array(x) else x, policy_snapshot)

        def learn(given, state):
            arrays, transitions, policy_snapshot, step, key, learn = given
            inner = eqx.combine(arrays, static)
            reached = step if delayed else step + agent.train_every
            state = store_block(inner, state, transitions, reached, total=total)
            if not learn:
                return state, {}
            clock, key = Clock.at(reached, total), stream(key, "learn", step)
            return inner.learn(state, policy_snapshot, clock, key=key)

        self._prepare = eqx.filter_jit(prepare)
        # The replay is donated, so that it is changed in place instead of being copied.
        self._learn = eqx.filter_jit(learn, donate="all-except-first")

    def init(self, *, key: Key[Array, ""]) -> RunState:
        """The state before the first step."""
        stepper = self._stepper
        observation = stepper.begin(key)
        example = self._example
        if example is None:
            example = self._fitting(jax.eval_shape(stepper.example, observation))
        memory = stepper.memory(self.intervention)
        return first_state(self, self._saved(), observation, example, memory, key=key)

    def _fitting(self, observation: PyTree) -> Transition:
        """A transition of zeros, without extras; an intervention that does not fit is refused.

        `observation` gives shapes and dtypes of one environment's.
        """
        actions = self._stepper.actions
        zeros = zeros_like(observation)
        timestep = timestep_like(zeros, self.environment.constraints)
        example = example_transition(observation, zero_action(actions), timestep)
        check_fit(self.agent, self.intervention, actions, example, zeros, total=self.total)
        return example

    def shape_of_step(self, state: RunState) -> PyTree:
        """What one step would store; evaluated for its shapes alone."""
        policy_snapshot = self.agent.prepare(state.agent, key=state.key)
        outcome = self._stepper.outcome(state.observation)
        return self._stepper.example(self._steps.one(state, policy_snapshot, outcome)[1])

    def blocks(
        self, state: RunState, count: int, *, learn: bool
    ) -> tuple[RunState, Record, dict[str, np.ndarray]]:
        """`count` blocks of steps, each with one call of `agent.learn` if `learn`.

        Returns the state, the records of every step (leading axis `count · block`) and the
        metrics of every block (leading axis `count`), like `Loop.blocks`.
        """
        state = self._entered(state)
        records, metrics = [], []
        with ThreadPoolExecutor(1) as worker:
            for _ in range(count):
                state, record, measured = self._block(state, worker, learn)
                records.append(record)
                metrics.append(measured)
        state = dataclasses.replace(state, environment=self._saved())
        joined = jax.tree.map(lambda *leaves: np.concatenate(leaves), *records)
        return state, joined, jax.tree.map(lambda *leaves: np.stack(leaves), *metrics)

    def _block(self, state: RunState, worker: ThreadPoolExecutor, learn: bool):
        step, key, agent = state.progress.step, state.key, state.agent
        policy_snapshot = self._prepare(self._arrays, agent, key, step)

        def learnt(transitions):
            given = (self._arrays, transitions, policy_snapshot, step, key, learn)
            return jax.block_until_ready(self._learn(given, agent))

        if self.delayed:
            learning = worker.submit(learnt, state.pending)
            held = dataclasses.replace(state, agent=None, pending=None)
            state, pending, records = self._steps.block(held, policy_snapshot)
            agent, metrics = learning.result()
        else:
            state, transitions, records = self._steps.block(state, policy_snapshot)
            (agent, metrics), pending = learnt(transitions), None
        state = dataclasses.replace(state, agent=agent, pending=pending)
        return state, *jax.tree.map(np.asarray, (records, metrics))

    def _saved(self) -> dict[str, np.ndarray]:
        """The environment's episode, to be part of a state."""
        saved = self._stepper.snapshot()
        # a copy, since the loop knows the environment's whereabouts by the identity of arrays
        saved = UNSAVED if saved is None else saved
        self._episode = {name: np.array(array) for name, array in saved.items()}
        return self._episode

    def _entered(self, state: RunState) -> RunState:
        """The state, with the environment where the state says."""
        saved, here = state.environment, self._episode
        if here is not None and all(saved.get(name) is array for name, array in here.items()):
            return state
        if saved.keys() != UNSAVED.keys():
            return dataclasses.replace(state, observation=self._stepper.restore(saved))
        if self._stepper.midway(state):
            state = self._cut_short(state)
        observation = self._stepper.begin_again(state.key, state.progress.step)
        return dataclasses.replace(state, observation=observation)

    def _cut_short(self, state: RunState) -> RunState:
        """Ends episodes that cannot be gone on with: triggers are told, the learner is not."""
        policy_snapshot = self.agent.prepare(state.agent, key=state.key)
        outcome = self._stepper.outcome(state.observation)
        last = eqx.tree_at(lambda o: o.truncated, outcome, jnp.ones_like(outcome.truncated))
        after, _, _ = self._steps.one(state, policy_snapshot, last)
        return self._stepper.cut_short(state, after)


def stepper_of(environment: AbstractHost, *, total: int, block: int) -> AbstractStepper:
    """What steps it in a run of `total` steps that are learnt from in blocks."""
    if isinstance(environment, AbstractVectorHost):
        return VectorStepper(environment, total=total, block=block)
    assert isinstance(environment, AbstractHostEnvironment)
    return SingleStepper(environment)
