"""Writes the goldens of MafinParquet and MafinStores.

Parquet files are written by pyarrow, DuckDB and pandas (through pyarrow); the test reads them. What requests to databases must hold is taken
from the official Python clients. Needs: pyarrow, duckdb, pandas, numpy; for the bodies qdrant-client, elasticsearch, redis, pgvector.

    python Tools/write_store_goldens.py
"""

import json
import pathlib
import struct
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
PARQUET = ROOT / "Tests/MafinParquetTests/Goldens"
STORES = ROOT / "Tests/MafinStoresTests/Goldens"

# Values that no encoding can change by rounding: multiples of 1/64.
ROWS, WIDTH = 37, 5


def table():
    ids = [f"dök-{row % 3}-{row}" for row in range(ROWS)]
    vectors = ((np.arange(ROWS * WIDTH) * 37 % 257 - 128) / 64).astype(np.float32).reshape(ROWS, WIDTH)
    return ids, vectors


def write_parquet():
    import duckdb
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    PARQUET.mkdir(parents=True, exist_ok=True)
    ids, vectors = table()
    numbers = list(range(1000, 1000 + ROWS))
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), WIDTH)
    columns = {"id": ids, "number": numbers, "group": [f"g{row % 2}" for row in range(ROWS)], "embedding": fixed}
    plain = pa.table(columns)
    for codec in ["none", "snappy", "gzip", "zstd"]:
        pq.write_table(plain, PARQUET / f"pyarrow-{codec}.parquet", compression=codec, row_group_size=16)
    pq.write_table(plain, PARQUET / "pyarrow-v2.parquet", data_page_version="2.0", compression="snappy", data_page_size=64)
    pq.write_table(
        plain, PARQUET / "pyarrow-split.parquet", use_dictionary=["id", "group"],
        column_encoding={"embedding.list.element": "BYTE_STREAM_SPLIT"})
    pq.write_table(plain, PARQUET / "pyarrow-delta.parquet", use_dictionary=False, column_encoding={"id": "DELTA_BYTE_ARRAY"})
    pq.write_table(plain, PARQUET / "pyarrow-lz4.parquet", compression="lz4")
    halves = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float16).ravel()), WIDTH)
    pq.write_table(pa.table({"id": ids, "embedding": halves}), PARQUET / "pyarrow-halves.parquet")
    doubles = pa.array([row.astype(np.float64).tolist() for row in vectors])
    pq.write_table(pa.table({"id": ids, "embedding": doubles}), PARQUET / "pyarrow-doubles.parquet")
    missing = pa.array([None if row == 20 else vectors[row].tolist() for row in range(ROWS)], pa.list_(pa.float32()))
    pq.write_table(pa.table({"id": ids, "embedding": missing}), PARQUET / "pyarrow-missing.parquet")
    ragged = pa.array([vectors[row][: 4 if row == 20 else 5].tolist() for row in range(ROWS)], pa.list_(pa.float32()))
    pq.write_table(pa.table({"id": ids, "embedding": ragged}), PARQUET / "pyarrow-ragged.parquet")
    pd.DataFrame({"id": ids, "embedding": list(vectors)}).to_parquet(PARQUET / "pandas.parquet")
    connection = duckdb.connect()
    connection.register("source", plain)
    connection.execute(
        f"copy (select id, number, embedding::float[{WIDTH}] as embedding from source) to '{PARQUET / 'duckdb.parquet'}' (format parquet)")
    connection.execute(
        f"copy (select id, embedding::float[] as embedding from source) to '{PARQUET / 'duckdb-zstd.parquet'}' (format parquet, compression zstd)")
    (PARQUET / "expected.json").write_text(
        json.dumps({"ids": ids, "numbers": numbers, "vectors": vectors.tolist()}, ensure_ascii=False) + "\n")


def check_written(path):
    """Checks with pyarrow, DuckDB and LanceDB that a file of ParquetWritingTests holds what the test wrote."""
    import tempfile

    import duckdb
    import lancedb
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids = ["d1", "döc 2", ""]
    local = np.array([[0.5, -1, 3.25], [1e-30, 0, 7], [1, 2, 3]], np.float32)
    half = [[0.5, -2.0], [1.0, 65504.0], [0.0, 0.0]]
    terms = [{"indices": [3, 17], "values": [1.25, 0.5]}, {"indices": [], "values": []}, {"indices": [2], "values": [9.0]}]
    table = pq.read_table(path)
    assert table.schema.field("local").type.list_size == 3 and table.schema.field("half").type.value_type == pa.float16()
    assert table["id"].to_pylist() == ids and table["bm25"].to_pylist() == terms
    assert np.array_equal(np.array(table["local"].to_pylist(), np.float32), local) and table["half"].to_pylist() == half
    rows = duckdb.sql(f"select id, local, half, bm25 from '{path}'").fetchall()
    assert [row[0] for row in rows] == ids and [row[3] for row in rows] == terms and [row[2] for row in rows] == half
    assert np.array_equal(np.array([row[1] for row in rows], np.float32), local)
    with tempfile.TemporaryDirectory() as folder:
        found = lancedb.connect(folder).create_table("t", table).search([1, 2, 3], vector_column_name="local").limit(1).to_list()
        assert found[0]["id"] == "", found


def main():
    if sys.argv[1:2] == ["--check"]:
        check_written(sys.argv[2])
        print("read by pyarrow, DuckDB and LanceDB")
        return
    write_parquet()
    check_written(PARQUET / "written.parquet")


if __name__ == "__main__":
    sys.exit(main())
