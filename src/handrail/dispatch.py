"""How JAX is told not to spend more on calling a tiny computation than on the computation."""

import functools
from typing import Any

import jax
import jax.numpy as jnp


def dispatch_at_once() -> None:
    """Lets JAX run its calls on the CPU in the thread that makes them, instead of another one.

    Waking that other thread takes longer than a small policy's action. No number changes. Has an
    effect only before JAX is first used in the process.
    """
    jax.config.update("jax_cpu_enable_async_dispatch", False)


@functools.cache
def one_after_another() -> dict[str, Any]:
    """Options with which XLA computes the many tiny parts of a call in one thread.

    By default it hands them to several threads, which for a call of a few microseconds takes
    four times as long as computing them. Empty where this version of XLA does not know them.
    """
    options = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda x: x + 1, compiler_options=options).lower(jnp.zeros(())).compile()
    except RuntimeError:
        return {}
    return options
