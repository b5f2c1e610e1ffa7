"""What robots of Safety-Gymnasium's tasks bump into, as MJCF; a reset moves it into its place."""

from handrail.envs.navigation.models import VASE_SINK
from handrail.envs.navigation.models import vase_xml as vase_xml

VASE_HEIGHT = 0.1 - VASE_SINK
"""Of a vase's centre at reset (m): a little in the floor, so that it rests at once."""
_BUTTON, _PILLAR, _GREMLIN, _BOX = (
    ".95 .6 .1 1", ".4 .4 .8 1", ".6 .3 .8 1", ".85 .75 .2 1"
)  # fmt: skip
_LIGHT = {0.2: 0.001, 0.125: 0.0005}
"""Density (kg/m³) of the box to be pushed, by half its edge: the car's is lighter."""


def button(name: str, radius: float) -> str:
    """A ball that stands on the floor."""
    return f"""
  <body name="{name}"><geom name="{name}" type="sphere" size="{radius}" rgba="{_BUTTON}"/></body>"""


def pillar(name: str, radius: float) -> str:
    """A cylinder, a metre high."""
    return f"""
  <body name="{name}">
    <geom name="{name}" type="cylinder" size="{radius} .5" rgba="{_PILLAR}"/>
  </body>"""


def gremlin(name: str, half: float) -> str:
    """A light box, pulled by a point that is moved by hand (`gremlin_welds`)."""
    return f"""
  <body name="{name}_target" mocap="true"/>
  <body name="{name}">
    <freejoint/>
    <geom name="{name}" type="box" size="{half} {half} {half}" density=".001" rgba="{_GREMLIN}"/>
  </body>"""


def gremlin_weld(name: str) -> str:
    """What pulls it."""
    return f'<weld name="{name}" body1="{name}_target" body2="{name}" solref=".02 1.5"/>'


def push_box(name: str, half: float) -> str:
    """A box with a post at each corner, by which it can be caught."""
    density, post = _LIGHT[half], half / 2
    posts = "".join(
        f'<geom name="{name}_post{2 * i + j}" type="box" size="{post} {post} {half}" '
        f'pos="{x} {y} 0" density="{density}" rgba="{_BOX}"/>'
        for i, x in enumerate((-half, half))
        for j, y in enumerate((-half, half))
    )
    return f"""
  <body name="{name}">
    <freejoint/>
    <geom name="{name}" type="box" size="{half} {half} {half}" density="{density}" rgba="{_BOX}"/>
    {posts}
  </body>"""
