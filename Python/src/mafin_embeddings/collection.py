"""Collections in and out: BEIR dictionaries, pandas, ``datasets``, LlamaIndex, and the folder that the program reads."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import MafinError

#: The split of labels that are not split. The program cuts them into train, dev and test by content.
WHOLE = "all"

_ID_COLUMNS = ("_id", "id", "corpus-id", "query-id", "doc_id", "docid", "document_id", "query_id", "qid")
_TEXT_COLUMNS = ("text", "query", "document", "content", "passage")
_QUERY_COLUMNS = ("query-id", "query_id", "qid", "query")
_DOCUMENT_COLUMNS = ("corpus-id", "corpus_id", "document_id", "doc_id", "docid", "document")
_GRADE_COLUMNS = ("score", "grade", "relevance", "label")

Labels = dict[str, dict[str, int]]


class CollectionError(MafinError, ValueError):
    """A collection is malformed. The message names the text or the label."""


@dataclass
class Collection:
    """Documents, queries and labels.

    Attributes:
        corpus: Title and text of each document by id; the title may be empty.
        queries: Text of each query by id.
        qrels: Grades by split, query and document. Labels that are not split are in ``"all"``.
    """

    corpus: dict[str, dict[str, str]]
    queries: dict[str, str]
    qrels: dict[str, Labels] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.corpus:
            raise CollectionError("the collection has no documents")
        for split, labels in self.qrels.items():
            if not split or split.startswith(".") or "/" in split or "\\" in split:
                raise CollectionError(f"{split!r} is no name of a split")
            for query, grades in labels.items():
                if query not in self.queries:
                    raise CollectionError(f"labels of {split}: there is no query {query!r}")
                for document, grade in grades.items():
                    if document not in self.corpus:
                        raise CollectionError(f"labels of {split}, query {query!r}: there is no document {document!r}")
                    if grade < 0:
                        raise CollectionError(f"labels of {split}, query {query!r}, document {document!r}: the grade {grade} is below 0")

    @classmethod
    def of(cls, corpus: Any, queries: Any = None, qrels: Any = None) -> Collection:
        """A collection of whatever holds one.

        With three arguments: ``corpus`` and ``queries`` are dictionaries by id (a document is a string or ``{"title": …, "text": …}``), or tables
        (pandas, ``datasets.Dataset``, lists of dictionaries) with an id column (``_id``, ``id``, …), ``text`` and perhaps ``title``. ``qrels`` is
        ``{query: {document: grade}}``, or ``{split: …}`` of that, or a table with ``query-id``, ``corpus-id`` and ``score``, or a
        ``DatasetDict`` or dictionary of such tables by split.

        With one argument: a :class:`Collection`, a triple of the three, LlamaIndex's ``EmbeddingQAFinetuneDataset`` or its JSON as a dictionary,
        or a table of pairs with the columns ``query`` (or ``anchor``, ``question``) and ``document`` (or ``positive``, ``answer``, ``text``).

        Raises:
            CollectionError: It is none of these, an id occurs twice, or a label names an unknown text.
        """
        if queries is not None:
            return cls(_documents(corpus), _texts(queries), _splits({} if qrels is None else qrels))
        if isinstance(corpus, Collection):
            return corpus
        if isinstance(corpus, tuple) and len(corpus) == 3:
            return cls.of(*corpus)
        if hasattr(corpus, "relevant_docs"):
            return cls._of_llama_index(corpus.corpus, corpus.queries, corpus.relevant_docs)
        if isinstance(corpus, Mapping) and {"corpus", "queries", "relevant_docs"} <= set(corpus):
            return cls._of_llama_index(corpus["corpus"], corpus["queries"], corpus["relevant_docs"])
        if isinstance(corpus, Mapping) and {"corpus", "queries", "qrels"} <= set(corpus):
            return cls.of(corpus["corpus"], corpus["queries"], corpus["qrels"])
        return cls._of_pairs(corpus)

    @classmethod
    def _of_llama_index(cls, corpus: Mapping[str, str], queries: Mapping[str, str], relevant: Mapping[str, Iterable[str]]) -> Collection:
        labels = {str(query): {str(document): 1 for document in documents} for query, documents in relevant.items()}
        return cls(_documents(corpus), _texts(queries), {WHOLE: labels})

    @classmethod
    def _of_pairs(cls, table: Any) -> Collection:
        rows = _rows(table)
        corpus: dict[str, dict[str, str]] = {}
        queries: dict[str, str] = {}
        labels: Labels = {}
        known_documents: dict[tuple[str, str], str] = {}
        known_queries: dict[str, str] = {}
        for number, row in enumerate(rows):
            question = _field(row, ("query", "anchor", "question"), f"pair {number}")
            found = _field(row, ("document", "positive", "answer", "text"), f"pair {number}")
            title = _title(row)
            query = known_queries.setdefault(str(question), f"q{len(known_queries) + 1}")
            queries[query] = str(question)
            for text in found if isinstance(found, (list, tuple)) else [found]:
                document = known_documents.setdefault((title, str(text)), f"d{len(known_documents) + 1}")
                corpus[document] = {"title": title, "text": str(text)}
                labels.setdefault(query, {})[document] = 1
        return cls(corpus, queries, {WHOLE: labels})

    # Out

    def write(self, folder: str | os.PathLike[str], *, replace: bool = False) -> Path:
        """Writes the folder that every command reads, whole or not at all.

        Args:
            folder: It must not exist, or be empty.
            replace: Replace a collection that is there.

        Raises:
            CollectionError: Something else is there.
        """
        target = Path(folder)
        if target.exists() and not (target.is_dir() and not any(target.iterdir())):
            if not (replace and (target / "corpus.jsonl").is_file()):
                hint = "" if replace else "; replace=True replaces a collection"
                raise CollectionError(f"{target}: it exists already{hint}")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            temporary.chmod(0o755)
            _write_lines(
                temporary / "corpus.jsonl", ({"_id": name, "title": one["title"], "text": one["text"]} for name, one in self.corpus.items())
            )
            _write_lines(temporary / "queries.jsonl", ({"_id": name, "text": text} for name, text in self.queries.items()))
            (temporary / "qrels").mkdir()
            for split, labels in self.qrels.items():
                lines = ["query-id\tcorpus-id\tscore\n"]
                for query, grades in labels.items():
                    lines += [f"{query}\t{document}\t{grade}\n" for document, grade in grades.items()]
                (temporary / "qrels" / f"{split}.tsv").write_bytes("".join(lines).encode())
            if target.exists():
                old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
                os.replace(target, old / "old")
                os.replace(temporary, target)
                shutil.rmtree(old)
            else:
                os.replace(temporary, target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return target

    def beir(self, split: str) -> tuple[dict[str, dict[str, str]], dict[str, str], Labels]:
        """BEIR's triple: the corpus, the queries that ``split`` judges, and its labels."""
        labels = self._split(split)
        return self.corpus, {query: self.queries[query] for query in labels}, labels

    def frames(self) -> dict[str, Any]:
        """pandas frames: ``corpus`` and ``queries`` by id, and ``qrels`` with the columns split, query, document, grade."""
        pandas = _pandas()
        rows = [
            (split, query, document, grade)
            for split, labels in self.qrels.items()
            for query, grades in labels.items()
            for document, grade in grades.items()
        ]
        return {
            "corpus": pandas.DataFrame.from_dict(self.corpus, orient="index", columns=["title", "text"]),
            "queries": pandas.DataFrame.from_dict({name: [text] for name, text in self.queries.items()}, orient="index", columns=["text"]),
            "qrels": pandas.DataFrame(rows, columns=["split", "query", "document", "grade"]),
        }

    def datasets(self) -> dict[str, Any]:
        """``datasets``: ``corpus`` and ``queries`` as a ``Dataset`` each, ``qrels`` as a ``DatasetDict`` by split, in BEIR's columns."""
        try:
            from datasets import Dataset, DatasetDict
        except ImportError:
            raise MafinError("this needs the package datasets") from None
        return {
            "corpus": Dataset.from_list([{"_id": name, **one} for name, one in self.corpus.items()]),
            "queries": Dataset.from_list([{"_id": name, "text": text} for name, text in self.queries.items()]),
            "qrels": DatasetDict(
                {
                    split: Dataset.from_list(
                        [
                            {"query-id": query, "corpus-id": document, "score": grade}
                            for query, grades in labels.items()
                            for document, grade in grades.items()
                        ]
                    )
                    for split, labels in self.qrels.items()
                }
            ),
        }

    def llama_index(self, split: str) -> dict[str, Any]:
        """The three fields of LlamaIndex's ``EmbeddingQAFinetuneDataset`` for one split. A title comes before its text."""
        labels = self._split(split)
        return {
            "queries": {query: self.queries[query] for query in labels},
            "corpus": {name: self.text(name) for name in self.corpus},
            "relevant_docs": {query: [document for document, grade in grades.items() if grade > 0] for query, grades in labels.items()},
        }

    def text(self, document: str) -> str:
        """The text of a document as encoders get it: its title, a space and its text."""
        one = self.corpus[document]
        return f"{one['title']} {one['text']}" if one["title"] else one["text"]

    def _split(self, name: str) -> Labels:
        if name not in self.qrels:
            raise CollectionError(f"there are no labels of {name!r}; the splits are {', '.join(self.qrels) or 'none'}")
        return self.qrels[name]

    def __repr__(self) -> str:
        splits = ", ".join(f"{split} {len(labels)}" for split, labels in self.qrels.items())
        return f"Collection({len(self.corpus)} documents, {len(self.queries)} queries, labelled: {splits or 'none'})"


