"""How the program is run. A small script takes its place, so that its lines, its signals and its statuses are known."""

import os
import signal
import stat
import sys
import threading
import time

import pytest

import mafin_embeddings as mafin
from mafin_embeddings.program import arguments, program_path


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Makes a Python script the program."""

    def make(body):
        path = tmp_path / "program"
        path.write_text(f"#!{sys.executable}\nimport json, os, signal, sys, time\n{body}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("MAFIN_PROGRAM", str(path))
        return path

    return make


class Recorder:
    def __init__(self):
        self.lines, self.updates, self.closed = [], [], 0

    def update(self, progress):
        self.updates.append(progress)

    def note(self, text):
        self.lines.append(text)

    def close(self):
        self.closed += 1


def test_flags_of_keyword_arguments(tmp_path):
    assert arguments(
        {"learning_rate": 1e-4, "json": True, "quiet": False, "seed": None, "weight": ["bm25=0", "local=1"], "data": tmp_path}
    ) == ["--learning-rate", "0.0001", "--json", "--weight", "bm25=0", "--weight", "local=1", "--data", str(tmp_path)]
    assert arguments({"as_": "query", "encoder_query_prefix": "- "}) == ["--as", "query", "--encoder-query-prefix=- "]


def test_the_answer_the_progress_and_the_notes(script):
    script(
        "print('mafin:  40% of 250 steps, 2 steps/s', file=sys.stderr)\n"
        "print('a note', file=sys.stderr)\n"
        "print('\\r\\x1b[2Ka cleared line', file=sys.stderr)\n"
        "print(json.dumps({'arguments': sys.argv[1:]}))"
    )
    shown = Recorder()
    assert mafin.run("inspect", "ART", progress=shown, top=3) == {"arguments": ["inspect", "ART", "--top", "3", "--json"]}
    assert shown.lines == ["a note", "a cleared line"]
    assert [(one.completed, one.total) for one in shown.updates] == [(100, 250)]
    assert shown.closed == 1


def test_an_answer_that_is_longer_than_a_pipe(script):
    script("print('x' * 300000, file=sys.stderr)\nprint(json.dumps({'long': 'y' * 3000000}))")
    assert len(mafin.run("x", progress=False)["long"]) == 3_000_000


def test_warnings_of_the_program_are_warnings(script):
    script("print('warning: 3 queries leak', file=sys.stderr)\nprint('{\"a\": 1}')")
    with pytest.warns(mafin.MafinWarning, match="3 queries leak"):
        mafin.run("x", progress=False)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (64, mafin.UsageError),
        (65, mafin.DataError),
        (69, mafin.NetworkError),
        (4, mafin.BudgetError),
        (75, mafin.PendingError),
        (70, mafin.ProgramError),
    ],
)
def test_a_status_is_an_exception(script, status, kind):
    script(
        f"print(json.dumps({{'error': {{'kind': 'a-kind', 'message': 'what went wrong', 'status': {status}}}}}))\n"
        f"print('error: what went wrong', file=sys.stderr)\nsys.exit({status})"
    )
    with pytest.raises(kind, match="^what went wrong$") as error:
        mafin.run("x", progress=False)
    assert (error.value.status, error.value.kind) == (status, "a-kind")


def test_a_program_that_dies_says_so(script):
    script("os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(mafin.ProgramError, match="status -9 and no message"):
        mafin.run("x", progress=False)


def test_conditions_that_hold_do_not_lose_the_answer(script):
    script("print('{\"split\": \"test\"}')\nprint('error: --fail-if: nDCG@10 < 1; MAP < 1', file=sys.stderr)\nsys.exit(3)")
    answer = mafin.run("compare", progress=False)
    assert answer == {"split": "test"} and answer.conditions_met == ("nDCG@10 < 1", "MAP < 1")


# Counts SIGINT as the program does: the first asks to end, the second ends at once.
SIGNALS = """
count = 0
def interrupted(number, frame):
    global count
    count += 1
    if count > 1:
        os._exit(99)
signal.signal(signal.SIGINT, interrupted)
print('ready', file=sys.stderr, flush=True)
limit = time.time() + 20
while count == 0 and time.time() < limit:
    time.sleep(0.01)
time.sleep(0.5)
print(json.dumps({'error': {'kind': 'interrupted', 'message': 'interrupted', 'status': 130}}))
sys.exit(130)
"""


class Interrupts(Recorder):
    """Interrupts this process as Ctrl-C does, when the program is ready."""

    def __init__(self, group=False):
        super().__init__()
        self.group = group

    def note(self, text):
        super().note(text)
        if text == "ready":
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_reaches_the_program_once_and_it_ends_in_its_own_time(script):
    script(SIGNALS)
    shown = Interrupts()
    with pytest.raises(mafin.Interrupted):
        mafin.run("train", progress=shown)
    assert shown.closed == 1


def test_the_program_is_not_in_this_process_group(script):
    # At a terminal Ctrl-C goes to the whole group. The program would get it twice: from the terminal and from `run`.
    script("print(json.dumps({'group': os.getpgrp(), 'session': os.getsid(0)}))")
    found = mafin.run("x", progress=False)
    assert found["group"] != os.getpgrp() and found["session"] != os.getsid(0)


def test_an_error_in_between_ends_the_program(script):
    path = script(
        "signal.signal(signal.SIGINT, lambda *_: (open(sys.argv[0] + '.ended', 'w').close(), os._exit(130)))\n"
        "print('ready', file=sys.stderr, flush=True)\ntime.sleep(30)"
    )

    class Fails(Recorder):
        def note(self, text):
            raise RuntimeError("a fault of the user's own sink")

    with pytest.raises(RuntimeError, match="own sink"):
        mafin.run("x", progress=Fails())
    assert os.path.exists(f"{path}.ended")


def test_other_threads_go_on_while_the_program_runs(script):
    script("time.sleep(0.5)\nprint('{\"a\": 1}')")
    done = threading.Event()
    thread = threading.Thread(target=lambda: (mafin.run("x", progress=False), done.set()))
    thread.start()
    count = 0
    while not done.is_set():
        count += 1
        time.sleep(0)
    thread.join()
    assert count > 100


def test_where_the_program_is(tmp_path, monkeypatch):
    monkeypatch.setenv("MAFIN_PROGRAM", str(tmp_path / "none"))
    with pytest.raises(mafin.MafinError, match="MAFIN_PROGRAM=.*none: there is no program"):
        program_path()
    monkeypatch.delenv("MAFIN_PROGRAM")
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setattr("mafin_embeddings.program._recorded", lambda name: [])
    with pytest.raises(mafin.MafinError, match="install the wheel, or set MAFIN_PROGRAM"):
        program_path()
    (tmp_path / "mafin").write_text("#!/bin/sh\n")
    (tmp_path / "mafin").chmod(0o755)
    assert program_path() == str(tmp_path / "mafin")
