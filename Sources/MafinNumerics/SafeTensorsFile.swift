import Foundation

/// A safetensors file: named tensors after a JSON header. The file is mapped into memory, and tensors are converted to
/// `Float` when they are read.
public struct SafeTensorsFile: Sendable {
    private struct Entry {
        var dtype: String
        var shape: [Int]
        /// Byte range, relative to the end of the header.
        var range: Range<Int>
    }

    private let path: String
    private let file: MappedFile
    private let bodyStart: Int
    private let entries: [String: Entry]
    /// The key-value pairs of the file (`__metadata__`).
    public let metadata: [String: String]

    /// Opens a file and checks its header.
    /// - Throws: ``NumericsError`` naming the file: unreadable, no safetensors header, offsets beyond its end.
    public init(_ url: URL) throws {
        path = url.path
        file = try MappedFile(url)
        let size = file.count
        func malformed(_ found: String) -> NumericsError {
            .malformed(path: url.path, expected: "a safetensors file", found: found)
        }
        guard size >= 8 else { throw malformed("\(size) bytes") }
        let headerLength = file.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
        guard headerLength <= UInt64(size - 8) else {
            throw malformed("a header of \(headerLength) bytes in a file of \(size): cut off, or another format")
        }
        let bodyStart = 8 + Int(headerLength)
        self.bodyStart = bodyStart
        let header = file.withUnsafeBytes { Data($0[8..<bodyStart]) }
        guard let object = try? JSONSerialization.jsonObject(with: header) as? [String: Any] else {
            throw malformed("a header that is no JSON object")
        }
        metadata = object["__metadata__"] as? [String: String] ?? [:]
        var entries: [String: Entry] = [:]
        for (name, value) in object where name != "__metadata__" {
            guard let fields = value as? [String: Any], let dtype = fields["dtype"] as? String,
                let shape = fields["shape"] as? [Int], let offsets = fields["data_offsets"] as? [Int],
                offsets.count == 2, 0 <= offsets[0], offsets[0] <= offsets[1], shape.allSatisfy({ $0 >= 0 })
            else { throw malformed("no type, shape and offsets for tensor '\(name)'") }
            guard offsets[1] <= size - bodyStart else {
                throw malformed("tensor '\(name)' up to byte \(offsets[1]) of \(size - bodyStart): the file is cut off")
            }
            entries[name] = Entry(dtype: dtype, shape: shape, range: offsets[0]..<offsets[1])
        }
        self.entries = entries
    }

    /// The names of all tensors, sorted.
    public var names: [String] { entries.keys.sorted() }

    /// The shape of a tensor; `nil` if the file has no tensor of that name.
    public func shape(of name: String) -> [Int]? { entries[name]?.shape }

    /// The values of a tensor in C order, converted from F32, F16, BF16 or F64.
    /// - Parameters:
    ///   - name: the tensor.
    ///   - shape: the required shape; `nil`: any shape.
    /// - Throws: ``NumericsError``: no such tensor, another shape, another element type.
    public func floats(of name: String, shape expected: [Int]? = nil) throws -> [Float] {
        let (entry, count) = try checkedEntry(name, expected)
        return [Float](unsafeUninitializedCapacity: count) { values, initialized in
            decode(entry, into: UnsafeMutableBufferPointer(rebasing: values[..<count]))
            initialized = count
        }
    }

    /// Copies a tensor's values in C order to `values`.
    /// - Parameter values: the destination, with as many elements as the shape has.
    /// - Throws: as ``floats(of:shape:)``.
    public func read(_ name: String, shape: [Int], into values: UnsafeMutableBufferPointer<Float>) throws {
        let (entry, count) = try checkedEntry(name, shape)
        precondition(values.count == count, "room for \(values.count) of \(count) values")
        decode(entry, into: values)
    }

    private func checkedEntry(_ name: String, _ expected: [Int]?) throws -> (Entry, count: Int) {
        guard let entry = entries[name] else {
            throw NumericsError.missingTensor(path: path, name: name, available: names)
        }
        if let expected, expected != entry.shape {
            throw NumericsError.shape(path: path, name: name, expected: expected, found: entry.shape)
        }
        let sizes = ["F32": 4, "F16": 2, "BF16": 2, "F64": 8]
        guard let size = sizes[entry.dtype] else {
            throw NumericsError.malformed(
                path: path, expected: "tensor '\(name)' of type F32, F16, BF16 or F64", found: "type \(entry.dtype)")
        }
        let found = entry.range.count
        guard let count = Self.product(entry.shape), count.multipliedReportingOverflow(by: size) == (found, false)
        else {
            throw NumericsError.malformed(
                path: path, expected: "\(size) bytes for each element of tensor '\(name)' of shape \(entry.shape)",
                found: "\(found) bytes")
        }
        return (entry, count)
    }

