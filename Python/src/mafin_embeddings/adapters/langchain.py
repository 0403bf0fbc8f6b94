"""LangChain: ``MafinEmbeddings`` is an ``Embeddings``."""

from __future__ import annotations

from typing import Any

from langchain_core.embeddings import Embeddings

from . import ArtefactArgument, opened


class MafinEmbeddings(Embeddings):
    """The joined vectors of an artefact.

    Example::

        embeddings = MafinEmbeddings("ART", black_box=OpenAIEmbeddings(model="text-embedding-3-small"))
        store = InMemoryVectorStore(embeddings)

    Args:
        artefact: A path, or an artefact.
        black_box: LangChain's embeddings of the API that the artefact was trained beside, or what ``as_black_box`` takes.
        offline: Whether the stand-in answers queries; see ``Artefact.encode_query``.
    """

    def __init__(self, artefact: ArtefactArgument, black_box: Any = None, *, offline: bool | None = None) -> None:
        self.artefact = opened(artefact, black_box)
        self.offline = offline

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of documents."""
        vectors: list[list[float]] = self.artefact.encode_document(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        vector: list[float] = self.artefact.encode_query(text, offline=self.offline).tolist()
        return vector
