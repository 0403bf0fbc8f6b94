"""Exports an artefact into real stores, and compares what they hold and find with mafin's own vectors and exact search.

test-stores.sh calls it once the servers run:

    check_stores.py MAFIN ARTEFACT DATA ENCODER WORK POSTGRESQL CHROMA [KILLS]      addresses of the servers
"""

import hashlib
import json
import pathlib
import random
import signal
import subprocess
import sys
import time
import urllib.request

import numpy as np

mafin, artefact, data, encoder, work, postgresql, chroma = sys.argv[1:8]
work = pathlib.Path(work)
corpus = f"{data}/corpus.jsonl"


def run(*arguments, status=0):
    done = subprocess.run([mafin, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == status, f"mafin {' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr}"
    return done.stdout if status == 0 else done.stderr


def say(text):
    print(f"  {text}", flush=True)


def connect():
    import psycopg

    return psycopg.connect(postgresql, autocommit=True)


def load_sparse(path):
    archive = np.load(path)
    shape = tuple(archive["shape"])
    dense = np.zeros(shape, np.float64)
    for row in range(shape[0]):
        span = slice(archive["indptr"][row], archive["indptr"][row + 1])
        dense[row, archive["indices"][span]] = archive["data"][span]
    return dense


class Vectors:
    """What `mafin embed` gives: documents without weights, queries with them."""

    def __init__(self):
        self.parts = {}
        for role in ["document", "query"]:
            source = corpus if role == "document" else f"{data}/queries.jsonl"
            run("embed", artefact, "--input", source, "--as", role, "--output", work / role, "--named", "npy", "--quiet")
            description = json.loads((work / role / "vectors.json").read_text())
            for part in description["parts"]:
                path = work / role / part["file"]
                rows = np.load(path) if part["face"] == "dense" else load_sparse(path)
                self.parts.setdefault(part["name"], {})[role] = rows
            ids = (work / role / "ids.txt").read_text().splitlines()
            setattr(self, "documents" if role == "document" else "queries", ids)
        self.sparse = [p["name"] for p in description["parts"] if p["face"] == "sparse"]
        self.dense = [p["name"] for p in description["parts"] if p["face"] == "dense"]
        self.texts = {}
        for line in open(f"{data}/queries.jsonl"):
            entry = json.loads(line)
            self.texts[entry["_id"]] = entry["text"]

    def scores(self, names):
        return sum(self.parts[n]["query"].astype(np.float64) @ self.parts[n]["document"].astype(np.float64).T for n in names)


def same_ranking(found, scores, ids, tolerance=5e-5):
    """Whether a ranking [(id, score)] is that of the scores. Documents may change places only if their scores are equal but for rounding."""
    place = {identifier: index for index, identifier in enumerate(ids)}
    best = np.sort(scores)[::-1][: len(found)]
    own = np.array([scores[place[identifier]] for identifier, _ in found])
    assert len(set(identifier for identifier, _ in found)) == len(found), "a document twice"
    assert np.abs(own - best).max() < tolerance, f"another ranking: {np.abs(own - best).max()}"
    if found[0][1] is not None:
        theirs = np.array([score for _, score in found])
        assert np.abs(theirs - own).max() < tolerance, f"other scores: {np.abs(theirs - own).max()}"


def check_pgvector(vectors):
    target = f"{postgresql}?table=handbook"
    plan = json.loads(run("export", artefact, "--input", corpus, "--to", target, "--plan", "--json"))
    assert [p["name"] for p in plan["plan"]["parts"]] == vectors.dense + vectors.sparse, plan
    first = json.loads(run("export", artefact, "--input", corpus, "--to", target, "--texts", "--json", "--quiet"))
    again = json.loads(run("export", artefact, "--input", corpus, "--to", target, "--texts", "--json", "--quiet"))
    count = len(vectors.documents)
    assert (first["written"], first["skipped"], again["written"], again["skipped"]) == (count, 0, 0, count), (first, again)
    scores = vectors.scores(vectors.dense + vectors.sparse)
    memory = [s["name"] for s in json.loads(run("inspect", artefact, "--json")).get("sources", []) if "memory" in s.get("name", "")]
    quiet = [flag for name in memory for flag in ("--weight", f"{name}=0")]
    with connect() as connection:
        for number, identifier in enumerate(vectors.queries):
            if number % 60:
                continue
            statement = run("export", artefact, "--to", target, "--show-query", "--query", vectors.texts[identifier], "--quiet")
            rows = [(row[0], row[1]) for row in connection.execute(statement).fetchall()]
            assert len(rows) == min(100, count)
            same_ranking(rows, scores[number], vectors.documents)
            if number < 200:
                own = json.loads(run(
                    "search", artefact, "--data", data, vectors.texts[identifier], "--top", 100, "--json", *quiet, "--quiet"))
                found = [(hit["id"], hit["score"]) for hit in own["results"]]
                same_ranking(rows[: len(found)], scores[number], vectors.documents)
                equal = sum(a[0] == b[0] for a, b in zip(rows, found))
                assert all(abs(a[1] - b[1]) < 5e-5 for a, b in zip(rows, found)), "other scores than mafin search"
                say(f"pgvector: query '{identifier}': {equal} of {len(found)} places as mafin search has them")
        held, = connection.execute("select count(*) from handbook where mafin_text is not null").fetchone()
        assert held == count
    # A text that changes is written again, and nothing else is.
    changed = work / "changed.jsonl"
    lines = open(corpus).read().splitlines()
    entry = json.loads(lines[3])
    entry["text"] += " And a new sentence about parking."
    changed.write_text("\n".join(lines[:3] + [json.dumps(entry)] + lines[4:]) + "\n")
    done = json.loads(run("export", artefact, "--input", changed, "--to", target, "--texts", "--json", "--quiet"))
    assert (done["written"], done["skipped"]) == (1, count - 1), done
    message = run("export", artefact, "--input", corpus, "--to", "postgresql://ann:s3cret@127.0.0.1/db?table=t", status=64)
    assert "s3cret" not in message and "PGPASSWORD" in message, message
    say("pgvector: export, resume, change, and the printed statement's best 100")


def check_chroma(vectors):
    target = f"chroma:{chroma}/handbook"
    first = json.loads(run("export", artefact, "--input", corpus, "--to", target, "--json", "--quiet"))
    again = json.loads(run("export", artefact, "--input", corpus, "--to", target, "--json", "--quiet"))
    count = len(vectors.documents)
    assert (first["written"], again["written"]) == (count, 0), (first, again)
    assert set(vectors.sparse) <= set(first["plan"]["leftOut"])
    base = f"{chroma}/api/v2/tenants/default_tenant/databases/default_database/collections"
    collection = json.load(urllib.request.urlopen(f"{base}/handbook"))["id"]
    scores = vectors.scores(vectors.dense)
    for number, identifier in enumerate(vectors.queries[:10]):
        text = run("export", artefact, "--to", target, "--show-query", "--query", vectors.texts[identifier], "--top", 10, "--quiet")
        body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        request = urllib.request.Request(f"{base}/{collection}/query", body.encode(), {"content-type": "application/json"})
        answer = json.load(urllib.request.urlopen(request))
        same_ranking([(i, 1 - d) for i, d in zip(answer["ids"][0], answer["distances"][0])], scores[number], vectors.documents)
    run("import", f"chroma:{chroma}/handbook", "--output", work / "from-chroma", "--quiet")
    ids = (work / "from-chroma/corpus.ids").read_text().splitlines()
    rows = np.load(work / "from-chroma/corpus.npy")
    joined = np.hstack([vectors.parts[name]["document"] for name in vectors.dense])
    order = [vectors.documents.index(i) for i in ids]
    assert sorted(order) == list(range(count)) and np.array_equal(rows, joined[order])
    say("Chroma: export, resume, the printed query's best 10, and the vectors taken back bit for bit")


def check_files(vectors):
    import duckdb
    import faiss
    import lancedb
    import pyarrow.parquet as pq
    import safetensors.numpy

    for codec in ["none", "gzip", "zstd"]:
        folder = work / f"parquet-{codec}"
        run("export", artefact, "--input", corpus, "--to", f"parquet:{folder}", "--compression", codec, "--texts", "--quiet")
        table = pq.read_table(folder / "documents.parquet")
        assert table["id"].to_pylist() == vectors.documents
        for name in vectors.dense:
            column = table[name].combine_chunks()
            assert column.type.list_size == vectors.parts[name]["document"].shape[1]
            assert np.array_equal(column.flatten().to_numpy().reshape(len(column), -1), vectors.parts[name]["document"])
        rows = duckdb.sql(f"select id, \"{vectors.dense[0]}\" from '{folder / 'documents.parquet'}'").fetchall()
        assert [row[0] for row in rows] == vectors.documents
        assert np.array_equal(np.array([row[1] for row in rows], np.float32), vectors.parts[vectors.dense[0]]["document"])
    lance = lancedb.connect(work / "lance").create_table("handbook", table)
    query = vectors.parts[vectors.dense[0]]["query"][0]
    found = lance.search(query, vector_column_name=vectors.dense[0]).distance_type("dot").limit(5).to_list()
    same_ranking([(row["id"], None) for row in found], vectors.scores(vectors.dense[:1])[0], vectors.documents)
    say("Parquet (none, gzip, zstd): pyarrow, DuckDB and LanceDB read the vectors bit for bit, LanceDB searches them")

    joined = np.hstack([vectors.parts[name]["document"] for name in vectors.dense])
    run("export", artefact, "--input", corpus, "--to", f"safetensors:{work / 'st'}", "--quiet")
    assert np.array_equal(safetensors.numpy.load_file(work / "st/vectors.safetensors")["corpus"], joined)
    run("export", artefact, "--input", corpus, "--to", f"faiss:{work / 'faiss'}", "--quiet")
    index = faiss.IndexFlatIP(joined.shape[1])
    index.add(np.load(work / "faiss/vectors.npy"))
    ids = (work / "faiss/vectors.ids").read_text().splitlines()
    query = np.hstack([vectors.parts[name]["query"] for name in vectors.dense])
    distances, places = index.search(query[:10], 10)
    for number in range(10):
        same_ranking([(ids[p], d) for p, d in zip(places[number], distances[number])], vectors.scores(vectors.dense)[number], ids)
    say("safetensors and FAISS: the joined vectors bit for bit, FAISS's best 10 are ours")


def check_qdrant(vectors):
    from qdrant_client import QdrantClient
    from qdrant_client.http import models as m

    run("export", artefact, "--input", corpus, "--to", f"qdrant:{work / 'qdrant'}", "--quiet")
    client = QdrantClient(":memory:")
    collection = m.CreateCollection.model_validate_json((work / "qdrant/collection.json").read_text())
    client.create_collection("docs", vectors_config=collection.vectors, sparse_vectors_config=collection.sparse_vectors)
    for file in sorted((work / "qdrant").glob("points-*.json")):
        client.upsert("docs", points=m.PointsList.model_validate_json(file.read_text()).points)
    scores = vectors.scores(vectors.dense + vectors.sparse)
    for number, identifier in enumerate(vectors.queries[:10]):
        text = run("export", artefact, "--to", f"qdrant:{work / 'qdrant'}", "--show-query", "--query", vectors.texts[identifier],
                   "--top", 20, "--quiet")
        body = m.QueryRequest.model_validate_json("\n".join(line for line in text.splitlines() if not line.startswith("#")))
        answer = client.query_points(
            "docs", prefetch=body.prefetch, query=body.query, limit=body.limit, with_payload=body.with_payload)
        same_ranking([(p.payload["_id"], p.score) for p in answer.points], scores[number], vectors.documents)
    say("Qdrant: the client's models take collection, points and query; its local mode finds our best 20")


def check_milvus(vectors):
    from pymilvus import DataType, MilvusClient

    run("export", artefact, "--input", corpus, "--to", f"milvus:{work / 'milvus'}", "--quiet")
    client = MilvusClient(str(work / "milvus.db"))
    description = json.loads((work / "milvus/collection.json").read_text())
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    for field in description["schema"]["fields"]:
        schema.add_field(
            field["fieldName"], getattr(DataType, {"VarChar": "VARCHAR", "FloatVector": "FLOAT_VECTOR",
                                                   "SparseFloatVector": "SPARSE_FLOAT_VECTOR"}[field["dataType"]]),
            is_primary=field.get("isPrimary", False), **field.get("elementTypeParams", {}))
    indexes = client.prepare_index_params()
    for index in description["indexParams"]:
        kind = "FLAT" if index["indexType"] == "AUTOINDEX" else index["indexType"]
        indexes.add_index(field_name=index["fieldName"], index_type=kind, metric_type=index["metricType"])
    client.create_collection("docs", schema=schema, index_params=indexes)
    for file in sorted((work / "milvus").glob("rows-*.json")):
        rows = json.loads(file.read_text())
        for row in rows:
            for name in vectors.sparse:
                row[name.replace("-", "_")] = {int(k): v for k, v in row[name.replace("-", "_")].items()}
        client.insert("docs", rows)
    client.load_collection("docs")
    for number, name in [(n, name) for n in range(5) for name in vectors.dense]:
        query = vectors.parts[name]["query"][number]
        if not query.any():
            continue
        answer = client.search("docs", data=[query.tolist()], anns_field=name.replace("-", "_"), limit=10, output_fields=["doc_id"])
        same_ranking([(hit["entity"]["doc_id"], hit["distance"]) for hit in answer[0]],
                     vectors.scores([name])[number], vectors.documents)
    for number in range(5):
        terms = vectors.parts[vectors.sparse[0]]["query"][number]
        places = {int(p): float(terms[p]) for p in np.nonzero(terms)[0]}
        if not places:
            continue
        answer = client.search("docs", data=[places], anns_field=vectors.sparse[0].replace("-", "_"), limit=5, output_fields=["doc_id"])
        same_ranking([(hit["entity"]["doc_id"], hit["distance"]) for hit in answer[0]],
                     vectors.scores(vectors.sparse)[number], vectors.documents)
    say("Milvus Lite: takes collection and rows, and each field's search finds our best")


def check_import():
    """Vectors that are in the user's table are used as a black box, without a copy of the user's own."""
    with connect() as connection:
        connection.execute("create table if not exists docs (key text primary key, e vector)")
        connection.execute("create table if not exists asks (key text primary key, e vector)")
        for table, name in [("docs", "corpus"), ("asks", "queries")]:
            rows = np.load(f"{data}/black-box/{name}.npy").astype(np.float32)
            ids = pathlib.Path(f"{data}/black-box/{name}.ids").read_text().splitlines()
            with connection.cursor() as cursor:
                cursor.executemany(
                    f"insert into {table} values (%s, %s) on conflict do nothing",
                    [(i, "[" + ",".join(map(repr, map(float, row))) + "]") for i, row in zip(ids, rows)])
    source = f"{postgresql}?table=docs&id=key&vector=e&query_table=asks"
    run("import", source, "--output", work / "from-pg", "--quiet")
    for name in ["corpus", "queries"]:
        rows = np.load(f"{data}/black-box/{name}.npy").astype(np.float32)
        ids = pathlib.Path(f"{data}/black-box/{name}.ids").read_text().splitlines()
        taken = (work / f"from-pg/{name}.ids").read_text().splitlines()
        assert np.array_equal(np.load(work / f"from-pg/{name}.npy"), rows[[ids.index(i) for i in taken]]), name
    run("train", "--data", data, "--black-box", f"vectors:{source}", "--encoder", encoder, "--time", "3s", "--rivals", "none", "--force",
        "--output", work / "from-table", "--quiet")
    say("import: the vectors of a table bit for bit, and a training that asks the table")


def soak(kills):
    """kill -9 in the middle of an export, again and again; then the table is what an export without interruption writes."""
    words = sorted({word for line in open(corpus) for word in json.loads(line)["text"].split()})
    generator = random.Random(11)
    texts = work / "soak.jsonl"
    count = 2000
    with open(texts, "w") as file:
        for number in range(count):
            text = " ".join(generator.choice(words) for _ in range(6))
            file.write(json.dumps({"_id": f"s{number}", "text": text}) + "\n")

    def arguments(table):
        return ["export", artefact, "--input", str(texts), "--to", f"{postgresql}?table={table}", "--export-batch", "50", "--quiet"]

    interrupted, last = 0, 0
    with connect() as connection:

        def held():
            exists, = connection.execute("select to_regclass('soaked') is not null").fetchone()
            return connection.execute("select count(*), count(distinct id) from soaked").fetchone() if exists else (0, 0)

        for _ in range(kills):
            process = subprocess.Popen([mafin, *arguments("soaked")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # Only once it has written something, so that the kill comes in the middle.
            while process.poll() is None and held()[0] == last:
                time.sleep(0.01)
            time.sleep(generator.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
            interrupted += process.wait() == -signal.SIGKILL
            # A statement that was sent may still end.
            time.sleep(0.3)
            rows, distinct = held()
            assert rows == distinct and rows >= last and rows % 50 == 0, (rows, distinct, last)
            last = rows
        assert interrupted >= 3 and 0 < last < count, f"{interrupted} exports were killed, and {last} of {count} rows were there"
        done = json.loads(run(*arguments("soaked"), "--json"))
        assert done["written"] + done["skipped"] == count and done["skipped"] == last, (done, last)
        run(*arguments("calm"))
        hashes = []
        for table in ["soaked", "calm"]:
            rows = connection.execute(f"select t::text from {table} t order by id collate \"C\"").fetchall()
            assert len(rows) == count
            hashes.append(hashlib.sha256("\n".join(row[0] for row in rows).encode()).hexdigest())
        assert hashes[0] == hashes[1], "other rows than an export without interruption writes"
        left, = connection.execute("select count(*) from pg_indexes where tablename = 'soaked' and indexdef like '%hnsw%'").fetchone()
        assert left >= 1
    say(f"soak: {interrupted} exports killed, {last} rows written before the last run; every row as without interruption, none twice")


vectors = Vectors()
say(f"{len(vectors.documents)} documents, {len(vectors.queries)} queries, dense {vectors.dense}, sparse {vectors.sparse}")
check_pgvector(vectors)
check_chroma(vectors)
check_files(vectors)
check_qdrant(vectors)
check_milvus(vectors)
check_import()
soak(int(sys.argv[8]) if len(sys.argv) > 8 else 12)
