"""What is done with vectors after they are computed: cutting, normalising, rounding, comparing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")


def truncated(vectors: NDArray[np.float32], dimension: int | None) -> NDArray[np.float32]:
    """The first columns of each row.

    Raises:
        ValueError: ``dimension`` is below 1.
    """
    if dimension is None or dimension >= vectors.shape[1]:
        return vectors
    if dimension < 1:
        raise ValueError(f"truncate_dim must be at least 1, found {dimension}")
    return np.ascontiguousarray(vectors[:, :dimension])


def normalized(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1. A row of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows: NDArray[np.float32] = vectors / np.maximum(lengths, np.float32(1e-12))
    return rows


def quantized(vectors: NDArray[np.float32], precision: str) -> NDArray[Any]:
    """Rows with fewer bits a number, equal to ``quantize_embeddings`` of sentence-transformers.

    ``int8`` and ``uint8`` spread the values of each column between the least and the greatest of *these* rows over 256 steps, so the rows
    of two calls are not comparable with each other. ``binary`` and ``ubinary`` keep the signs, eight to a byte.

    Raises:
        ValueError: The precision is unknown, or a single row is to be spread over steps.
    """
    if precision == "float32":
        return vectors
    if precision in ("binary", "ubinary"):
        bits = np.packbits(vectors > 0, axis=-1)
        return bits if precision == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, found {precision!r}")
    if vectors.shape[0] == 1:
        raise ValueError(f"precision {precision!r} needs more than one text: its steps are between the least and the greatest value")
    if vectors.shape[0] == 0:
        return vectors.astype(np.int8 if precision == "int8" else np.uint8)
    low, high = vectors.min(axis=0), vectors.max(axis=0)
    steps = (high - low) / np.float32(255)
    steps[steps == 0] = 1
    levels: NDArray[np.float32] = np.clip(np.floor((vectors - low) / steps), 0, 255)
    return levels.astype(np.uint8) if precision == "uint8" else (levels - 128).astype(np.int8)


def _rows(values: Any) -> tuple[NDArray[np.float32], bool]:
    """Values as a float32 matrix, and whether they were torch's."""
    if isinstance(values, (list, tuple)) and values and hasattr(values[0], "detach"):
        import torch

        values = torch.stack(list(values))
    is_tensor = hasattr(values, "detach")
    array = np.asarray(values.detach().cpu().float().numpy() if is_tensor else values, dtype=np.float32)
    if array.ndim == 1:
        array = array.reshape(1, -1)
    if array.ndim != 2:
        raise ValueError(f"expected vectors in rows, found an array of shape {array.shape}")
    return array, is_tensor


def _same_kind(values: NDArray[np.float32], is_tensor: bool) -> Any:
    if not is_tensor:
        return values
    import torch

    return torch.from_numpy(values)


def similarity(first: Any, second: Any) -> Any:
    """Inner products of all rows of ``first`` with all rows of ``second``, ``(first, second)``.

    A torch tensor if one of them is one, otherwise a NumPy array.
    """
    (left, is_left), (right, is_right) = _rows(first), _rows(second)
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"vectors of {left.shape[1]} and of {right.shape[1]} numbers cannot be compared")
    return _same_kind(left @ right.T, is_left or is_right)


def similarity_pairwise(first: Any, second: Any) -> Any:
    """Inner product of each row of ``first`` with the same row of ``second``, ``(rows,)``."""
    (left, is_left), (right, is_right) = _rows(first), _rows(second)
    if left.shape != right.shape:
        raise ValueError(f"expected equal shapes, found {left.shape} and {right.shape}")
    return _same_kind(np.einsum("ij,ij->i", left, right), is_left or is_right)
