"""Adapters to other packages, one file each. A file imports its package, so it is imported only where it is used.

=========================  ==========================================================================================
``sentence_transformers``  ``MafinSentenceTransformer``, a ``SentenceTransformer``; ``MafinModule``, one of its modules
``langchain``              ``MafinEmbeddings``, an ``Embeddings``
``llama_index``            ``MafinEmbedding``, a ``BaseEmbedding``
``haystack``               ``MafinTextEmbedder``, ``MafinDocumentEmbedder``
``mteb``                   ``MafinEncoder`` (joined vectors), ``MafinSearch`` (all sources)
``dspy``                   ``MafinEmbedder``, ``MafinRetriever`` (all sources)
``chroma``                 ``MafinEmbeddingFunction``
=========================  ==========================================================================================

Every class takes a path or a loaded :class:`mafin_embeddings.Artefact`, and ``black_box``. That may be the API's embedder of the same
package: what an application asks today stays what it asks, and mafin adds to its vectors.

Joined vectors are compared by inner product. Set your index to that.
"""

from __future__ import annotations

import os
from typing import Any, Union

from ..artefact import Artefact

#: A path of an artefact, or one that is loaded.
ArtefactArgument = Union[Artefact, str, "os.PathLike[str]"]


def opened(artefact: ArtefactArgument, black_box: Any) -> Artefact:
    """The artefact, loaded if it is a path, with ``black_box`` if one is given."""
    if not isinstance(artefact, Artefact):
        return Artefact.load(artefact, black_box=black_box)
    return artefact if black_box is None else artefact.asking(black_box)
