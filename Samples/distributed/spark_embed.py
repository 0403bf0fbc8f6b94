"""Embeds a corpus with Spark: spark_embed.py ARTEFACT CORPUS.jsonl OUTPUT [--workers N] [--vectors FOLDER --data FOLDER]

mapInArrow gives each worker process batches of Arrow, so that no vector passes through Java objects. OUTPUT is a folder of Parquet files with the
columns id and vector (an array of float). The vectors are those of 'mafin embed', bit by bit.

The black box here is a folder of stored vectors (--vectors, --data). For an API put a function of (texts, role) in its place, or embed
with 'mafin embed --shards', which shares one account and one cache.
"""

import argparse
import os
import sys

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType, FloatType, StringType, StructField, StructType

SCHEMA = StructType([StructField("id", StringType()), StructField("vector", ArrayType(FloatType()))])


def embedder(artefact, vectors, data):
    """A function that embeds the batches of one partition."""

    def embed(batches):
        import numpy as np
        from mafin_embeddings import Artefact
        from mafin_embeddings.black_box import StoredVectors

        # Once for each partition; a worker process keeps no state between them.
        model = Artefact.load(artefact, black_box=StoredVectors(vectors, data) if vectors else None)
        for batch in batches:
            rows = batch.to_pylist()
            texts = [(f"{row['title']} {row['text']}" if row.get("title") else row["text"]).strip() for row in rows]
            ids = [str(row["_id"]) for row in rows]
            found = np.asarray(model.encode_document(texts, ids=ids), dtype=np.float32)
            offsets = pa.array(np.arange(0, found.size + 1, found.shape[1], dtype=np.int32))
            column = pa.ListArray.from_arrays(offsets, pa.array(found.reshape(-1)))
            yield pa.record_batch([pa.array(ids), column], names=["id", "vector"])

    return embed


def main():
    parser = argparse.ArgumentParser()
    for name in ["artefact", "corpus", "output"]:
        parser.add_argument(name)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--vectors")
    parser.add_argument("--data")
    given = parser.parse_args()
    # Workers run this Python, which has the packages, and not the first 'python3' of the path. On a cluster name the one of its hosts.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.master(f"local[{given.workers}]").config("spark.ui.enabled", "false").getOrCreate()
    schema = "_id string, title string, text string"
    corpus = spark.read.schema(schema).json(given.corpus).repartition(given.workers)
    corpus.mapInArrow(embedder(given.artefact, given.vectors, given.data), SCHEMA).write.mode("overwrite").parquet(given.output)
    spark.stop()


if __name__ == "__main__":
    main()
