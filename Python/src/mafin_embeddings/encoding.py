"""The methods by which texts become vectors, with the signatures of sentence-transformers 6."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Union, overload

import numpy as np

from . import vectors as _vectors
from .errors import MafinError
from .progress import tqdm_class

if TYPE_CHECKING:
    from typing import Literal

    from numpy.typing import NDArray

    from .black_box import BlackBoxArgument

    Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]

Texts = Union[str, Sequence[str], Iterable[str]]

logger = logging.getLogger("mafin_embeddings")


class TextEmbedder(ABC):
    """Texts to vectors: the base of :class:`Artefact` and :class:`Encoder`.

    The methods take the arguments of ``SentenceTransformer.encode``. ``batch_size`` has no effect, because the library sorts all texts by length
    and makes batches of its own. What cannot be done is refused: token embeddings, other devices than the CPU, process pools.
    """

    #: The function that :meth:`similarity` computes.
    similarity_fn_name = "dot"

    @abstractmethod
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
        """Vectors of texts, ``(texts, dimension)``."""

    @abstractmethod
    def get_embedding_dimension(self) -> int:
        """Numbers in a vector."""

    @overload
    def encode_query(
        self, inputs: Texts, prompt_name: str | None = None, prompt: str | None = None, batch_size: int = 32,
        show_progress_bar: bool | None = None, output_value: str | None = "sentence_embedding", precision: Precision = "float32",
        convert_to_numpy: Literal[True] = True, convert_to_tensor: Literal[False] = False, device: Any = None,
        normalize_embeddings: bool = False, truncate_dim: int | None = None, pool: None = None, chunk_size: int | None = None, *,
        black_box: BlackBoxArgument = None, offline: bool | None = None,
    ) -> NDArray[Any]: ...  # fmt: skip

    @overload
    def encode_query(
        self, inputs: Texts, prompt_name: str | None = None, prompt: str | None = None, batch_size: int = 32,
        show_progress_bar: bool | None = None, output_value: str | None = "sentence_embedding", precision: Precision = "float32",
        convert_to_numpy: bool = True, convert_to_tensor: bool = False, device: Any = None,
        normalize_embeddings: bool = False, truncate_dim: int | None = None, pool: None = None, chunk_size: int | None = None, *,
        black_box: BlackBoxArgument = None, offline: bool | None = None,
    ) -> Any: ...  # fmt: skip

    def encode_query(
        self, inputs: Texts, prompt_name: str | None = None, prompt: str | None = None, batch_size: int = 32,
        show_progress_bar: bool | None = None, output_value: str | None = "sentence_embedding", precision: Precision = "float32",
        convert_to_numpy: bool = True, convert_to_tensor: bool = False, device: Any = None,
        normalize_embeddings: bool = False, truncate_dim: int | None = None, pool: None = None, chunk_size: int | None = None, *,
        black_box: BlackBoxArgument = None, offline: bool | None = None,
    ) -> Any:  # fmt: skip
        """Vectors of queries. :meth:`encode` describes the arguments."""
        return self.encode(
            inputs, prompt_name or "query", prompt, batch_size, show_progress_bar, output_value, precision, convert_to_numpy,
            convert_to_tensor, device, normalize_embeddings, truncate_dim, pool, chunk_size, black_box=black_box, offline=offline,
        )  # fmt: skip

    @overload
    def encode_document(
        self, inputs: Texts, prompt_name: str | None = None, prompt: str | None = None, batch_size: int = 32,
        show_progress_bar: bool | None = None, output_value: str | None = "sentence_embedding", precision: Precision = "float32",
        convert_to_numpy: Literal[True] = True, convert_to_tensor: Literal[False] = False, device: Any = None,
        normalize_embeddings: bool = False, truncate_dim: int | None = None, pool: None = None, chunk_size: int | None = None, *,
        ids: Sequence[str] | None = None, black_box: BlackBoxArgument = None,
    ) -> NDArray[Any]: ...  # fmt: skip

    @overload
    def encode_document(
        self, inputs: Texts, prompt_name: str | None = None, prompt: str | None = None, batch_size: int = 32,
        show_progress_bar: bool | None = None, output_value: str | None = "sentence_embedding", precision: Precision = "float32",
        convert_to_numpy: bool = True, convert_to_tensor: bool = False, device: Any = None,
        normalize_embeddings: bool = False, truncate_dim: int | None = None, pool: None = None, chunk_size: int | None = None, *,
        ids: Sequence[str] | None = None, black_box: BlackBoxArgument = None,
    ) -> Any: ...  # fmt: skip

    def encode_document(
        self, inputs: Texts, prompt_name: str | None = None, prompt: str | None = None, batch_size: int = 32,
        show_progress_bar: bool | None = None, output_value: str | None = "sentence_embedding", precision: Precision = "float32",
        convert_to_numpy: bool = True, convert_to_tensor: bool = False, device: Any = None,
        normalize_embeddings: bool = False, truncate_dim: int | None = None, pool: None = None, chunk_size: int | None = None, *,
        ids: Sequence[str] | None = None, black_box: BlackBoxArgument = None,
    ) -> Any:  # fmt: skip
        """Vectors of documents. A document's text is its title, a space and its text. :meth:`encode` describes the arguments."""
        return self.encode(
            inputs, prompt_name or "document", prompt, batch_size, show_progress_bar, output_value, precision, convert_to_numpy,
            convert_to_tensor, device, normalize_embeddings, truncate_dim, pool, chunk_size, ids=ids, black_box=black_box,
        )  # fmt: skip

    @overload
    def encode(
        self, inputs: Texts, prompt_name: str | None = None, prompt: str | None = None, batch_size: int = 32,
        show_progress_bar: bool | None = None, output_value: str | None = "sentence_embedding", precision: Precision = "float32",
        convert_to_numpy: Literal[True] = True, convert_to_tensor: Literal[False] = False, device: Any = None,
        normalize_embeddings: bool = False, truncate_dim: int | None = None, pool: None = None, chunk_size: int | None = None, *,
        ids: Sequence[str] | None = None, black_box: BlackBoxArgument = None, offline: bool | None = None,
    ) -> NDArray[Any]: ...  # fmt: skip

    @overload
    def encode(
        self, inputs: Texts, prompt_name: str | None = None, prompt: str | None = None, batch_size: int = 32,
        show_progress_bar: bool | None = None, output_value: str | None = "sentence_embedding", precision: Precision = "float32",
        convert_to_numpy: bool = True, convert_to_tensor: bool = False, device: Any = None,
        normalize_embeddings: bool = False, truncate_dim: int | None = None, pool: None = None, chunk_size: int | None = None, *,
        ids: Sequence[str] | None = None, black_box: BlackBoxArgument = None, offline: bool | None = None,
    ) -> Any: ...  # fmt: skip

    def encode(
        self, inputs: Texts, prompt_name: str | None = None, prompt: str | None = None, batch_size: int = 32,
        show_progress_bar: bool | None = None, output_value: str | None = "sentence_embedding", precision: Precision = "float32",
        convert_to_numpy: bool = True, convert_to_tensor: bool = False, device: Any = None,
        normalize_embeddings: bool = False, truncate_dim: int | None = None, pool: None = None, chunk_size: int | None = None, *,
        ids: Sequence[str] | None = None, black_box: BlackBoxArgument = None, offline: bool | None = None,
    ) -> Any:  # fmt: skip
        """Vectors of texts, ``(texts, dimension)``, or one vector if ``inputs`` is a string.

        Args:
            inputs: A text, or texts.
            prompt_name: The side of the texts: ``"query"`` or ``"document"``. ``None`` means documents.
            prompt: Text to put before each text in place of that side's own. Only :class:`Encoder` takes it.
            batch_size: No effect.
            show_progress_bar: Shows a bar. ``None``: if the logger ``mafin_embeddings`` logs INFO.
            output_value: Only ``"sentence_embedding"``.
            precision: ``"float32"``, or fewer bits a number; see :func:`mafin_embeddings.vectors.quantized`.
            convert_to_numpy: A NumPy array. ``False``: a list of torch tensors.
            convert_to_tensor: A torch tensor.
            device: Only the CPU.
            normalize_embeddings: Scale each vector to length 1.
            truncate_dim: Keep the first numbers of each vector.
            pool: Not available: the library uses all cores in this process.
            chunk_size: No effect.
            ids: The documents' ids, by which an artefact knows documents that it moved.
            black_box: The black box's vectors of these texts in rows, or what :func:`as_black_box` takes. ``None``: the artefact's.
            offline: Queries: whether the artefact's stand-in answers in place of the black box. ``None``: it does if there is no black box.

        Raises:
            MissingBlackBox: A source needs the black box's vectors, and there is neither a black box nor, for queries, a stand-in.
            ValueError: An argument has another value than those above, or a text is not valid.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, found {batch_size}")
        if output_value != "sentence_embedding":
            raise ValueError(f"output_value {output_value!r} is not available: there are vectors of whole texts only, 'sentence_embedding'")
        if precision not in _vectors.PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(_vectors.PRECISIONS)}, found {precision!r}")
        if device is not None and str(device) != "cpu":
            raise ValueError(f"device {device!r} is not available: vectors are computed on the CPU")
        if pool is not None:
            raise ValueError("pool is not available: one process uses all cores (mafin_embeddings.library.set_threads)")
        role = "document" if prompt_name is None else prompt_name
        if role not in ("query", "document"):
            raise ValueError(f"prompt_name must be 'query' or 'document', found {prompt_name!r}")
        is_single = isinstance(inputs, str)
        texts: list[str] = [inputs] if isinstance(inputs, str) else list(inputs)
        bar = _Bar(self._shows_progress(show_progress_bar), len(texts))
        try:
            rows = self._encode(
                texts, role, prompt=prompt, ids=ids, black_box=black_box, offline=offline, truncate_dim=truncate_dim,
                progress=bar.update if bar.is_shown else None,
            )  # fmt: skip
        finally:
            bar.close()
        rows = _vectors.truncated(rows, truncate_dim)
        if normalize_embeddings:
            rows = _vectors.normalized(rows)
        values = _vectors.quantized(rows, precision)
        if convert_to_tensor or not convert_to_numpy:
            torch = _torch()
            tensor = torch.from_numpy(values)
            if is_single:
                return tensor[0]
            return tensor if convert_to_tensor else list(tensor)
        return values[0] if is_single else values

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Inner products of all rows with all rows: the score of the sources that are in the vectors.

        Returns:
            ``(embeddings1, embeddings2)``: a torch tensor if one of them is one, otherwise a NumPy array.
        """
        return _vectors.similarity(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Inner product of each row with the same row of the other, ``(rows,)``."""
        return _vectors.similarity_pairwise(embeddings1, embeddings2)

    def get_sentence_embedding_dimension(self) -> int:
        """Numbers in a vector; the older name of :meth:`get_embedding_dimension`."""
        return self.get_embedding_dimension()

    @staticmethod
    def _shows_progress(asked: bool | None) -> bool:
        return logger.getEffectiveLevel() in (logging.INFO, logging.DEBUG) if asked is None else asked


class _Bar:
    """tqdm's bar over texts."""

    def __init__(self, is_shown: bool, total: int) -> None:
        self._bar: Any = None
        if is_shown:
            try:
                tqdm = tqdm_class()
            except ImportError:
                raise MafinError("show_progress_bar needs the package tqdm") from None
            self._bar = tqdm(total=total, desc="Encoding", unit=" texts")

    @property
    def is_shown(self) -> bool:
        return self._bar is not None

    def update(self, done: int, total: int) -> None:
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise MafinError("tensors need the package torch; leave convert_to_numpy as it is for NumPy arrays") from None
    return torch
