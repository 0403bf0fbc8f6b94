"""Uses an artefact with a stand-in where there is no network. test-offline.sh calls it in a network namespace of its own.

    check_offline.py MAFIN WORK DATA     WORK holds the artefact `handbook` and its `index`
"""

import fcntl
import json
import pathlib
import re
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request

mafin, work, data = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
artefact = work / "handbook"


def loopback_up():
    """Raises the namespace's own loopback interface, so that a client can reach the service."""
    get_flags, set_flags, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sH14x", b"lo", 0)
        flags, = struct.unpack_from("H", fcntl.ioctl(handle, get_flags, request), 16)
        fcntl.ioctl(handle, set_flags, struct.pack("16sH14x", b"lo", flags | up))


def require_no_route():
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=5).close()
    except OSError as error:
        assert "unreachable" in str(error), f"expected no route, found: {error}"
        return
    raise AssertionError("there is a network")


def run(*arguments):
    done = subprocess.run([mafin, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"mafin {arguments[0]} ended with status {done.returncode}: {done.stderr}"
    return done.stdout


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def served_address(log, server):
    for _ in range(200):
        found = re.search(r'"event":"listening","url":"([^"]*)"', log.read_text())
        if found:
            return found[1]
        assert server.poll() is None, f"the service ended: {log.read_text()}"
        time.sleep(0.1)
    raise AssertionError(f"the service did not begin: {log.read_text()}")


def floats(path):
    """The rows of a NumPy file of 32-bit floats."""
    raw = path.read_bytes()
    length, = struct.unpack_from("<H", raw, 8)
    shape = re.search(rb"'shape': \((\d+), (\d+)\)", raw[10:10 + length])
    rows, columns = int(shape[1]), int(shape[2])
    values = struct.unpack(f"<{rows * columns}f", raw[10 + length:])
    return [values[row * columns:(row + 1) * columns] for row in range(rows)]


loopback_up()
require_no_route()
lines = (data / "queries.jsonl").read_text().splitlines()[:8]
queries = [json.loads(line)["text"] for line in lines]
(work / "queries.jsonl").write_text("".join(line + "\n" for line in lines))
vectors = work / "queries.npy"
run("embed", str(artefact), "--input", str(work / "queries.jsonl"), "--as", "query", "--offline", "--output", str(vectors), "--quiet")

log = work / "log"
with log.open("w") as stream:
    server = subprocess.Popen(
        [mafin, "serve", str(artefact), "--index", str(work / "index"), "--offline", "--port", "0"], stderr=stream)
try:
    url = served_address(log, server)
    with urllib.request.urlopen(url + "/readyz", timeout=30) as answer:
        ready = json.load(answer)
    assert ready["status"] == "ready" and ready["offline"] and "black_box" not in ready, ready
    for query in queries:
        status, found = post(url + "/search", {"query": query, "top": 10})
        assert status == 200 and found["answered_by"] == "stand-in" and not found["black_box_asked"], found
        own = json.loads(run("search", str(artefact), "--data", str(data), "--offline", "--top", "10", "--json", "--quiet", query))
        ids = [hit["id"] for hit in found["results"]]
        assert ids == [hit["id"] for hit in own["results"]], f"{query}: {ids}, but mafin search: {own['results']}"
        status, context = post(url + "/v1/context", {"query": query})
        assert status == 200 and context["sources"] and context["answered_by"] == "stand-in", context
    status, embedded = post(url + "/v1/embeddings", {"input": queries, "input_type": "query"})
    assert status == 200, embedded
    for entry, row in zip(embedded["data"], floats(vectors), strict=True):
        gap = max(abs(a - b) for a, b in zip(entry["embedding"], row, strict=True))
        assert gap < 1e-5, f"vectors differ by {gap}"
    status, refused = post(url + "/v1/embeddings", {"input": "a text", "input_type": "document"})
    assert status == 422 and "needs the black box" in refused["error"]["message"], refused
finally:
    server.terminate()
    status = server.wait(timeout=60)
assert status == 0, f"the service ended with status {status}: {log.read_text()[-2000:]}"
print(f"{len(queries)} queries searched and embedded without a network")
