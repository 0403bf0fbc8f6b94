"""Results of the commands."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import MafinError


@dataclass(frozen=True)
class Difference:
    """A system's difference to the baseline in one metric, with its 95 % interval.

    Attributes:
        mean: System minus baseline.
        low: Lower bound of the paired bootstrap interval.
        high: Upper bound.
        p: Two-sided p of the paired randomization test.
        p_holm: The same after Holm's correction over all systems; ``None`` where a single difference was tested.
    """

    mean: float
    low: float
    high: float
    p: float
    p_holm: float | None = None

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Difference:
        return cls(value["mean"], value["low"], value["high"], value["p"], value.get("pHolm"))


@dataclass(frozen=True)
class System:
    """A measured system.

    Attributes:
        name: ``black-box``, ``bm25``, ``mafin``, …
        metrics: The mean of each metric over all queries.
        differences: The difference to the baseline in each metric; empty for the baseline.
        title: Its name in the report.
        development: The deciding metric on dev, where all choices were made; ``None`` if it is not known.
    """

    name: str
    metrics: dict[str, float]
    differences: dict[str, Difference] = field(default_factory=dict)
    title: str | None = None
    development: float | None = None

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> System:
        return cls(
            value["name"],
            dict(value["metrics"]),
            {metric: Difference.read(one) for metric, one in (value.get("difference") or {}).items()},
            value.get("title"),
            (value.get("development") or {}).get("mean"),
        )


@dataclass(frozen=True)
class Evaluation:
    """Systems on one split, each compared with the baseline.

    Attributes:
        split: The measured split.
        baseline: The system to which differences are taken.
        queries: Queries in every mean.
        systems: In the order of the program's table.
        known: The same for queries whose answers training knew; ``None`` if not measured.
        new: The same for queries about new documents.
        omitted: Systems that could not be measured, and why.
        data: The whole JSON of the program.
    """

    split: str
    baseline: str
    queries: int
    systems: tuple[System, ...]
    known: Evaluation | None = None
    new: Evaluation | None = None
    omitted: dict[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Evaluation:
        return cls(
            value["split"],
            value["baseline"],
            value["queries"],
            tuple(System.read(one) for one in value["systems"]),
            cls.read(value["known"]) if value.get("known") else None,
            cls.read(value["new"]) if value.get("new") else None,
            {one["name"]: one["reason"] for one in value.get("omitted") or []},
            value,
        )

    def __getitem__(self, name: str) -> System:
        for system in self.systems:
            if system.name == name:
                return system
        raise KeyError(f"no system is called {name!r}; the systems are {', '.join(system.name for system in self.systems)}")

    def frame(self) -> Any:
        """A pandas frame: a row for each system; for each metric its mean, difference, interval and p."""
        return _frame(self.systems)

    def _repr_html_(self) -> str:
        return _html_table(self.systems)


@dataclass(frozen=True)
class Verdict:
    """What a comparison or a training concludes.

    Attributes:
        decision: ``ship``, ``do-not-ship`` or ``cannot-tell``.
        reason: Why, in sentences with the figures.
        system: The system that it is about; ``None`` for a training.
    """

    decision: str
    reason: str
    system: str | None = None

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Verdict:
        return cls(value["decision"], value["reason"], value.get("system"))


@dataclass(frozen=True)
class Comparison:
    """What ``mafin compare`` found. In a notebook it shows its page.

    Attributes:
        folder: The folder of the report.
        evaluation: All systems on the measured split.
        verdict: On the system that was chosen; ``None`` if there is none.
        omissions: What was left out, and why.
        conditions_met: The conditions of ``fail_if`` that hold.
        data: The whole JSON of the program.
    """

    folder: Path
    evaluation: Evaluation
    verdict: Verdict | None
    omissions: dict[str, str]
    conditions_met: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, value: Mapping[str, Any], folder: Path, conditions_met: tuple[str, ...] = ()) -> Comparison:
        # Of the comparison, `known` and `new` are within the systems.
        return cls(
            folder,
            Evaluation.read({key: one for key, one in value.items() if key not in ("known", "new")}),
            Verdict.read(value["verdict"]) if value.get("verdict") else None,
            {one["what"]: one["reason"] for one in value.get("omissions") or []},
            conditions_met,
            value,
        )

    @property
    def systems(self) -> tuple[System, ...]:
        """All systems."""
        return self.evaluation.systems

    @property
    def page(self) -> Path:
        """The report's page."""
        return self.folder / "index.html"

    @property
    def artefact(self) -> Path | None:
        """The folder of the chosen system's artefact; ``None`` if nothing could be shipped."""
        folder = self.folder / "artefact"
        return folder if folder.is_dir() else None

    def __getitem__(self, name: str) -> System:
        return self.evaluation[name]

    def frame(self) -> Any:
        """A pandas frame: a row for each system."""
        return self.evaluation.frame()

    def _repr_html_(self) -> str:
        # The page is one file with its style and its plots. It is put into the notebook, because a notebook may not read files beside it. The
        # sandbox lets its script run, and keeps it from the notebook.
        page = self.page.read_text(encoding="utf-8")
        return (
            f'<iframe srcdoc="{html.escape(page, quote=True)}" sandbox="allow-scripts" title="mafin compare" '
            'style="width:100%;height:720px;border:1px solid #ccc"></iframe>'
        )


