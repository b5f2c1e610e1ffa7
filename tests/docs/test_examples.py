"""What the pages show in Python runs as printed: the blocks of a page one after another."""

import json

import pytest

from tests.docs.pages import TEXTS, blocks

EXAMPLES = {name: found for name, text in TEXTS.items() if (found := blocks(text, "python"))}
RAIL = "guides/your-environment.md"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Runs a page, once; returns its folder and what its names stand for at the end."""
    done: dict = {}

    def run(name, monkeypatch):
        if name not in done:
            folder = tmp_path_factory.mktemp("page")
            monkeypatch.chdir(folder)  # where its runs go
            namespace = {"__name__": "example"}
            for number, block in enumerate(EXAMPLES[name], start=1):
                exec(compile(block, f"{name}, block {number}", "exec"), namespace)  # our own file
            done[name] = folder, namespace
        return done[name]

    return run


@pytest.mark.parametrize("name", EXAMPLES)
def test_page_runs(name, ran, monkeypatch):
    ran(name, monkeypatch)


def test_a_guide_and_students_on_the_rail(ran, monkeypatch):
    folder, names = ran(RAIL, monkeypatch)
    assert [finding for finding in names["findings"] if finding.status == "wrong"] == []
    assert (folder / "runs" / "rail-guide" / "guide.safetensors").exists()
    settings = json.loads((folder / "runs" / "rail-students" / "run.json").read_text())
    assert settings["run"]["environment"] == "4 × Rail"
    assert 0 <= names["found"]["shielded_share"] <= 1


def test_a_shield_keeps_dqn_out_of_lava(ran, monkeypatch):
    folder, names = ran("guides/discrete-actions.md", monkeypatch)
    assert (
        json.loads((folder / "runs" / "lava-gap" / "summary.json").read_text())["violations"] == 0
    )
    assert names["summary"]["intervention_rate"] > 0
    assert (folder / "runs" / "lava-encoder" / "encoder.safetensors").exists()


def test_interventions_around_other_agents_act(ran, monkeypatch):
    for name in ("guides/other-agents.md", "guides/several-costs.md"):
        assert 0 < ran(name, monkeypatch)[1]["intervened"] < 200


def test_a_compiled_corridor_under_a_shield_costs_nothing(ran, monkeypatch):
    _, names = ran("guides/jax-environments.md", monkeypatch)
    assert float(names["run"].progress.cost) == 0 and int(names["run"].progress.interventions) > 0


def test_every_column_that_the_examples_logged_is_on_the_page_of_metrics(ran, monkeypatch):
    pages = (RAIL, "guides/discrete-actions.md")
    folders = [ran(name, monkeypatch)[0] for name in pages]
    tables = [path for folder in folders for path in folder.rglob("*.csv")]
    columns = {column for path in tables for column in path.read_text().split("\n")[0].split(",")}
    summaries = [path for folder in folders for path in folder.rglob("summary.json")]
    columns |= {name for path in summaries for name in json.loads(path.read_text())}
    assert len(tables) > 10 and "evidence/predicted_cost" in columns
    missing = {name for name in columns if f"`{name}`" not in TEXTS["metrics.md"]}
    assert missing == set()


def test_the_whole_method_runs_on_rendered_frames(ran, monkeypatch):
    folder, names = ran("guides/images.md", monkeypatch)
    card = json.loads((folder / "runs" / "rendered" / "run.json").read_text())
    assert card["parts"] == {"observation": [36, 36, 3]}
    assert names["near"].initial_embeddings.shape[1] == 8
    assert 0 <= names["summary"]["intervention_rate"] <= 1
