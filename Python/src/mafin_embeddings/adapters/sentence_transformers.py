"""sentence-transformers: ``MafinSentenceTransformer`` is a ``SentenceTransformer``, ``MafinModule`` one of its modules.

Use it where code wants a ``SentenceTransformer``: its evaluators, ``util.semantic_search``, other packages. Without such code
:class:`mafin_embeddings.Artefact` has the same methods and needs no torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import InputModule

from . import ArtefactArgument, opened


class MafinModule(InputModule):  # type: ignore[misc, unused-ignore]
    """An artefact as the only module of a ``SentenceTransformer``: ``SentenceTransformer(modules=[MafinModule("ART")])``.

    It cannot be trained: its vectors come without gradients.

    Args:
        artefact: A path, or an artefact.
        black_box: What gives the API's vectors; see ``as_black_box``.
        local_only: The vectors of the local encoder alone, which may have prompts, instead of the joined ones.
    """

    #: The keyword of ``encode_query`` and ``encode_document`` that says which side a text is of.
    forward_kwargs = {"task"}

    def __init__(self, artefact: ArtefactArgument, black_box: Any = None, *, local_only: bool = False) -> None:
        super().__init__()
        self.artefact = opened(artefact, black_box)
        self.local_only = local_only
        self._embedder = self.artefact.encoder if local_only else self.artefact

    @property
    def modalities(self) -> list[str]:
        """Texts only."""
        return ["text"]

    def preprocess(self, inputs: list[str], prompt: str | None = None, task: str | None = None, **options: Any) -> dict[str, Any]:
        """Keeps the texts as they are; the library reads them itself."""
        return {"texts": list(inputs), "prompt": prompt, "task": task}

    def tokenize(self, texts: list[str], **options: Any) -> dict[str, Any]:
        """The same as :meth:`preprocess`, under its older name."""
        return self.preprocess(texts, **options)

    def forward(self, features: dict[str, Any], task: str | None = None, **options: Any) -> dict[str, Any]:
        """Adds ``sentence_embedding``, ``(texts, dimension)``."""
        role = "query" if (task or features.get("task")) == "query" else "document"
        # An empty prompt is what sentence-transformers passes if nobody asked for one. Then the artefact's own is used.
        vectors = self._embedder.encode(features["texts"], prompt_name=role, prompt=features.get("prompt") or None)
        features["sentence_embedding"] = torch.from_numpy(vectors)
        return features

    def get_embedding_dimension(self) -> int:
        """Numbers in a vector."""
        return self._embedder.get_embedding_dimension()

    def get_sentence_embedding_dimension(self) -> int:
        """The same, under its older name."""
        return self.get_embedding_dimension()

    @property
    def max_seq_length(self) -> int:
        """Tokens to which the local encoder cuts texts."""
        return self.artefact.encoder.max_seq_length

    def save(self, output_path: str, *args: Any, **options: Any) -> None:
        """Writes the path of the artefact, not the artefact."""
        Path(output_path, "mafin.json").write_text(json.dumps({"artefact": str(Path(self.artefact.path).resolve()), "local_only": self.local_only}))

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **options: Any) -> MafinModule:
        """Reads what :meth:`save` wrote. A black box has to be given again: ``model[0].artefact.black_box = …``."""
        found = json.loads(Path(model_name_or_path, subfolder, "mafin.json").read_text())
        return cls(found["artefact"], local_only=found["local_only"])


class MafinSentenceTransformer(SentenceTransformer):  # type: ignore[misc, unused-ignore]
    """An artefact as a ``SentenceTransformer``. Its similarity is the inner product.

    Args:
        artefact: A path, or an artefact.
        black_box: What gives the API's vectors; see ``as_black_box``.
        local_only: The vectors of the local encoder alone.
        options: Further arguments of ``SentenceTransformer``, such as ``truncate_dim``.
    """

    def __init__(self, artefact: ArtefactArgument, black_box: Any = None, *, local_only: bool = False, **options: Any) -> None:
        module = MafinModule(artefact, black_box, local_only=local_only)
        super().__init__(modules=[module], device="cpu", similarity_fn_name="dot", **options)

    @property
    def artefact(self) -> Any:
        """The artefact."""
        return self[0].artefact
