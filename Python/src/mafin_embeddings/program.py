"""The bundled program ``mafin``: where it is, and how it is run from Python."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import progress as _progress
from .errors import CONDITION_MET, INTERRUPTED, Interrupted, MafinError, program_error, warn

# The distribution whose record lists the program. Its import name is this package's.
DISTRIBUTION = "mafin-embeddings"

# Text that moves a terminal's cursor.
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\r")


def program_path() -> str:
    """The path of the program.

    ``MAFIN_PROGRAM`` names it. Otherwise it is the one that was installed with this package. The ``PATH`` is not searched,
    because another program may have this name.

    Raises:
        MafinError: There is none.
    """
    named = os.environ.get("MAFIN_PROGRAM")
    if named:
        if not os.access(named, os.X_OK):
            raise MafinError(f"MAFIN_PROGRAM={named}: there is no program")
        return named
    name = "mafin.exe" if sys.platform == "win32" else "mafin"
    scripts = Path(sysconfig.get_path("scripts")) / name
    candidates = [scripts, *_recorded(name)]
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return str(candidate)
    raise MafinError(
        f"the program mafin is not at {scripts}, where the wheel of this package puts it; "
        "install the wheel, or set MAFIN_PROGRAM to a program that you built"
    )


def _recorded(name: str) -> list[Path]:
    """The program as the record of the installed distribution lists it, for installations with ``--user`` or ``--target``."""
    from importlib import metadata

    try:
        files = metadata.files(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    return [Path(str(file.locate())) for file in files if file.name == name]


def arguments(options: Mapping[str, Any]) -> list[str]:
    """Flags of keyword arguments.

    ``learning_rate=1e-4`` gives ``--learning-rate 0.0001``. ``True`` gives the flag alone, ``None`` and ``False`` give nothing. A list gives
    the flag for each of its values.
    """
    flags: list[str] = []
    for name, value in options.items():
        flag = "--" + name.strip("_").replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            flags.append(flag)
        elif isinstance(value, (list, tuple)):
            for one in value:
                flags += _flag(flag, one)
        else:
            flags += _flag(flag, value)
    return flags


def _flag(flag: str, value: Any) -> list[str]:
    text = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    # A value that begins with a dash would be read as a flag.
    return [f"{flag}={text}"] if text.startswith("-") else [flag, text]


class Result(dict[str, Any]):
    """The JSON object that a command printed. ``conditions_met`` tells which ``fail_if`` conditions of ``compare`` held."""

    conditions_met: tuple[str, ...] = ()


def run(
    *command: str | os.PathLike[str],
    progress: bool | _progress.ProgressSink | None = None,
    **options: Any,
) -> Result:
    """Runs a command of the program and returns its JSON.

    ``run("inspect", "ART")`` is ``mafin inspect ART --json``. Every command and flag is available; see :func:`arguments` for how
    keyword arguments become flags.

    An interrupt (Ctrl-C, or the stop button of a notebook) is passed on once: the program ends after its current step and keeps what
    it needs to continue. A second interrupt ends it at once.

    Args:
        command: The command and its arguments.
        progress: ``None`` or ``True`` shows a bar (tqdm's, if it is installed). ``False`` shows nothing. Or an object with the
            methods of :class:`mafin_embeddings.progress.ProgressSink`.
        options: Flags.

    Raises:
        ProgramError: The command failed. The subclass tells why: :class:`UsageError`, :class:`DataError`, :class:`NetworkError`,
            :class:`BudgetError`, :class:`PendingError`.
        Interrupted: It was interrupted, and can be continued.
    """
    show = _progress.sink(progress)
    line = [program_path(), *(os.fspath(part) for part in command), *arguments(options), "--json"]
    # A session of its own: a Ctrl-C at a terminal, or a notebook's interrupt, would otherwise reach the program itself and again
    # through this function, and the second signal ends it at once.
    process = subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    answer: list[bytes] = []
    assert process.stdout is not None and process.stderr is not None
    reader = threading.Thread(target=lambda: answer.append(process.stdout.read()), daemon=True)  # type: ignore[union-attr]
    reader.start()
    told = _Told(show)
    interrupts = 0
    try:
        while True:
            try:
                if not told.follow(process):
                    break
            except KeyboardInterrupt:
                interrupts += 1
                process.send_signal(signal.SIGINT)
    finally:
        # Another error, such as one of `progress`, must not leave the program behind.
        _end(process)
        show.close()
    reader.join()
    return _result(process.returncode, b"".join(answer), told, interrupts)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class _Told:
    """What a program tells on standard error."""

    def __init__(self, show: _progress.ProgressSink) -> None:
        self._show = show
        self.last_error = ""

    def follow(self, process: subprocess.Popen[bytes]) -> bool:
        """Takes the next line. Returns ``False`` when the program has ended."""
        assert process.stderr is not None
        raw = process.stderr.readline()
        if not raw:
            process.wait()
            return False
        line = _CONTROL.sub("", raw.decode("utf-8", "replace")).strip()
        if not line:
            return True
        if line.startswith("error: "):
            self.last_error = line[len("error: ") :]
        elif line.startswith("warning: "):
            warn(line[len("warning: ") :])
        elif found := _progress.parse(line):
            self._show.update(found)
        else:
            self._show.note(line)
        return True


def _result(status: int, output: bytes, told: _Told, interrupts: int) -> Result:
    try:
        value = json.loads(output) if output.strip() else {}
    except ValueError:
        value = {}
    failed = value.get("error") if isinstance(value, dict) else None
    if status in (0, CONDITION_MET) and isinstance(value, dict) and value:
        result = Result(value)
        if status == CONDITION_MET:
            result.conditions_met = tuple(told.last_error.replace("--fail-if: ", "", 1).split("; "))
        return result
    if status == INTERRUPTED or (interrupts and status < 0):
        raise Interrupted("interrupted; the same call continues (train: with resume=True)")
    message = (failed or {}).get("message") or told.last_error or f"the program ended with status {status} and no message"
    raise program_error(message, status, (failed or {}).get("kind", "failure"))