def write_collection(
    folder: str | os.PathLike[str], corpus: Any, queries: Any = None, qrels: Any = None, *, replace: bool = False
) -> Path:
    """Writes a collection that the program reads; :meth:`Collection.of` tells what is taken.

    Example:
        ``write_collection("DATA", corpus, queries, {"train": …, "test": …})``
    """
    return Collection.of(corpus, queries, qrels).write(folder, replace=replace)


def read_collection(path: str | os.PathLike[str]) -> Collection:
    """Reads a BEIR folder (``corpus.jsonl``, ``queries.jsonl``, ``qrels/SPLIT.tsv``) or LlamaIndex's ``.json``.

    Raises:
        CollectionError: A file is missing or malformed.
    """
    folder = Path(path)
    if folder.suffix == ".json":
        return Collection.of(json.loads(folder.read_text(encoding="utf-8")))
    corpus = _table_by_id(_read_lines(folder / "corpus.jsonl"), "corpus.jsonl")
    queries = _table_by_id(_read_lines(folder / "queries.jsonl"), "queries.jsonl")
    qrels = {file.stem: _read_labels(file) for file in sorted((folder / "qrels").glob("*.tsv"))}
    return Collection(
        {name: {"title": _title(row), "text": str(row["text"])} for name, row in corpus.items()},
        {name: str(row["text"]) for name, row in queries.items()},
        qrels,
    )


