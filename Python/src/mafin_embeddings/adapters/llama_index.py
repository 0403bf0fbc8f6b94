"""LlamaIndex: ``MafinEmbedding`` is a ``BaseEmbedding``."""

from __future__ import annotations

import asyncio
from typing import Any, Optional

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr

from . import ArtefactArgument, opened


class MafinEmbedding(BaseEmbedding):
    """The joined vectors of an artefact.

    Example::

        Settings.embed_model = MafinEmbedding("ART", black_box=OpenAIEmbedding(model="text-embedding-3-small"))

    LlamaIndex's own store in memory compares by cosine, which ranks as the inner product does unless the artefact's vectors are reduced.

    Args:
        artefact: A path, or an artefact.
        black_box: LlamaIndex's embedding of the API that the artefact was trained beside, or what ``as_black_box`` takes.
        offline: Whether the stand-in answers queries; see ``Artefact.encode_query``.
        options: Fields of ``BaseEmbedding``, such as ``embed_batch_size``.
    """

    offline: Optional[bool] = None  # pydantic reads the annotation, and Python 3.9 has no `bool | None`
    _artefact: Any = PrivateAttr()

    def __init__(self, artefact: ArtefactArgument, black_box: Any = None, **options: Any) -> None:
        loaded = opened(artefact, black_box)
        # The encoder sorts the texts of a call by length. With the standard size of 10 there is little to sort.
        options.setdefault("embed_batch_size", 256)
        options.setdefault("model_name", loaded.path or "mafin")
        super().__init__(**options)
        self._artefact = loaded

    @classmethod
    def class_name(cls) -> str:
        """The name by which LlamaIndex stores the class."""
        return "MafinEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = self._artefact.encode_query(query, offline=self.offline).tolist()
        return vector

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._artefact.encode_document(texts).tolist()
        return vectors

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)
