"""Gymnasium's `v4` robots, built without what `gymnasium.make` puts around and says about them."""

from typing import Any

from handrail.core.errors import HandrailError
from handrail.envs.mujoco import import_mujoco


def build_robot(robot: str, *, size: int | None = None) -> Any:
    """The environment `<robot>-v4` itself, without a time limit.

    With `size` it renders frames of so many pixels. Raises `HandrailError` if the packages
    `mujoco` or `gymnasium` are missing or have no such robot.
    """
    mujoco = import_mujoco()
    name = f"{robot}-v4"
    looks = {} if size is None else {"render_mode": "rgb_array", "width": size, "height": size}
    heard = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda text: None)  # else it writes a file, of an old model's words
    try:
        from gymnasium.envs.registration import load_env_creator, registry

        return load_env_creator(str(registry[name].entry_point))(**looks)
    except (ImportError, KeyError) as error:
        raise HandrailError(
            f"the velocity tasks need the robot {name!r} of Gymnasium: install gymnasium (1.1 to "
            f"1.4 have it) and imageio ({type(error).__name__}: {error})"
        ) from error
    finally:
        mujoco.set_mju_user_warning(heard)
