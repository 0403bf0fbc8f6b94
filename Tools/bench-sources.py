#!/usr/bin/env python3
"""Times searches of `mafin serve` by two sources and by four, over the same made-up documents.

    bench-sources.py --mafin .build/release/mafin --model FOLDER [--documents 100000] [--queries 400] [--black-box-dimension 768]

It needs numpy. Documents and queries are words of the encoder's vocabulary, drawn from a Zipf distribution, the black box's vectors are random. An artefact is
trained for a few steps on some labels; it has the black box and the local encoder. A second one also has BM25 and a memory of
5,000 queries. Both serve an index of the same documents. Queries are asked one after the other, by turns from both services, each
query once to warm the cache of the black box's vectors and once to be timed.
"""
import argparse
import hashlib
import http.client
import json
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

import numpy


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def unit(rows):
    return (rows / numpy.linalg.norm(rows, axis=1, keepdims=True)).astype(numpy.float32)


def write_collection(folder, options, random):
    # Whole words of the encoder, so that a word is one token.
    vocabulary = pathlib.Path(options.model, "vocab.txt").read_text().split("\n")
    words = numpy.array([word for word in vocabulary if word.isascii() and word.isalpha() and len(word) > 2])
    share = 1 / numpy.arange(1, len(words) + 1)
    share /= share.sum()

    def text(length):
        return " ".join(words[random.choice(len(words), size=length, p=share)])

    (folder / "data/qrels").mkdir(parents=True)
    with open(folder / "data/corpus.jsonl", "w") as file:
        for i in range(options.documents):
            file.write(json.dumps({"_id": f"d{i}", "title": "", "text": text(20)}) + "\n")
    with open(folder / "data/queries.jsonl", "w") as file:
        for i in range(options.queries + 120):
            file.write(json.dumps({"_id": f"q{i}", "text": text(5)}) + "\n")
    for split, rows in (("train", range(80)), ("dev", range(80, 120)), ("test", range(120, 130))):
        lines = ["query-id\tcorpus-id\tscore"] + [f"q{i}\td{i}\t1" for i in rows]
        (folder / f"data/qrels/{split}.tsv").write_text("\n".join(lines) + "\n")
    (folder / "vectors").mkdir()
    for kind, count in (("corpus", options.documents), ("queries", options.queries + 120)):
        numpy.save(folder / f"vectors/{kind}.npy", unit(random.normal(size=(count, options.black_box_dimension))))
        letter = kind[0].replace("c", "d")
        (folder / f"vectors/{kind}.ids").write_text("".join(f"{letter}{i}\n" for i in range(count)))


def add_sources(source, target, folder, options, random):
    """Copies an artefact and adds BM25 and a memory of queries."""
    shutil.copytree(source, target)
    manifest = json.loads((target / "manifest.json").read_text())
    frequencies = {}
    for line in open(folder / "data/corpus.jsonl"):
        for word in set(json.loads(line)["text"].split()):
            frequencies[word] = frequencies.get(word, 0) + 1
    (target / "lexical").mkdir()
    (target / "lexical/statistics.json").write_text(json.dumps({
        "documents": options.documents, "meanLength": 20.0, "terms": list(frequencies),
        "documentFrequencies": list(frequencies.values()), "stopWords": [], "stems": False}))
    (target / "memory").mkdir()
    numpy.save(target / "memory/queries.npy", unit(random.normal(size=(5_000, options.black_box_dimension))))
    answers = random.integers(0, options.documents, size=(5_000, 3))
    (target / "memory/answers.json").write_text(json.dumps([[f"d{d}" for d in row] for row in answers]))
    manifest["sources"] += [
        {"name": "bm25", "kind": "bm25", "folder": "lexical", "settings": {"k1": 1.5, "b": 0.75}},
        {"name": "query-memory", "kind": "query-memory", "folder": "memory", "dimension": options.black_box_dimension,
         "settings": {"bandwidth": 0.05, "sharing": 0.5, "reach": -1.0}}]
    manifest["mixing"]["weights"] += [{"source": "bm25", "weight": 1.0}, {"source": "query-memory", "weight": 1.0}]
    for path in ("lexical/statistics.json", "memory/queries.npy", "memory/answers.json"):
        content = (target / path).read_bytes()
        manifest["files"].append(
            {"path": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
    (target / "manifest.json").write_text(json.dumps(manifest))


class Service:
    def __init__(self, options, folder, artefact):
        self.port = free_port()
        # A file: a pipe that nobody reads would stop the service when its log has filled it.
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [options.mafin, "serve", str(artefact), "--index", str(folder / "index"), "--data", str(folder / "data"),
             "--port", str(self.port), "--black-box", f"vectors:{folder}/vectors"],
            stdout=subprocess.DEVNULL, stderr=self.log)
        for _ in range(600):
            try:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port)
                self.search("probe")
                return
            except OSError:
                time.sleep(0.2)
        self.log.seek(0)
        raise SystemExit("the service did not start: " + self.log.read())

    def search(self, query):
        begin = time.perf_counter()
        self.connection.request("POST", "/search", json.dumps({"query": query}), {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        body = json.loads(answer.read())
        return time.perf_counter() - begin, answer.status, body

    def end(self):
        self.process.terminate()
        self.process.wait(30)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mafin", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--black-box-dimension", type=int, default=768)
    options = parser.parse_args()
    random = numpy.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_collection(folder, options, random)
        box = ["--black-box", f"vectors:{folder}/vectors"]
        data = ["--data", str(folder / "data")]

        def run(*arguments):
            subprocess.run([options.mafin, *arguments], check=True, stdout=subprocess.DEVNULL)

        run("train", *data, *box, "--encoder", options.model, "--output", str(folder / "two"), "--time", "10s",
            "--mode", "query", "--force")
        add_sources(folder / "two", folder / "four", folder, options, random)
        run("index", str(folder / "two"), *data, *box, "--output", str(folder / "index"))
        services = {sources: Service(options, folder, folder / sources) for sources in ("two", "four")}
        queries = [json.loads(line)["text"] for line in open(folder / "data/queries.jsonl")][120:]
        # The approximation of the vectors is made in the background.
        time.sleep(20)
        times = {sources: [] for sources in services}
        for is_timed in (False, True):
            for query in queries:
                for sources, service in services.items():
                    seconds, status, body = service.search(query)
                    if status != 200 or len(body["results"]) != 10:
                        raise SystemExit(f"{sources}: {status} {body}")
                    if is_timed:
                        times[sources].append(seconds * 1e3)
        for service in services.values():
            service.end()
        print(f"| {options.documents:,} documents | p50, ms | p99, ms |\n|---|---|---|")
        for sources, values in times.items():
            values.sort()
            print(f"| {sources} sources | {statistics.median(values):.1f} | {values[int(0.99 * len(values))]:.1f} |")


if __name__ == "__main__":
    main()
