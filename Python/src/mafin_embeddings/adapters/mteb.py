"""MTEB: ``MafinEncoder`` is an encoder (joined vectors), ``MafinSearch`` searches by all sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mteb.models.model_meta import ModelMeta, ScoringFunction

from ..artefact import Artefact
from . import ArtefactArgument, opened


def _meta(artefact: Artefact, name: str | None) -> ModelMeta:
    local = artefact.description.get("maximumTokens")
    return ModelMeta.create_empty(
        {
            "name": name or f"mafin/{Path(artefact.path).name}",
            "revision": "artefact",
            "embed_dim": artefact.get_embedding_dimension() or None,
            "max_tokens": local,
            "similarity_fn_name": ScoringFunction.DOT_PRODUCT,
        }
    )


class MafinEncoder:
    """The joined vectors of an artefact, as MTEB's ``EncoderProtocol`` wants them: ``mteb.evaluate(MafinEncoder("ART"), tasks)``.

    Args:
        model_name: A path, or an artefact.
        revision: No effect.
        device: Only the CPU.
        black_box: What gives the API's vectors; see ``as_black_box``.
        name: The name in MTEB's results. ``None``: ``mafin/`` and the folder's name.
    """

    def __init__(
        self,
        model_name: ArtefactArgument,
        revision: str | None = None,
        *,
        device: str | None = None,
        black_box: Any = None,
        name: str | None = None,
    ) -> None:
        self.artefact = opened(model_name, black_box)
        self._meta = _meta(self.artefact, name)

    @property
    def mteb_model_meta(self) -> ModelMeta:
        """What MTEB writes about the model."""
        return self._meta

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        **options: Any,
    ) -> Any:
        """Vectors of the texts of a ``DataLoader``, ``(texts, dimension)``. Texts without a ``prompt_type`` count as documents."""
        texts = [text for batch in inputs for text in batch["text"]]
        role = "query" if getattr(prompt_type, "value", prompt_type) == "query" else "document"
        known = {key: options[key] for key in ("show_progress_bar", "precision") if key in options}
        return self.artefact.encode(texts, prompt_name=role, **known)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Inner products of all rows with all rows."""
        return self.artefact.similarity(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Inner products of rows."""
        return self.artefact.similarity_pairwise(embeddings1, embeddings2)


class MafinSearch:
    """All sources of an artefact, BM25 and memories included, as MTEB's ``SearchProtocol`` wants them.

    The arguments are those of :class:`MafinEncoder`.
    """

    def __init__(
        self,
        model_name: ArtefactArgument,
        revision: str | None = None,
        *,
        device: str | None = None,
        black_box: Any = None,
        name: str | None = None,
    ) -> None:
        self.artefact = opened(model_name, black_box)
        self._meta = _meta(self.artefact, name)
        self._index: Any = None
        self._ids: list[str] = []

    @property
    def mteb_model_meta(self) -> ModelMeta:
        """What MTEB writes about the model."""
        return self._meta

    def index(self, corpus: Any, **options: Any) -> None:
        """Makes an index of the corpus in memory."""
        titles = corpus["title"] if "title" in corpus.column_names else [""] * len(corpus)
        texts = [f"{title} {text}" if title else text for title, text in zip(titles, corpus["text"])]
        self._ids = [str(one) for one in corpus["id"]]
        self._index = self.artefact.make_index(texts, self._ids)

    def search(self, queries: Any, *, top_k: int, top_ranked: Any = None, **options: Any) -> dict[str, dict[str, float]]:
        """The best documents of each query with their scores."""
        if self._index is None:
            raise ValueError("search comes after index")
        names = [str(one) for one in queries["id"]]
        texts = list(queries["text"])
        if top_ranked is not None:
            scores = self._index.scores(texts)
            rows = {name: row for row, name in enumerate(self._ids)}
            return {
                name: {document: float(scores[number, rows[document]]) for document in top_ranked[name]} for number, name in enumerate(names)
            }
        rows, scores, _ = self._index.search_rows(texts, top_k)
        found = rows < np.uint64(len(self._ids))
        return {
            name: {self._ids[int(row)]: float(score) for row, score in zip(rows[number][found[number]], scores[number][found[number]])}
            for number, name in enumerate(names)
        }
