"""Sends good and bad requests to `mafin serve` at the same time, as fast as it answers, and checks every answer.

    soak_serve.py --mafin .build/release/mafin [--requests 20000] [--processes 2] [--clients 16] [--seed 1] [--keep FOLDER]

It needs Python 3.11 or later and nothing else. 1,000,000 requests take about ten minutes on 16 cores: `--requests 1000000 --processes 10`.

The encoder is tiny (one layer of 32 numbers, written here), and so are the vectors of the black box (16 numbers, drawn from the text). Most
texts are new: their capitals are in other places each time. The encoder ignores case, the black box does not. So the right answer to each
request is known: the local half was computed once by an idle service, the other half is drawn from the text, and this script joins both.
`mafin embed` must agree with that.

In turn, the black box answers, is slow, refuses, closes the connection or sends garbage. A good request must be answered with the right vector, to
1e-5, or with 429 or 503 and Retry-After. If all its texts have been answered before, it must be answered whatever the black box does. Searches
must find the same as scoring all documents. Bad requests (no key, JSON cut or damaged, huge bodies, slow writers and readers, sudden
disconnects, unknown paths and methods, texts that the black box refuses) must be refused with the right status. Meanwhile a
link is changed from one artefact to another and back. Once /readyz names the new artefact, answers must be its own. At the end every
client has a running request, /metrics confirms that all are there, and the service gets SIGTERM: each must be answered correctly.
Memory is read during the run. With 250,000 requests or more, memory at the end must be within a tenth of that at a third. Any violation ends
with status 1.
"""

import argparse
import array
import asyncio
import base64
import collections
import functools
import hashlib
import json
import math
import multiprocessing
import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

BOX, LOCAL, DOCUMENTS, POOL = 16, 32, 400, 256
KEY = "a-key-of-the-soak-test"
TOLERANCE = 1e-5
MOODS = ["well", "slow", "busy", "broken", "hangs up", "last"]
SYLLABLES = ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va"]
WORDS = [a + b + c for a in SYLLABLES for b in SYLLABLES for c in ("n", "st")]


# ---- the right answers

def unit(row):
    norm = math.sqrt(sum(x * x for x in row))
    return [x / norm for x in row]


@functools.lru_cache(4096)
def drawn(text):
    return [byte - 127.5 for byte in hashlib.shake_128(text.encode()).digest(BOX)]


def box_floats(text):
    """The black box's vector of a text, as it is sent: a part that depends on its words, and half as much that depends on its spelling."""
    words = text.lower().split()
    meaning = [sum(column) for column in zip(*map(drawn, words))]
    spelling = hashlib.shake_128(text.encode()).digest(BOX)
    return [(a + len(words) ** 0.5 * (byte - 127.5) / 2) / 256 for a, byte in zip(meaning, spelling)]


def pool_texts(seed):
    source = random.Random(seed)
    return [" ".join(source.choices(WORDS, k=source.randrange(6, 16))) for _ in range(POOL)]


def spelled(text, number):
    """The text with capitals where the bits of the number are set: another text for the black box, the same for the encoder."""
    letters = list(text)
    place = 0
    while number:
        while letters[place] == " ":
            place += 1
        if number & 1:
            letters[place] = letters[place].upper()
        number >>= 1
        place += 1
    return "".join(letters)


def read_npy(path):
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack("<H", data[8:10])[0]
    header = data[10:10 + size].decode()
    assert "'<f4'" in header, header
    rows, columns = map(int, re.search(r"\((\d+), *(\d+)\)", header).groups())
    values = array.array("f", data[10 + size:])
    return [list(values[row * columns:(row + 1) * columns]) for row in range(rows)]


class Truth:
    """The local halves of the pool by artefact and role, each artefact's λ, and the index's rows."""

    def __init__(self, texts):
        self.texts = texts
        self.local = {}
        self.lambdas = [0.0, 0.0]
        self.documents = []

    def vector(self, artefact, role, place, text, share):
        box, local = unit(box_floats(text)), self.local[artefact, role][place]
        if role == "document":
            return box + local
        share = self.lambdas[artefact] if share is None else share
        return [(1 - share) * x for x in box] + [share * x for x in local]

    def scores(self, artefact, place, text, share):
        query = self.vector(artefact, "query", place, text, share)
        return [sum(a * b for a, b in zip(query, row)) for row in self.documents]


