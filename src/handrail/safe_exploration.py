"""Any agent library under an intervention: a Gymnasium wrapper that overrides unsafe actions."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import jax

from handrail.core.arguments import seed_number, settings_of, shown, truth, whole
from handrail.core.errors import HandrailError, UnknownName
from handrail.core.forks import refuse_forked
from handrail.envs.base import DiscreteActions
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.gymnasium.layers import refuse_running_statistics
from handrail.envs.gymnasium.raw import (
    GUARDED,
    begin_episode,
    close_environment,
    environment_name,
    read_step,
    registered_steps,
)
from handrail.envs.gymnasium.reader import HostReader
from handrail.envs.gymnasium.side_info import SideInfo
from handrail.interventions.base import Intervention
from handrail.interventions.stepwise import Stepwise
from handrail.interventions.substitutes import in_agent_units
from handrail.interventions.with_info import info_names
from handrail.methods.sagui.outside_guide import PolicyGuide


class SafeExploration(gymnasium.Wrapper, gymnasium.utils.RecordConstructorArgs):
    """`env`, with the proposed action replaced where the intervention says so.

    Actions and observations stay the environment's own, so that stable-baselines3, CleanRL-style
    loops and anything else that speaks Gymnasium can be the agent. `info` of a step gains
    `intervened`, `proposed_action`, `executed_action` (in the environment's units), `evidence`
    (named numbers behind the decision) and `cost`. What an off-policy agent stores should be the
    executed action. A step has five values also where `env` has Safety-Gymnasium's six.

    The intervention sees what `GymnasiumHost` gives an agent of ours, through `view`: float32
    observations, actions in [−1, 1] or numbered from 0. A controller in the environment's units is
    `Policy(act, units="environment")`; one that leaves the bounds is an error. Its memory lasts for
    the life of the wrapper; a reset in the middle of an episode ends the episode for it.

    A critic, prior or predicate that is NaN or infinite at a step means that the intervention steps
    in; `evidence` then has `not_finite`, and a warning is logged once.

    Args:
        env: any Gymnasium environment with a cost.
        intervention: WHEN × WHAT.
        view: maps the observation to what the intervention was made for.
        cost: `cost(obs, action, next_obs, info)`; without it the environment's own cost.
        limits: limit per episode of each of several named costs.
        parts: of a `Dict` observation, those that the intervention sees.
        action_mask: whether `info` or the observation has an `action_mask` at every reset and step:
            substitutes then choose among the actions that it allows (`Context.allowed`).
        total_steps: of the run, for interventions that fade out.
        seed: of the intervention's own randomness; resets have theirs.

    Raises `HandrailError` for a view that names a missing part, an intervention that does not
    fit the spaces or gives what is not one truth or one action, an action beyond the bounds, a cost
    that is missing, negative or not finite, a reward that is no finite number, and a process that
    was forked after JAX had run in its parent: there JAX would wait for ever.
    """

    def __init__(
        self,
        env: Any,
        intervention: Intervention,
        *,
        view: Callable[[Any], Any] | None = None,
        cost: CostFn | None = None,
        limits: Mapping[str, float] | None = None,
        parts: Sequence[str] | None = None,
        action_mask: bool = False,
        total_steps: int | None = None,
        seed: int = 0,
    ):
        refuse_forked()
        self.called = environment_name(env)
        if not isinstance(intervention, Intervention):
            raise HandrailError(
                f"intervention is {shown(intervention)}: expected WHEN × WHAT, such as "
                "handrail.shield(condition, policy)"
            )
        seed = seed_number(seed)
        if total_steps is not None:
            total_steps = whole("total_steps", total_steps, least=1)
        refuse_running_statistics(
            env,
            self.called,
            "change what the intervention sees; put that wrapper around SafeExploration",
        )
        # so that the wrapped environment has a spec, and can be made again from it
        gymnasium.utils.RecordConstructorArgs.__init__(
            self, _disable_deepcopy=True, intervention=intervention, view=view, cost=cost,
            limits=limits, parts=parts, action_mask=action_mask, total_steps=total_steps, seed=seed,
        )  # fmt: skip
        gymnasium.Wrapper.__init__(self, env if isinstance(env, gymnasium.Env) else _Plain(env))
        self.metadata = {**(getattr(env, "metadata", None) or {}), GUARDED: True}
        self._bare = env
        self._running = False
        self._reader = reader = HostReader(
            self.called, env.action_space, env.observation_space, cost, limits=limits, parts=parts,
            side_info=SideInfo(info_names(intervention), truth("action_mask", action_mask)),
        )  # fmt: skip
        self._actions, numbered = reader.codec, reader.actions
        try:
            self.stepwise = Stepwise(
                in_agent_units(intervention, self._actions.agent_form),
                reader.observation_zeros(),
                self._actions.zeros(),
                view=view,
                total_steps=total_steps,
                key=jax.random.key(seed),
                actions=numbered.n if isinstance(numbered, DiscreteActions) else None,
            )
            if self.stepwise.constant is not None:
                self._actions.to_environment(self.stepwise.constant)  # within the bounds?
        except HandrailError as error:
            raise self._located(error) from error.__cause__

    @staticmethod
    def with_guide(
        env: Any,
        guide: "Path | str | PolicyGuide",
        *,
        recipe: str = "budget-switch",
        limit: float | None = None,
        threshold: float | None = None,
        takeover_cost: float | None = None,
        takeover: Any = None,
        view: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> "SafeExploration":
        """Around a guide that was trained and saved by handrail.

        Args:
            env: the target.
            guide: the artefact's file, the name of one that ships, such as `navigation-static`, or
                what `handrail.guide_from_policy` returns.
            recipe: `budget-switch`, which takes over where the guide predicts too much cost or the
                limit is spent; `sum-switch`, where the cost so far and the predicted cost reach
                the limit; `advantage-switch`, where the action costs more than the guide's own;
                `control-switch`, after the first cost of an episode; `adaptive-share`, in a share
                of the steps that falls after episodes within the limit; or `linear-decay`, which
                fades out (needs `total_steps`).
            limit: cost of an episode that is allowed, undiscounted; by default the guide's own.
            threshold: of budget-switch, in multiples of the limit on the critic's scale; by
                default the predicted cost that the guide's file says, from its shield test.
            takeover_cost: the same as a predicted discounted cost, as `handrail.try_guide` has it.
            takeover: `TakeoverSettings`, or a dictionary of them: how its critics are read
                (`pessimism`), and for how long it stays (`release`, `hold_steps`).
            view: the guide's parts of the observation; by default those of the same names.
            options: as of `SafeExploration`.
        """
        from handrail.knowledge.catalog import located_guide
        from handrail.methods.sagui.guide_file import open_guide
        from handrail.methods.sagui.known import Known
        from handrail.methods.sagui.problem import counted_limit
        from handrail.methods.sagui.table import METHODS, RECIPES
        from handrail.methods.sagui.takeover_settings import PLAIN
        from handrail.methods.sagui.unread import check_takeover, refuse_unread

        refuse_forked()
        if recipe not in RECIPES:
            raise UnknownName("recipe", recipe, RECIPES)
        file = open_guide(located_guide(guide), _interface(env, options), view=view)
        allowed = file.allowed(counted_limit(file.interface, limit))
        row, how = METHODS[recipe], settings_of("takeover", takeover, PLAIN)
        check_takeover(row, how)
        refuse_unread(row, {"threshold": threshold, "takeover_cost": takeover_cost})
        file.check_threshold(allowed, threshold)
        where = file.takeover(allowed, threshold, takeover_cost, how)
        intervention = row.intervention(where, Known(file.guide))
        return SafeExploration(env, intervention, **options)

    @property
    def limits(self) -> dict[str, float]:
        """The limits per episode of several costs, by name; empty where the cost is one number."""
        return self._reader.limits

    @property
    def limit(self) -> float | None:
        """The limit per episode of several combined costs; None where the cost is one number."""
        return self._reader.limit

    @property
    def episode_length(self) -> int | None:
        """Steps of an episode that the environment was registered with, if it says."""
        return registered_steps(self._bare)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """As of the environment; the intervention's episode begins anew."""
        given = {"seed": seed} if options is None else {"seed": seed, "options": options}
        try:
            observation, info = begin_episode(self._bare, **given)
            self._seen = self._reader.begun(observation, info)
        except HandrailError as error:
            raise self._located(error) from error.__cause__
        self.stepwise.begin_episode()
        self._running = True
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Executes `action`, or what the intervention puts in its place.

        Beyond the bounds of the action space it is cut off: what is executed is what was judged.
        """
        try:
            if not self._running:
                raise HandrailError("the episode has ended; call reset before the next step")
            self._running = False
            verdict = self.stepwise.decide(self._seen, self._actions.from_environment(action))
            executed = self._actions.within_bounds(action)
            if verdict.intervened:
                self._reader.side_info.refuse_masked(verdict.action)
                executed = self._actions.to_environment(verdict.action)
            raw = read_step(self._bare, executed)
            self._seen, reward, cost = self._reader.read(executed, raw)
        except HandrailError as error:
            raise self._located(error) from error.__cause__
        self.stepwise.observe(self._seen, reward, cost, raw.terminated, raw.truncated)
        self._running = not (raw.terminated or raw.truncated)
        info = {
            **raw.info,
            "cost": cost,
            "intervened": verdict.intervened,
            "proposed_action": action,
            "executed_action": executed,
            "evidence": verdict.evidence,
        }
        if self._reader.read_cost.limits is not None:
            info["costs"] = self._reader.costs
        return raw.observation, raw.reward, raw.terminated, raw.truncated, info

    def _located(self, error: HandrailError) -> HandrailError:
        return HandrailError(f"{self.called}: {error}")


def _interface(env: Any, options: Mapping[str, Any]) -> Any:
    """What a guide has to fit in a Gymnasium environment that is wrapped with these options."""
    from handrail.methods.sagui.problem import interface_of

    reader = HostReader(
        environment_name(env), env.action_space, env.observation_space,
        limits=options.get("limits"), parts=options.get("parts"),
    )  # fmt: skip
    return interface_of(reader, registered_steps(env))


class _Plain(gymnasium.Env):
    """An environment without Gymnasium among its ancestors, as one that has it."""

    def __init__(self, env: Any):
        self.env = env
        self.action_space, self.observation_space = env.action_space, env.observation_space
        self.render_mode = getattr(env, "render_mode", None)
        self.metadata = getattr(env, "metadata", {"render_modes": []})

    def render(self) -> Any:
        return self.env.render()

    def close(self) -> None:
        close_environment(self.env)
