"""What tables call the variants of an experiment, in the order of their rows."""

STATIC = {
    "budget-switch": "**budget-switch** (ours)",
    "budget-switch, tuned on Static": "budget-switch, preset `tuned-on-static`",
    "control-switch, tuned on Static": "control-switch, preset `tuned-on-static`",
    "linear-decay, tuned on Static": "linear-decay, preset `tuned-on-static`",
    "control-switch, as published": "control-switch, published settings",
    "scratch": "SAC-Lagrangian, published settings",
    "pretrained": "SAC-Lagrangian, pre-trained in the source",
    "egpo": "EGPO",
}
WHOLE = {
    "budget-switch, best guard": "budget-switch",
    "control-switch, best guard": "control-switch",
}
ABLATION = {
    "control-switch": "control-switch",
    "fixreg": "FIXREG",
    "decreg": "DECREG",
    "stusam": "STUSAM",
    "guisam": "GUISAM",
    "half the limit": "control-switch, half the limit",
    "budget-switch": "budget-switch",
    "budget-switch, no margin": "budget-switch, whole limit",
}
SEMI_DYNAMIC = {
    "budget-switch": "**budget-switch**, source data, a guide a seed",
    "budget-switch, farthest guide": "budget-switch, source data, one guide",
    "budget-switch, without source data": "budget-switch without source data",
    "control-switch, without source data": "control-switch without source data",
    "linear-decay, without source data": "linear-decay without source data",
    "scratch": "SAC-Lagrangian, published settings",
    "egpo": "EGPO",
}
DYNAMIC = {
    "budget-switch": "**budget-switch** (ours)",
    "control-switch, tuned on Static": "control-switch, preset `tuned-on-static`",
    "scratch": "SAC-Lagrangian, published settings",
}
TEST_SEEDS = {
    "budget-switch": "**budget-switch** (ours)",
    "sum-switch": "**sum-switch**",
    "control-switch": "**control-switch**, our preset",
    "linear-decay": "**linear-decay**, our preset",
    "adaptive-share": "adaptive-share",
    "budget-switch, tuned on Static": "budget-switch, preset `tuned-on-static`",
    "control-switch, tuned on Static": "control-switch, preset `tuned-on-static`",
    "linear-decay, tuned on Static": "linear-decay, preset `tuned-on-static`",
    "scratch": "SAC-Lagrangian, published settings",
    "SAC-Lagrangian, tuned": "SAC-Lagrangian, tuned multiplier",
    "cpo": "CPO",
    "ppo-lagrangian": "PPO-Lagrangian",
}


def _as_in_static(*names: str) -> dict[str, str]:
    return {name: TEST_SEEDS[name] for name in names}


TEST_SEEDS_BRIEF = {
    name: label
    for name, label in TEST_SEEDS.items()
    if "tuned-on-static" not in label and name not in ("ppo-lagrangian", "adaptive-share")
}
DYNAMIC_TEST_SEEDS = {
    "budget-switch, recommended": "**budget-switch** (ours)",
    "sum-switch, recommended": "**sum-switch**",
    "control-switch, recommended": "**control-switch**, our preset",
    "SAC-Lagrangian, tuned": "SAC-Lagrangian, tuned multiplier",
}
DYNAMIC_WITH_VASE = _as_in_static(
    "budget-switch", "sum-switch", "control-switch", "linear-decay", "SAC-Lagrangian, tuned"
)
VELOCITY = _as_in_static("sum-switch", "budget-switch", "SAC-Lagrangian, tuned")
COMPILED = {
    "budget-switch": "budget-switch",
    "budget-switch, no margin": "budget-switch, whole limit",
    "control-switch": "control-switch",
    "scratch": "SAC-Lagrangian, published settings",
}
SEMI_DYNAMIC_TEST_SEEDS = _as_in_static(
    "budget-switch", "sum-switch", "control-switch", "SAC-Lagrangian, tuned"
)
POINTGOAL1 = _as_in_static("sum-switch", "SAC-Lagrangian, tuned")
EARLY_GUIDE = {
    "budget-switch": ("sagui-semi-dynamic-early-guide", "budget-switch, farthest guide"),
    "control-switch": ("sagui-semi-dynamic-early-guide", "control-switch, taught"),
    "linear-decay": ("sagui-semi-dynamic-early-guide", "linear-decay, taught"),
    "budget-switch, the guide of 240,000 steps": (
        "sagui-semi-dynamic-early-guide", "budget-switch, guide of 240,000 steps",
    ),
    "budget-switch, the guide of 300,000 steps": (
        "sagui-semi-dynamic-early-guide", "budget-switch, guide of 300,000 steps",
    ),
}  # fmt: skip
RANDOM_GUIDE = {
    "control-switch": "control-switch",
    "random-guide": "control-switch, an untrained guide",
    "scratch": "SAC-Lagrangian, published settings",
}
SEMI_DYNAMIC_PAPER = {
    "budget-switch": "budget-switch",
    "scratch": "SAC-Lagrangian, published settings",
}
LENGTH_OF_THE_PAPER = {
    label: ("sagui-semi-dynamic-paper", name) for name, label in SEMI_DYNAMIC_PAPER.items()
}
WHAT_GUIDES_ARE_GIVEN = {
    "rescue starts: none": ("sagui-rescue", "0"),
    "¼": ("sagui-rescue", "0.25"),
    "½ (preset)": ("sagui-rescue", "0.5"),
    "¾": ("sagui-rescue", "0.75"),
    "the guide's limit: 0 of the student's": ("sagui-margin", "0"),
    "0.2 (preset)": ("sagui-margin", "0.2"),
    "0.5": ("sagui-margin", "0.5"),
    "1": ("sagui-margin", "1"),
    "an untrained guide": ("sagui-random-guide", "random-guide"),
    "no guide (SAC-Lagrangian)": ("sagui-random-guide", "scratch"),
}
"""What a guide is trained with; rows are of several experiments."""