# ---- the black box

def upstream(port, mood, calls):
    async def serve(reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"content-length: *(\d+)", head, re.I).group(1))
                texts = json.loads(await reader.readexactly(length))["input"]
                texts = texts if isinstance(texts, list) else [texts]
                now = mood.value
                with calls.get_lock():
                    calls[now] += 1
                status, body = 200, None
                if any("refuse me" in text for text in texts):
                    status, body = 400, b'{"error":{"message":"this text is refused","type":"invalid_request_error"}}'
                elif MOODS[now] == "slow":
                    await asyncio.sleep(0.2)
                elif MOODS[now] == "last":
                    await asyncio.sleep(1)
                elif MOODS[now] == "busy":
                    status, body = 429, b'{"error":{"message":"too many requests"}}'
                elif MOODS[now] == "broken":
                    status, body = 500, b"<html>oops</html>"
                elif MOODS[now] == "hangs up":
                    break
                if body is None:
                    data = [{"object": "embedding", "index": i,
                             "embedding": base64.b64encode(struct.pack(f"<{BOX}f", *box_floats(text))).decode()}
                            for i, text in enumerate(texts)]
                    body = json.dumps({"object": "list", "data": data, "model": "mock"}).encode()
                writer.write(b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\nretry-after: 1\r\ncontent-length: %d\r\n\r\n"
                             % (status, len(body)) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, KeyError, ValueError):
            pass
        writer.close()

    async def run():
        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=256)
        port.value = server.sockets[0].getsockname()[1]
        await server.serve_forever()

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(run())


# ---- clients

