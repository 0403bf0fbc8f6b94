"""The commands as functions. The program runs beside this process, so an interrupt leaves a run that can be continued."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .collection import Collection
from .program import run
from .results import Comparison, Evaluation, Plan, Training

if TYPE_CHECKING:
    from .progress import ProgressSink

Data = Any


def compare(
    data: Data,
    *,
    black_box: str,
    output: str | os.PathLike[str],
    time: str | None = None,
    encoder: str | os.PathLike[str] | None = None,
    seeds: int | None = None,
    systems: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    split: str | None = None,
    fail_if: Sequence[str] | str | None = None,
    progress: bool | ProgressSink | None = None,
    **options: Any,
) -> Comparison:
    """Trains and measures everything that could be used, and says what is worth shipping (``mafin compare``).

    An interrupted comparison is continued by the same call, if ``data`` is a path.

    Args:
        data: A path, or what :meth:`Collection.of` takes.
        black_box: ``vectors:FOLDER``, ``PROVIDER:MODEL`` or ``local:FOLDER``. The key comes from the provider's environment variable.
        output: The folder of the report.
        time: Time for everything that is trained, such as ``"30m"``.
        encoder: The open encoder to train: a name as pulled by ``mafin model pull``, or a folder.
        seeds: Trainings of each method.
        systems: The systems to compare. ``None``: all that fit the time.
        metrics: Metrics; the first one decides.
        split: The split to measure on.
        fail_if: Conditions such as ``"nDCG@10 < black-box"``. Those that hold are in ``conditions_met``; the comparison is returned all the same.
        progress: A bar (``None``, ``True``), nothing (``False``), or an object of your own; see :func:`run`.
        options: Other flags of ``mafin compare --help-hidden``, such as ``max_cost="5"``.

    Raises:
        ProgramError: It failed; see :func:`run`.
        Interrupted: It was interrupted.
    """
    with _folder(data) as folder:
        answer = run(
            "compare",
            data=folder,
            black_box=black_box,
            output=output,
            time=time,
            encoder=encoder,
            seeds=seeds,
            systems=_list(systems),
            metrics=_list(metrics),
            split=split,
            fail_if=[fail_if] if isinstance(fail_if, str) else fail_if,
            progress=progress,
            **options,
        )
    return Comparison.read(answer, Path(output), answer.conditions_met)


def train(
    data: Data,
    *,
    black_box: str,
    output: str | os.PathLike[str],
    time: str | None = None,
    encoder: str | os.PathLike[str] | None = None,
    compose: bool = False,
    stand_in: bool = False,
    resume: bool = False,
    progress: bool | ProgressSink | None = None,
    **options: Any,
) -> Training:
    """Trains a local encoder beside a black box and writes the artefact (``mafin train``).

    Args:
        data: A path, or what :meth:`Collection.of` takes.
        black_box: ``vectors:FOLDER``, ``PROVIDER:MODEL`` or ``local:FOLDER``.
        output: The folder of the artefact.
        time: Time for the training, such as ``"10m"``.
        encoder: The open encoder to train.
        compose: Add BM25 and a memory of the labelled queries.
        stand_in: Train a stand-in too, so that the artefact answers without asking.
        resume: Continue an interrupted training.
        progress: A bar, nothing, or an object of your own; see :func:`run`.
        options: Other flags of ``mafin train --help-hidden``.

    Raises:
        ProgramError: It failed; see :func:`run`.
        Interrupted: It was interrupted; ``resume=True`` continues it.
    """
    with _folder(data) as folder:
        answer = run(
            "train",
            data=folder,
            black_box=black_box,
            output=output,
            time=time,
            encoder=encoder,
            compose=compose,
            stand_in=stand_in,
            resume=resume,
            progress=progress,
            **options,
        )
    return Training.read(answer, Path(output))


def evaluate(
    artefact: str | os.PathLike[str],
    data: Data,
    *,
    split: str = "test",
    metrics: Sequence[str] | None = None,
    black_box: str | None = None,
    progress: bool | ProgressSink | None = None,
    **options: Any,
) -> Evaluation:
    """Compares an artefact and all simpler systems with the black box on one split (``mafin evaluate``).

    Args:
        artefact: The folder of the artefact.
        data: A path, or what :meth:`Collection.of` takes.
        split: The split to measure on.
        metrics: Metrics as trec_eval or ir-measures name them.
        black_box: Where the black box's vectors come from, if not from where the artefact says.
        progress: A bar, nothing, or an object of your own; see :func:`run`.
        options: Other flags of ``mafin evaluate --help-hidden``.
    """
    with _folder(data) as folder:
        answer = run(
            "evaluate", artefact, data=folder, split=split, metrics=_list(metrics), black_box=black_box, progress=progress, **options
        )
    return Evaluation.read(answer)


def plan(
    data: Data,
    *,
    black_box: str,
    price: float | None = None,
    progress: bool | ProgressSink | None = None,
    **options: Any,
) -> Plan:
    """Tells what the vectors of a collection cost. Nothing is sent (``mafin plan``).

    Args:
        data: A path, or what :meth:`Collection.of` takes.
        black_box: ``PROVIDER:MODEL``.
        price: Price of a million tokens on your account.
        progress: A bar, nothing, or an object of your own; see :func:`run`.
        options: Other flags of ``mafin plan --help-hidden``.
    """
    with _folder(data) as folder:
        return Plan.read(run("plan", data=folder, black_box=black_box, price=price, progress=progress, **options))


@contextmanager
def _folder(data: Data) -> Iterator[str]:
    """The path of a collection. What is in memory is written to a temporary folder."""
    if isinstance(data, (str, os.PathLike)):
        yield os.fspath(data)
        return
    with tempfile.TemporaryDirectory(prefix="mafin-") as folder:
        yield os.fspath(Collection.of(data).write(Path(folder) / "collection"))


def _list(values: Sequence[str] | str | None) -> str | None:
    """A list as the program takes it: separated by commas."""
    return values if values is None or isinstance(values, str) else ",".join(values)
