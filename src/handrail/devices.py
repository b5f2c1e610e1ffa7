"""Where JAX computes: the CPU unless another device is asked for.

The choice is an environment variable, so that worker processes and nodes of a cluster, which
are given those, make the same one. Only commands choose; a program that imports handrail keeps
the devices that it has told JAX to use.
"""

import os

from handrail.errors import HandrailError, first_line

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
    """Tells JAX of the chosen device; to be called before the process computes anything.

    Several processes may share an accelerator, so none claims its memory in advance
    (`XLA_PYTHON_CLIENT_PREALLOCATE=true` makes a single one do so), and products of matrices are of
    whole float32 numbers (`JAX_DEFAULT_MATMUL_PRECISION` says otherwise). On a CPU, no accelerator
    is even looked for; where no device was chosen, `JAX_PLATFORMS` has its way.
    """
    import jax

    device = chosen()
    platform, number = parse(device)
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
