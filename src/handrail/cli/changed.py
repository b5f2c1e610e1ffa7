"""How a world is changed, as the command line says it."""

from collections.abc import Sequence

from handrail.cli.train import assigned
from handrail.core.arguments import override
from handrail.envs.changes import Changes


def changes_of(words: Sequence[str]) -> Changes:
    """`name=value` pairs, such as `mass=1.5`; raises `HandrailError` for what is no change."""
    return override(Changes(), assigned(words))
