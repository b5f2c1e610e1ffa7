"""Whether an intervention fits where it is to act: found out before its first step."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal
from jaxtyping import PyTree

from handrail.core.errors import HandrailError, first_line
from handrail.core.types import Observation
from handrail.interventions.asked import TRACING, ordinary_python, vector
from handrail.interventions.base import Intervention
from handrail.interventions.ensemble import AdvantageBelow, RandomAdvantageous
from handrail.interventions.substitutes import RandomAboveMean, RandomAction
from handrail.interventions.triggers import BelowMean


@contextlib.contextmanager
def reading(observation: PyTree, proposed: Any) -> Iterator[None]:
    """Turns what an intervention raises of such observations and actions into a `HandrailError`."""
    try:
        yield
    except HandrailError:
        raise
    except TRACING as error:
        raise ordinary_python("the intervention", error) from error
    except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        shapes = jax.tree.map(np.shape, observation)
        raise HandrailError(
            f"the intervention cannot read observations of shape {shapes} with actions of "
            f"shape {np.shape(proposed)} ({type(error).__name__}: {first_line(error)}); "
            "give the view that it was made for"
        ) from error


def check_numbered(intervention: Intervention, observation: Observation, actions: int) -> None:
    """Refuses priors and random substitutes that are made for another number of actions.

    `observation` is an example of what the intervention sees; it may be of shapes.
    """
    rated = (BelowMean, RandomAboveMean, AdvantageBelow, RandomAdvantageous)
    kinds = (*rated, RandomAction)
    parts = jax.tree.leaves(intervention, is_leaf=lambda part: isinstance(part, kinds))
    for part in parts:
        if isinstance(part, RandomAction) and part.n > actions:
            raise HandrailError(
                f"the substitute draws one of {part.n} actions, but there are {actions}"
            )
        if isinstance(part, rated):
            own = isinstance(part, BelowMean | RandomAboveMean)
            prior = part.prior if own else part.advantages
            jax.eval_shape(lambda o, p=prior: vector("the prior", p(o), size=actions), observation)


def constant_of(function: Callable[..., Any], *given: Any) -> np.ndarray | None:
    """What the function gives, if that depends on nothing that it is given; else None."""
    traced = jax.make_jaxpr(function)(*given)
    known = set(traced.jaxpr.constvars)

    def is_known(variable: Any) -> bool:
        return isinstance(variable, Literal) or variable in known

    for equation in traced.jaxpr.eqns:
        if all(map(is_known, equation.invars)):
            known.update(equation.outvars)
    if not all(map(is_known, traced.jaxpr.outvars)):
        return None
    return np.asarray(function(*given))