@dataclass(frozen=True)
class Training:
    """What ``mafin train`` made.

    Attributes:
        artefact: The folder of the artefact.
        verdict: On dev, where all choices were made; ``None`` with ``no_labels``.
        development: The systems on dev; ``None`` with ``no_labels``.
        data: The whole JSON of the program.
    """

    artefact: Path
    verdict: Verdict | None
    development: Evaluation | None
    data: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, value: Mapping[str, Any], folder: Path) -> Training:
        return cls(
            folder,
            Verdict.read(value["verdict"]) if value.get("verdict") else None,
            Evaluation.read(value["development"]) if value.get("development") else None,
            value,
        )

    def frame(self) -> Any:
        """A pandas frame of the systems on dev."""
        if self.development is None:
            raise MafinError("this training measured nothing on dev")
        return self.development.frame()

    def _repr_html_(self) -> str:
        verdict = f"<p>On dev: {html.escape(self.verdict.reason)}</p>" if self.verdict else ""
        return verdict + (_html_table(self.development.systems) if self.development else "")


@dataclass(frozen=True)
class Plan:
    """What the vectors of a collection cost. Nothing was sent.

    Attributes:
        texts_to_ask: Texts that are not in the cache.
        tokens: Their tokens; an upper estimate without a tokenizer.
        requests: Requests.
        minutes: Time at the account's rates; ``None`` without rates.
        cost: In the currency of ``price``; ``None`` without a price.
        joined_dimension: Numbers of a joined vector; ``None`` if the model's are not known.
        data: The whole JSON of the program.
    """

    texts_to_ask: int
    tokens: int
    requests: int
    minutes: float | None
    cost: float | None
    joined_dimension: int | None
    data: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Plan:
        return cls(
            value["toAsk"], value["tokens"], value["requests"], value.get("minutes"), value.get("cost"), value.get("joinedDimension"), value
        )

    def frame(self) -> Any:
        """A pandas frame with a row for documents and one for queries."""
        return _pandas().DataFrame(self.data["plan"]["parts"]).set_index("role")


def _rows(systems: tuple[System, ...]) -> list[dict[str, Any]]:
    rows = []
    for system in systems:
        row: dict[str, Any] = {"system": system.name}
        if system.development is not None:
            row["dev"] = system.development
        for metric, value in system.metrics.items():
            row[metric] = value
        for metric, difference in system.differences.items():
            row[f"{metric} difference"] = difference.mean
            row[f"{metric} low"] = difference.low
            row[f"{metric} high"] = difference.high
            row[f"{metric} p (Holm)"] = difference.p_holm
        rows.append(row)
    return rows


def _frame(systems: tuple[System, ...]) -> Any:
    return _pandas().DataFrame(_rows(systems)).set_index("system")


def _html_table(systems: tuple[System, ...]) -> str:
    metrics = list(dict.fromkeys(metric for system in systems for metric in system.metrics))
    head = "".join(f"<th>{html.escape(metric)}</th>" for metric in metrics)
    body = ""
    for system in systems:
        cells = "".join(f"<td>{_cell(system, metric)}</td>" for metric in metrics)
        body += f"<tr><th>{html.escape(system.title or system.name)}</th>{cells}</tr>"
    return f"<table><thead><tr><th>system</th>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(system: System, metric: str) -> str:
    if metric not in system.metrics:
        return "–"
    difference = system.differences.get(metric)
    interval = f"<br><small>{difference.low:+.3f}…{difference.high:+.3f}</small>" if difference else ""
    return f"{system.metrics[metric]:.3f}{interval}"


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise MafinError("frame() needs the package pandas; .systems holds the same figures") from None
    return pandas