# Readers of what users hold


def _documents(value: Any) -> dict[str, dict[str, str]]:
    if isinstance(value, Mapping):
        found: dict[str, dict[str, str]] = {}
        for name, one in value.items():
            if isinstance(one, str):
                found[str(name)] = {"title": "", "text": one}
            elif isinstance(one, Mapping) and "text" in one:
                found[str(name)] = {"title": _title(one), "text": str(one["text"])}
            else:
                raise CollectionError(f"document {name!r}: expected a string or a dictionary with 'text', found {type(one).__name__}")
        return found
    rows = _table_by_id(_rows(value), "documents")
    return {name: {"title": _title(row), "text": str(_field(row, _TEXT_COLUMNS, name))} for name, row in rows.items()}


def _texts(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        for name, text in value.items():
            if not isinstance(text, str):
                raise CollectionError(f"query {name!r}: expected a string, found {type(text).__name__}")
        return {str(name): text for name, text in value.items()}
    rows = _table_by_id(_rows(value), "queries")
    return {name: str(_field(row, _TEXT_COLUMNS, name)) for name, row in rows.items()}


def _splits(value: Any) -> dict[str, Labels]:
    if not isinstance(value, Mapping):
        return {WHOLE: _labels(value)}
    first = next(iter(value.values()), None)
    is_one_split = isinstance(first, Mapping) and all(not isinstance(grade, Mapping) for grade in first.values())
    if is_one_split and first:
        return {WHOLE: _labels(value)}
    return {str(split): _labels(labels) for split, labels in value.items()}


def _labels(value: Any) -> Labels:
    if isinstance(value, Mapping):
        return {
            str(query): {str(document): _grade(grade, query, document) for document, grade in grades.items()}
            for query, grades in value.items()
        }
    labels: Labels = {}
    for number, row in enumerate(_rows(value)):
        query = str(_field(row, _QUERY_COLUMNS, f"label {number}"))
        document = str(_field(row, _DOCUMENT_COLUMNS, f"label {number}"))
        grade = next((row[name] for name in _GRADE_COLUMNS if name in row), 1)
        labels.setdefault(query, {})[document] = _grade(grade, query, document)
    return labels


def _grade(value: Any, query: Any, document: Any) -> int:
    try:
        grade = int(value)
        if grade == value:
            return grade
    except (TypeError, ValueError, OverflowError):
        pass
    raise CollectionError(f"query {query!r}, document {document!r}: expected a whole number as the grade, found {value!r}")


def _rows(table: Any) -> list[dict[str, Any]]:
    """Rows of a pandas frame, a ``datasets.Dataset``, or a list of dictionaries."""
    if hasattr(table, "to_dict") and hasattr(table, "columns"):
        # An index with a name is a column that somebody made the index.
        frame = table.reset_index() if getattr(table.index, "name", None) else table
        return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
    if hasattr(table, "column_names") and hasattr(table, "to_list"):
        return list(table.to_list())
    if isinstance(table, Iterable) and not isinstance(table, (str, bytes, Mapping)):
        rows = list(table)
        if all(isinstance(row, Mapping) for row in rows):
            return [dict(row) for row in rows]
    raise CollectionError(f"expected dictionaries, a pandas frame, a datasets.Dataset or a list of dictionaries, found {type(table).__name__}")


def _table_by_id(rows: list[dict[str, Any]], what: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(rows):
        name = str(_field(row, _ID_COLUMNS, f"{what}, row {number}"))
        if name in found:
            raise CollectionError(f"{what}, row {number}: the id {name!r} occurs twice")
        found[name] = row
    return found


def _field(row: Mapping[str, Any], names: tuple[str, ...], where: str) -> Any:
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise CollectionError(f"{where}: expected a field {' or '.join(names)}, found {', '.join(row) or 'none'}")


def _title(row: Mapping[str, Any]) -> str:
    title = row.get("title")
    # pandas has NaN, which is not equal to itself, where a title is missing.
    return str(title) if title and title == title else ""


def _read_lines(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        raise CollectionError(f"{file}: there is no such file")
    rows = []
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise CollectionError(f"{file}:{number}: {error}") from None
            if not isinstance(row, dict) or "text" not in row:
                raise CollectionError(f"{file}:{number}: expected an object with 'text'")
            rows.append(row)
    return rows


def _read_labels(file: Path) -> Labels:
    labels: Labels = {}
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            fields = line.split()
            if not fields or number == 1 and not fields[-1].lstrip("-").isdigit():
                continue
            if len(fields) not in (3, 4) or not fields[-1].lstrip("-").isdigit():
                raise CollectionError(f"{file}:{number}: expected query, document and grade, found {line.strip()!r}")
            labels.setdefault(fields[0], {})[fields[-2]] = int(fields[-1])
    return labels


def _write_lines(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as output:
        for row in rows:
            output.write(json.dumps(row, ensure_ascii=False) + "\n")


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise MafinError("this needs the package pandas") from None
    return pandas
