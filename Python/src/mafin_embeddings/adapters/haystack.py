"""Haystack: ``MafinTextEmbedder`` and ``MafinDocumentEmbedder`` are components.

They come after the API's embedder in a pipeline and join its vectors with the artefact's own::

    indexing.connect("api.documents", "mafin.documents")                    # MafinDocumentEmbedder("ART", joins=True)
    querying.connect("api.embedding", "mafin.black_box_embedding")          # MafinTextEmbedder("ART")
    querying.connect("mafin.embedding", "retriever.query_embedding")

Use ``dot_product`` as the similarity of the document store.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional

import numpy as np
from haystack import Document, component, default_from_dict, default_to_dict

from ..artefact import Artefact
from . import ArtefactArgument, opened


class _Component:
    """What both components share: the artefact is loaded by ``warm_up``, or at the first run."""

    def __init__(self, artefact: ArtefactArgument, black_box: Any) -> None:
        self._given = artefact
        self._black_box = black_box
        self._artefact: Artefact | None = None

    def warm_up(self) -> None:
        """Loads the artefact."""
        if self._artefact is None:
            self._artefact = opened(self._given, self._black_box)

    @property
    def artefact(self) -> Artefact:
        """The artefact."""
        self.warm_up()
        assert self._artefact is not None
        return self._artefact

    def _path(self) -> str:
        if self._black_box is not None:
            raise ValueError("a black_box cannot be written to a pipeline's file: connect the API's embedder to this component instead")
        return self._given.path if isinstance(self._given, Artefact) else str(self._given)


@component
class MafinTextEmbedder(_Component):
    """The joined vector of a query.

    Args:
        artefact: A path, or an artefact.
        black_box: What gives the API's vectors, if no embedder is connected to ``black_box_embedding``.
        offline: Whether the stand-in answers; see ``Artefact.encode_query``.
    """

    def __init__(self, artefact: ArtefactArgument, black_box: Any = None, offline: Optional[bool] = None) -> None:
        # Haystack makes the class anew, so that `super()` without arguments would name another one.
        _Component.__init__(self, artefact, black_box)
        self.offline = offline

    @component.output_types(embedding=list[float])
    def run(self, text: str, black_box_embedding: Optional[list[float]] = None) -> dict[str, Any]:
        """Embeds a query.

        Args:
            text: The query.
            black_box_embedding: The API's vector of it.
        """
        given = None if black_box_embedding is None else np.array([black_box_embedding], dtype=np.float32)
        return {"embedding": self.artefact.encode_query(text, black_box=given, offline=self.offline).tolist()}

    def to_dict(self) -> dict[str, Any]:
        """The component for a pipeline's file."""
        made: dict[str, Any] = default_to_dict(self, artefact=self._path(), offline=self.offline)
        return made

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> MafinTextEmbedder:
        """The component of a pipeline's file."""
        made: MafinTextEmbedder = default_from_dict(cls, data)
        return made


@component
class MafinDocumentEmbedder(_Component):
    """The joined vectors of documents.

    Args:
        artefact: A path, or an artefact.
        black_box: What gives the API's vectors.
        joins: The documents come with the API's vectors in ``embedding``, which are joined with the artefact's own.
        meta_fields_to_embed: Fields of ``meta`` that come before the content, such as ``["title"]``, with a space between them.
    """

    def __init__(
        self, artefact: ArtefactArgument, black_box: Any = None, joins: bool = False, meta_fields_to_embed: Optional[list[str]] = None
    ) -> None:
        if joins and black_box is not None:
            raise ValueError("joins takes the vectors of the documents, and black_box asks for others: give one of them")
        # Haystack makes the class anew, so that `super()` without arguments would name another one.
        _Component.__init__(self, artefact, black_box)
        self.joins = joins
        self.meta_fields_to_embed = meta_fields_to_embed or []

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Embeds documents. They are copied; those that came in stay as they are."""
        given = None
        if self.joins and documents:
            missing = [document.id for document in documents if document.embedding is None]
            if missing:
                raise ValueError(f"{len(missing)} documents have no embedding of the API to join with, the first is {missing[0]}")
            given = np.array([document.embedding for document in documents], dtype=np.float32)
        texts = [
            " ".join([*(str(document.meta[name]) for name in self.meta_fields_to_embed if document.meta.get(name)), document.content or ""])
            for document in documents
        ]
        vectors = self.artefact.encode_document(texts, black_box=given)
        return {"documents": [replace(document, embedding=vector.tolist()) for document, vector in zip(documents, vectors)]}

    def to_dict(self) -> dict[str, Any]:
        """The component for a pipeline's file."""
        made: dict[str, Any] = default_to_dict(self, artefact=self._path(), joins=self.joins, meta_fields_to_embed=self.meta_fields_to_embed)
        return made

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> MafinDocumentEmbedder:
        """The component of a pipeline's file."""
        made: MafinDocumentEmbedder = default_from_dict(cls, data)
        return made
