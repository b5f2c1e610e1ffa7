"""How a guide sees an observation of the target: by the user's function, or its own parts."""

from collections.abc import Callable, Mapping
from typing import Any

from handrail.core.artifact import WHOLE
from handrail.core.errors import HandrailError
from handrail.envs.transfer import AbstractView, SameView, View
from handrail.methods.sagui.problem import Interface


class _Function(AbstractView):
    """A user's function as a view."""

    function: Callable[[Any], Any]

    def __call__(self, observation: Any) -> Any:
        return self.function(observation)

    def completed(self, source: Any, target: Any) -> Any:
        raise HandrailError(
            "a function of the observation cannot be undone: give the view as named parts "
            "(handrail.View)"
        )


def as_view(view: Callable[[Any], Any]) -> AbstractView:
    """A user's function as a view; a view as it is."""
    return view if isinstance(view, AbstractView) else _Function(view)


def default_view(expected: dict[str, Any], interface: Interface) -> AbstractView:
    """The parts of these names, or all that there is where the guide knows no names."""
    observed = interface.observation
    if isinstance(observed, Mapping) and (set(expected) != {WHOLE} or WHOLE in observed):
        return View.keep(sorted(expected))
    return SameView()
