"""The black box in Python: whatever gives the embedding API's vectors of texts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

#: A function of texts and their side, ``"query"`` or ``"document"``, that returns the API's vectors: ``len(texts)`` rows of numbers. They
#: must be of the model that the artefact was trained beside.
BlackBox = Callable[[Sequence[str], str], Any]


def as_black_box(source: Any) -> BlackBox:
    """A black box of an object that embeds texts.

    Known are functions of ``(texts, role)``, and objects with the methods of LangChain (``embed_documents``, ``embed_query``), LlamaIndex
    (``get_text_embedding_batch``, ``get_query_embedding``) and sentence-transformers (``encode_document``, ``encode_query``).

    Raises:
        TypeError: It is none of these.
    """
    if hasattr(source, "embed_documents") and hasattr(source, "embed_query"):
        return lambda texts, role: (
            source.embed_documents(list(texts)) if role == "document" else [source.embed_query(text) for text in texts]
        )
    if hasattr(source, "get_text_embedding_batch") and hasattr(source, "get_query_embedding"):
        return lambda texts, role: (
            source.get_text_embedding_batch(list(texts))
            if role == "document"
            else [source.get_query_embedding(text) for text in texts]
        )
    if hasattr(source, "encode_document") and hasattr(source, "encode_query"):
        return lambda texts, role: (source.encode_document if role == "document" else source.encode_query)(list(texts))
    if callable(source):
        function: BlackBox = source
        return function
    raise TypeError(
        f"expected a function of texts and role, or an object of LangChain, LlamaIndex or sentence-transformers, found {type(source).__name__}"
    )


#: What a call takes: vectors of its own texts, or a black box.
BlackBoxArgument = Union[BlackBox, Any, None]


def vectors_of(black_box: BlackBoxArgument, texts: Sequence[str], role: str) -> Any:
    """The black box's vectors of texts: asked, or those that were given."""
    if isinstance(black_box, (list, tuple)) or hasattr(black_box, "__array__"):
        return black_box
    return as_black_box(black_box)(texts, role)


class StoredVectors:
    """A black box of vectors that are stored for the texts of a collection, as ``--black-box vectors:FOLDER`` reads them.

    Args:
        folder: The folder with ``corpus.npy``, ``corpus.ids``, ``queries.npy`` and ``queries.ids``.
        data: The collection: a path, or what :meth:`Collection.of` takes.

    Raises:
        ValueError: The files do not fit each other, or name unknown texts.
    """

    def __init__(self, folder: str | os.PathLike[str], data: Any) -> None:
        from .collection import Collection, read_collection

        collection = read_collection(data) if isinstance(data, (str, os.PathLike)) else Collection.of(data)
        texts = {"document": {name: collection.text(name) for name in collection.corpus}, "query": collection.queries}
        self.folder = Path(folder)
        self._rows: dict[str, dict[str, Any]] = {}
        for name, role in (("corpus", "document"), ("queries", "query")):
            self._rows[role] = _stored(self.folder / name, texts[role])

    def __call__(self, texts: Sequence[str], role: str) -> Any:
        """Vectors of texts, ``(texts, dimension)``.

        Raises:
            LookupError: No vector is stored for a text.
        """
        import numpy as np

        rows = self._rows[role]
        for text in texts:
            if text not in rows:
                raise LookupError(f"{self.folder}: no vector is stored for the {role} {text[:80]!r}")
        return np.stack([rows[text] for text in texts]) if texts else np.empty((0, 0), dtype=np.float32)


def _stored(file: Path, texts: Mapping[str, str]) -> dict[str, Any]:
    """Vectors by text. The array is mapped, and a row is read when it is asked for."""
    import numpy as np

    array = np.load(file.with_suffix(".npy"), mmap_mode="r")
    ids = file.with_suffix(".ids").read_text(encoding="utf-8").splitlines()
    if array.ndim != 2 or len(ids) != array.shape[0]:
        raise ValueError(f"{file}.npy: expected a row for each of the {len(ids)} ids in {file.name}.ids, found shape {array.shape}")
    unknown = next((name for name in ids if name not in texts), None)
    if unknown is not None:
        raise ValueError(f"{file}.ids: the collection has no text with the id {unknown!r}")
    return {texts[name]: array[row] for row, name in enumerate(ids)}
