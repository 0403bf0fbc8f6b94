"""Embeds a corpus with Ray Data: ray_embed.py ARTEFACT CORPUS.jsonl OUTPUT [--workers N] [--vectors FOLDER --data FOLDER]

Every worker loads the artefact once. OUTPUT is a folder of Parquet files with the columns id and vector (a list of float32), in the order of the
corpus when they are read in the order of their names. The vectors are those of 'mafin embed', bit by bit.

The black box here is a folder of stored vectors (--vectors, --data). For an API put a function of (texts, role) in its place, or embed
with 'mafin embed --shards', which shares one account and one cache.
"""

import argparse

import numpy as np
import pyarrow as pa
import ray


def text_of(title, text):
    """What an encoder reads: the title, a space and the text, as in BEIR."""
    return (f"{title} {text}" if title else text).strip()


class Embed:
    """A worker. Ray makes one for each process, and calls it with batches of rows."""

    def __init__(self, artefact, vectors, data):
        from mafin_embeddings import Artefact
        from mafin_embeddings.black_box import StoredVectors

        self.artefact = Artefact.load(artefact, black_box=StoredVectors(vectors, data) if vectors else None)

    def __call__(self, batch: pa.Table) -> pa.Table:
        rows = batch.to_pylist()
        texts = [text_of(row.get("title") or "", row["text"]) for row in rows]
        ids = [str(row["_id"]) for row in rows]
        vectors = np.asarray(self.artefact.encode_document(texts, ids=ids), dtype=np.float32)
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
        return pa.table({"id": ids, "vector": column})


def main():
    parser = argparse.ArgumentParser()
    for name in ["artefact", "corpus", "output"]:
        parser.add_argument(name)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--vectors")
    parser.add_argument("--data")
    given = parser.parse_args()
    # One processor more than workers, because reading and writing take one too. On a cluster leave num_cpus out.
    ray.init(num_cpus=given.workers + 1, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    ray.data.read_json(given.corpus, lines=True).map_batches(
        Embed, fn_constructor_args=(given.artefact, given.vectors, given.data), batch_format="pyarrow", batch_size=64,
        compute=ray.data.ActorPoolStrategy(size=given.workers), num_cpus=1,
    ).write_parquet(given.output)


if __name__ == "__main__":
    main()
