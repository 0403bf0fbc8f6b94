import Foundation

/// The schema of a file in Arrow's form, which Arrow's libraries read from the file's metadata (`ARROW:schema`).
///
/// Parquet has lists of any length only. With this, pyarrow, LanceDB and datasets see vectors of a fixed size, as they need them for search.
enum ArrowSchema {
    /// The value of the metadata `ARROW:schema`.
    static func encoded(_ columns: [ParquetColumn]) -> String {
        var message = FlatBuffer()
        message.root([
            0: .integer16(4),  // version 5 of the metadata
            1: .byte(1),  // the header is a schema
            2: .table([1: .tables(columns.map(field))]),
        ])
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt32.max)
        let size = (message.bytes.count + 7) / 8 * 8
        bytes.append(littleEndian: UInt32(size))
        bytes += message.bytes + [UInt8](repeating: 0, count: size - message.bytes.count)
        return Data(bytes).base64EncodedString()
    }

    private typealias Fields = [Int: FlatBuffer.Value]

    private static func field(_ name: String, type: UInt8, _ parameters: Fields, _ members: [Fields] = []) -> Fields {
        [0: .text(name), 2: .byte(type), 3: .table(parameters), 5: .tables(members)]
    }

    private static func field(_ column: ParquetColumn) -> Fields {
        let single = field("element", type: 3, [0: .integer16(1)])
        switch column.kind {
        case .text: return field(column.name, type: 5, [:])
        case .floats(let count): return field(column.name, type: 16, [0: .integer32(Int32(count))], [single])
        case .halves(let count):
            // The precision 0 is the default, which is left out.
            return field(column.name, type: 16, [0: .integer32(Int32(count))], [field("element", type: 3, [:])])
        case .terms:
            let integer = field("element", type: 2, [0: .integer32(32), 1: .byte(1)])
            return field(
                column.name, type: 13, [:],
                [field("indices", type: 12, [:], [integer]), field("values", type: 12, [:], [single])])
        }
    }
}

/// Writes FlatBuffers, each table before what it refers to.
struct FlatBuffer {
    /// A field of a table.
    indirect enum Value {
        case byte(UInt8)
        case integer16(Int16)
        case integer32(Int32)
        case text(String)
        case table([Int: Value])
        case tables([[Int: Value]])
    }

    private(set) var bytes: [UInt8] = []

    /// Writes the root table.
    mutating func root(_ fields: [Int: Value]) {
        bytes = [0, 0, 0, 0]
        refer(at: 0, to: table(fields))
    }

    private mutating func refer(at place: Int, to target: Int) {
        let distance = UInt32(target - place)
        for offset in 0..<4 { bytes[place + offset] = UInt8(truncatingIfNeeded: distance >> UInt32(8 * offset)) }
    }

    private mutating func align(_ size: Int, before coming: Int = 0) {
        while (bytes.count + coming) % size != 0 { bytes.append(0) }
    }

    /// Writes a table and what it refers to, and returns where the table is.
    private mutating func table(_ fields: [Int: Value]) -> Int {
        let count = (fields.keys.max() ?? -1) + 1
        // Each field has four bytes, so that all are aligned.
        let ordered = fields.sorted { $0.key < $1.key }
        let listSize = 4 + 2 * count
        align(4, before: listSize)
        var places = [UInt16](repeating: 0, count: count)
        for (index, field) in ordered.enumerated() { places[field.key] = UInt16(4 + 4 * index) }
        bytes.append(littleEndian: UInt16(listSize))
        bytes.append(littleEndian: UInt16(4 + 4 * ordered.count))
        for place in places { bytes.append(littleEndian: place) }
        let start = bytes.count
        bytes.append(littleEndian: Int32(listSize))
        for field in ordered {
            switch field.value {
            case .byte(let value): bytes += [value, 0, 0, 0]
            case .integer16(let value):
                bytes.append(littleEndian: value)
                bytes += [0, 0]
            case .integer32(let value): bytes.append(littleEndian: value)
            case .text, .table, .tables: bytes += [0, 0, 0, 0]
            }
        }
        for (index, field) in ordered.enumerated() {
            let place = start + 4 + 4 * index
            switch field.value {
            case .byte, .integer16, .integer32: break
            case .text(let text):
                align(4)
                refer(at: place, to: bytes.count)
                bytes.append(littleEndian: UInt32(text.utf8.count))
                bytes += Array(text.utf8) + [0]
            case .table(let fields): refer(at: place, to: table(fields))
            case .tables(let tables):
                align(4)
                let list = bytes.count
                refer(at: place, to: list)
                bytes.append(littleEndian: UInt32(tables.count))
                bytes += [UInt8](repeating: 0, count: 4 * tables.count)
                for (index, fields) in tables.enumerated() { refer(at: list + 4 + 4 * index, to: table(fields)) }
            }
        }
        return start
    }
}
