"""A compiled SaGui experiment over many seeds in one program, for a GPU; here on fresh seeds.

    python results/many_seeds.py [--experiment sagui-static] [--variants control-switch …]
        [--first 100] [--seeds 128] [--steps 240000] [--device gpu] --out FOLDER

Every seed has its own guide and its own student, with the settings, keys, tests and choice of a
guide of `handrail reproduce EXPERIMENT --budget paper`; only the students' steps are fewer. Seeds
begin at `--first`, since the presets were chosen by looking at the first ones. Written are the
guides, one of a training for every `guide.selection`, and `many-seeds.npz` after each variant:
`VARIANT/COLUMN` has a row a seed and a column an epoch, as in `evaluations.csv`; other variants
that are there stay. What ended is summed up. Guides that are in FOLDER are not trained again; a
variant that was cut off is.
"""

import argparse
import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from handrail.core.files import atomic
from handrail.core.jax_setup import choose
from handrail.core.rng import stream
from handrail.envs.navigation.problems import navigation_problem
from handrail.experiments.schema import read, rows
from handrail.learners.sac.networks import OnVectors
from handrail.methods.sagui.evaluations import try_policy
from handrail.methods.sagui.guide import Guide, GuideNetworks
from handrail.methods.sagui.guide_file import save_guide
from handrail.methods.sagui.presets import TAKEOVER_STEPS
from handrail.methods.sagui.settings import LIMIT_STEPS, GuideSettings
from handrail.methods.sagui.shield import Shield, shielded
from handrail.methods.sagui.train_guide import SELECTIONS, guide_loop
from handrail.methods.sagui.train_student import student_loop
from handrail.tasks.family import Row
from handrail.tasks.navigation.family import resolve_settings
from handrail.tasks.navigation.problems import HARM, source_of, target_of
from handrail.train.compiled import Loop
from handrail.train.vmapped import VmappedRuns

CALL = 5  # blocks in one call: as many as are stepped before learning starts, so one is compiled
Columns = dict[str, np.ndarray]


def planned(experiment: str, variant: str, seeds: Sequence[int], steps: int) -> list[Row]:
    """The rows of a variant at the paper's budget, with these seeds and steps."""
    whole = read(experiment)
    alone = dataclasses.replace(whole, variants={variant: whole.variants[variant]})
    settings = next(iter(rows(alone, "paper", 1))).settings
    return [resolve_settings({**settings, "seed": seed, "steps": steps}) for seed in seeds]


def epochs(loops: Sequence[Any], keys: Any, *, epoch: int, total: int, note: Callable[..., None]):
    """Trains them, and yields step, states and what the behaviours did in each epoch."""
    together, block = VmappedRuns(loops), loops[0].agent.train_every
    states = together.init(keys)
    silent, step = loops[0].agent.learning_starts // block, 0
    while step < total:
        sums, began = None, time.monotonic()
        while True:
            learn = step // block >= silent
            states, record, _ = together.blocks(states, CALL, learn=learn)
            added = _ended(record)
            sums = added if sums is None else jax.tree.map(jnp.add, sums, added)
            step += CALL * block
            if step % epoch == 0:
                break
        assert sums is not None
        episodes, reward, cost, length, guided = map(np.asarray, sums)
        note(step, time.monotonic() - began)
        yield step, states, {
            "behaviour_return": reward / episodes,
            "behaviour_cost": cost / episodes,
            "guide_share": guided / length,
            "total_cost": np.asarray(states.progress.cost),
        }  # fmt: skip


@jax.jit
def _ended(record):
    """Sums over the episodes that ended, of each run."""
    each = record.episode
    summed = (jnp.ones_like(each.reward), each.reward, each.cost, each.steps, each.interventions)
    return [jnp.sum(jnp.where(record.ended, values, 0), axis=1) for values in summed]


@eqx.filter_jit
def tests(environment, actors, keys, episodes: int):
    """Mean return and cost of each run's own policy."""

    def one(actor, key):
        done = try_policy(environment, OnVectors(actor), episodes=episodes, key=key)
        return jnp.mean(done.returns), jnp.mean(done.costs)

    return jax.vmap(one)(actors, keys)


def test_keys(states, name: str, *step: int, of: str | None = None):
    """The keys with which a run by itself tests its policy."""

    def one(key):
        key = stream(key, name, *step)
        return key if of is None else stream(key, of)

    return jax.vmap(one)(states.key)


@eqx.filter_jit
def guards(environment, networks, keys, episodes: int, view, discount: float):
    """What random driving costs under each guide's guard."""

    def one(own, key):
        guide = Guide(own, view, discount)
        done = shielded(environment, Shield(guide, TAKEOVER_STEPS * HARM), episodes, key)
        return LIMIT_STEPS * jnp.sum(done.costs) / jnp.sum(done.lengths)

    return jax.vmap(one)(networks, keys)


