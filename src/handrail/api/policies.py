"""Policies out of files, as functions that act in a loop of the user's own."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handrail.api.knowledge import world_inputs
from handrail.core.arguments import seed_number
from handrail.core.artifact import KINDS, WHOLE, Card, load
from handrail.core.errors import HandrailError
from handrail.core.recorded import mapping
from handrail.envs.base import AbstractEnvironment, BoxActions, DiscreteActions
from handrail.envs.gymnasium.actions import action_codec
from handrail.envs.gymnasium.building import (
    Environment,
    build_host,
    built,
    closes_environments,
    host_of,
)
from handrail.envs.gymnasium.side_info import MASK, ReadSideInfo, SideInfo
from handrail.envs.gymnasium.spaces import ObservationCodec, readable_parts
from handrail.envs.jax_libraries.own import OwnEnvironment, own_environment
from handrail.envs.lava.environment import LavaEnvironment
from handrail.knowledge.catalog import located
from handrail.learners.sac.host_policy import HostPolicy, HostValues, best_allowed
from handrail.learners.sac.networks import OnVectors
from handrail.methods.contrastive.artefacts import load_q
from handrail.methods.contrastive.inputs import on_every_row
from handrail.methods.contrastive.on_host import inputs_of
from handrail.methods.sagui.cards import Limits
from handrail.methods.sagui.guide_file import open_guide
from handrail.methods.sagui.pretraining import open_policy
from handrail.methods.sagui.problem import Interface, interface_of

Values = Callable[[Any], np.ndarray]
"""The value of each action in an observation, as `HostValues` gives them."""


class LoadedPolicy:
    """A policy out of a file: `policy(observation, *, sampled=False) -> action`.

    Observations and actions are the environment's own: an action is an array within the bounds of
    a Box, or an int of a Discrete space. Nothing is remembered between steps, so nothing has to be
    told of resets. `card` is what the file says of the policy.
    """

    def __init__(self, card: Card, place: "_Place", decide: Callable[[Any, bool], Any]):
        self.card, self._place, self._decide = card, place, decide
        settings = mapping(card.training.get("settings"))
        self._masked = (
            ReadSideInfo(SideInfo(action_mask=True), place.interface.actions)
            if settings.get("action_mask") is True
            else None
        )

    def __call__(self, observation: Any, *, sampled: bool = False, action_mask: Any = None) -> Any:
        """The most likely action (of action values, the best one), or with `sampled` a random one.

        A policy that learnt with `action_mask=True` takes the mask of the moment from the
        observation's part, or is given it, as `action_mask=info["action_mask"]`.

        Raises `HandrailError` for an observation that is not the space's, for `sampled` where a
        file has action values, and where such a policy is not told its mask.
        """
        try:
            seen = self._place.observe(observation)
            if self._masked is not None:
                given = {} if action_mask is None else {MASK: action_mask}
                seen = self._masked(seen, observation, given, first=True, ended=False)
            elif action_mask is not None:
                raise HandrailError(
                    "the policy was trained without action_mask, and knows none: leave it out"
                )
            decided = self._decide(seen, sampled)
            return self._place.act(decided)
        except HandrailError as error:
            name = self._place.interface.name
            raise HandrailError(f"{name}: {error}") from error.__cause__


@closes_environments
def load_policy(
    file: Path | str,
    env: Environment,
    *,
    view: Callable[[Any], Any] | None = None,
    parts: Sequence[str] | None = None,
    seed: int = 0,
) -> LoadedPolicy:
    """The policy of a file, to act in an environment of yours: `policy(observation) -> action`.

    It computes in NumPy, on the host. Students, experts and guides act greedily with tanh of their
    mean, or `sampled`, as they were tested; DQN takes the action of the highest value.

    Args:
        file: `policy.safetensors` or `best.safetensors` of a student, `policy.safetensors` of
            `train_dqn`, a guide, or an expert; also the name of a guide that ships, such as
            `navigation-static`.
        env: what it is to act in: an environment that has been built (of several side by side,
            the policy acts in one), or an id or function that builds one; only its spaces are
            read. Also an environment of `handrail.make`, for the papers' runs.
        view: of a guide, its parts of the observation; by default those of the same names.
        parts: of a `Dict` observation, those that are read; by default those the file names.
        seed: of the draws of `sampled`.

    Raises `HandrailError`, naming both sides, where file and environment do not fit.
    """
    path, generator = located("guide", file), np.random.default_rng(seed_number(seed))
    card = card_of_policy(path)
    if view is not None and card.kind != "guide":
        raise HandrailError(f"{path} holds a {card.kind}; only guides have a view: leave view out")
    place = _place(env, card, parts=parts, all_parts=view is not None)
    if isinstance(env, LavaEnvironment):
        decide: Callable[[Any, bool], Any] = _best(_table(path, card, env))
    else:
        opened = open_networks(path, card, place.interface, view=view)
        decide = _drawn(opened, generator) if isinstance(opened, OnVectors) else _best(opened)
    return LoadedPolicy(card, place, decide)


def card_of_policy(path: Path) -> Card:
    """The card of a file that holds a policy of any kind. Raises `HandrailError` for another."""
    card, _ = load(path)
    if card.kind not in OPENERS:
        raise HandrailError(
            f"{path} holds {KINDS[card.kind].partition(':')[0]}, which does not act; expected a "
            "policy, a guide or an expert"
        )
    return card


def open_networks(
    path: Path, card: Card, interface: Interface, *, view: Callable[[Any], Any] | None = None
) -> OnVectors | Values:
    """What a policy's file with this card holds, found to fit: a Gaussian policy, or values."""
    return OPENERS[card.kind](path, card, interface, view)


