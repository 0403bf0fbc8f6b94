"""A trained artefact, or a released encoder, in this process."""

from __future__ import annotations

import ctypes
import json
import os
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import library as _library
from .black_box import BlackBoxArgument, vectors_of
from .encoding import TextEmbedder
from .errors import LibraryError, MissingBlackBox, warn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .index import Index

_ROLES = {"query": _library.QUERY, "document": _library.DOCUMENT}


@dataclass(frozen=True)
class Source:
    """A source of an artefact's sum.

    Attributes:
        name: ``black-box``, ``local``, ``bm25``, …
        kind: What computes it.
        weight: Its weight in the sum.
        offline_weight: The same if the stand-in answers; ``None`` without a stand-in.
        dimension: Numbers of its vectors; ``None`` if it has none.
        query_reads: What it reads of a query: ``black-box``, ``local``, ``text``, ``identifier``, ``estimate``.
        document_reads: What it reads of a document.
    """

    name: str
    kind: str
    weight: float
    offline_weight: float | None
    dimension: int | None
    query_reads: tuple[str, ...]
    document_reads: tuple[str, ...]


@dataclass(frozen=True)
class Counters:
    """What was done with an artefact since it was loaded.

    Attributes:
        queries_encoded: Texts that an encoder encoded as queries.
        documents_encoded: The same as documents.
        tokens: Tokens of these texts, as far as they were not cut.
        texts_at_limit: Texts of these that had the largest number of tokens: those that were cut, and those that just fit.
        encoding_seconds: Seconds in which an encoder was at work.
        searches: Queries that were ranked or scored.
        search_seconds: Seconds that this took without encoding.
        errors: Calls of the library that ended with an error.
    """

    queries_encoded: int
    documents_encoded: int
    tokens: int
    texts_at_limit: int
    encoding_seconds: float
    searches: int
    search_seconds: float
    errors: int


class Model:
    """A handle of the library. It is closed with the last object that uses it."""

    def __init__(
        self,
        path: str,
        *,
        verify: bool = False,
        max_seq_length: int | None = None,
        model_folders: Sequence[str] = (),
        precision: str | None = None,
    ) -> None:
        library = _library.library()
        options = _library.OpenOptions(
            ctypes.sizeof(_library.OpenOptions),
            int(verify),
            max_seq_length or 0,
            b":".join(map(os.fsencode, model_folders)) or None,
            None if precision is None else precision.encode(),
        )
        handle = ctypes.c_void_p()
        library.call("mafin_open", os.fsencode(path), ctypes.byref(options), ctypes.byref(handle))
        self.library = library
        self.handle = handle
        #: How it was opened, to open it again in another process.
        self.options: dict[str, Any] = {
            "verify": verify, "max_seq_length": max_seq_length, "model_folders": tuple(model_folders), "precision": precision,
        }  # fmt: skip
        self._close = weakref.finalize(self, library.close, "mafin_close", handle)
        # The process ends faster without freeing, and other finalizers may still use the handle.
        self._close.atexit = False
        text = ctypes.c_char_p()
        library.call("mafin_describe", handle, ctypes.byref(text))
        self.description: dict[str, Any] = json.loads(text.value or b"{}")

        for warning in self.warnings():
            warn(warning)

    def warnings(self) -> tuple[str, ...]:
        """What may spoil results, a sentence each."""
        count = int(self.library.plain("mafin_warning_count", self.handle))
        found = (self.library.plain("mafin_warning", self.handle, number) for number in range(count))
        return tuple(text.decode("utf-8", "replace") for text in found)

    def dimension(self, kind: int) -> int:
        """Numbers in vectors of a kind; 0 if there are none."""
        return int(self.library.plain("mafin_dimension", self.handle, kind))

    def sources(self) -> tuple[Source, ...]:
        """The sources in the order of their numbers."""
        return tuple(
            Source(
                one["name"],
                one["kind"],
                one["weight"],
                one.get("offlineWeight"),
                one.get("dimension"),
                tuple(one["reads"]["query"]),
                tuple(one["reads"]["document"]),
            )
            for one in self.description["sources"]
        )

    def count_tokens(self, texts: Sequence[str], role: str) -> NDArray[np.uint64]:
        """Tokens of each text before it is cut, ``(texts,)``."""
        packed = _library.PackedTexts(texts)
        counts = np.empty(packed.count, dtype=np.uint64)
        self.library.call("mafin_count_tokens", self.handle, _role(role), packed.pointer, counts.ctypes.data, packed.count)
        return counts


