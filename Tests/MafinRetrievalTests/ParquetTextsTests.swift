import Foundation
import MafinNumerics
import MafinParquet
import Testing

@testable import MafinRetrieval

/// Texts in Parquet files of other programs (Tools/write_parquet_text_goldens.py), beside the same texts as JSON lines.
@Suite struct ParquetTextsTests {
    private static func golden(_ name: String) throws -> URL { try Golden.url("parquet/\(name)") }

    private struct Item: Equatable {
        var id: String
        var text: String
    }

    private static func items(_ texts: CheckedTexts) throws -> [Item] {
        var (texts, items) = (texts, [Item]())
        while let text = try texts.next() { items.append(Item(id: text.id, text: text.text)) }
        return items
    }

    private static let hasZstandard = ParquetCodec.zstd.isAvailable

    /// Files that hold the texts of `texts.jsonl`.
    private static let files = [
        "none", "snappy", "zstd", "gzip", "plain", "large", "views", "pages-1", "pages-2", "required", "one-group",
        "duckdb-snappy", "duckdb-zstd", "polars",
    ].filter { hasZstandard || !["zstd", "large", "required", "duckdb-zstd", "polars"].contains($0) }

    @Test(arguments: files) func textsAreThoseOfTheLines(_ name: String) throws {
        let file = try Self.golden("\(name).parquet")
        let lines = try Self.golden("texts.jsonl")
        let documents = try Self.items(CheckedTexts(documents: lines))
        #expect(documents.count == 23)
        #expect(try Self.items(CheckedTexts(documents: file)) == documents)
        // Queries have no titles.
        #expect(try Self.items(CheckedTexts(queries: file)) == Self.items(CheckedTexts(queries: lines)))
        for parts in [1, 2, 3, 5, 8, 40] {
            let cut = try TextCut(file)
            var (end, joined) = (0, [Item]())
            for part in 0..<parts {
                let bytes = try cut.bytes(ofPart: part, of: parts)
                #expect(bytes.lowerBound == end)
                end = bytes.upperBound
                let items = try Self.items(CheckedTexts(partOf: file, bytes: bytes, as: .document))
                #expect(items.isEmpty == (part >= (try #require(cut.rowGroups))))
                joined += items
            }
            #expect(joined == documents)
            #expect(try end == Data(contentsOf: file).count)
        }
    }

    @Test func aParquetFileIsKnownByItsFirstBytes() throws {
        let data = try Data(contentsOf: Self.golden("none.parquet"))
        try withFiles(["corpus": data]) { folder in
            let texts = try CheckedTexts(documents: folder.appendingPathComponent("corpus"))
            #expect(try Self.items(texts).count == 23)
        }
    }

    @Test func wholeNumbersAreIdentifiers() throws {
        let file = try Self.golden("numbers.parquet")
        let items = try Self.items(CheckedTexts(documents: file))
        #expect(items.contains { $0.id == "18446744073709551614" })
        #expect(try items == Self.items(CheckedTexts(documents: Self.golden("numbers.jsonl"))))
    }

    @Test func emptyTextsAreWarnings() throws {
        var texts = try CheckedTexts(queries: Self.golden("plain.parquet"))
        while try texts.next() != nil {}
        #expect(texts.warnings.map(\.line) == [5])
        #expect(texts.warnings[0].description.contains("plain.parquet (row group 0; a line is a row):5: "))
    }

