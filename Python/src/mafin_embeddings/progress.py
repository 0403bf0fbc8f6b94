"""Progress lines of the program, and the bar that shows them."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any, Protocol, TextIO


@dataclass(frozen=True)
class Progress:
    """A line such as ``mafin: 40% of 250 steps, 2.1 steps/s, 1m 12s left, loss 0.413``.

    Attributes:
        title: What is done.
        completed: Units that are done, rounded down to a whole per cent of ``total``.
        total: All units.
        unit: What is counted: texts, queries, steps.
        detail: The rest of the line: the rate, the time left, the loss.
        finished: Whether it is the job's last line.
    """

    title: str
    completed: int
    total: int
    unit: str
    detail: str = ""
    finished: bool = False


# The forms of `ProgressLine.plain` and `ProgressLine.summary`.
_RUNNING = re.compile(r"^(?P<title>.+): +(?P<percent>\d+)% of (?P<total>\d+) (?P<unit>\S+)(?:, (?P<detail>.*))?$")
_FINISHED = re.compile(r"^(?P<title>.+): (?P<total>\d+) (?P<unit>\S+) in (?P<detail>[\d.]+ ?(?:ms|s|m|h|d)\b.*)$")


def parse(line: str) -> Progress | None:
    """The progress that a line of the program's standard error tells; ``None`` for a note."""
    if found := _RUNNING.match(line):
        total = int(found["total"])
        return Progress(
            found["title"], total * int(found["percent"]) // 100, total, found["unit"], found["detail"] or ""
        )
    if found := _FINISHED.match(line):
        total = int(found["total"])
        return Progress(found["title"], total, total, found["unit"], found["detail"], finished=True)
    return None


class ProgressSink(Protocol):
    """Gets what a running program tells."""

    def update(self, progress: Progress) -> None:
        """A progress line."""

    def note(self, text: str) -> None:
        """Any other line."""

    def close(self) -> None:
        """The program has ended."""


class Silent:
    """Shows nothing."""

    def update(self, progress: Progress) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


class Lines:
    """Prints every line to standard error, as the program does."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def update(self, progress: Progress) -> None:
        share = 100 * progress.completed // max(1, progress.total)
        self.note(f"{progress.title}: {share}% of {progress.total} {progress.unit}, {progress.detail}".rstrip(", "))

    def note(self, text: str) -> None:
        print(text, file=self._stream or sys.stderr, flush=True)

    def close(self) -> None:
        pass


class Bars:
    """A tqdm bar for the current job, in a terminal or a notebook. Notes appear above it."""

    def __init__(self, tqdm: Any) -> None:
        self._tqdm = tqdm
        self._bar: Any = None
        self._title = ""

    def update(self, progress: Progress) -> None:
        if self._bar is None or progress.title != self._title or self._bar.total != progress.total:
            self.close()
            self._title = progress.title
            # The program's own rate is in the postfix. tqdm's would count what was done before.
            self._bar = self._tqdm(
                total=progress.total,
                desc=progress.title,
                unit=f" {progress.unit}",
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{unit}{postfix}",
            )
        self._bar.update(progress.completed - self._bar.n)
        self._bar.set_postfix_str(progress.detail)
        if progress.finished:
            self.close()

    def note(self, text: str) -> None:
        self._tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None


def sink(progress: bool | ProgressSink | None) -> ProgressSink:
    """What shows progress.

    Args:
        progress: ``True`` or ``None``: tqdm's bar if tqdm is installed, otherwise lines. ``False``: nothing. Or an object of your own.
    """
    if progress is False:
        return Silent()
    if progress is not None and progress is not True:
        return progress
    try:
        return Bars(tqdm_class())
    except ImportError:
        return Lines()


def tqdm_class() -> Any:
    """tqdm's bar for a terminal or a notebook. In a notebook without ipywidgets it is one of text, which needs no warning.

    Raises:
        ImportError: tqdm is not installed.
    """
    import warnings

    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)
        from tqdm.auto import tqdm
    return tqdm