class Encoder(TextEmbedder):
    """The local encoder of an artefact alone: ``artefact.encoder``.

    Its vectors have unit length unless ``unnormalized`` is set, whatever ``normalize_embeddings`` says. They are the local part of the artefact's
    joined vectors before they are weighed.
    """

    def __init__(self, model: Model, *, unnormalized: bool = False) -> None:
        self._model = model
        self.unnormalized = unnormalized
        if model.dimension(_library.LOCAL) == 0:
            raise LibraryError("this artefact has no local encoder: none of its sources needs one")

    @property
    def prompts(self) -> dict[str, str]:
        """The text before each query and each document."""
        prefixes = self._model.description.get("prefixes") or {}
        return {"query": prefixes.get("query") or "", "document": prefixes.get("document") or ""}

    @property
    def max_seq_length(self) -> int:
        """Tokens to which texts are cut."""
        return int(self._model.description["maximumTokens"])

    def get_embedding_dimension(self) -> int:
        """Numbers in a vector."""
        return self._model.dimension(_library.LOCAL)

    def count_tokens(self, texts: Sequence[str], prompt_name: str = "document") -> NDArray[np.uint64]:
        """Tokens of each text with its side's prompt, before it is cut, ``(texts,)``."""
        return self._model.count_tokens(texts, prompt_name)

    def _encode(
        self,
        texts: list[str],
        role: str,
        *,
        prompt: str | None,
        ids: Sequence[str] | None,
        black_box: BlackBoxArgument,
        offline: bool | None,
        truncate_dim: int | None,
        progress: Callable[[int, int], None] | None,
    ) -> NDArray[np.float32]:
        packed = _library.PackedTexts(texts)
        rows = np.empty((packed.count, self.get_embedding_dimension()), dtype=np.float32)
        options = _library.CallOptions(_library.UNNORMALIZED if self.unnormalized else 0, prefix=prompt, progress=progress)
        options.call("mafin_encode", self._model.handle, _role(role), packed.pointer, options.pointer, rows.ctypes.data, rows.size)
        return rows

    def __repr__(self) -> str:
        return f"Encoder(dimension={self.get_embedding_dimension()}, max_seq_length={self.max_seq_length})"


