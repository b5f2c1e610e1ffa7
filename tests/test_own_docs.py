"""The worked examples of docs/own-environment.md run as printed."""

import json
import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[1] / "docs" / "own-environment.md").read_text(encoding="utf-8")
EXAMPLES = {
    section.splitlines()[0]: re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    for section in TEXT.split("\n## ")
    if section.startswith("Example")
}


def test_there_are_three():
    assert [len(blocks) for blocks in EXAMPLES.values()] == [4, 2, 2]


@pytest.mark.parametrize("title", EXAMPLES)
def test_example_runs(title, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "example"}
    for code in EXAMPLES[title]:
        exec(compile(code, "own-environment.md", "exec"), namespace)  # our own file
    out = capsys.readouterr().out
    if title.startswith("Example 1"):
        assert out.startswith("[]\n")
        assert (tmp_path / "runs" / "rail-guide" / "guide.safetensors").exists()
        settings = json.loads((tmp_path / "runs" / "rail-students" / "run.json").read_text())
        assert settings["run"]["environment"] == "4 × Rail"
        assert 0 <= namespace["found"]["shielded_share"] <= 1
    if title.startswith("Example 2"):
        assert out.startswith("0.0 ") and namespace["summary"]["intervention_rate"] > 0
        assert (tmp_path / "runs" / "lava-encoder" / "encoder.safetensors").exists()
    if title.startswith("Example 3"):
        assert 0 < namespace["intervened"] < 200