class Connection:
    """A connection that is kept open, and opened again after it was closed."""

    def __init__(self, port):
        self.port = port
        self.reader = self.writer = None

    def close(self):
        if self.writer:
            self.writer.close()
        self.reader = self.writer = None

    async def send(self, raw, pause=0.0):
        if self.writer is None or self.reader.at_eof():
            self.close()
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 26)
        step = max(1, len(raw) // 6) if pause else len(raw)
        for start in range(0, len(raw), step):
            self.writer.write(raw[start:start + step])
            await self.writer.drain()
            if pause:
                await asyncio.sleep(pause)

    async def receive(self, pause=0.0):
        head = await self.reader.readuntil(b"\r\n\r\n")
        status = int(head.split(None, 2)[1])
        headers = dict(re.findall(r"^([^:\r\n]+): *([^\r\n]*)", head.decode("latin-1").lower(), re.M))
        length = int(headers.get("content-length", 0))
        if pause:
            body = b""
            while len(body) < length:
                body += await self.reader.readexactly(min(1024, length - len(body)))
                await asyncio.sleep(pause)
        else:
            body = await self.reader.readexactly(length)
        if headers.get("connection") == "close":
            self.close()
        return status, headers, body


def request(body, path="/v1/embeddings", method="POST", length=None, key=KEY, kind="application/json"):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    length = len(body) if length is None else length
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\n"
    if kind:
        head += f"content-type: {kind}\r\n"
    if key:
        head += f"authorization: Bearer {key}\r\n"
    return (head + f"content-length: {length}\r\n\r\n").encode() + body


class Worker:
    """The clients of one process."""

    def __init__(self, number, given, port, truth, epoch, done, phase):
        self.number, self.given, self.port, self.truth = number, given, port, truth
        self.epoch, self.done, self.phase = epoch, done, phase
        self.random = random.Random(given.seed * 1000 + number)
        self.kinds, self.statuses, self.served = collections.Counter(), collections.Counter(), collections.Counter()
        self.faults = []
        self.wrong = 0
        self.fresh = number
        self.answered = {"query": [], "document": []}
        self.left = given.requests // given.processes + (number < given.requests % given.processes)

    def fault(self, text):
        self.faults.append(text[:400])

    def count(self, kind, status):
        self.kinds[kind] += 1
        self.statuses[kind, str(status)] += 1

    def text(self):
        """A position in the pool, and a new spelling of the text there."""
        self.fresh += self.given.processes
        place = self.random.randrange(POOL)
        return place, spelled(self.truth.texts[place], self.fresh)

    def artefacts(self, before):
        """Which artefacts may have answered a request that was sent at this epoch."""
        return [before // 2 % 2] if before % 2 == 0 and self.epoch.value == before else [0, 1]

    def check(self, rows, role, asked, share, before):
        """Checks that all rows are those of one and the same artefact."""
        for artefact in self.artefacts(before):
            if len(rows) == len(asked) and all(
                    self.near(row, self.truth.vector(artefact, role, place, text, share)) for row, (place, text) in zip(rows, asked)):
                self.served["AB"[artefact]] += 1
                return
        self.wrong += 1
        self.fault(f"wrong {role} vector, lambda {share}, epoch {before} to {self.epoch.value}: {asked[0]}: {list(rows[0])[:3]}")

    @staticmethod
    def near(found, expected):
        return len(found) == len(expected) and all(abs(a - b) <= TOLERANCE for a, b in zip(found, expected))

    def refused_for_now(self, status, headers, body, isKnown=False):
        if status not in ((429,) if isKnown else (429, 503)):
            self.fault(f"a good request got {status}{' although its texts are known' if isKnown else ''}: {body[:200]}")
        elif "retry-after" not in headers:
            self.fault(f"{status} without retry-after")

    # ---- good ones

    async def embed(self, connection):
        role = self.random.choice(["query", "document"])
        known = self.answered[role]
        isKnown = len(known) > 20 and self.random.random() < 0.3
        count = self.random.choice([1, 1, 1, 1, 5, 20])
        asked = self.random.choices(known, k=count) if isKnown else [self.text() for _ in range(count)]
        texts = [text for _, text in asked]
        share = self.random.choice([None, None, 0, 0.25, round(self.random.random(), 3), 1]) if role == "query" else None
        pause = 0.005 if self.random.random() < 0.01 else 0.0
        isCohere = self.random.random() < 0.1
        encoding = self.random.choice(["base64", "base64", "float"])
        if isCohere:
            body = {"texts": texts, "input_type": f"search_{role}", "embedding_types": [encoding]}
        else:
            body = {"input": texts if count > 1 else texts[0], "input_type": role, "encoding_format": encoding}
        if share is not None:
            body["lambda"] = share
        before = self.epoch.value
        await connection.send(request(body, "/v2/embed" if isCohere else "/v1/embeddings"), pause)
        status, headers, answer = await connection.receive(pause)
        self.count(("known " if isKnown else "fresh ") + ("cohere" if isCohere else role) + (", slow" if pause else ""), status)
        if status != 200:
            return self.refused_for_now(status, headers, answer, isKnown or share == 1)
        value = json.loads(answer)
        rows = value["embeddings"][encoding] if isCohere else [row["embedding"] for row in value["data"]]
        if encoding == "base64":
            rows = [array.array("f", base64.b64decode(row)) for row in rows]
        self.check(rows, role, asked, share, before)
        if share != 1 and not isKnown:
            known.extend(asked[:2])
            del known[:-400]

    async def search(self, connection):
        place, text = self.text()
        share = self.random.choice([None, 0, 0.4, 0.9])
        top = self.random.choice([1, 3, 10, 50])
        body = {"query": text, "top": top} | ({} if share is None else {"lambda": share})
        isContext = self.random.random() < 0.2
        before = self.epoch.value
        await connection.send(request(body, "/v1/context" if isContext else "/search"))
        status, headers, answer = await connection.receive()
        self.count("context" if isContext else "search", status)
        if status != 200:
            return self.refused_for_now(status, headers, answer)
        hits = json.loads(answer)["sources" if isContext else "results"]
        for artefact in self.artefacts(before):
            scores = self.truth.scores(artefact, place, text, share)
            best = sorted(scores, reverse=True)[:len(hits)]
            if len(hits) == top or isContext and hits:
                if all(abs(hit["score"] - score) < 1e-4 and abs(scores[int(hit["id"][1:])] - score) < 1e-4
                       for hit, score in zip(hits, best)):
                    return
        self.wrong += 1
        self.fault(f"wrong ranking of {text!r}, lambda {share}, top {top}: {[(hit['id'], hit['score']) for hit in hits[:3]]}")

    async def explain(self, connection):
        place, text = self.text()
        await connection.send(request({"query": text, "document": f"d{self.random.randrange(DOCUMENTS)}"}, "/explain"))
        status, headers, answer = await connection.receive()
        self.count("explain", status)
        if status != 200:
            return self.refused_for_now(status, headers, answer)
        if "".join(piece["text"] for piece in json.loads(answer)["sides"][0]["pieces"]) != text:
            self.wrong += 1
            self.fault(f"the pieces of {text!r} are another text")

    async def mark(self, connection):
        body = {"query": f"query {self.random.randrange(50)}", "document": f"d{self.random.randrange(DOCUMENTS)}",
                "grade": self.random.choice([0, 1, None])}
        await connection.send(request(body, "/feedback"))
        status, headers, answer = await connection.receive()
        self.count("mark", status)
        if status != 200:
            return self.refused_for_now(status, headers, answer)
        if json.loads(answer)["grades"].get(body["document"]) != body["grade"]:
            # Another client may have marked the same document.
            self.statuses["mark", "overtaken"] += 1

    # ---- bad ones

    async def bad(self, connection):
        kind = self.random.choice(["cut", "damaged", "huge", "announced", "left", "left early", "path", "method", "refused", "fields",
                                   "noise", "deep", "page", "stranger", "type", "no document", "other model"])
        place, text = self.text()
        body = json.dumps({"input": [text, self.truth.texts[0]], "input_type": "query"}).encode()
        wanted, leave, pause, busy = {400}, False, 0.0, {429, 503}
        if kind == "cut":
            raw = request(body[:self.random.randrange(1, len(body) - 1)])
        elif kind == "damaged":
            damaged = bytearray(body)
            for _ in range(self.random.randrange(1, 6)):
                damaged[self.random.randrange(len(damaged))] = self.random.randrange(256)
            raw, wanted = request(bytes(damaged)), {200, 400, 404} | busy
        elif kind == "huge":
            size = self.random.choice([1, 3])
            raw, wanted = request({"input": "x" * (size << 20)}), {413} if size == 3 else {200} | busy
        elif kind == "announced":
            raw, wanted = request(b"{", length=1 << 40), {413}
        elif kind in ("left", "left early"):
            raw, leave = request(body), True
            if kind == "left early":
                raw = raw[:self.random.randrange(1, len(raw))]
        elif kind == "path":
            name = "".join(self.random.choices("abc/%.?", k=9))
            raw, wanted = request(b"", path="/" + name, method="GET"), {404, 400, 200}
        elif kind == "method":
            raw, wanted = request(b"", method=self.random.choice(["PUT", "DELETE", "PATCH", "BREW"])), {405, 400}
        elif kind == "refused":
            raw, wanted = request({"input": f"please refuse me {self.fresh}", "input_type": "query"}), {422} | busy
        elif kind == "fields":
            value = self.random.choice([1, None, [], {}, "", [[]], [1], [None], True, "x" * 20, -1e308, ["a", 2], "x" * 100_000])
            field = self.random.choice(["input", "model", "input_type", "encoding_format", "dimensions", "lambda", "truncation"])
            raw, wanted = request({"input": text, "input_type": "query", field: value}), {200, 400, 404} | busy
        elif kind == "noise":
            raw = bytes(self.random.randrange(256) for _ in range(self.random.randrange(1, 200))) + b"\r\n\r\n"
            leave = True
        elif kind == "deep":
            raw = request(b"[" * self.random.choice([10, 600, 100_000]))
        elif kind == "stranger":
            raw, wanted = request(body, key=self.random.choice([None, KEY[:-1], KEY + "x", "another-key-altogether"])), {401}
        elif kind == "type":
            raw, wanted = request(body, kind=self.random.choice([None, "text/plain", "application/x-www-form-urlencoded"])), {415}
        elif kind == "no document":
            raw, wanted = request({"query": text, "document": "nothing"}, "/explain"), {404}
        elif kind == "other model":
            raw, wanted = request({"input": text, "model": "other"}), {404}
        else:
            path = self.random.choice(["/", "/metrics", "/openapi.json", "/livez", "/readyz", "/v1/models"])
            raw, wanted = request(b"", path=path, method="GET"), {200, 503} if path == "/readyz" else {200}
        # Some of these end the connection. They get one of their own, so that they cause no faults in other requests.
        own = Connection(self.port) if leave or kind in ("huge", "announced", "path", "damaged", "deep", "method") else connection
        try:
            await own.send(raw, pause)
            if leave:
                status = "left"
            else:
                status, headers, answer = await own.receive()
                if status not in wanted:
                    self.fault(f"{kind} got {status}: {answer[:200]}")
                elif status in busy and "retry-after" not in headers:
                    self.fault(f"{kind}: {status} without retry-after")
        except (asyncio.IncompleteReadError, ConnectionError):
            # The service may close the connection before it has read a body that is too long.
            if kind not in ("huge", "announced", "noise", "path", "method"):
                raise
            status = "closed"
        finally:
            if own is not connection:
                own.close()
        self.count("bad: " + kind, status)

    # ---- the load

    async def client(self):
        connection = Connection(self.port)
        while self.left > 0:
            self.left -= 1
            draw = self.random.random()
            work = self.embed if draw < 0.68 else self.search if draw < 0.8 else self.explain if draw < 0.81 \
                else self.mark if draw < 0.815 else self.bad
            # The service closes idle connections, so a lost connection is a fault only if it was in use.
            try:
                await asyncio.wait_for(work(connection), 90)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                self.fault(f"{work.__name__}: the connection ended: {error!r}")
                connection.close()
            except asyncio.TimeoutError:
                self.fault(f"{work.__name__}: no answer within 90 s")
                connection.close()
            with self.done.get_lock():
                self.done.value += 1
        return connection

    async def last(self, connection):
        """A request that is running when the service gets SIGTERM."""
        place, text = self.text()
        before = self.epoch.value
        try:
            await connection.send(request({"input": text, "input_type": "document", "encoding_format": "base64"}))
            status, headers, answer = await asyncio.wait_for(connection.receive(), 60)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.TimeoutError) as error:
            self.count("under way at SIGTERM", "lost")
            return self.fault(f"a request under way at SIGTERM was lost: {error!r}")
        self.count("under way at SIGTERM", status)
        if status != 200:
            return self.fault(f"a request under way at SIGTERM got {status}: {answer[:200]}")
        rows = [array.array("f", base64.b64decode(row["embedding"])) for row in json.loads(answer)["data"]]
        self.check(rows, "document", [(place, text)], None, before)

    async def run(self):
        connections = await asyncio.gather(*(self.client() for _ in range(self.given.clients)))
        with self.phase.get_lock():
            self.phase.value += 1
        while self.phase.value >= 0:
            await asyncio.sleep(0.02)
        await asyncio.gather(*(self.last(connection) for connection in connections))


def work(number, given, port, truth, epoch, done, phase, results):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = Worker(number, given, port, truth, epoch, done, phase)
    try:
        asyncio.run(worker.run())
    except BaseException as error:
        worker.fault(f"a client's process failed: {error!r}")
        with phase.get_lock():
            phase.value += 1
    results.put((worker.kinds, worker.statuses, worker.served, worker.wrong, len(worker.faults), worker.faults[:20]))


# ---- the model and the service

def write_model(folder, seed=7):
    """Writes a BERT of one layer with random weights and a vocabulary of the pool's words."""
    source = random.Random(seed)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS
    width, inner = LOCAL, 2 * LOCAL
    shapes = {"embeddings.word_embeddings.weight": (len(vocabulary), width), "embeddings.position_embeddings.weight": (64, width),
              "embeddings.token_type_embeddings.weight": (2, width)}
    layer = "encoder.layer.0."
    for name in ("query", "key", "value"):
        shapes |= {f"{layer}attention.self.{name}.weight": (width, width), f"{layer}attention.self.{name}.bias": (width,)}
    shapes |= {layer + "attention.output.dense.weight": (width, width), layer + "attention.output.dense.bias": (width,),
               layer + "intermediate.dense.weight": (inner, width), layer + "intermediate.dense.bias": (inner,),
               layer + "output.dense.weight": (width, inner), layer + "output.dense.bias": (width,)}
    for name in ("embeddings.", layer + "attention.output.", layer + "output."):
        shapes |= {name + "LayerNorm.weight": (width,), name + "LayerNorm.bias": (width,)}
    header, data = {}, b""
    for name, shape in shapes.items():
        count = math.prod(shape)
        if "LayerNorm" in name:
            values = [float(name.endswith("weight"))] * count
        else:
            values = [source.gauss(0, 1 if "word" in name else 0.2) for _ in range(count)]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * count]}
        data += struct.pack(f"<{count}f", *values)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in vocabulary))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True, "tokenizer_class": "BertTokenizer"}))
    (folder / "config.json").write_text(json.dumps(
        {"model_type": "bert", "hidden_size": width, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": inner,
         "vocab_size": len(vocabulary), "max_position_embeddings": 64, "type_vocab_size": 2, "hidden_act": "gelu",
         "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}))
    (folder / "modules.json").write_text(json.dumps(
        [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
         {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]))
    (folder / "1_Pooling/config.json").write_text(json.dumps(
        {"word_embedding_dimension": width, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}))


def write_collection(folder, seed=5):
    source = random.Random(seed)
    (folder / "qrels").mkdir(parents=True)
    texts = [" ".join(source.choices(WORDS, k=source.randrange(8, 20))) for _ in range(DOCUMENTS)]
    (folder / "corpus.jsonl").write_text("".join(
        json.dumps({"_id": f"d{i}", "title": "", "text": text}) + "\n" for i, text in enumerate(texts)))
    queries, labels = [], {"train": "", "dev": "", "test": ""}
    for place, text in enumerate(texts):
        for number, split in enumerate(["train", "train", "dev", "test"]):
            queries.append({"_id": f"q{place}-{number}", "text": " ".join(source.sample(text.split(), 4) + [source.choice(WORDS)])})
            labels[split] += f"q{place}-{number}\td{place}\t1\n"
    (folder / "queries.jsonl").write_text("".join(json.dumps(query) + "\n" for query in queries))
    for split, lines in labels.items():
        (folder / f"qrels/{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines)


class Service:
    def __init__(self, given, folder, artefact, environment, flags=()):
        self.log = folder / f"log-{len(list(folder.glob('log-*')))}"
        command = [given.mafin, "serve", artefact, "--name", "soak", "--port", "0", "--keys-file", folder / "keys",
                   "--index", folder / "INDEX", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=open(self.log, "wb"), env=environment)
        while not (match := re.search(rb'"url":"http://127.0.0.1:(\d+)"', self.log.read_bytes())):
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        self.port = int(match.group(1))

    def ask(self, path, body=None):
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if path == "/readyz":
                return error.read()
            raise

    def resident(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+)", text, re.M).group(1)) / 1000

    def files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def find_truth(given, folder, environment, faults):
    truth = Truth(pool_texts(given.seed))
    lines = "".join(json.dumps({"_id": str(i), "text": text}) + "\n" for i, text in enumerate(truth.texts))
    (folder / "pool.jsonl").write_text(lines)
    boxes, locals_ = read_npy(folder / "INDEX/black-box.npy"), read_npy(folder / "INDEX/local.npy")
    truth.documents = [box + local for box, local in zip(boxes, locals_)]
    for number, name in enumerate("AB"):
        service = Service(given, folder, folder / name, environment)
        truth.lambdas[number] = json.loads(service.ask("/v1/models"))["data"][0]["lambda"]
        for role in ("query", "document"):
            body = {"input": truth.texts, "input_type": role} | ({"lambda": 1} if role == "query" else {})
            rows = [row["embedding"][BOX:] for row in json.loads(service.ask("/v1/embeddings", body))["data"]]
            truth.local[number, role] = rows
            output = folder / f"{name}-{role}.npy"
            subprocess.run([given.mafin, "embed", folder / name, "--input", folder / "pool.jsonl", "--as", role, "--output", output,
                            "--quiet"], check=True, env=environment)
            for place, row in enumerate(read_npy(output)):
                if not Worker.near(row, truth.vector(number, role, place, truth.texts[place], None)):
                    faults.append(f"mafin embed gives another {role} vector than the service: {truth.texts[place]!r}")
                    break
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(60) == 0, service.log.read_text()
    if any(Worker.near(a, b) for a, b in zip(truth.local[0, "query"], truth.local[1, "query"])):
        faults.append("both artefacts give the same vectors: reloads show nothing")
    return truth


def soak(given, folder):
    context = multiprocessing.get_context("fork")
    source = random.Random(given.seed)
    faults = []
    port, mood = context.Value("i", 0), context.Value("i", 0)
    calls = context.Array("q", len(MOODS))
    box = context.Process(target=upstream, args=(port, mood, calls), daemon=True)
    box.start()
    while not port.value:
        time.sleep(0.01)
    environment = os.environ | {"MAFIN_CACHE": str(folder / "cache"), "OPENAI_API_KEY": "none"}
    write_model(folder / "model")
    write_collection(folder / "data")
    (folder / "keys").write_text(f"soak {KEY}\nold another-key-that-works\n")
    for name, seed in (("A", 1), ("B", 2)):
        subprocess.run([given.mafin, "train", "--data", folder / "data", "--black-box", "openai:mock", "--base-url",
                        f"http://127.0.0.1:{port.value}/v1", "--encoder", folder / "model", "--mode", "query", "--epochs", "2",
                        "--learning-rate", "0.01", "--seed", str(seed), "--rivals", "none", "--force", "--quiet",
                        "--output", folder / name], check=True, env=environment, stdout=subprocess.DEVNULL)
    subprocess.run([given.mafin, "index", folder / "A", "--data", folder / "data", "--output", folder / "INDEX", "--quiet"],
                   check=True, env=environment)
    truth = find_truth(given, folder, environment, faults)
    print(f"lambda of A {truth.lambdas[0]:.3f}, of B {truth.lambdas[1]:.3f}; {DOCUMENTS} documents; truth is known", flush=True)

    current = folder / "current"
    current.symlink_to("A")
    hashes = [hashlib.sha256((folder / name / "manifest.json").read_bytes()).hexdigest() for name in "AB"]
    service = Service(given, folder, current, environment,
                      ["--max-body", str(2 << 20), "--black-box-deadline", "3", "--feedback", folder / "marks"])
    epoch, done, phase = context.Value("q", 0), context.Value("q", 0), context.Value("i", 0)
    results = context.Queue()
    workers = [context.Process(target=work, args=(number, given, service.port, truth, epoch, done, phase, results), daemon=True)
               for number in range(given.processes)]
    memory = [("start", service.resident())]
    begun = time.monotonic()
    for worker in workers:
        worker.start()
    reloads = tick = files = 0
    switched = begun
    while phase.value < given.processes and service.process.poll() is None:
        time.sleep(0.25)
        tick += 1
        # In one second of eight the black box has a fault, of a random kind.
        mood.value = 0 if tick % 32 >= 4 else MOODS.index(source.choice(MOODS[1:5])) if tick % 32 == 0 else mood.value
        now = time.monotonic()
        if epoch.value % 2 == 0 and now - switched > given.reload_every:
            epoch.value += 1
            (folder / "next").symlink_to("AB"[(epoch.value + 1) // 2 % 2])
            os.replace(folder / "next", current)
            switched = now
            if source.random() < 0.5:
                service.process.send_signal(signal.SIGHUP)
        elif epoch.value % 2 == 1:
            if json.loads(service.ask("/readyz"))["artefact"] == hashes[(epoch.value + 1) // 2 % 2]:
                epoch.value += 1
                reloads += 1
                switched = now
            elif now - switched > 60:
                faults.append("a new artefact is not served after a minute")
                break
        while len(memory) <= 10 * done.value // given.requests and len(memory) < 11:
            share = f"{10 * len(memory)}%"
            memory.append((share, service.resident()))
            files = max(files, service.files())
            print(f"{share:>5} {done.value:9} requests {done.value / (now - begun):8.0f}/s {memory[-1][1]:7.0f} MB", flush=True)
    seconds = time.monotonic() - begun
    if service.process.poll() is not None:
        raise SystemExit(f"the service ended with status {service.process.returncode}: {service.log.read_text()[-3000:]}")

    # SIGTERM while each client has a request under way.
    mood.value = 0
    for _ in range(100):
        time.sleep(0.3)
        if json.loads(service.ask("/readyz"))["status"] == "ready":
            break
    mood.value = MOODS.index("last")
    phase.value = -1
    wanted = given.processes * given.clients
    for _ in range(200):
        time.sleep(0.02)
        text = service.ask("/metrics").decode()
        # The request for /metrics is counted too.
        under_way = int(re.search(r"^mafin_http_requests_in_flight (\d+)", text, re.M).group(1)) - 1
        if under_way >= wanted:
            break
    service.process.send_signal(signal.SIGTERM)
    if under_way < wanted:
        faults.append(f"{under_way} of {wanted} requests were under way at SIGTERM: the test could not be made")
    kinds, statuses, served, wrong, violations = (collections.Counter(), collections.Counter(), collections.Counter(), 0, 0)
    for _ in workers:
        one = results.get(timeout=180)
        kinds, statuses, served = kinds + one[0], statuses + one[1], served + one[2]
        wrong += one[3]
        violations += one[4]
        faults += one[5]
    try:
        status = service.process.wait(90)
    except subprocess.TimeoutExpired:
        service.process.kill()
        status = "none: it went on"
    if status != 0:
        faults.append(f"the service ended with status {status}")
    box.terminate()

    log = service.log.read_text(errors="replace")
    if '"event":"failure"' in log:
        faults.append("a fault of the server: " + next(line for line in log.splitlines() if '"event":"failure"' in line)[:1000])
    if KEY in log:
        faults.append("a key is in the log")
    early = [mb for share, mb in memory if share in ("20%", "30%", "40%")] or [memory[0][1]]
    late = [mb for share, mb in memory if share in ("90%", "100%")] or [memory[-1][1]]
    # The first tens of thousands of requests fill the caches of the allocator and of SQLite. After that memory must not grow.
    isWarm = given.requests >= 250_000
    if sum(late) / len(late) > (1.1 * sum(early) / len(early) + 10 if isWarm else memory[0][1] + 150):
        faults.append(f"memory grows: {memory}")
    if files > wanted + 200:
        faults.append(f"{files} open files with {wanted} clients")
    if reloads > 1 and not (served["A"] and served["B"]):
        faults.append(f"both artefacts were to be served: {dict(served)}")

    print("\nrequests by kind, and their answers by status")
    for kind in sorted(kinds):
        mine = ", ".join(f"{status} {count}" for (of, status), count in sorted(statuses.items()) if of == kind)
        print(f"  {kind:24} {kinds[kind]:9}   {mine}")
    totals = collections.Counter()
    for (_, status), count in statuses.items():
        totals[status] += count
    print("all answers by status    " + ", ".join(f"{status} {count}" for status, count in sorted(totals.items())))
    print(f"wrong answers            {wrong}")
    print(f"reloads                  {reloads}; requests answered rightly with A {served['A']}, with B {served['B']}")
    print("calls of the black box   " + ", ".join(f"{name} {count}" for name, count in zip(MOODS, calls)))
    print("memory, MB               " + ", ".join(f"{share} {mb:.0f}" for share, mb in memory) + f"; open files {files}")
    print(f"{sum(kinds.values())} requests in {seconds:.0f} s, {violations} violations by clients")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mafin", required=True)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=2, help="processes that ask")
    parser.add_argument("--clients", type=int, default=16, help="connections of each")
    parser.add_argument("--reload-every", type=float, default=5, help="seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="folder to work in, and to leave as it is")
    given = parser.parse_args()
    given.mafin = str(pathlib.Path(given.mafin).resolve())
    if given.keep:
        folder = pathlib.Path(given.keep).resolve()
        folder.mkdir(parents=True)
        faults = soak(given, folder)
    else:
        with tempfile.TemporaryDirectory() as name:
            faults = soak(given, pathlib.Path(name))
    for fault in faults[:40]:
        print("error:", fault, file=sys.stderr)
    if faults:
        raise SystemExit(1)
    print("as it should be")


if __name__ == "__main__":
    main()
