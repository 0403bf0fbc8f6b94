"""Writes the goldens of MafinParquet and MafinStores.

Parquet files are written by pyarrow, DuckDB and pandas (through pyarrow); the test reads them. What requests to databases must hold is taken
from the official Python clients. Needs: pyarrow, duckdb, pandas, numpy; for the bodies qdrant-client, elasticsearch, redis, pgvector.

    python Tools/write_store_goldens.py
"""

import json
import pathlib
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


# The batch of Tests/MafinStoresTests/Fixture.swift.
IDS, HASHES, TEXTS = ["d1", "döc 2"], ["a1", "b2"], ["wing flow", "a \"quoted\" text\nof two lines"]
DENSE = {"black-box": [[0.5, -0.25, 1.0], [0.0, 0.125, -2.0]], "local": [[1.5, 0.75], [-1.0, 3.0]]}
TERMS = [[(3, "wing", 1.25), (17, "flow", 0.5)], []]
VOCABULARY = 32
WEIGHTS = [0.625, 0.375, 0.25]


def qdrant():
    """Requests as the models of the official client write them. The models refuse unknown members and wrong types."""
    import uuid

    from qdrant_client.http import models as m

    def dump(model):
        return json.loads(model.model_dump_json(exclude_none=True))

    vectors = {name: m.VectorParams(size=len(rows[0]), distance=m.Distance.DOT) for name, rows in DENSE.items()}
    collection = m.CreateCollection(vectors=vectors, sparse_vectors={"bm25": m.SparseVectorParams()})

    def vector(row):
        sparse = m.SparseVector(indices=[t[0] for t in TERMS[row]], values=[t[2] for t in TERMS[row]])
        return {**{name: rows[row] for name, rows in DENSE.items()}, "bm25": sparse}

    def uuid5(text):
        return str(uuid.uuid5(uuid.NAMESPACE_OID, text))

    points = m.PointsList(points=[
        m.PointStruct(id=uuid5(IDS[row]), vector=vector(row), payload={"_id": IDS[row], "mafin_hash": HASHES[row], "text": TEXTS[row]})
        for row in range(2)])
    foreign = [7, "cbca1785-765f-58e2-88eb-d1725e16827a"]

    def added(ids):
        return m.UpdateOperations(operations=[
            m.UpdateVectorsOperation(update_vectors=m.UpdateVectors(points=[
                m.PointVectors(id=id, vector={"local": DENSE["local"][row], "bm25": vector(row)["bm25"]}) for row, id in enumerate(ids)]))
        ] + [
            m.SetPayloadOperation(set_payload=m.SetPayload(payload={"mafin_hash": HASHES[row]}, points=[id])) for row, id in enumerate(ids)])

    sums = [m.MultExpression(mult=[weight, f"$score[{place}]"]) for place, weight in enumerate(WEIGHTS)]
    queries = [[1.0, 0.5, 0.25], [0.5, -0.5], m.SparseVector(indices=[3, 5], values=[1.5, 2.0])]
    search = m.QueryRequest(
        prefetch=[m.Prefetch(query=query, using=name, limit=50) for query, name in zip(queries, ["black-box", "local", "bm25"])],
        query=m.FormulaQuery(formula=m.SumExpression(sum=sums), defaults={f"$score[{place}]": 0.0 for place in range(3)}),
        limit=10, with_payload=["_id"])
    name = m.DenseVectorNameConfig(dense=m.DenseVectorConfig(size=2, distance=m.Distance.DOT, datatype=m.VectorStorageDatatype.FLOAT16))
    scroll = m.ScrollRequest(limit=256, with_payload=["_id"], with_vector=["local"], offset=foreign[1])
    return {
        "collection": dump(collection), "points": dump(points), "additions": dump(added(foreign)),
        "largestNumber": dump(added([2**64 - 1])), "search": dump(search),
        "name": dump(name), "sparseName": dump(m.SparseVectorNameConfig(sparse=m.SparseVectorConfig())), "scroll": dump(scroll),
    }


