"""Chroma: ``MafinEmbeddingFunction`` is an ``EmbeddingFunction``. The space of its collections is the inner product."""

from __future__ import annotations

from typing import Any

from chromadb.api.types import Documents, EmbeddingFunction
from chromadb.utils.embedding_functions import register_embedding_function

from ..artefact import Artefact
from . import ArtefactArgument, opened


@register_embedding_function
class MafinEmbeddingFunction(EmbeddingFunction[Documents]):
    """The joined vectors of an artefact.

    Example::

        function = MafinEmbeddingFunction("ART", black_box=OpenAIEmbeddingFunction(model_name="text-embedding-3-small"))
        collection = client.create_collection("docs", embedding_function=function, configuration={"hnsw": {"space": "ip"}})

    Args:
        artefact: A path, or an artefact.
        black_box: Chroma's embedding function of the API, or what ``as_black_box`` takes. A collection remembers the artefact's path, and
            the black box if it is an embedding function of Chroma.
        offline: Whether the stand-in answers queries; see ``Artefact.encode_query``.
    """

    def __init__(self, artefact: ArtefactArgument, black_box: Any = None, offline: bool | None = None) -> None:
        self._black_box = black_box
        self.artefact = opened(artefact, _asked(black_box))
        self.offline = offline

    def __call__(self, input: Documents) -> Any:
        """Vectors of documents."""
        return list(self.artefact.encode_document(input))

    def embed_query(self, input: Documents) -> Any:
        """Vectors of queries."""
        return list(self.artefact.encode_query(input, offline=self.offline))

    @staticmethod
    def name() -> str:
        """The name by which collections remember the function."""
        return "mafin"

    def default_space(self) -> Any:
        """Inner product."""
        return "ip"

    def supported_spaces(self) -> Any:
        """Inner product, and cosine, which ranks alike unless the vectors are reduced."""
        return ["ip", "cosine"]

    def get_config(self) -> dict[str, Any]:
        """What a collection remembers."""
        config: dict[str, Any] = {"artefact": self.artefact.path, "offline": self.offline}
        if isinstance(self._black_box, EmbeddingFunction):
            config["black_box"] = {"name": self._black_box.name(), "config": self._black_box.get_config()}
        return config

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> MafinEmbeddingFunction:
        """The function that a collection remembers. A black box that is none of Chroma's functions has to be given again."""
        from chromadb.utils.embedding_functions import known_embedding_functions

        stored = config.get("black_box")
        black_box = known_embedding_functions[stored["name"]].build_from_config(stored["config"]) if stored else None
        return MafinEmbeddingFunction(Artefact.load(config["artefact"]), black_box, config.get("offline"))


def _asked(black_box: Any) -> Any:
    """An embedding function of Chroma gives both sides' vectors."""
    if isinstance(black_box, EmbeddingFunction):
        return lambda texts, role: black_box(list(texts)) if role == "document" else black_box.embed_query(list(texts))
    return black_box
