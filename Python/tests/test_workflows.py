"""The commands as functions, with the real program."""

import json
import os
import signal
import threading

import pytest
from conftest import HANDBOOK, mafin

import mafin_embeddings as package
from mafin_embeddings.progress import Progress

STORED = f"vectors:{HANDBOOK / 'black-box'}"


def test_an_evaluation_holds_the_figures_of_the_program(program, artefact_folder):
    expected = json.loads(mafin(program, "evaluate", artefact_folder, "--data", HANDBOOK, "--json", "--quiet"))
    found = package.evaluate(artefact_folder, HANDBOOK, progress=False)
    assert found.split == "test" and found.queries == expected["queries"]
    assert [system.name for system in found.systems] == [system["name"] for system in expected["systems"]]
    for system, other in zip(found.systems, expected["systems"]):
        assert system.metrics == other["metrics"]
    artefact = found["artefact"].differences["nDCG@10"]
    raw = next(one for one in expected["systems"] if one["name"] == "artefact")["difference"]["nDCG@10"]
    assert (artefact.mean, artefact.low, artefact.p_holm) == (raw["mean"], raw["low"], raw["pHolm"])
    assert found["black-box"].differences == {}
    frame = found.frame()
    assert frame.loc["bm25", "nDCG@10"] == found["bm25"].metrics["nDCG@10"]
    assert frame.loc["artefact", "nDCG@10 low"] == raw["low"]
    assert "<td>" in found._repr_html_()
    assert set(found.omitted) and all(found.omitted.values())
    with pytest.raises(KeyError, match="the systems are bm25"):
        found["nothing"]


def test_other_metrics_and_splits(program, artefact_folder):
    found = package.evaluate(artefact_folder, HANDBOOK, split="dev", metrics=["P@5", "nDCG@3"], progress=False)
    assert found.split == "dev" and set(found["black-box"].metrics) == {"P@5", "nDCG@3"}


def test_a_plan_sends_nothing_and_has_the_programs_numbers(program, handbook):
    found = package.plan(HANDBOOK, black_box="openai:text-embedding-3-small", price=0.02, progress=False)
    raw = json.loads(
        mafin(program, "plan", "--data", HANDBOOK, "--black-box", "openai:text-embedding-3-small", "--price", "0.02", "--json")
    )
    assert (found.texts_to_ask, found.tokens, found.requests, found.cost) == (raw["toAsk"], raw["tokens"], raw["requests"], raw["cost"])
    assert found.texts_to_ask == len(set(handbook.queries.values())) + len(handbook.corpus)
    assert list(found.frame().index) == ["document", "query"]


def test_a_collection_in_memory(program, handbook):
    from_folder = package.plan(HANDBOOK, black_box="openai:text-embedding-3-small", progress=False)
    assert package.plan(handbook, black_box="openai:text-embedding-3-small", progress=False).tokens == from_folder.tokens


def test_errors_of_the_program(program, artefact_folder, tmp_path):
    with pytest.raises(package.DataError, match="nowhere"):
        package.evaluate(artefact_folder, tmp_path / "nowhere", progress=False)
    with pytest.raises(package.UsageError, match="--black-box"):
        package.plan(HANDBOOK, black_box="vectors:here", progress=False)
    with pytest.raises(package.UsageError, match="no-such-flag"):
        package.evaluate(artefact_folder, HANDBOOK, no_such_flag=1, progress=False)


class Recorder:
    def __init__(self):
        self.updates, self.lines = [], []

    def update(self, progress):
        self.updates.append(progress)

    def note(self, text):
        self.lines.append(text)

    def close(self):
        pass


def test_an_interrupted_training_is_continued(program, minilm, work):
    """Ctrl-C in the middle of a training, as a notebook sends it; then the same call with resume."""
    shown = Recorder()
    output = work / "interrupted"
    arguments = {"black_box": STORED, "encoder": minilm, "output": output, "time": "20s", "force": True}

    def note(text):
        shown.lines.append(text)
        if text.startswith("training began"):
            os.kill(os.getpid(), signal.SIGINT)

    shown.note = note
    with pytest.raises(package.Interrupted):
        package.train(HANDBOOK, progress=shown, **arguments)
    assert any("interrupted; the same command with --resume" in line for line in shown.lines)
    assert not (output / "manifest.json").exists()
    resumed = Recorder()
    training = package.train(HANDBOOK, progress=resumed, resume=True, **arguments)
    assert any("resumed after step" in line for line in resumed.lines)
    assert training.artefact == output and (output / "manifest.json").is_file()
    assert training.verdict.decision in {"ship", "do-not-ship", "cannot-tell"}
    assert training.development["mafin"].metrics["nDCG@10"] > 0
    assert training.frame().loc["mafin", "nDCG@10"] == training.development["mafin"].metrics["nDCG@10"]
    assert all(isinstance(one, Progress) for one in shown.updates + resumed.updates)


def test_a_comparison_shows_its_page(program, minilm, work):
    output = work / "report"
    arguments = dict(
        black_box=STORED, encoder=minilm, output=output, time="20s", seeds=1, systems=["bm25", "black-box+bm25"],
        stand_in=False, progress=False,
    )  # fmt: skip
    report = package.compare(HANDBOOK, fail_if=["bm25 nDCG@10 < black-box", "bm25 nDCG@10 > 1"], **arguments)
    written = json.loads((output / "report.json").read_text())
    assert report["bm25"].metrics == next(one for one in written["systems"] if one["name"] == "bm25")["metrics"]
    assert report.frame().loc["bm25", "dev"] == report["bm25"].development
    assert len(report.conditions_met) == 1 and "bm25" in report.conditions_met[0]
    assert report.verdict.system in {system.name for system in report.systems}
    html = report._repr_html_()
    assert html.startswith("<iframe srcdoc=") and "sandbox=" in html and "<script" not in html
    assert len(html) > os.path.getsize(output / "index.html")
    # A finished comparison is not made again.
    assert package.compare(HANDBOOK, **arguments).evaluation == report.evaluation


def test_two_commands_at_a_time(program, artefact_folder):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(package.run("inspect", artefact_folder, progress=False)["ranking"])) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and found[0] == found[1]


def test_python_dash_m_is_the_program(program):
    import subprocess
    import sys
    from pathlib import Path

    environment = dict(os.environ, PYTHONPATH=str(Path(package.__file__).parents[1]))
    done = subprocess.run([sys.executable, "-m", "mafin_embeddings", "--version"], capture_output=True, text=True, env=environment)
    assert done.stdout == mafin(program, "--version") and done.returncode == 0
