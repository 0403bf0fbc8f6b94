"""What is done with vectors, compared with sentence-transformers and torch."""

import numpy as np
import pytest

from mafin_embeddings import vectors

torch = pytest.importorskip("torch")
quantization = pytest.importorskip("sentence_transformers.util")

ROWS = np.random.default_rng(1).normal(size=(130, 37)).astype(np.float32)


@pytest.mark.parametrize("precision", ["float32", "int8", "uint8", "binary", "ubinary"])
def test_fewer_bits_are_those_of_sentence_transformers(precision):
    rows = ROWS.copy()
    rows[:, 5] = 0.25  # a column without spread
    expected = quantization.quantize_embeddings(rows, precision)
    found = vectors.quantized(rows, precision)
    assert found.dtype == expected.dtype and np.array_equal(found, expected)
    assert vectors.quantized(rows[:0], precision).shape[0] == 0


def test_a_single_row_has_no_steps():
    with pytest.raises(ValueError, match="more than one text"):
        vectors.quantized(ROWS[:1], "int8")
    with pytest.raises(ValueError, match="one of float32, int8"):
        vectors.quantized(ROWS, "int4")


def test_unit_rows_and_cut_rows():
    expected = torch.nn.functional.normalize(torch.from_numpy(ROWS), dim=1).numpy()
    np.testing.assert_allclose(vectors.normalized(ROWS), expected, atol=1e-6)
    assert not np.isnan(vectors.normalized(np.zeros((1, 3), dtype=np.float32))).any()
    assert np.array_equal(vectors.truncated(ROWS, 7), ROWS[:, :7])
    assert vectors.truncated(ROWS, None) is ROWS
    assert vectors.truncated(ROWS, 37) is ROWS
    with pytest.raises(ValueError, match="at least 1"):
        vectors.truncated(ROWS, 0)


def test_similarities_are_those_of_torch():
    first, second = torch.from_numpy(ROWS[:50]), torch.from_numpy(ROWS[50:100])
    expected = quantization.dot_score(first, second)
    np.testing.assert_allclose(vectors.similarity(ROWS[:50], ROWS[50:100]), expected, atol=1e-4)
    found = vectors.similarity(first, ROWS[50:100])
    assert isinstance(found, torch.Tensor)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert isinstance(vectors.similarity(list(first), list(second)), torch.Tensor)
    pairwise = quantization.pairwise_dot_score(first, second)
    np.testing.assert_allclose(vectors.similarity_pairwise(ROWS[:50], ROWS[50:100]), pairwise, atol=1e-4)
    assert vectors.similarity(ROWS[0], ROWS[1]).shape == (1, 1)
    with pytest.raises(ValueError, match="37 and of 3"):
        vectors.similarity(ROWS, ROWS[:, :3])