def elasticsearch():
    """The lines of `_bulk` as the bulk helpers of the official client write them."""
    from elasticsearch.helpers import expand_action
    from elasticsearch.serializer import NdjsonSerializer

    lines = []
    for row in range(2):
        document = {"black-box": DENSE["black-box"][row], "local": DENSE["local"][row], "bm25": {t[1]: t[2] for t in TERMS[row]},
                    "mafin_hash": HASHES[row], "text": TEXTS[row]}
        lines += expand_action({"_index": "docs", "_id": IDS[row], "_source": document})
    return NdjsonSerializer().dumps(lines).decode()


def opensearch():
    """The same from OpenSearch's client."""
    from opensearchpy.helpers import expand_action

    lines = []
    for row in range(2):
        document = {"black-box": DENSE["black-box"][row], "local": DENSE["local"][row], "bm25": {t[1]: t[2] for t in TERMS[row]},
                    "mafin_hash": HASHES[row], "text": TEXTS[row]}
        lines += expand_action({"_index": "docs", "_id": IDS[row], "_source": document})
    return [line for line in lines]


def weaviate():
    """The class as the official client writes it, without what it leaves to the server."""
    from weaviate.classes.config import Configure, DataType, Property, Tokenization, VectorDistances
    from weaviate.collections.classes.config import _CollectionConfigCreate

    config = _CollectionConfigCreate(
        name="Docs",
        properties=[
            Property(name="doc_id", data_type=DataType.TEXT, tokenization=Tokenization.FIELD),
            Property(name="mafin_hash", data_type=DataType.TEXT, tokenization=Tokenization.FIELD),
            Property(name="text", data_type=DataType.TEXT),
        ],
        vector_config=[
            Configure.Vectors.self_provided(
                name=name, vector_index_config=Configure.VectorIndex.hnsw(distance_metric=VectorDistances.DOT))
            for name in ["black_box", "local"]
        ])
    return config._to_dict()


def redis():
    """The bytes of commands as the official client sends them, in base64."""
    import base64

    from redis.connection import Connection

    packer = Connection()
    index = ["FT.CREATE", "docs", "ON", "HASH", "PREFIX", "1", "doc:", "SCHEMA", "vector", "VECTOR", "HNSW", "6", "TYPE", "FLOAT32",
             "DIM", "5", "DISTANCE_METRIC", "IP"]
    commands = [index]
    for row in range(2):
        vector = np.array(DENSE["black-box"][row] + DENSE["local"][row], "<f4").tobytes()
        commands.append(["HSET", f"doc:{IDS[row]}", "vector", vector, "mafin_hash", HASHES[row], "text", TEXTS[row]])
    return base64.b64encode(b"".join(b"".join(packer.pack_command(*command)) for command in commands)).decode()


def pgvector():
    """The binary form of values as pgvector's Python package writes it, in hexadecimal."""
    from pgvector import HalfVector, SparseVector, Vector

    return {
        "vector": Vector(DENSE["black-box"][0]).to_binary().hex(),
        "halfvec": HalfVector(DENSE["black-box"][0]).to_binary().hex(),
        "sparsevec": SparseVector({t[0]: t[2] for t in TERMS[0]}, VOCABULARY).to_binary().hex(),
    }


def write_stores():
    STORES.mkdir(parents=True, exist_ok=True)
    goldens = {
        "qdrant": qdrant(), "elasticsearch": elasticsearch(), "opensearch": opensearch(), "weaviate": weaviate(), "redis": redis(),
        "pgvector": pgvector(),
    }
    (STORES / "requests.json").write_text(json.dumps(goldens, indent=1, ensure_ascii=False) + "\n")


def main():
    if sys.argv[1:2] == ["--check"]:
        check_written(sys.argv[2])
        print("read by pyarrow, DuckDB and LanceDB")
        return
    write_stores()
    write_parquet()
    check_written(PARQUET / "written.parquet")


if __name__ == "__main__":
    sys.exit(main())
