"""JAX in forked processes: it waits for threads that exist in the parent alone."""

import os
import sys

from handrail.core.errors import HandrailError

_state = {"broken": False}


def refuse_forked() -> None:
    """Raises `HandrailError` in a process that was forked after JAX had run in its parent."""
    if _state["broken"]:
        raise HandrailError(
            "this process was forked after JAX had run, and JAX would wait in it for ever; start "
            'processes by context="spawn", such as gymnasium.vector.AsyncVectorEnv(functions, '
            'context="spawn"), from a file whose program is under if __name__ == "__main__"'
        )


def _forked() -> None:
    bridge = sys.modules.get("jax._src.xla_bridge")
    initialised = getattr(bridge, "backends_are_initialized", None)  # no part of JAX's interface
    _state["broken"] |= initialised is not None and initialised()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
