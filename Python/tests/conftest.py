"""What the tests share: the program, the shared library, and artefacts that are trained once.

    MAFIN_PROGRAM    the built program
    MAFIN_LIBRARY    the built shared library
    MAFIN_MODELS     a folder with all-MiniLM-L6-v2

Scripts/test-python.sh sets them, and stops where one is missing. By hand, tests are skipped that need what is not set.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HANDBOOK = ROOT / "Samples/handbook"
# Nothing in these tests may use the network.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# A shell ignores interrupts for what it starts in the background, and Python then keeps it so. Some tests interrupt themselves.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config, items):
    if os.environ.get("MAFIN_SLOW_TESTS") == "1":
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: MAFIN_SLOW_TESTS=1 runs it"))


def _needs(variable):
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set (Scripts/test-python.sh sets it)")
    assert Path(value).exists(), f"{variable}={value} is not there"
    return value


@pytest.fixture(scope="session")
def program():
    """The path of the program."""
    return _needs("MAFIN_PROGRAM")


@pytest.fixture(scope="session")
def library():
    """The path of the shared library."""
    return _needs("MAFIN_LIBRARY")


@pytest.fixture(scope="session")
def minilm():
    """The folder of the released encoder."""
    return Path(_needs("MAFIN_MODELS")) / "all-MiniLM-L6-v2"


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """A folder for what is made once; the program's cache is there too."""
    folder = tmp_path_factory.mktemp("mafin")
    os.environ["MAFIN_CACHE"] = str(folder / "cache")
    return folder


def mafin(program, *arguments):
    """Runs the program and returns its standard output."""
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, f"mafin {' '.join(map(str, arguments))}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def artefact_folder(program, minilm, work):
    """An artefact of the handbook: the stored black box, a trained encoder, BM25, a memory of queries, a stand-in."""
    folder = work / "artefact"
    mafin(
        program, "train", "--data", HANDBOOK, "--black-box", f"vectors:{HANDBOOK / 'black-box'}", "--encoder", minilm,
        "--output", folder, "--time", "12s", "--compose", "--stand-in", "--force", "--quiet",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def pair_folder(program, minilm, work):
    """An artefact of the handbook with the black box and a trained encoder alone."""
    folder = work / "pair"
    mafin(
        program, "train", "--data", HANDBOOK, "--black-box", f"vectors:{HANDBOOK / 'black-box'}", "--encoder", minilm,
        "--output", folder, "--time", "5s", "--force", "--quiet",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def handbook():
    """The sample as a collection."""
    from mafin_embeddings import read_collection

    return read_collection(HANDBOOK)


@pytest.fixture(scope="session")
def black_box(handbook):
    """The stored vectors of the sample as a function of texts, as a user's API would be."""
    import numpy as np

    vectors = {}
    for name, role in [("corpus", "document"), ("queries", "query")]:
        ids = (HANDBOOK / f"black-box/{name}.ids").read_text().split()
        rows = np.load(HANDBOOK / f"black-box/{name}.npy").astype(np.float32)
        texts = {one: handbook.text(one) for one in handbook.corpus} if role == "document" else handbook.queries
        vectors[role] = {texts[one]: row for one, row in zip(ids, rows)}

    def embed(texts, role):
        return np.stack([vectors[role][text] for text in texts])

    return embed


@pytest.fixture(scope="session")
def released(minilm, library):
    """The released encoder."""
    from mafin_embeddings import Artefact

    return Artefact.load(minilm)


@pytest.fixture(scope="session")
def artefact(artefact_folder, library, black_box):
    """The artefact with everything, and its black box."""
    from mafin_embeddings import Artefact

    return Artefact.load(artefact_folder, black_box=black_box)


@pytest.fixture(scope="session")
def pair(pair_folder, library, black_box):
    """The artefact of two sources, and its black box."""
    from mafin_embeddings import Artefact

    return Artefact.load(pair_folder, black_box=black_box)
