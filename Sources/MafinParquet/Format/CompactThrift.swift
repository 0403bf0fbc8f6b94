/// Writes values in Thrift's compact protocol, in which Parquet's metadata are.
struct CompactWriter {
    /// What was written.
    private(set) var bytes: [UInt8] = []
    /// The last field of each open structure.
    private var last: [Int] = [0]

    /// The kinds of values, as the protocol numbers them.
    enum Kind: UInt8 {
        case yes = 1
        case no = 2
        case byte = 3
        case integer16 = 4
        case integer32 = 5
        case integer64 = 6
        case double = 7
        case binary = 8
        case list = 9
        case set = 10
        case map = 11
        case structure = 12
    }

    private mutating func field(_ id: Int, _ kind: Kind) {
        let step = id - last[last.count - 1]
        if (1...15).contains(step) {
            bytes.append(UInt8(step) << 4 | kind.rawValue)
        } else {
            bytes.append(kind.rawValue)
            append(zigzag: id)
        }
        last[last.count - 1] = id
    }

    private mutating func append(zigzag value: Int) {
        bytes.append(varint: UInt64(bitPattern: Int64(value << 1 ^ value >> 63)))
    }

    mutating func byte(_ id: Int, _ value: Int) {
        field(id, .byte)
        bytes.append(UInt8(truncatingIfNeeded: value))
    }

    mutating func integer16(_ id: Int, _ value: Int) {
        field(id, .integer16)
        append(zigzag: value)
    }

    mutating func integer32(_ id: Int, _ value: Int) {
        field(id, .integer32)
        append(zigzag: value)
    }

    mutating func integer64(_ id: Int, _ value: Int) {
        field(id, .integer64)
        append(zigzag: value)
    }

    mutating func boolean(_ id: Int, _ value: Bool) { field(id, value ? .yes : .no) }

    mutating func text(_ id: Int, _ value: String) {
        field(id, .binary)
        append(text: value)
    }

    private mutating func append(text: String) {
        bytes.append(varint: UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    /// A structure in a field.
    mutating func structure(_ id: Int, _ body: (inout CompactWriter) throws -> Void) rethrows {
        field(id, .structure)
        try structure(body)
    }

    /// A structure that is not in a field: the outermost, or an element of a list.
    mutating func structure(_ body: (inout CompactWriter) throws -> Void) rethrows {
        last.append(0)
        try body(&self)
        last.removeLast()
        bytes.append(0)
    }

    mutating func structures<Element>(
        _ id: Int, _ elements: [Element], _ body: (inout CompactWriter, Element) -> Void
    ) {
        list(id, .structure, elements) { writer, element in writer.structure { body(&$0, element) } }
    }

    mutating func texts(_ id: Int, _ texts: [String]) {
        list(id, .binary, texts) { $0.append(text: $1) }
    }

    mutating func integers32(_ id: Int, _ values: [Int]) {
        list(id, .integer32, values) { $0.append(zigzag: $1) }
    }

    private mutating func list<Element>(
        _ id: Int, _ kind: Kind, _ elements: [Element], _ body: (inout CompactWriter, Element) -> Void
    ) {
        field(id, .list)
        if elements.count < 15 {
            bytes.append(UInt8(elements.count) << 4 | kind.rawValue)
        } else {
            bytes.append(0xf0 | kind.rawValue)
            bytes.append(varint: UInt64(elements.count))
        }
        for element in elements { body(&self, element) }
    }
}

extension [UInt8] {
    /// Appends seven bits a byte, the lowest first (ULEB128).
    mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    /// Appends the bytes of a value, the lowest first.
    mutating func append(littleEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}

/// A value of Thrift's compact protocol. Parquet's metadata are small, so they are read whole.
indirect enum CompactValue: Sendable {
    case boolean(Bool)
    case integer(Int)
    case double
    case binary(ArraySlice<UInt8>)
    case list([CompactValue])
    case structure([Int: CompactValue])

    subscript(_ field: Int) -> CompactValue? {
        guard case .structure(let fields) = self else { return nil }
        return fields[field]
    }

    var integer: Int? { if case .integer(let value) = self { value } else { nil } }
    var text: String? { if case .binary(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil } }
    var list: [CompactValue]? { if case .list(let elements) = self { elements } else { nil } }
}

extension ByteReader {
    /// Reads a structure of Thrift's compact protocol.
    mutating func compactStructure(depth: Int = 0) throws -> CompactValue {
        var fields: [Int: CompactValue] = [:]
        var last = 0
        while true {
            let head = try byte()
            if head == 0 { return .structure(fields) }
            // A number of a field may be anything; so the sum wraps.
            last = head >> 4 == 0 ? try zigzag() : last &+ Int(head >> 4)
            fields[last] = try compactValue(head & 15, isElement: false, depth: depth)
        }
    }

    private mutating func zigzag() throws -> Int {
        let value = try varint()
        return Int(bitPattern: UInt(value >> 1)) ^ -Int(value & 1)
    }

    private mutating func compactValue(_ kind: UInt8, isElement: Bool, depth: Int) throws -> CompactValue {
        // Lists are nested too.
        guard depth < 64 else { throw damaged("metadata that are nested more than 64 deep") }
        switch CompactWriter.Kind(rawValue: kind) {
        case .yes: return .boolean(isElement ? try byte() == 1 : true)
        case .no: return .boolean(isElement ? try byte() == 1 : false)
        case .byte: return .integer(Int(Int8(bitPattern: try byte())))
        case .integer16, .integer32, .integer64: return .integer(try zigzag())
        case .double:
            _ = try take(8)
            return .double
        case .binary:
            let count = try varint()
            return .binary(Array(try take(count))[...])
        case .list, .set:
            let head = try byte()
            let count = head >> 4 == 15 ? try varint() : UInt64(head >> 4)
            // An element takes a byte at least, so this bounds the memory by the file.
            guard count <= UInt64(rest) else { throw damaged("a list longer than the metadata") }
            return .list(
                try (0..<count).map { _ in try compactValue(head & 15, isElement: true, depth: depth + 1) })
        case .map:
            let count = try varint()
            guard count > 0 else { return .list([]) }
            guard count <= UInt64(rest) else { throw damaged("a map longer than the metadata") }
            let kinds = try byte()
            return .list(
                try (0..<count).flatMap { _ in
                    [
                        try compactValue(kinds >> 4, isElement: true, depth: depth + 1),
                        try compactValue(kinds & 15, isElement: true, depth: depth + 1),
                    ]
                })
        case .structure: return try compactStructure(depth: depth + 1)
        case nil: throw damaged("metadata with a value of unknown kind \(kind)")
        }
    }
}