    @Test func aFileWithoutRowsIsEmpty() throws {
        let file = try Self.golden("empty.parquet")
        #expect(throws: RetrievalError.emptyCollection(path: file.path, kind: .document)) {
            try Self.items(CheckedTexts(documents: file))
        }
        let cut = try TextCut(file)
        #expect(cut.rowGroups == 0)
        #expect(try cut.bytes(ofPart: 0, of: 2) == 0..<cut.size && cut.bytes(ofPart: 1, of: 2).isEmpty)
        #expect(try Self.items(CheckedTexts(partOf: file, bytes: 0..<cut.size, as: .document)).isEmpty)
    }

    @Test(arguments: [
        ("no-text", "no-text.parquet (row group 2; a line is a row):14: the field \"text\" is missing"),
        ("no-id", "no-id.parquet (row group 2; a line is a row):14: the field \"_id\" is missing"),
        ("twice", ":14: the document id \"dök-2\" was already used at line 3"),
        (
            "bytes",
            "bytes.parquet, row group 2, column 'text': expected a Parquet file that is whole, found a text that"
        ),
        ("number-text", "(row group 0; a line is a row):1: the field \"text\" should be a string, but is a number"),
        ("list-text", "expected texts in the column 'text', found cells of another kind"),
        ("decimal-id", "expected texts in the column '_id', found cells of another kind"),
        ("date-id", "expected texts in the column '_id', found cells of another kind"),
        ("other-columns", "expected the columns '_id' (or 'id') and 'text'"),
        ("delta", "delta.parquet, row group 0, column 'text': expected"),
        ("brotli", "column 'text': expected pages that are not compressed, or with Snappy, gzip or Zstandard, found"),
    ]) func faultsAreNamed(_ name: String, _ message: String) throws {
        let file = try Self.golden("\(name).parquet")
        var description = ""
        do {
            _ = try Self.items(CheckedTexts(documents: file))
        } catch let error as RetrievalError {
            description = error.description
        } catch let error as NumericsError {
            description = error.description
        }
        #expect(description.contains(message) && description.contains("\(name).parquet"), "\(description)")
        // A part is read as the whole is.
        let end = try TextCut(file).size
        #expect(throws: (any Error).self) {
            try Self.items(CheckedTexts(partOf: file, bytes: 0..<end, as: .document))
        }
    }

    @Test func missingAndOtherFilesAreErrors() throws {
        try withFiles(["lines.parquet": "{\"_id\": \"1\", \"text\": \"a\"}\n"]) { folder in
            let missing = folder.appendingPathComponent("x.parquet")
            for open in [{ _ = try CheckedTexts(documents: missing) }, { _ = try TextCut(missing) }] {
                let error = #expect(throws: RetrievalError.self) { try open() }
                #expect(error?.description.contains("no such file") == true)
            }
            let lines = folder.appendingPathComponent("lines.parquet")
            for open in [{ _ = try CheckedTexts(documents: lines) }, { _ = try TextCut(lines) }] {
                let error = #expect(throws: NumericsError.self) { try open() }
                #expect(error?.description.contains("expected a Parquet file, found other bytes") == true)
            }
        }
    }

    /// A file from a stranger may be damaged anywhere: an error, or other texts, but no crash and no endless loop.
    @Test func damagedFilesAreErrors() throws {
        try withFiles([:] as [String: Data]) { folder in
            let url = folder.appendingPathComponent("x.parquet")
            var random = RandomGenerator(seed: 11)
            var (refused, rounds) = (0, 0)
            for name in ["none", "views", "pages-1", "pages-2", "polars"] where Self.files.contains(name) {
                let whole = try Data(contentsOf: Self.golden("\(name).parquet"))
                for round in 0..<300 {
                    var bytes = whole
                    if round % 6 == 0 {
                        bytes = bytes.prefix(Int(random.next() % UInt64(bytes.count)))
                    } else {
                        // Half of the faults in the footer, which says where everything is.
                        let first = round % 2 == 0 ? 0 : bytes.count * 3 / 4
                        for _ in 0..<3 {
                            let place = first + Int(random.next() % UInt64(bytes.count - first))
                            bytes[place] = UInt8(random.next() & 255)
                        }
                    }
                    try bytes.write(to: url)
                    rounds += 1
                    do {
                        let cut = try TextCut(url)
                        for part in 0..<3 {
                            let range = try cut.bytes(ofPart: part, of: 3)
                            _ = try Self.items(CheckedTexts(partOf: url, bytes: range, as: .document))
                        }
                    } catch is NumericsError {
                        refused += 1
                    } catch is RetrievalError {
                        refused += 1
                    }
                }
            }
            #expect(refused > rounds / 4 && refused < rounds, "\(refused) of \(rounds)")
        }
    }
}

/// Row groups that are dealt out to parts.
@Suite struct RowGroupCutTests {
    private func parts(_ rows: [Int], _ count: Int) -> [[Int]] {
        let first = TextCut.firstGroups(of: rows, parts: count) + [rows.count]
        return (0..<count).map { Array(rows[first[$0]..<first[$0 + 1]]) }
    }

    @Test func groupsStayInOrderAndNoneIsLost() {
        #expect(parts([5, 5, 5, 5], 4) == [[5], [5], [5], [5]])
        #expect(parts([16, 16, 5], 2) == [[16], [16, 5]])
        #expect(parts([100, 100, 100, 1], 4) == [[100], [100], [100], [1]])
        #expect(parts([1, 1, 1, 9], 2) == [[1, 1, 1], [9]])
        #expect(parts([7, 7], 5) == [[7], [7], [], [], []])
        #expect(parts([], 2) == [[], []])
        #expect(parts([Int.max / 2, Int.max / 2, 1], 2).flatMap { $0 }.count == 3)
    }

    /// Against all ways to cut: the largest part is the smallest that there is.
    @Test func theLargestPartIsAsSmallAsCanBe() {
        var random = RandomGenerator(seed: 5)
        for _ in 0..<300 {
            let rows = (0..<Int.random(in: 1...7, using: &random)).map { _ in Int.random(in: 1...20, using: &random) }
            let count = Int.random(in: 1...4, using: &random)
            func best(_ from: Int, _ parts: Int) -> Int {
                if parts == 1 { return rows[from...].reduce(0, +) }
                return (from...rows.count).map { max(rows[from..<$0].reduce(0, +), best($0, parts - 1)) }.min() ?? 0
            }
            let found = parts(rows, count)
            #expect(found.flatMap { $0 } == rows)
            #expect(found.map { $0.reduce(0, +) }.max() == best(0, count), "\(rows) in \(count)")
            #expect(found.count { !$0.isEmpty } == min(rows.count, count), "\(rows) in \(count)")
        }
    }
}