def guides(settings: Sequence[GuideSettings], folder: Path, note) -> dict[str, list[Path]]:
    """Each seed's guides, by what was chosen, kept by evaluation as `acquire_guide` does."""
    paths = {
        selection: [folder / f"guide-{one.seed}-{selection}.safetensors" for one in settings]
        for selection in SELECTIONS
    }
    if all(path.exists() for selection in SELECTIONS for path in paths[selection]):
        return paths
    first = settings[0]
    problem = navigation_problem(first.environment)
    guarding = source_of(first).shield_test
    keys = _keys(10 * one.seed + 1 for one in settings)
    loops = [guide_loop(source_of(one), one) for one in settings]
    tables: list[dict[str, list[float]]] = [
        {"return": [], "cost": [], "shielded_cost": []} for _ in settings
    ]
    kept: dict[tuple[str, int], GuideNetworks] = {}
    for step, states, _ in epochs(
        loops, keys, epoch=first.epoch, total=first.steps, note=functools.partial(note, "guides")
    ):
        learnt = states.agent.learner.parameters
        networks = GuideNetworks(learnt.actor, learnt.critics)
        found = dict(zip(("return", "cost"), tests(
            problem.source, learnt.actor, test_keys(states, "evaluation", step, of="clean"),
            first.evaluation_episodes,
        ), strict=True))  # fmt: skip
        found["shielded_cost"] = guards(
            guarding, networks, test_keys(states, "guarded"),
            first.shield_episodes, problem.view, first.learning.discount,
        )  # fmt: skip
        found = {name: np.asarray(values) for name, values in found.items()}
        networks = jax.tree.map(np.asarray, networks)
        for index, table in enumerate(tables):
            for name, values in found.items():
                table[name].append(float(values[index]))
            rows_ = {name: np.array(values) for name, values in table.items()}
            for selection, choice in SELECTIONS.items():
                if choice(rows_, first.limit) == len(table["cost"]) - 1:
                    kept[selection, index] = jax.tree.map(lambda leaf, i=index: leaf[i], networks)
    for selection, index in itertools.product(SELECTIONS, range(len(settings))):
        one = dataclasses.replace(settings[index], selection=selection)
        save_guide(
            paths[selection][index], kept[selection, index], problem, hidden=one.learning.hidden,
            limit=one.limit,
            limit_steps=LIMIT_STEPS,
            training={"task": one.environment, "evaluations": tables[index],
                      "settings": dataclasses.asdict(one)},
        )  # fmt: skip
    return paths


def students(all_rows: Sequence[Row], paths: Sequence[Path | None], note) -> Columns:
    """One student a row; every column has a row a seed and a column an epoch."""
    run = all_rows[0].run
    pairs = zip(all_rows, paths, strict=True)
    loops = [
        student_loop(target_of(row.run), row.run, {} if path is None else {"guide": path})
        for row, path in pairs
    ]
    assert isinstance(loops[0], Loop)  # the tasks on MuJoCo cannot be put into one program
    target = navigation_problem(run.environment).target
    found: list[Columns] = []
    keys = _keys(10 * row.run.seed for row in all_rows)
    for step, states, columns in epochs(loops, keys, epoch=run.epoch, total=run.steps, note=note):
        actors = states.agent.learner.parameters.actor
        own = test_keys(states, "test", step)
        earned, cost = map(np.asarray, tests(target, actors, own, run.test_episodes))
        found.append({**columns, "target_return": earned, "target_cost": cost})
    return {name: np.stack([one[name] for one in found], axis=1) for name in found[0]}


def summed_up(columns: Columns, limit: float) -> str:
    """One line: the behaviour's violations, and the last test of the policies."""
    behaviour, total = columns["behaviour_cost"], columns["total_cost"][:, -1]
    above = behaviour > limit
    last, cost = columns["target_return"][:, -1], columns["target_cost"][:, -1]
    return (
        f"{above.sum()} of {above.size} epochs above the limit, in {above.any(axis=1).sum()} of "
        f"{len(above)} runs (worst {behaviour.max():.1f}); total cost: median "
        f"{np.median(total):.0f}, mean {total.mean():.0f}; policies alone, last test: return "
        f"{np.median(last):.2f} "
        f"[{np.quantile(last, 0.1):.2f}, {np.quantile(last, 0.9):.2f}], within the limit "
        f"{np.sum(cost <= limit)} of {len(cost)}"
    )


def _keys(seeds) -> Any:
    return jax.vmap(jax.random.key)(jnp.array(list(seeds)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiment", default="sagui-static")
    parser.add_argument("--variants", nargs="+",
                        default=["budget-switch", "control-switch", "scratch"])  # fmt: skip
    parser.add_argument("--first", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=128)
    parser.add_argument("--steps", type=int, default=240_000)
    parser.add_argument("--guide-steps", type=int, default=None, help="fewer, for a trial")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    choose(options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    seeds = range(options.first, options.first + options.seeds)
    began = time.monotonic()

    def note(what: str, step: int, seconds: float) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}: {step:,} ({seconds:.1f} s)", flush=True)

    known: dict[GuideSettings, dict[str, list[Path]]] = {}
    file = options.out / "many-seeds.npz"
    results: Columns = dict(np.load(file)) if file.exists() else {}
    for variant in options.variants:
        wanted = planned(options.experiment, variant, seeds, options.steps)
        paths: list[Path | None] = [None] * len(wanted)
        settings = [row.knowledge["guide"] for row in wanted if "guide" in row.knowledge]
        if settings:
            if options.guide_steps:
                settings = [dataclasses.replace(s, steps=options.guide_steps) for s in settings]
            selection = settings[0].selection
            settings = [dataclasses.replace(s, selection="return") for s in settings]
            if settings[0] not in known:
                known[settings[0]] = guides(settings, options.out, note)
            paths = [*known[settings[0]][selection]]
        columns = students(wanted, paths, functools.partial(note, variant))
        results |= {f"{variant}/{name}": values for name, values in columns.items()}
        with atomic(file) as path, open(path, "wb") as written:
            np.savez_compressed(written, **results)  # pyrefly: ignore[bad-argument-type]
        print(f"{variant}: {summed_up(columns, wanted[0].run.limit)}", flush=True)


if __name__ == "__main__":
    main()
