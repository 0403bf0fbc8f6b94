import MafinNumerics

/// The values and levels of a leaf, page by page.
struct LeafCells {
    let leaf: SchemaLeaf
    /// Numbers of a leaf of numbers in lists.
    private(set) var floats: [Float] = []
    /// Texts of a leaf that is in no list.
    private(set) var texts: [String] = []
    /// One for each value, null or empty list; empty if the highest level is 0.
    private(set) var definition: [UInt8] = []
    private(set) var repetition: [UInt8] = []
    /// Entries so far.
    private(set) var count = 0

    private let codec: ParquetCodec
    /// File, group and column, for messages.
    let path: String
    private var dictionary: (floats: [Float], texts: [String])?

    init(_ leaf: SchemaLeaf, _ codec: ParquetCodec, path: String) {
        (self.leaf, self.codec, self.path) = (leaf, codec, path)
    }

    /// Forgets what was read, but not the dictionary.
    mutating func removeAll() {
        floats.removeAll(keepingCapacity: true)
        texts.removeAll(keepingCapacity: true)
        definition.removeAll(keepingCapacity: true)
        repetition.removeAll(keepingCapacity: true)
        count = 0
    }

    private func damaged(_ found: String) -> NumericsError {
        .malformed(path: path, expected: "a Parquet file that is whole", found: found)
    }

    /// The most entries of a page. Writers make pages of about a mebibyte; a few bytes can claim any number of equal ones.
    private static let largestPage = 1 << 26

    private static func isCount(_ values: Int) -> Bool { (0...largestPage).contains(values) }

    /// Reads the next page.
    /// - Throws: `NumericsError`.
    mutating func appendPage(_ reader: inout ByteReader) throws {
        let head = try reader.compactStructure()
        guard let size = head[2]?.integer, let stored = head[3]?.integer, size >= 0, size <= Int32.max else {
            throw damaged("a page without its size")
        }
        let body = try reader.take(stored)
        switch head[1]?.integer {
        case 0:
            guard let page = head[5], let values = page[1]?.integer, let encoding = page[2]?.integer,
                Self.isCount(values)
            else {
                throw damaged("a page without its head")
            }
            let plain = try codec.decompress(body, size: size, path: path)
            try plain.withUnsafeBytes { bytes in
                var data = ByteReader(bytes, path: path)
                func levels(_ highest: Int) throws -> [UInt8] {
                    guard highest > 0 else { return [] }
                    var part = ByteReader(try data.take(data.integer32()), path: path)
                    return try Self.levels(&part, highest, values)
                }
                let repetition = try levels(leaf.repetition)
                let definition = try levels(leaf.definition)
                try append(&data, encoding, values, repetition, definition)
            }
        case 2:
            guard let page = head[7], let values = page[1]?.integer, Self.isCount(values) else {
                throw damaged("a page without its head")
            }
            let plain = try codec.decompress(body, size: size, path: path)
            dictionary = try plain.withUnsafeBytes { bytes in
                var data = ByteReader(bytes, path: path)
                return try self.plain(&data, values)
            }
        case 3:
            guard let page = head[8], let values = page[1]?.integer, let encoding = page[4]?.integer,
                Self.isCount(values),
                let definitionBytes = page[5]?.integer, let repetitionBytes = page[6]?.integer,
                definitionBytes >= 0, repetitionBytes >= 0, definitionBytes <= size,
                repetitionBytes <= size - definitionBytes
            else { throw damaged("a page without its head") }
            // The levels of version 2 are not compressed.
            var all = ByteReader(body, path: path)
            var part = ByteReader(try all.take(repetitionBytes), path: path)
            let repetition = leaf.repetition > 0 ? try Self.levels(&part, leaf.repetition, values) : []
            part = ByteReader(try all.take(definitionBytes), path: path)
            let definition = leaf.definition > 0 ? try Self.levels(&part, leaf.definition, values) : []
            var isCompressed = true
            if case .boolean(let value) = page[7] { isCompressed = value }
            let rest = try all.take(all.rest)
            // A page of nulls has no bytes to decompress.
            let plain =
                isCompressed && !rest.isEmpty
                ? try codec.decompress(rest, size: size - definitionBytes - repetitionBytes, path: path) : Array(rest)
            try plain.withUnsafeBytes { bytes in
                var data = ByteReader(bytes, path: path)
                try append(&data, encoding, values, repetition, definition)
            }
        default: break  // an index page
        }
    }

    private static func levels(_ reader: inout ByteReader, _ highest: Int, _ count: Int) throws -> [UInt8] {
        guard highest < 256 else { throw reader.damaged("lists nested more than 255 deep") }
        let width = Int.bitWidth - highest.leadingZeroBitCount
        return try reader.hybrid(width: width, count: count).map(UInt8.init(truncatingIfNeeded:))
    }

