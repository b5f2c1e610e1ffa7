"""Run folders of others on the command line: each command ends, with one line if it must."""

import itertools
import json
import sys

import pytest

from handrail.cli import commands as cli
from handrail.core.errors import HandrailError
from handrail.experiments.launch import evaluate

DEEP = '{"a":' * 50 + "1" + "}" * 50
HOSTILE = (
    "[" * 100_000, "[]", "null", '{"run": ' + "9" * 5_000 + "}", '{"run": NaN}', "{}", "\x00\x01",
    '{"run": [], "needs": []}', '{"run": {"environment": ["x"], "method": {}}, "needs": [1, {}]}',
    '{"run": ' + DEEP + ', "needs": []}', '{"run": {"environment": 5}, "needs": ["\\u001b[2J"]}',
    '{"final_return": {"a": 1}, "violations": "x", "steps": "\\u001b[2J", "wall_s": 1e308}',
)  # fmt: skip
COMMANDS = ("compare A B --out P", "train --resume A", "evaluate A", "tensorboard A --logdir T")


def write_run(folder):
    folder.mkdir()
    run = {"environment": "LavaCrossingS9N1", "method": "dqn", "seed": 1}
    (folder / "run.json").write_text(json.dumps({"run": run, "needs": []}))
    summary = {"final_return": 0.5, "violations": 3.0, "steps": 40, "wall_s": 2.0}
    (folder / "summary.json").write_text(json.dumps(summary))
    rows = "step,return,cost,length,interventions\n10,0.5,0.0,10,2\n25,0,1,15,0\n"
    (folder / "episodes.csv").write_text(rows)
    rows = "step,episodes,cost,interventions,mean_return\n40,2,1,2,0.25\n"
    (folder / "progress.csv").write_text(rows)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split()[0])
def test_no_json_in_a_run_ends_in_a_traceback(tmp_path, monkeypatch, capsys, command):
    if command.startswith("tensorboard"):
        pytest.importorskip("tensorboardX", reason="the extra 'tracking' is not installed")
    names = {"A": "a", "B": "b", "P": "compare.png", "T": "events"}
    words = [str(tmp_path / names[word]) if word in names else word for word in command.split()]
    monkeypatch.setattr(sys, "argv", ["handrail", *words])
    write_run(tmp_path / "a")
    write_run(tmp_path / "b")
    whole = {name: (tmp_path / "a" / name).read_text() for name in ("run.json", "summary.json")}
    for text, name in itertools.product(HOSTILE, whole):
        for other, content in whole.items():
            (tmp_path / "a" / other).write_text(content)
        (tmp_path / "a" / name).write_text(text)
        if "--resume" in words and name == "run.json":
            (tmp_path / "a" / "summary.json").unlink()
        try:
            cli.main()
        except SystemExit as ended:
            assert ended.code == 2, (text[:40], name)
        printed = "".join(capsys.readouterr())
        assert "\x1b" not in printed and len(printed) < 10_000, (text[:40], name)


def test_a_run_of_another_program_is_not_evaluated(tmp_path):
    write_run(tmp_path / "a")
    (tmp_path / "a" / "run.json").write_text('{"purpose": "own student"}')
    with pytest.raises(HandrailError, match="was not written by `handrail train`"):
        evaluate(tmp_path / "a", episodes=1, seed=0)