    private func decode(_ entry: Entry, into values: UnsafeMutableBufferPointer<Float>) {
        file.withUnsafeBytes { all in
            let bytes = UnsafeRawBufferPointer(
                rebasing: UnsafeRawBufferPointer(rebasing: all[bodyStart...])[entry.range])
            switch entry.dtype {
            case "F32": NumPyFile.ElementType.float32.decode(bytes, into: values)
            case "F64": NumPyFile.ElementType.float64.decode(bytes, into: values)
            case "F16": NumPyFile.ElementType.float16.decode(bytes, into: values)
            default:
                for index in values.indices {
                    values[index] = BFloat16Bits.float(
                        UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
                }
            }
        }
    }

    /// The number of elements of a shape; `nil` if it does not fit into an `Int`.
    private static func product(_ shape: [Int]) -> Int? {
        var count = 1
        for size in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            if overflow { return nil }
            count = product
        }
        return count
    }

    /// A tensor to be written.
    public struct Tensor {
        /// Its name.
        public var name: String
        /// Its shape. The product is the number of values.
        public var shape: [Int]
        /// Its values in C order. They must stay valid while the file is written.
        public var values: UnsafeBufferPointer<Float>

        /// A tensor over borrowed values.
        public init(name: String, shape: [Int], values: UnsafeBufferPointer<Float>) {
            precondition(shape.reduce(1, *) == values.count, "\(values.count) values do not fill \(shape)")
            self.name = name
            self.shape = shape
            self.values = values
        }
    }

    /// Writes tensors as F32, in the given order, whole or not at all.
    /// - Throws: ``NumericsError/file(path:reason:)``
    public static func write(_ tensors: [Tensor], metadata: [String: String] = ["format": "pt"], to url: URL) throws {
        let header = try header(of: tensors.map { ($0.name, $0.shape) }, metadata: metadata)
        try AtomicFile.write(to: url) { file in
            try file.write(header)
            for tensor in tensors { try file.write(UnsafeRawBufferPointer(tensor.values)) }
        }
    }

    /// Calls `body` with tensors that refer to arrays. They are valid until `body` returns.
    package static func withTensors(
        of arrays: [(name: String, shape: [Int], values: [Float])], _ body: ([Tensor]) throws -> Void
    ) throws {
        // All arrays must be accessible at the same time, so each access is nested in that of the previous array.
        func open(_ borrowed: [Tensor]) throws {
            guard borrowed.count < arrays.count else { return try body(borrowed) }
            let array = arrays[borrowed.count]
            try array.values.withUnsafeBufferPointer { values in
                try open(borrowed + [Tensor(name: array.name, shape: array.shape, values: values)])
            }
        }
        try open([])
    }

    /// Everything before the values: the length of the JSON header and the header, padded with spaces to a multiple of 8 bytes.
    private static func header(
        of tensors: [(name: String, shape: [Int])], metadata: [String: String]
    ) throws -> Data {
        var header: [String: Any] = metadata.isEmpty ? [:] : ["__metadata__": metadata]
        var offset = 0
        for (name, shape) in tensors {
            let end = offset + 4 * shape.reduce(1, *)
            header[name] = ["dtype": "F32", "shape": shape, "data_offsets": [offset, end]]
            offset = end
        }
        var json = try JSONSerialization.data(withJSONObject: header, options: [.sortedKeys, .withoutEscapingSlashes])
        json.append(Data(repeating: UInt8(ascii: " "), count: (8 - json.count % 8) % 8))
        return withUnsafeBytes(of: UInt64(json.count).littleEndian) { Data($0) } + json
    }

    /// Writes one tensor, which need not fit into memory, as F32, whole or not at all. `body` passes its values in C
    /// order, in pieces of any size.
    /// - Throws: ``NumericsError/file(path:reason:)``, or what `body` throws.
    public static func write(
        tensor name: String, shape: [Int], metadata: [String: String], to url: URL,
        _ body: (_ write: (UnsafeBufferPointer<Float>) throws -> Void) throws -> Void
    ) throws {
        let header = try header(of: [(name, shape)], metadata: metadata)
        try AtomicFile.write(to: url) { file in
            try file.write(header)
            var written = 0
            try body { values in
                written += values.count
                try file.write(UnsafeRawBufferPointer(values))
            }
            precondition(written == shape.reduce(1, *), "\(written) values do not fill \(shape)")
        }
    }
}
