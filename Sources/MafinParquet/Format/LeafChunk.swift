import MafinNumerics

/// The pages of a leaf of the schema in the present group of rows.
struct LeafChunk {
    let path: [String]
    let type: PhysicalType
    let hasLevels: Bool
    /// Pages with their heads.
    var bytes: [UInt8] = []
    /// Numbers or texts in the pages.
    private(set) var values = 0
    /// Bytes of the pages before compression, with their heads.
    private(set) var plainBytes = 0
    /// Bytes of the pages, with their heads.
    private(set) var totalBytes = 0

    static func leaves(of column: ParquetColumn) -> [LeafChunk] {
        func list(_ path: [String], _ type: PhysicalType) -> LeafChunk {
            LeafChunk(path: path + ["list", "element"], type: type, hasLevels: true)
        }
        return switch column.kind {
        case .text: [LeafChunk(path: [column.name], type: .bytes, hasLevels: false)]
        case .floats: [list([column.name], .float)]
        case .halves: [list([column.name], .fixedBytes)]
        case .terms: [list([column.name, "indices"], .integer32), list([column.name, "values"], .float)]
        }
    }

    func emptied() -> LeafChunk { LeafChunk(path: path, type: type, hasLevels: hasLevels) }

    /// - Throws: `NumericsError` if the page cannot be compressed.
    mutating func append(_ page: LeafPage, _ codec: ParquetCodec, path: String) throws {
        let body = try codec.compress(page.body, path: path)
        var writer = CompactWriter()
        writer.structure {
            $0.integer32(1, 0)
            $0.integer32(2, page.body.count)
            $0.integer32(3, body.count)
            $0.structure(5) {
                $0.integer32(1, page.values)
                $0.integer32(2, 0)
                $0.integer32(3, 3)
                $0.integer32(4, 3)
            }
        }
        bytes += writer.bytes
        bytes += body
        values += page.values
        plainBytes += writer.bytes.count + page.body.count
        totalBytes += writer.bytes.count + body.count
    }

    /// The metadata of the chunk.
    func write(to writer: inout CompactWriter, _ codec: ParquetCodec, start: Int) {
        writer.integer32(1, type.rawValue)
        writer.integers32(2, [0, 3])
        writer.texts(3, path)
        writer.integer32(4, codec.code)
        writer.integer64(5, values)
        writer.integer64(6, plainBytes)
        writer.integer64(7, totalBytes)
        writer.integer64(9, start)
    }
}

/// A page of plain values.
struct LeafPage {
    /// Levels and values, not compressed.
    var body: [UInt8]
    /// Numbers or texts; an empty list counts as one.
    var values: Int

    /// The pages of a column's leaves.
    static func pages(of cells: ParquetCells, _ column: ParquetColumn, rows: Range<Int>) -> [LeafPage] {
        switch (cells, column.kind) {
        case (.texts(let texts), _):
            var body: [UInt8] = []
            for text in texts[rows] {
                body.append(littleEndian: UInt32(text.utf8.count))
                body.append(contentsOf: text.utf8)
            }
            return [LeafPage(body: body, values: rows.count)]
        case (.rows(let values), .floats(let width)):
            let part = values[rows.lowerBound * width..<rows.upperBound * width]
            return [part.withUnsafeBytes { list(of: [Int](repeating: width, count: rows.count), $0) }]
        case (.rows(let values), .halves(let width)):
            let part = Float16Bits.bits(Array(values[rows.lowerBound * width..<rows.upperBound * width]))
            return [part.withUnsafeBytes { list(of: [Int](repeating: width, count: rows.count), $0) }]
        case (.terms(let terms), _):
            let part = terms[rows]
            let indices = part.flatMap(\.indices)
            let values = part.flatMap(\.values)
            return [
                indices.withUnsafeBytes { list(of: part.map(\.indices.count), $0) },
                values.withUnsafeBytes { list(of: part.map(\.values.count), $0) },
            ]
        default: preconditionFailure("cells of another kind for the column '\(column.name)'")
        }
    }

    /// A page of lists.
    /// - Parameters:
    ///   - counts: the lengths of the lists.
    ///   - values: all elements, the lowest byte first.
    private static func list(of counts: [Int], _ values: UnsafeRawBufferPointer) -> LeafPage {
        // An element that begins a list has the repetition level 0, any other 1. An empty list is one entry whose definition level is 0.
        var (repetition, definition) = (Runs(), Runs())
        for count in counts {
            repetition.append(0, count: 1)
            repetition.append(1, count: max(0, count - 1))
            if count == 0 { definition.append(0, count: 1) } else { definition.append(1, count: count) }
        }
        var body: [UInt8] = []
        for levels in [repetition, definition] {
            let bytes = levels.bytes
            body.append(littleEndian: UInt32(bytes.count))
            body += bytes
        }
        body.append(contentsOf: values)
        return LeafPage(body: body, values: counts.reduce(0) { $0 + max(1, $1) })
    }

    /// Runs of equal levels of one bit.
    private struct Runs {
        private var runs: [(value: UInt8, count: Int)] = []

        mutating func append(_ value: UInt8, count: Int) {
            guard count > 0 else { return }
            if let last = runs.last, last.value == value {
                runs[runs.count - 1].count += count
            } else {
                runs.append((value, count))
            }
        }

        var bytes: [UInt8] {
            var bytes: [UInt8] = []
            for run in runs {
                bytes.append(varint: UInt64(run.count) << 1)
                bytes.append(run.value)
            }
            return bytes
        }
    }
}
