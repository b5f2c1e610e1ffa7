"""What random driving costs under the guard of each guide in a folder.

    python results/guards.py FOLDER [--task navigation-static] [--episodes 300]

Reads `guide-SEED.safetensors` (as `many_seeds.py` writes them, of one choice) and adds
`guides/shielded_cost` and `guides/shielded_share` to `FOLDER/many-seeds.npz`, in the order of
seeds: the test of `evaluations.csv`, in the task's source without borders.
"""

import argparse
import re
from pathlib import Path

import jax
import numpy as np

from handrail.core.files import atomic
from handrail.envs.navigation.problems import navigation_problem
from handrail.equations.budget import LIMIT_STEPS
from handrail.methods.sagui.guide_file import load_guide
from handrail.methods.sagui.presets import TAKEOVER_STEPS
from handrail.methods.sagui.settings import GuideSettings
from handrail.methods.sagui.shield import evaluate_shield
from handrail.tasks.navigation.problems import HARM, source_of


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--task", default="navigation-static")
    parser.add_argument("--episodes", type=int, default=300)
    options = parser.parse_args()
    problem = navigation_problem(options.task)
    source = source_of(GuideSettings(environment=options.task)).shield_test
    numbered = {
        int(found[1]): path
        for path in options.folder.iterdir()
        if (found := re.fullmatch(r"guide-(\d+)(?:-\w+)?\.safetensors", path.name))
    }
    tried = [
        evaluate_shield(
            source,
            load_guide(path, problem),
            threshold=TAKEOVER_STEPS * HARM,
            episodes=options.episodes,
            key=jax.random.key(seed),
        )
        for seed, path in sorted(numbered.items())
    ]
    columns = {
        "guides/shielded_cost": np.array([one.cost_in(LIMIT_STEPS) for one in tried], np.float32),
        "guides/shielded_share": np.array([one.intervention_rate for one in tried], np.float32),
    }
    file = options.folder / "many-seeds.npz"
    before = dict(np.load(file)) if file.exists() else {}
    with atomic(file) as path, open(path, "wb") as written:
        np.savez_compressed(written, **before | columns)  # pyrefly: ignore[bad-argument-type]
    costs = columns["guides/shielded_cost"]
    print(
        f"{len(costs)} guides: cost per 1,000 steps {np.quantile(costs, [0, 0.25, 0.5, 0.75, 1])}"
    )


if __name__ == "__main__":
    main()