def parts_of(env: Any, card: Card) -> list[str] | None:
    """Of an environment with named parts, those that a file names; None for one without names."""
    named = card.spec.get("parts")
    if isinstance(env, AbstractEnvironment):
        return sorted(named) if isinstance(named, Mapping) and set(named) != {WHOLE} else None
    space = getattr(env, "single_observation_space", getattr(env, "observation_space", None))
    readable = readable_parts(space)
    if readable is None or not isinstance(named, Mapping):
        return readable
    return readable if set(named) == {WHOLE} and WHOLE not in readable else sorted(named)


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a policy acts: what it has to fit, and the translation on both sides."""

    interface: Interface
    observe: Callable[[Any], Any]
    act: Callable[[Any], Any]


def _place(env: Environment, card: Card, *, parts: Sequence[str] | None, all_parts: bool) -> _Place:
    if isinstance(env, LavaEnvironment):
        return _Place(interface_of(env, name=type(env).__name__), lambda seen: seen, int)
    if isinstance(env, AbstractEnvironment):
        if parts is None and not all_parts:
            parts = parts_of(env, card)
        return _compiled_place(env, parts)
    is_built = hasattr(env, "step") and not isinstance(env, type)
    bare = env if is_built else built(env)
    if parts is None and not all_parts:
        parts = parts_of(bare, card)
    host = host_of(bare, parts=parts) if is_built else build_host(lambda: bare, parts=parts)
    single = "single_" if hasattr(bare, "num_envs") else ""
    codec = action_codec(getattr(bare, f"{single}action_space"))
    observe = ObservationCodec(getattr(bare, f"{single}observation_space"), parts)
    return _Place(interface_of(host), observe, codec.to_environment)


def _compiled_place(env: AbstractEnvironment, parts: Sequence[str] | None) -> _Place:
    """Where observations are those of the compiled environment, and actions as it takes them."""
    own = own_environment(env, parts=parts)
    rescaled = not isinstance(env, OwnEnvironment)

    def observe(seen: Any) -> Any:
        return jax.tree.map(np.asarray, own.observed(seen))

    def act(action: Any) -> Any:
        if isinstance(own.actions, DiscreteActions):
            return int(action)
        return np.asarray(own.inner_action(jnp.asarray(action)) if rescaled else action)

    return _Place(interface_of(own), observe, act)


def _open_policy(path: Path, card: Card, interface: Interface, view: Any) -> OnVectors | Values:
    """A student, or a DQN, which has no limit."""
    if "limit" in card.spec:
        _refuse_other_actions(path, interface, BoxActions)
        return open_policy(path, interface, "policy")[1]
    _refuse_other_actions(path, interface, DiscreteActions)
    if "shape" in card.spec:
        raise HandrailError(
            f"{path} does not fit {interface.name}: it was trained in a lava world of ours, whose "
            f"{card.spec.get('view')!r} observations no other environment has; give "
            "handrail.make(...) of that world"
        )
    inputs = inputs_of(interface, interface.observation)
    return HostValues(load_q(path, "policy", inputs, interface.actions.n))


def _open_expert(path: Path, card: Card, interface: Interface, view: Any) -> OnVectors:
    _refuse_other_actions(path, interface, BoxActions)
    return open_policy(path, interface, "expert")[1]


def _open_guide(path: Path, card: Card, interface: Interface, view: Any) -> OnVectors:
    """A guide; whoever lets it act by itself compares no costs, so they are the guide's own."""
    own = Limits.read(card, source=str(path))
    where = dataclasses.replace(interface, limits=own.several, episode_length=own.steps)
    return open_guide(path, where, view=view).guide.distribution


OPENERS: Mapping[str, Callable[[Path, Card, Interface, Any], OnVectors | Values]] = {
    "policy": _open_policy,
    "expert": _open_expert,
    "guide": _open_guide,
}


def _refuse_other_actions(path: Path, interface: Interface, wanted: type) -> None:
    if isinstance(interface.actions, wanted):
        return
    words = {BoxActions: "real numbers", DiscreteActions: "discrete actions"}
    raise HandrailError(
        f"{path} does not fit {interface.name}: the policy is for {words[wanted]}, and there are "
        f"{words[type(interface.actions)]}"
    )


def _table(path: Path, card: Card, world: LavaEnvironment) -> Values:
    """A DQN of a lava world, which sees the frame of a row through the file's view."""
    inputs = world_inputs(path, card, world)
    network = load_q(path, "policy", inputs, world.actions.n)
    values = np.asarray(on_every_row(network, inputs.frames[: inputs.live]))

    def of_row(row: Any) -> np.ndarray:
        if not 0 <= int(row) < len(values):
            raise HandrailError(
                f"the observation is {int(row)}; expected the number of a frame that can be acted "
                f"on, from 0 to {len(values) - 1} (others end an episode)"
            )
        return values[int(row)]

    return of_row


def _drawn(policy: OnVectors, generator: np.random.Generator) -> Callable[[Any, bool], np.ndarray]:
    acting = HostPolicy(policy)
    nothing = np.zeros(acting.actions, np.float32)

    def decide(observation: Any, sampled: bool) -> np.ndarray:
        noise = nothing
        if sampled:
            noise = generator.standard_normal(acting.actions, dtype=np.float32)
        return acting.act(observation, noise)

    return decide


def _best(values: Values) -> Callable[[Any, bool], np.intp]:
    def decide(observation: Any, sampled: bool) -> np.intp:
        if sampled:
            raise HandrailError(
                "sampled is true, but the file has action values, which give no probabilities: "
                "leave sampled out for the best action"
            )
        return best_allowed(values, observation)

    return decide
