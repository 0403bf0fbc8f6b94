"""`import mafin_embeddings` reads nothing that is not used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mafin_embeddings

HEAVY = ["numpy", "ctypes", "subprocess", "torch", "pandas", "tqdm"]


def modules_after(statement):
    code = f"{statement}\nimport sys\nprint(' '.join(sys.modules))"
    environment = dict(os.environ, PYTHONPATH=str(Path(mafin_embeddings.__file__).parents[1]))
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    return set(done.stdout.split())


def test_the_package_alone_imports_nothing_heavy():
    assert not set(HEAVY) & modules_after("import mafin_embeddings") - modules_after("pass")


def test_the_commands_need_no_numpy():
    assert not {"numpy", "pandas", "tqdm"} & modules_after("from mafin_embeddings import compare, train, plan, evaluate, run")


def test_an_artefact_needs_numpy_alone():
    found = modules_after("from mafin_embeddings import Artefact, Index")
    assert "numpy" in found and not {"torch", "pandas", "tqdm", "sentence_transformers"} & found


def test_every_name_of_the_package_is_there():
    for name in mafin_embeddings.__all__:
        assert getattr(mafin_embeddings, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mafin_embeddings.nothing  # noqa: B018
