"""Writes the Parquet files of texts that MafinRetrievalTests read, and the same texts as JSON lines.

    pip install pyarrow duckdb polars
    python Tools/write_parquet_text_goldens.py
"""

import json
import pathlib

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "Tests/MafinRetrievalTests/Goldens/parquet"
ROWS, GROUP = 23, 5  # the last group has 3 rows

IDS = [f"dök-{row}" for row in range(ROWS)]
TITLES = [None if row % 3 == 0 else "" if row % 7 == 0 else f"Title {row % 4}" for row in range(ROWS)]
# An empty text, a line's end, a zero byte, characters of four bytes, a text longer than a page.
TEXTS = [f"text {row % 5} of \"{row}\" 𝄞\n" + "wing flow " * (row % 6) for row in range(ROWS)]
TEXTS[4], TEXTS[9], TEXTS[17] = "", "a\0b", "lift and drag " * 300


def lines(path, ids, titles, texts):
    rows = ({"_id": a, "title": b, "text": c} for a, b, c in zip(ids, titles, texts))
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write(name, columns, **options):
    options = {"row_group_size": GROUP, "compression": "none"} | options
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), FOLDER / f"{name}.parquet", **options)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    lines(FOLDER / "texts.jsonl", IDS, TITLES, TEXTS)
    plain = {"_id": IDS, "title": TITLES, "text": TEXTS}
    others = {"vector": [[0.5, row] for row in range(ROWS)], "lang": ["en"] * ROWS}
    # Dictionaries (the default), nullable columns, and columns that are not read.
    for codec in ["none", "snappy", "zstd", "gzip"]:
        write(codec, others | plain, compression=codec)
    write("plain", plain, use_dictionary=False, compression="snappy")
    large = pa.schema([(name, pa.large_string()) for name in plain])
    write("large", pa.table(plain, large), compression="zstd")
    views = pa.schema([("id", pa.string_view()), ("title", pa.dictionary(pa.int32(), pa.string())), ("text", pa.string_view())])
    write("views", pa.table({"id": IDS, "title": pa.array(TITLES).dictionary_encode(), "text": TEXTS}, views))
    # Several pages in a group, and pages of nulls only.
    for version in ["1.0", "2.0"]:
        write(f"pages-{version[0]}", plain, data_page_version=version, data_page_size=16, write_batch_size=1, compression="snappy",
              use_dictionary=["title"], row_group_size=11)
    required = pa.schema([pa.field("_id", pa.string(), False), pa.field("text", pa.string(), False), pa.field("title", pa.string())])
    write("required", pa.table(plain, required), compression="zstd")
    write("one-group", plain, row_group_size=1 << 20)
    write("empty", pa.table(plain).slice(0, 0))
    connection = duckdb.connect()
    connection.register("source", pa.table(plain))
    for codec in ["snappy", "zstd"]:
        connection.execute(f"copy (from source) to '{FOLDER}/duckdb-{codec}.parquet' (format parquet, compression {codec})")
    pl.DataFrame(plain).write_parquet(FOLDER / "polars.parquet", row_group_size=GROUP)

    # Whole numbers as ids, beyond the signed ones too.
    numbers = [2**64 - 1 - row if row % 2 else row for row in range(ROWS)]
    lines(FOLDER / "numbers.jsonl", numbers, TITLES, TEXTS)
    write("numbers", {"id": pa.array(numbers, pa.uint64()), "title": TITLES, "text": TEXTS})

    # Faults, each in row 13 (from 0), in row group 2.
    def fault(name, changed, **options):
        write(name, plain | changed if "body" not in changed else changed, **({"compression": "snappy"} | options))

    def but(values, row, value):
        return values[:row] + [value] + values[row + 1:]

    fault("no-text", {"text": but(TEXTS, 13, None)})
    fault("no-id", {"_id": but(IDS, 13, None)})
    fault("twice", {"_id": but(IDS, 13, IDS[2])})
    fault("bytes", {"text": but([text.encode() for text in TEXTS], 13, b"\xff\xfe")})
    fault("number-text", {"text": list(range(ROWS))})
    fault("list-text", {"text": [[text] for text in TEXTS]})
    fault("decimal-id", {"_id": pa.array(range(ROWS), pa.decimal128(9, 2))}, store_decimal_as_integer=True)
    fault("date-id", {"_id": pa.array(range(ROWS), pa.date32())})
    fault("other-columns", {"key": IDS, "body": TEXTS})
    fault("delta", {}, use_dictionary=False, column_encoding={"text": "DELTA_LENGTH_BYTE_ARRAY"})
    fault("brotli", {}, compression={"_id": "none", "title": "none", "text": "brotli"})


if __name__ == "__main__":
    main()
