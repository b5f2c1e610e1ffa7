"""Guides whose policy is the user's own: their file has what it is expected to cost, no policy."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.core.artifact import Card, fill
from handrail.core.errors import HandrailError
from handrail.core.types import Observation
from handrail.envs.base import ActionSpace, BoxActions, DiscreteActions
from handrail.envs.transfer import AbstractView, SameView
from handrail.interventions.on_host import acting_on_host
from handrail.interventions.substitutes import Policy
from handrail.learners.sac.networks import CriticEnsemble, OnVectors
from handrail.methods.sagui.cards import Limits, Networks, card_of
from handrail.methods.sagui.guide import total_size
from handrail.methods.sagui.problem import Interface

OUTSIDE = "outside"
"""In the specification of a guide's file, as its `policy`: it is no network of the file's."""


@dataclasses.dataclass(frozen=True)
class PolicyGuide:
    """A policy of the user's as a guide: wherever the file of a guide is taken, this is.

    `handrail.guide_from_policy` makes one.
    """

    file: Path
    """Its cost critic, and what is known of it (`handrail inspect`)."""
    act: Callable[..., Any]
    """`act(observation)`, or `act(observation, key)`: ordinary Python, of what the guide sees."""
    convert: Callable[[Any], Any]
    """An action of `act` as an agent's, in NumPy."""
    actions: ActionSpace
    """Of the environment it was fitted in."""

    def policy(self) -> Policy:
        """What acts, in the agent's units."""
        return Policy(acting_on_host(self.act, example_action(self.actions), self.convert))

    def __fspath__(self) -> str:
        return str(self.file)


def example_action(actions: ActionSpace) -> jax.ShapeDtypeStruct:
    """Shape and dtype of an agent's action."""
    if isinstance(actions, DiscreteActions):
        return jax.ShapeDtypeStruct((), jnp.int32)
    return jax.ShapeDtypeStruct((actions.size,), jnp.float32)


class OutsideGuide(eqx.Module):
    """As `guide.Guide`, but for its policy, of which nothing is known but its actions.

    Attributes:
        acts: the policy, of what the guide sees, in the agent's units.
        critics: what an action is expected to cost, should the policy go on from it.
        view: what it sees of an observation of the target.
        discount: γ of its critics, per step.
        scales: of several costs, as of `guide.Guide`.
        choices: of numbered actions how many there are; 0: actions are real.
    """

    acts: Policy
    critics: CriticEnsemble
    view: AbstractView
    discount: float = eqx.field(static=True)
    scales: tuple[float, ...] = eqx.field(default=(), static=True)
    choices: int = eqx.field(default=0, static=True)

    @property
    def in_source(self) -> "OutsideGuide":
        """The same, asked about observations of its source, on the scale of its own limits."""
        return dataclasses.replace(self, view=SameView(), scales=())

    @property
    def policy(self) -> Policy:
        """What acts in the student's place."""
        return Policy(_Seeing(self.acts.act, self.view))

    @property
    def distribution(self) -> OnVectors:
        """None: a policy of the user's gives actions, no densities. Raises `HandrailError`."""
        raise HandrailError(
            "this guide's policy is yours, which gives actions and no densities: leave distil out, "
            "and take a method that does not distil, such as budget-switch or control-switch"
        )

    def costs(self, observation: Observation, action: Array) -> Float[Array, " costs"]:
        """Expected discounted sum of each cost after an action, should the policy go on from it."""
        given = jax.nn.one_hot(action, self.choices) if self.choices else action
        costs = self.critics.costs(self.view(observation), given)
        return costs * jnp.array(self.scales) if self.scales else costs

    def cost(self, observation: Observation, action: Array) -> Float[Array, ""]:
        """The highest of `costs`."""
        return jnp.max(self.costs(observation, action))

    def pessimistic(self, pessimism: float) -> "OutsideGuide":
        """It; its file has one cost critic. Raises `HandrailError` for any pessimism but 0."""
        if pessimism:
            raise HandrailError(
                f"pessimism is {pessimism:g}, but the guide has one cost critic, which was fitted "
                "to your policy and cannot disagree with itself: set pessimism to 0"
            )
        return self

    @property
    def advantage(self) -> Any:
        """None: which action it would take itself is not known. Raises `HandrailError`."""
        raise HandrailError(
            "this guide's policy is yours, and is asked only where it acts: its own action cannot "
            "be compared with the proposed one; take budget-switch or sum-switch"
        )

    @property
    def value(self) -> Any:
        """None: its file has no reward critics. Raises `HandrailError`."""
        raise HandrailError(
            "this guide's policy is yours, and what it would earn is not known: leave "
            "stored.takeover_ends out"
        )


class _Seeing(eqx.Module):
    act: Callable[..., Any]
    view: AbstractView

    def __call__(self, observation: Observation, key: Any) -> Any:
        return self.act(self.view(observation), key)


def action_width(actions: ActionSpace) -> int:
    """Numbers that a critic reads of an action: a numbered one is one-hot."""
    return actions.n if isinstance(actions, DiscreteActions) else actions.size


def outside_card(
    interface: Interface,
    built: Networks,
    limits: Limits,
    *,
    discount: float,
    takeover_cost: float,
    training: dict[str, Any],
) -> Card:
    """The card of the cost critics of such a guide, which was fitted where the interface is."""
    numbered = {"numbered": True} if isinstance(interface.actions, DiscreteActions) else {}
    read = dataclasses.replace(interface, actions=BoxActions(action_width(interface.actions)))
    return card_of(
        "guide", read, built, limits, training=training, policy=OUTSIDE, discount=discount,
        takeover_cost=takeover_cost, **numbered,
    )  # fmt: skip


def is_outside(card: Card) -> bool:
    """Whether a guide's file has no policy."""
    return card.spec.get("policy") == OUTSIDE


def check_outside_actions(path: Path, card: Card, actions: ActionSpace) -> None:
    """Refuses an environment of other actions."""
    numbered = card.spec.get("numbered") is True
    kind = DiscreteActions if numbered else BoxActions
    if not isinstance(actions, kind) or card.spec.get("actions") != action_width(actions):
        what = "numbered actions" if numbered else "numbers of an action"
        raise HandrailError(
            f"{path} does not fit: the guide has {card.spec.get('actions')!r} {what}, the "
            f"environment has {actions}"
        )


def outside_critics(
    card: Card, arrays: dict[str, Any], parts: dict[str, list[int]], *, costs: int, source: str
) -> CriticEnsemble:
    """The cost critics of a file."""
    built = Networks.read(card, source=source)
    size = card.spec.get("actions")
    if type(size) is not int or not 1 <= size < 2**20:
        raise HandrailError(f"{source}: the card's actions are {size!r}, expected a whole number")
    fresh = eqx.filter_eval_shape(
        CriticEnsemble.init, total_size(parts), size, built.hidden, costs=costs,
        cost_critic=built.cost_critic, inputs=built.reader(parts), key=jax.random.key(0),
    )  # fmt: skip
    return fill(fresh, arrays, source=source)