    private mutating func append(
        _ data: inout ByteReader, _ encoding: Int, _ entries: Int, _ repetition: [UInt8], _ definition: [UInt8]
    ) throws {
        let highest = UInt8(leaf.definition)
        let values = definition.isEmpty ? entries : definition.count { $0 == highest }
        let read: (floats: [Float], texts: [String])
        switch encoding {
        case 0: read = try plain(&data, values)
        case 2, 8:
            guard let dictionary else { throw damaged("a page that lacks its dictionary") }
            let width = values == 0 ? 0 : Int(try data.byte())
            let places = try data.hybrid(width: width, count: values).map(Int.init)
            let size = max(dictionary.floats.count, dictionary.texts.count)
            guard places.allSatisfy({ $0 < size }) else { throw damaged("a value beyond its dictionary") }
            read = (
                dictionary.floats.isEmpty ? [] : places.map { dictionary.floats[$0] },
                dictionary.texts.isEmpty ? [] : places.map { dictionary.texts[$0] }
            )
        case 9: read = (try split(&data, values), [])
        default:
            let names = [
                4: "BIT_PACKED", 5: "DELTA_BINARY_PACKED", 6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY",
            ]
            throw NumericsError.malformed(
                path: path,
                expected:
                    "the column '\(leaf.path.joined(separator: "."))' in plain, dictionary or split-byte encoding",
                found: "\(names[encoding] ?? "encoding \(encoding)"); write the file again with the writer's defaults")
        }
        floats += read.floats
        texts += read.texts
        self.definition += definition
        self.repetition += leaf.repetition > 0 ? repetition : []
        count += entries
    }

    /// Plain values.
    private func plain(_ data: inout ByteReader, _ count: Int) throws -> (floats: [Float], texts: [String]) {
        func raw(_ size: Int) throws -> UnsafeRawBufferPointer {
            guard count <= data.rest else { throw damaged("the end of its data") }
            return try data.take(count * size)
        }
        func number<Value>(_ bytes: UnsafeRawBufferPointer, _ index: Int, _: Value.Type) -> Value {
            bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Value>.size, as: Value.self)
        }
        switch leaf.type {
        case .float:
            let bytes = try raw(4)
            return (
                [Float](unsafeUninitializedCapacity: count) { values, initialized in
                    UnsafeMutableRawBufferPointer(values).copyMemory(from: bytes)
                    initialized = count
                }, []
            )
        case .double:
            let bytes = try raw(8)
            return ((0..<count).map { Float(number(bytes, $0, Double.self)) }, [])
        case .fixedBytes where leaf.isHalf: return (Float16Bits.floats(try raw(2)), [])
        case .fixedBytes:
            let bytes = try raw(16)
            return ([], (0..<count).map { StableUUID.text(of: bytes[($0 * 16)..<($0 * 16 + 16)]) })
        case .integer32:
            let bytes = try raw(4)
            return (
                [],
                (0..<count).map {
                    let value = number(bytes, $0, Int32.self)
                    return leaf.isUnsigned ? "\(UInt32(bitPattern: value))" : "\(value)"
                }
            )
        case .integer64:
            let bytes = try raw(8)
            return (
                [],
                (0..<count).map {
                    let value = number(bytes, $0, Int64.self)
                    return leaf.isUnsigned ? "\(UInt64(bitPattern: value))" : "\(value)"
                }
            )
        case .bytes:
            guard count <= data.rest || count == 0 else { throw damaged("the end of its data") }
            return (
                [],
                try (0..<count).map { _ in
                    let bytes = try data.take(data.integer32())
                    guard let text = String(validating: bytes, as: UTF8.self) else {
                        throw damaged("a text that is not UTF-8")
                    }
                    return text
                }
            )
        case .boolean, .integer96: throw damaged("values that are not read")
        }
    }

    /// Values whose first bytes come first, then all second bytes, and so on.
    private func split(_ data: inout ByteReader, _ count: Int) throws -> [Float] {
        let size: Int
        switch leaf.type {
        case .float: size = 4
        case .double: size = 8
        case .fixedBytes where leaf.isHalf: size = 2
        default: throw damaged("split bytes of values that are no floats")
        }
        guard count <= data.rest else { throw damaged("the end of its data") }
        let bytes = try data.take(count * size)
        func bits(_ index: Int) -> UInt64 {
            (0..<size).reduce(0) { $0 | UInt64(bytes[$1 * count + index]) << UInt64(8 * $1) }
        }
        switch size {
        case 4: return (0..<count).map { Float(bitPattern: UInt32(bits($0))) }
        case 8: return (0..<count).map { Float(Double(bitPattern: bits($0))) }
        default:
            let halves = (0..<count).map { UInt16(bits($0)) }
            return halves.withUnsafeBytes { Float16Bits.floats($0) }
        }
    }
}