class Artefact(TextEmbedder):
    """An artefact that ``mafin train``, ``compare`` or ``ship`` wrote, or a released encoder alone.

    Its vectors are the joined ones, which ``mafin embed`` writes and ``mafin serve`` returns: those of all dense sources side by side, the black
    box's first. Compare them by inner product. Sources without vectors (BM25, a memory of queries) take part in :meth:`search` only.

    Objects may be used from several threads at a time.
    """

    def __init__(self, model: Model, black_box: BlackBoxArgument = None, *, path: str = "") -> None:
        self._model = model
        self.path = path
        #: What gives the black box's vectors of texts; see :func:`as_black_box`. ``None`` if there is none.
        self.black_box = black_box
        #: The sources of the sum.
        self.sources = model.sources()

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        black_box: BlackBoxArgument = None,
        verify: bool = False,
        max_seq_length: int | None = None,
        model_folders: Sequence[str | os.PathLike[str]] = (),
        precision: str | None = None,
    ) -> Artefact:
        """Loads an artefact, or a released encoder, from a folder.

        Nothing is downloaded and nothing is sent. If the sum holds the black box, give ``black_box``: a function of texts and of ``"query"`` or
        ``"document"`` that returns the API's vectors, or an embedder of LangChain, LlamaIndex or sentence-transformers.

        Args:
            path: The folder, or the name of a released encoder that is on this machine.
            black_box: What gives the black box's vectors.
            verify: Compare the SHA-256 of every file with the manifest.
            max_seq_length: For a released encoder: cut texts to this many tokens.
            model_folders: Folders with released encoders that an artefact names without a copy of its own.
            precision: The numbers in which encoders multiply: ``"float32"``, ``"bf16"`` or ``"int8"``. ``None``: what the artefact says, but
                float32 in place of bf16 on a processor without instructions for it. Queries must be encoded in the precision of an index,
                unless the artefact says that a mix is harmless.

        Warns:
            MafinWarning: Once for each of :attr:`warnings`.

        Raises:
            LibraryError: The folder is missing, damaged, or of an unknown kind. The message names the file.
        """
        folder = os.fspath(path)
        folders = [os.fspath(one) for one in model_folders]
        model = Model(folder, verify=verify, max_seq_length=max_seq_length, model_folders=folders, precision=precision)
        return cls(model, black_box, path=folder)

    def asking(self, black_box: BlackBoxArgument) -> Artefact:
        """The same artefact with another black box. Both share what is in memory."""
        return Artefact(self._model, black_box, path=self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return _load, (self.path, self.black_box, self._model.options)

    @property
    def description(self) -> dict[str, Any]:
        """What the artefact is: kind, dimensions, prefixes, sources."""
        return self._model.description

    @property
    def manifest(self) -> dict[str, Any]:
        """The content of ``manifest.json``; empty for a released encoder."""
        manifest: dict[str, Any] = self.description.get("manifest") or {}
        return manifest

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may spoil results, a sentence each: no gain was shown for the artefact, its encoders compute in a precision that was not found to
        rank like float32, or a kernel computed wrong numbers on this processor and was replaced. :meth:`load` gave each as a
        :class:`~mafin_embeddings.MafinWarning`.
        """
        return self._model.warnings()

    @property
    def has_stand_in(self) -> bool:
        """Whether queries can be answered without the black box's vectors."""
        return bool(self.description["standIn"])

    @property
    def black_box_dimension(self) -> int:
        """Numbers in the black box's vectors; 0 if no source has them."""
        return self._model.dimension(_library.BLACK_BOX)

    @property
    def encoder(self) -> Encoder:
        """The local encoder alone.

        Raises:
            LibraryError: The artefact has none.
        """
        return Encoder(self._model)

    def get_embedding_dimension(self) -> int:
        """Numbers in a joined vector; 0 if no source has vectors."""
        return self._model.dimension(_library.JOINED)

    def counters(self) -> Counters:
        """What was done since the artefact was loaded."""
        found = _library.Counters(ctypes.sizeof(_library.Counters))
        self._model.library.call("mafin_read_counters", self._model.handle, ctypes.byref(found))
        return Counters(**{one.name: getattr(found, one.name) for one in fields(Counters)})

    def _encode(
        self,
        texts: list[str],
        role: str,
        *,
        prompt: str | None,
        ids: Sequence[str] | None,
        black_box: BlackBoxArgument,
        offline: bool | None,
        truncate_dim: int | None,
        progress: Callable[[int, int], None] | None,
    ) -> NDArray[np.float32]:
        dimension = self.get_embedding_dimension()
        if dimension == 0:
            raise LibraryError("no source of this artefact has vectors: use search")
        if prompt is not None:
            raise ValueError("an artefact's prompts were fixed when it was trained: 'prompt' is for artefact.encoder")
        if ids is not None and len(ids) != len(texts):
            raise ValueError(f"expected an id for each text, found {len(ids)} ids for {len(texts)} texts")
        if truncate_dim is not None and truncate_dim < dimension and len(self._dense) > 1 and "reduction" not in self.manifest:
            names = ", ".join(source.name for source in self._dense)
            raise ValueError(
                f"truncate_dim would cut off whole sources, because a vector holds {names} side by side; reduce the artefact first (mafin reduce)"
            )
        vectors, flags = self.black_box_vectors(texts, role, self._dense, black_box, offline)
        packed = _library.PackedTexts(texts)
        names_of = None if ids is None or role == "query" else _library.PackedTexts(ids, "id")
        rows = np.empty((packed.count, dimension), dtype=np.float32)
        options = _library.CallOptions(flags, progress=progress)
        options.call(
            "mafin_encode_joined",
            self._model.handle,
            _role(role),
            packed.pointer,
            names_of and names_of.pointer,
            vectors and vectors.pointer,
            options.pointer,
            rows.ctypes.data,
            rows.size,
        )
        return rows

    @property
    def _dense(self) -> list[Source]:
        return [source for source in self.sources if source.dimension and source.kind != "stand-in"]

    def black_box_vectors(
        self, texts: Sequence[str], role: str, sources: Sequence[Source], black_box: BlackBoxArgument, offline: bool | None
    ) -> tuple[_library.PackedVectors | None, int]:
        """The black box's vectors of texts and the flags of the call; no vectors if no source needs them.

        Raises:
            MissingBlackBox: They are needed and there is no black box.
        """
        given = black_box if black_box is not None else self.black_box
        if role == "query" and (offline or offline is None and given is None and self.has_stand_in):
            return None, _library.OFFLINE
        needed = any("black-box" in (one.query_reads if role == "query" else one.document_reads) for one in sources)
        if not needed:
            return None, 0
        if given is None:
            kind = "queries" if role == "query" else "documents"
            raise MissingBlackBox(
                f"this artefact needs the black box's vectors of {kind} ({self.black_box_dimension} numbers each): pass black_box=, the vectors or "
                "a function of texts that returns them, or give it to Artefact.load"
                + ("" if role == "document" else "; it has no stand-in that could answer without them")
                + ("; artefact.encoder is the local encoder alone" if self._model.dimension(_library.LOCAL) else "")
            )
        values = vectors_of(given, texts, role)
        return _library.PackedVectors(values, len(texts), f"the black box's vectors of {len(texts)} texts"), 0

    def open_index(self, path: str | os.PathLike[str]) -> Index:
        """Opens an index that ``mafin index`` wrote for this artefact."""
        from .index import Index

        return Index.open(self, path)

    def make_index(
        self,
        documents: Sequence[str],
        ids: Sequence[str] | None = None,
        *,
        black_box: BlackBoxArgument = None,
        show_progress_bar: bool = False,
    ) -> Index:
        """An index in memory.

        Args:
            documents: Title, a space and the text of each document.
            ids: Their ids; ``None``: "0", "1", …
            black_box: The black box's vectors of the documents, or what gives them.
        """
        from .index import Index

        return Index.make(self, documents, ids, black_box=black_box, show_progress_bar=show_progress_bar)

    def search(
        self,
        queries: str | Sequence[str],
        index: Index | str | os.PathLike[str],
        top_k: int = 10,
        *,
        black_box: BlackBoxArgument = None,
        offline: bool | None = None,
        weights: dict[str, float] | None = None,
    ) -> Any:
        """The best documents of an index by all sources; see :meth:`Index.search`.

        Returns:
            A list of :class:`Hit` for a string, a list of such lists for several queries.
        """
        opened = self.open_index(index) if isinstance(index, (str, os.PathLike)) else index
        return opened.search(queries, top_k, black_box=black_box, offline=offline, weights=weights)

    def __repr__(self) -> str:
        sources = ", ".join(f"{source.name} {source.weight:.3g}" for source in self.sources)
        return f"Artefact({Path(self.path).name!r}: {sources})"


def _load(path: str, black_box: Any, options: dict[str, Any]) -> Artefact:
    return Artefact.load(path, black_box=black_box, **options)


def _role(role: str) -> int:
    if role not in _ROLES:
        raise ValueError(f"expected 'query' or 'document', found {role!r}")
    return _ROLES[role]
