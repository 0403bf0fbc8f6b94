"""The black box in Python: whatever gives the embedding API's vectors of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from typing import Literal

    Role = Literal["query", "document"]

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
