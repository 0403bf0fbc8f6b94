"""mafin: adapt an embedding API to your data, without access to its weights.

Trained artefacts in Python::

    from mafin_embeddings import Artefact

    artefact = Artefact.load("ART", black_box=api)          # api: texts in, the API's vectors out
    documents = artefact.encode_document(["Statins inhibit …"])
    queries = artefact.encode_query(["how do statins work"])
    artefact.similarity(queries, documents)

The commands of the program, with progress bars and results as dataclasses::

    from mafin_embeddings import compare

    report = compare("DATA", black_box="openai:text-embedding-3-small", output="REPORT", time="30m")
    report.verdict.decision, report.frame()

The adapters for other packages are in ``mafin_embeddings.adapters``. Nothing is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .artefact import Artefact, Encoder
    from .black_box import BlackBox, StoredVectors, as_black_box
    from .collection import Collection, read_collection, write_collection
    from .errors import (
        BudgetError,
        DataError,
        Interrupted,
        MafinError,
        MafinWarning,
        MissingBlackBox,
        NetworkError,
        PendingError,
        ProgramError,
        UsageError,
    )
    from .index import Hit, Index
    from .program import run
    from .results import Comparison, Evaluation, Plan, Training
    from .workflows import compare, evaluate, plan, train

# The module of each name. A name is imported when it is first used, so that `import mafin_embeddings` costs nothing.
_MODULES = {
    "artefact": ["Artefact", "Encoder"],
    "black_box": ["BlackBox", "StoredVectors", "as_black_box"],
    "collection": ["Collection", "read_collection", "write_collection"],
    "errors": [
        "BudgetError",
        "DataError",
        "Interrupted",
        "MafinError",
        "MafinWarning",
        "MissingBlackBox",
        "NetworkError",
        "PendingError",
        "ProgramError",
        "UsageError",
    ],
    "index": ["Hit", "Index"],
    "program": ["run"],
    "results": ["Comparison", "Evaluation", "Plan", "Training"],
    "workflows": ["compare", "evaluate", "plan", "train"],
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Artefact",
    "BlackBox",
    "BudgetError",
    "Collection",
    "Comparison",
    "DataError",
    "Encoder",
    "Evaluation",
    "Hit",
    "Index",
    "Interrupted",
    "MafinError",
    "MafinWarning",
    "MissingBlackBox",
    "NetworkError",
    "PendingError",
    "Plan",
    "ProgramError",
    "StoredVectors",
    "Training",
    "UsageError",
    "as_black_box",
    "compare",
    "evaluate",
    "plan",
    "read_collection",
    "run",
    "train",
    "write_collection",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
