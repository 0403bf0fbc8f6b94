"""Compares 'mafin serve --shards-of' with one index of all documents: every id, score and part of every query of the sample.

    check_shards_of.py --mafin MAFIN --artefact ART [--data Samples/handbook] [--shards 3] [--queries 60]

With an artefact that has a stand-in also with --ask-below: the front asks the black box for the queries that one index would ask for.

Needs only Python's standard library. The artefact's black box is one of stored vectors.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]


class Service:
    def __init__(self, given, name, folder, *flags):
        self.log = (folder / f"{name}.log").open("w+")
        self.process = subprocess.Popen(
            [given.mafin, "serve", given.artefact, "--port", "0", "--data", given.data, "--threads", "1", *map(str, flags)],
            stderr=self.log, stdout=subprocess.DEVNULL, env=os.environ | {"MAFIN_CACHE": str(folder / "cache")})
        deadline = time.time() + 120
        while True:
            found = re.search(r"http://[0-9.]+:[0-9]+", pathlib.Path(self.log.name).read_text())
            if found:
                self.url = found[0]
                return
            if self.process.poll() is not None or time.time() > deadline:
                sys.exit(f"{name} did not start: {pathlib.Path(self.log.name).read_text()[-2000:]}")
            time.sleep(0.05)

    def ask(self, path, body=None):
        request = urllib.request.Request(
            self.url + path, data=None if body is None else json.dumps(body).encode(), headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def compared(one, other, query, fields):
    """Compares the answers of one index and of the shards. Returns the number of results."""
    count = 0
    for field in ["results", "black_box_ranking"]:
        for a, b in zip(one[field], other[field], strict=True):
            a.pop("black_box_rank", None), b.pop("black_box_rank", None)
            assert a == b, f"{query!r}, {field}: one index gives {a}, the shards {b}"
            count += 1
    for field in fields:
        assert one.get(field) == other.get(field), (query, field, one.get(field), other.get(field))
    return count


def check_asking(given, folder, services, queries):
    """With --ask-below: who is asked is decided once, by all documents."""
    def serve(name, *flags):
        services.append(Service(given, name, folder, *flags))
        return services[-1]

    def shards(name, *flags):
        return [serve(f"{name}-{number}", "--index", folder / f"index-shard-{number}", *flags) for number in range(given.shards)]

    def stop():
        for service in services:
            if service.process.poll() is None:
                service.stop()

    def front(parts, *flags):
        return serve(f"front-of-{len(services)}", "--shards-of", ",".join(part.url for part in parts), *flags)

    stop()
    measured = serve("measured", "--index", folder / "index-whole", "--ask-below", 0)
    sureness = [measured.ask("/search", {"query": query})[1]["sureness"] for query in queries]
    flags = ["--ask-below", repr(sorted(sureness)[len(sureness) // 2])]
    stop()
    one, parts = serve("asking", "--index", folder / "index-whole", *flags), shards("asking-shard", *flags)
    several = front(parts, *flags)
    results = asked = alone = 0
    for number, query in enumerate(queries):
        body = {"query": query, "top": [1, 10, 200][number % 3]}
        (status, answer), (other_status, other) = one.ask("/search", body), several.ask("/search", body)
        assert status == other_status == 200, (answer, other)
        results += compared(answer, other, query, FIELDS)
        asked += answer["black_box_asked"]
        alone += any(part.ask("/search", body)[1]["black_box_asked"] != answer["black_box_asked"] for part in parts)
    assert 0 < asked < len(queries) and alone > 0, (asked, alone)
    print(f"with --ask-below {results} results equal those of one index; {asked} of {len(queries)} queries asked, and for {alone} a shard alone "
          "would have decided otherwise")
    # Shards that always ask cannot rank without it.
    stop()
    parts = shards("plain-shard")
    status, answer = front(parts, *flags).ask("/search", {"query": queries[0]})
    assert status == 502 and answer["error"]["code"] == "shards_differ" and "--ask-below" in answer["error"]["message"], (status, answer)


FIELDS = ["weights", "answered_by", "black_box_asked", "query", "sureness"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mafin", required=True)
    parser.add_argument("--artefact", required=True)
    parser.add_argument("--data", default=str(ROOT / "Samples" / "handbook"))
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--queries", type=int, default=60)
    given = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    data = pathlib.Path(given.data)
    lines = (data / "corpus.jsonl").read_text().splitlines(keepends=True)
    services, addresses = [], []

    def index(name, part):
        # A collection of a part of the documents, without labels, as an index needs none.
        part_folder = folder / f"data-{name}"
        part_folder.mkdir()
        (part_folder / "corpus.jsonl").write_text("".join(part))
        shutil.copy(data / "queries.jsonl", part_folder)
        subprocess.run([given.mafin, "index", given.artefact, "--data", part_folder, "--output", folder / f"index-{name}", "--quiet"],
                       check=True, stdout=subprocess.DEVNULL, env=os.environ | {"MAFIN_CACHE": str(folder / "cache")})
        return folder / f"index-{name}"

    try:
        whole = Service(given, "whole", folder, "--index", index("whole", lines))
        services.append(whole)
        for shard in range(given.shards):
            part = lines[len(lines) * shard // given.shards : len(lines) * (shard + 1) // given.shards]
            service = Service(given, f"shard-{shard}", folder, "--index", index(f"shard-{shard}", part))
            services.append(service)
            addresses.append(service.url)
        front = Service(given, "front", folder, "--shards-of", ",".join(addresses))
        services.append(front)
        queries = [json.loads(line)["text"] for line in (data / "queries.jsonl").open()][: given.queries]
        results = 0
        for number, query in enumerate(queries):
            body = {"query": query, "top": [1, 10, 40, 1000][number % 4]}
            if number % 3 == 1:
                body["lambda"] = 0.3
            (one_status, one), (other_status, other) = whole.ask("/search", body), front.ask("/search", body)
            assert one_status == other_status == 200, (one, other)
            results += compared(one, other, query, FIELDS)
        some = json.loads(lines[-1])["_id"]
        assert whole.ask(f"/document?id={urllib.parse.quote(some)}") == front.ask(f"/document?id={urllib.parse.quote(some)}")
        assert front.ask("/document?id=nowhere")[0] == 404
        assert front.ask("/search", {"query": ""})[0] == whole.ask("/search", {"query": ""})[0] == 400
        one, other = (service.ask("/v1/context", {"query": queries[0]})[1] for service in (whole, front))
        assert one["context"] == other["context"]
        services[2].stop()
        status, answer = front.ask("/search", {"query": queries[0]})
        assert status == 503 and "shard 1" in answer["error"]["message"], (status, answer)
        print(f"{len(queries)} queries, {results} results of {given.shards} shards equal those of one index; without a shard the answer is 503")
        if "offline" in json.loads((pathlib.Path(given.artefact) / "manifest.json").read_text()):
            check_asking(given, folder, services, queries)
    finally:
        for service in services:
            if service.process.poll() is None:
                service.stop()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
