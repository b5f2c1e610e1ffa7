"""How commands and their workers configure JAX: device, compiled code that is kept, dispatch.

The CPU computes unless another device is asked for. The choice is an environment variable, so
that worker processes and nodes of a cluster, which are given those, make the same one. Only
commands and workers choose; a program that imports handrail keeps its own configuration of JAX.
"""

import functools
import os
from typing import Any

from handrail.core.compile_cache import VARIABLE, cache_folder, keep_compiled
from handrail.core.errors import HandrailError, first_line

DEVICE = "HANDRAIL_DEVICE"
CPU = "cpu"
GPUS = ("gpu", "cuda", "rocm")  # as JAX calls them
EXPECTED = "expected cpu, gpu or tpu, or one of several by its number, such as gpu:1"


def choose(device: str | None, *, elsewhere: bool = False) -> None:
    """Takes `device` (`cpu`, `gpu`, `gpu:1`, …) for this process and for those it starts.

    None leaves what the environment says. Raises where there is no such device; of machines
    `elsewhere`, their own workers find out.
    """
    if device is not None:
        os.environ[DEVICE] = device
    if os.environ.get(VARIABLE):  # workers may have another working folder
        os.environ[VARIABLE] = str(cache_folder())
    if elsewhere:
        parse(chosen())
    else:
        settle()


def chosen() -> str:
    """The device that commands and their workers compute on."""
    return os.environ.get(DEVICE, CPU)


def parse(device: str) -> tuple[str, int]:
    """Platform and number of a device's name."""
    platform, colon, number = device.partition(":")
    if not platform.isalpha() or (colon and not number.isdecimal()):
        raise HandrailError(f"device {device!r}: {EXPECTED}")
    return platform, int(number or 0)


def settle() -> None:
    """Tells JAX of the chosen device and of the folder of compiled code.

    To be called before the process computes anything.

    Several processes may share an accelerator, so none claims its memory in advance
    (`XLA_PYTHON_CLIENT_PREALLOCATE=true` makes a single one do so), and products of matrices are of
    whole float32 numbers (`JAX_DEFAULT_MATMUL_PRECISION` says otherwise). On a CPU, no accelerator
    is even looked for; where no device was chosen, `JAX_PLATFORMS` has its way.
    """
    import jax

    device = chosen()
    platform, number = parse(device)
    keep_compiled()
    if platform == CPU and (DEVICE in os.environ or not os.environ.get("JAX_PLATFORMS")):
        jax.config.update("jax_platforms", CPU)
    if device == CPU:  # the default; JAX is not started yet, so that it can still be configured
        return
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    try:
        there = jax.devices(platform)
    except RuntimeError as error:
        raise HandrailError(
            f"device {device!r}: {first_line(error).rstrip('.')}; {EXPECTED}. "
            "GPUs need `pip install 'handrail[cuda]'`"
        ) from None
    if number >= len(there):
        raise HandrailError(
            f"device {device!r}: this machine has {len(there)} of platform {platform!r}, "
            "counted from 0"
        )
    jax.config.update("jax_default_device", there[number])
    if platform != CPU and "JAX_DEFAULT_MATMUL_PRECISION" not in os.environ:
        # left alone, accelerators round the factors of a product to 10 bits or fewer
        jax.config.update("jax_default_matmul_precision", "highest")


def dispatch_at_once() -> None:
    """Lets JAX run its calls on the CPU in the thread that makes them, instead of another one.

    Waking that other thread takes longer than a small policy's action. No number changes. Has an
    effect only before JAX is first used in the process.
    """
    import jax

    jax.config.update("jax_cpu_enable_async_dispatch", False)


@functools.cache
def sequential_cpu_options() -> dict[str, Any]:
    """Options with which XLA computes the many tiny parts of a call in one thread.

    By default it hands them to several threads, which for a call of a few microseconds takes
    four times as long as computing them. Empty where this version of XLA does not know them.
    """
    import jax
    import jax.numpy as jnp

    options = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda x: x + 1, compiler_options=options).lower(jnp.zeros(())).compile()
    except RuntimeError:
        return {}
    return options
