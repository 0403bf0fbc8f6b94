"""DSPy: ``MafinEmbedder`` is an ``Embedder`` of one side, ``MafinRetriever`` a retriever that ranks by all sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dspy

from . import ArtefactArgument, opened


class MafinEmbedder(dspy.Embedder):  # type: ignore[misc, unused-ignore]
    """The joined vectors of queries or of documents.

    Args:
        artefact: A path, or an artefact.
        role: ``"query"`` or ``"document"``.
        black_box: What gives the API's vectors: a ``dspy.Embedder``, or what ``as_black_box`` takes.
        offline: Whether the stand-in answers queries; see ``Artefact.encode_query``.
    """

    def __init__(self, artefact: ArtefactArgument, role: str = "document", black_box: Any = None, *, offline: bool | None = None) -> None:
        if role not in ("query", "document"):
            raise ValueError(f"role must be 'query' or 'document', found {role!r}")
        self.artefact = opened(artefact, _asked(black_box))
        self.role = role
        self.offline = offline if role == "query" else None
        super().__init__(self._vectors, batch_size=1024, caching=False)

    def _vectors(self, texts: Sequence[str], **options: Any) -> Any:
        return self.artefact.encode(texts, prompt_name=self.role, offline=self.offline)


class MafinRetriever:
    """Ranks passages by all sources of an artefact. It is called as ``dspy.retrievers.Embeddings`` is.

    (That class embeds queries and passages with the same function, and an artefact treats them differently.)

    Args:
        corpus: The passages.
        artefact: A path, or an artefact.
        k: Passages of an answer.
        black_box: What gives the API's vectors: a ``dspy.Embedder``, or what ``as_black_box`` takes.
    """

    def __init__(self, corpus: Sequence[str], artefact: ArtefactArgument, k: int = 5, black_box: Any = None) -> None:
        self.corpus = list(corpus)
        self.k = k
        self._index = opened(artefact, _asked(black_box)).make_index(self.corpus)

    def __call__(self, query: str) -> Any:
        """The best passages."""
        return self.forward(query)

    def forward(self, query: str) -> Any:
        """A ``dspy.Prediction`` with ``passages``, ``indices`` and ``scores``, best first."""
        hits = self._index.search(query, self.k)
        return dspy.Prediction(
            passages=[self.corpus[hit.row] for hit in hits], indices=[hit.row for hit in hits], scores=[hit.score for hit in hits]
        )


def _asked(black_box: Any) -> Any:
    """A ``dspy.Embedder`` takes texts alone."""
    if isinstance(black_box, dspy.Embedder):
        return lambda texts, role: black_box(list(texts))
    return black_box
