"""Documents that are ready to be ranked."""

from __future__ import annotations

import ctypes
import math
import os
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from . import library as _library
from .black_box import BlackBoxArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .artefact import Artefact


@dataclass(frozen=True)
class Hit:
    """A result of a search.

    Attributes:
        rank: From 1.
        id: Of the document.
        score: The sum of ``parts``.
        parts: Each source's part of the score. A source that took no part is missing.
        row: The document's row in the index.
    """

    rank: int
    id: str
    score: float
    parts: dict[str, float]
    row: int


@dataclass(frozen=True)
class Document:
    """A document of an index."""

    id: str
    title: str
    text: str


class Index:
    """An index of an artefact: on disk, as ``mafin index`` writes it, or in memory."""

    def __init__(self, artefact: Artefact, handle: ctypes.c_void_p) -> None:
        library = _library.library()
        self.artefact = artefact
        self._handle = handle
        self._close = weakref.finalize(self, library.close, "mafin_index_close", handle)
        self._close.atexit = False
        self._count = int(library.plain("mafin_index_count", handle))

    @classmethod
    def open(cls, artefact: Artefact, path: str | os.PathLike[str]) -> Index:
        """Opens an index that ``mafin index`` wrote. Its files are mapped and must not be changed."""
        handle = ctypes.c_void_p()
        _library.library().call("mafin_index_open", artefact._model.handle, os.fsencode(path), ctypes.byref(handle))
        return cls(artefact, handle)

    @classmethod
    def make(
        cls,
        artefact: Artefact,
        documents: Sequence[str],
        ids: Sequence[str] | None = None,
        *,
        black_box: BlackBoxArgument = None,
        show_progress_bar: bool = False,
    ) -> Index:
        """An index in memory; see :meth:`Artefact.make_index`."""
        from .encoding import _Bar

        if ids is not None and len(ids) != len(documents):
            raise ValueError(f"expected an id for each document, found {len(ids)} ids for {len(documents)} documents")
        vectors, _ = artefact.black_box_vectors(documents, "document", artefact.sources, black_box, None)
        texts = _library.PackedTexts(documents, "document")
        names = None if ids is None else _library.PackedTexts(ids, "id")
        handle = ctypes.c_void_p()
        bar = _Bar(show_progress_bar, texts.count)
        options = _library.CallOptions(progress=bar.update if bar.is_shown else None)
        try:
            options.call(
                "mafin_index_make",
                artefact._model.handle,
                texts.pointer,
                names and names.pointer,
                vectors and vectors.pointer,
                options.pointer,
                ctypes.byref(handle),
            )
        finally:
            bar.close()
        return cls(artefact, handle)

    def __len__(self) -> int:
        return self._count

    @overload
    def search(  # type: ignore[overload-overlap]  # a str is also a sequence of str
        self, queries: str, top_k: int = 10, *, black_box: BlackBoxArgument = None, offline: bool | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> list[Hit]: ...  # fmt: skip

    @overload
    def search(
        self, queries: Sequence[str], top_k: int = 10, *, black_box: BlackBoxArgument = None, offline: bool | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> list[list[Hit]]: ...  # fmt: skip

    def search(
        self, queries: str | Sequence[str], top_k: int = 10, *, black_box: BlackBoxArgument = None, offline: bool | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> Any:  # fmt: skip
        """The best documents of each query by all sources, best first.

        Args:
            queries: A query, or several.
            top_k: Results of each query.
            black_box: The black box's vectors of the queries, or what gives them. ``None``: the artefact's.
            offline: Whether the stand-in answers in place of the black box. ``None``: it does if there is no black box.
            weights: Weights of single sources by name, which replace the artefact's. 0 leaves a source out.

        Raises:
            MissingBlackBox: A source with a weight needs the black box's vectors, and there are none.
        """
        texts = [queries] if isinstance(queries, str) else list(queries)
        rows, scores, parts = self.search_rows(texts, top_k, black_box=black_box, offline=offline, weights=weights)
        names = [source.name for source in self.artefact.sources]
        found = [
            [
                Hit(
                    rank + 1,
                    self._id(int(row)),
                    float(scores[query, rank]),
                    {name: float(part) for name, part in zip(names, parts[query, rank]) if not math.isnan(part)},
                    int(row),
                )
                for rank, row in enumerate(rows[query])
                if row != _library.NO_ROW
            ]
            for query in range(len(texts))
        ]
        return found[0] if isinstance(queries, str) else found

    def search_rows(
        self,
        queries: Sequence[str],
        top_k: int = 10,
        *,
        black_box: BlackBoxArgument = None,
        offline: bool | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> tuple[NDArray[np.uint64], NDArray[np.float32], NDArray[np.float32]]:
        """The same as arrays.

        Returns:
            Rows ``(queries, top_k)``, where ``2**64 - 1`` is no document; scores ``(queries, top_k)``; parts ``(queries, top_k, sources)``, where
            NaN is a source that took no part.
        """
        if top_k < 1:
            raise ValueError(f"top_k must be at least 1, found {top_k}")
        top_k = min(top_k, max(1, len(self)))
        replaced, vectors, flags = self._asked(queries, black_box, offline, weights)
        texts = _library.PackedTexts(queries, "query")
        rows = np.empty((texts.count, top_k), dtype=np.uint64)
        scores = np.empty((texts.count, top_k), dtype=np.float32)
        parts = np.empty((texts.count, top_k, len(self.artefact.sources)), dtype=np.float32)
        options = _library.CallOptions(flags, weights=replaced)
        options.call(
            "mafin_search",
            self._handle,
            texts.pointer,
            vectors and vectors.pointer,
            top_k,
            options.pointer,
            rows.ctypes.data,
            scores.ctypes.data,
            parts.ctypes.data,
            None,
        )
        return rows, scores, parts

    def scores(
        self,
        queries: Sequence[str],
        rows: Sequence[int] | NDArray[Any] | None = None,
        *,
        black_box: BlackBoxArgument = None,
        offline: bool | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> NDArray[np.float32]:
        """The scores of each query with some documents, ``(queries, rows)``; with all documents if ``rows`` is ``None``.

        Raises:
            LookupError: There is no such row.
        """
        chosen = None if rows is None else _row_numbers(rows)
        replaced, vectors, flags = self._asked(queries, black_box, offline, weights)
        texts = _library.PackedTexts(queries, "query")
        count = len(self) if chosen is None else len(chosen)
        scores = np.empty((texts.count, count), dtype=np.float32)
        options = _library.CallOptions(flags, weights=replaced)
        options.call(
            "mafin_score",
            self._handle,
            texts.pointer,
            vectors and vectors.pointer,
            None if chosen is None else chosen.ctypes.data,
            count,
            options.pointer,
            scores.ctypes.data,
            None,
        )
        return scores

    def document(self, row: int) -> Document:
        """The document of a row.

        Raises:
            LookupError: There is no such row.
        """
        found = _library.Document()
        library = _library.library()
        library.call("mafin_index_document", self._handle, row, ctypes.byref(found))
        try:
            fields = [(found.id, found.id_length), (found.title, found.title_length), (found.text, found.text_length)]
            return Document(*(ctypes.string_at(start, length).decode() if length else "" for start, length in fields))
        finally:
            library.plain("mafin_document_free", ctypes.byref(found))

    def row(self, id: str) -> int:
        """The row of a document.

        Raises:
            LookupError: The index does not hold it.
        """
        row = ctypes.c_uint64()
        name = id.encode()
        _library.library().call("mafin_index_row", self._handle, name, len(name), ctypes.byref(row))
        return row.value

    def _id(self, row: int) -> str:
        return self.document(row).id

    def _asked(
        self, queries: Sequence[str], black_box: BlackBoxArgument, offline: bool | None, weights: Mapping[str, float] | None
    ) -> tuple[NDArray[np.float32] | None, _library.PackedVectors | None, int]:
        """The replaced weights, the black box's vectors and the flags of a call."""
        own = self.artefact.sources
        unknown = set(weights or {}) - {source.name for source in own}
        if unknown:
            raise ValueError(f"no source is called {', '.join(sorted(unknown))}; the sources are {', '.join(source.name for source in own)}")
        given = black_box if black_box is not None else self.artefact.black_box
        is_offline = offline or (offline is None and given is None and self.artefact.has_stand_in)
        base = [(source.offline_weight or 0.0) if is_offline else source.weight for source in own]
        changed = [(weights or {}).get(source.name, weight) for source, weight in zip(own, base)]
        ranking = [source for source, weight in zip(own, changed) if weight > 0]
        vectors, flags = self.artefact.black_box_vectors(queries, "query", ranking, black_box, bool(is_offline))
        return None if weights is None else np.array(changed, dtype=np.float32), vectors, flags


def _row_numbers(rows: Sequence[int] | NDArray[Any]) -> NDArray[np.uint64]:
    """Numbers of rows as the library reads them. A fraction or a minus would otherwise become another row's number."""
    given = np.asarray(rows)
    if given.ndim != 1 or given.size and (not np.issubdtype(given.dtype, np.integer) or given.min() < 0):
        raise ValueError(f"rows: expected whole numbers from 0 on in one dimension, found {given.dtype} of shape {given.shape}")
    return np.ascontiguousarray(given, dtype=np.uint64)
