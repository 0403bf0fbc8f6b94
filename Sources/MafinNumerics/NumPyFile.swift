import Foundation

/// NumPy's `.npy` files of one- and two-dimensional `float32` or `float16` arrays (format versions 1 to 3).
public enum NumPyFile {
    /// The type of the stored elements.
    public enum ElementType: String, Sendable {
        /// IEEE 754 single precision, little-endian.
        case float32 = "<f4"
        /// IEEE 754 half precision, little-endian: half the size, about three decimal digits.
        case float16 = "<f2"
        /// IEEE 754 double precision, little-endian (read only).
        case float64 = "<f8"

        /// Bytes of an element.
        public var size: Int {
            switch self {
            case .float16: 2
            case .float32: 4
            case .float64: 8
            }
        }

        /// Converts stored elements to floats. `values` has the same number of elements.
        func decode(_ bytes: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Float>) {
            switch self {
            case .float32: UnsafeMutableRawBufferPointer(values).copyMemory(from: bytes)
            case .float16: _ = values.update(fromContentsOf: Float16Bits.floats(bytes))
            case .float64:
                for index in values.indices {
                    values[index] = Float(bytes.loadUnaligned(fromByteOffset: 8 * index, as: Double.self))
                }
            }
        }
    }

    /// An array in a mapped file. Its elements are read when they are used.
    public struct MappedArray: Sendable {
        /// Path of the file.
        public let path: String
        /// Type of the elements.
        public let elementType: ElementType
        /// Number of rows; 1 for a one-dimensional array.
        public let rows: Int
        /// Number of columns.
        public let columns: Int
        fileprivate let file: MappedFile
        fileprivate let start: Int

        /// Some rows, as floats.
        /// - Precondition: the rows exist.
        public func matrix(rows wanted: Range<Int>) -> Matrix {
            precondition(wanted.lowerBound >= 0 && wanted.upperBound <= rows, "rows \(wanted) of \(rows)")
            let width = columns * elementType.size
            return withUnsafeBytes { bytes in
                let part = UnsafeRawBufferPointer(
                    rebasing: bytes[wanted.lowerBound * width..<wanted.upperBound * width])
                return Matrix(
                    rows: wanted.count, columns: columns,
                    values: [Float](unsafeUninitializedCapacity: wanted.count * columns) { values, initialized in
                        let all = UnsafeMutableBufferPointer(rebasing: values[..<(wanted.count * columns)])
                        elementType.decode(part, into: all)
                        initialized = all.count
                    })
            }
        }

        /// Calls `body` with the elements, row after row. The pointer is valid until `body` returns.
        public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
            try file.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        }
    }

    private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

    /// Reads the matrix in a file. A one-dimensional array becomes one row. Elements of other types are converted to
    /// `Float`.
    /// - Throws: ``NumericsError`` naming the file: unreadable, no `.npy`, Fortran order, other element types, wrong size.
    public static func read(_ url: URL) throws -> Matrix {
        let array = try map(url)
        let count = array.rows * array.columns
        return Matrix(
            rows: array.rows, columns: array.columns,
            values: array.withUnsafeBytes { bytes in
                [Float](unsafeUninitializedCapacity: count) { values, initialized in
                    array.elementType.decode(bytes, into: UnsafeMutableBufferPointer(rebasing: values[..<count]))
                    initialized = count
                }
            })
    }

    /// Maps the array in a file without reading it.
    /// - Throws: ``NumericsError`` naming the file: unreadable, no `.npy`, Fortran order, other element types, wrong size.
    public static func map(_ url: URL) throws -> MappedArray {
        let file = try MappedFile(url)
        let (type, shape, start) = try file.withUnsafeBytes { try parse($0, path: url.path) }
        let rows = shape.count == 2 ? shape[0] : 1
        let columns = shape[shape.count - 1]
        let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
        guard !overflow, count.multipliedReportingOverflow(by: type.size) == (file.count - start, false) else {
            throw NumericsError.malformed(
                path: url.path, expected: "\(rows) × \(columns) elements of \(type.size) bytes",
                found: "\(file.count - start) bytes of data")
        }
        return MappedArray(path: url.path, elementType: type, rows: rows, columns: columns, file: file, start: start)
    }

    /// Writes a matrix in C order, whole or not at all.
    /// - Throws: ``NumericsError/file(path:reason:)``
    public static func write(_ matrix: Matrix, to url: URL, as type: ElementType = .float32) throws {
        let rows = try PendingRows(to: url, columns: matrix.columns, as: type)
        try rows.append(matrix)
        try rows.commit()
    }

    /// Everything before the elements. It has 128 bytes for every shape, so it can be overwritten once the number of
    /// rows is known.
    public static func header(rows: Int, columns: Int, as type: ElementType) -> Data {
        precondition(type != .float64, "float64 files are only read")
        return arrayHeader(type.rawValue, shape: "(\(rows), \(columns))")
    }

    /// The same for any type and shape, as Python writes them.
    static func arrayHeader(_ type: String, shape: String) -> Data {
        var text = "{'descr': '\(type)', 'fortran_order': False, 'shape': \(shape), }"
        text += String(repeating: " ", count: headerSize - 11 - text.utf8.count) + "\n"
        return magic + Data([1, 0, UInt8(text.utf8.count & 255), UInt8(text.utf8.count >> 8)]) + Data(text.utf8)
    }

    /// The format requires the elements to start at a multiple of 64 bytes. This is the smallest that has room for any
    /// shape.
    private static let headerSize = 128

    /// Reads type and shape, and finds where the elements begin.
    private static func parse(
        _ bytes: UnsafeRawBufferPointer, path: String
    ) throws -> (type: ElementType, shape: [Int], start: Int) {
        func malformed(_ expected: String, _ found: String) -> NumericsError {
            .malformed(path: path, expected: expected, found: found)
        }
        guard bytes.count >= 10, bytes.prefix(6).elementsEqual(magic) else {
            throw malformed("a NumPy .npy file", "other bytes at its start")
        }
        guard 1...3 ~= bytes[6] else {
            throw malformed("version 1, 2 or 3 of the .npy format", "version \(bytes[6])")
        }
        let headerStart = bytes[6] == 1 ? 10 : 12
        let cutOff = malformed("a NumPy header", "the end of the file")
        guard bytes.count >= headerStart else { throw cutOff }
        let headerLength = (8..<headerStart).reversed().reduce(0) { $0 << 8 | Int(bytes[$1]) }
        guard bytes.count >= headerStart + headerLength else { throw cutOff }
        let header = String(decoding: bytes[headerStart..<headerStart + headerLength], as: UTF8.self)
        func value(of key: String, upTo end: Character) -> Substring? {
            guard let key = header.range(of: "'\(key)':") else { return nil }
            let rest = header[key.upperBound...].drop { $0 == " " }
            return rest.firstIndex(of: end).map { rest[..<$0] }
        }
        guard let order = value(of: "fortran_order", upTo: ","), order == "False" else {
            throw malformed("C order", "Fortran order, or no order")
        }
        let description = value(of: "descr", upTo: ",")?.trimmingCharacters(in: ["'"]) ?? "none"
        guard let type = ElementType(rawValue: description) else {
            throw malformed("elements of type <f4, <f2 or <f8", "type \(description)")
        }
        let shape = value(of: "shape", upTo: ")")?.dropFirst().split(separator: ",")
            .map { Int($0.trimmingCharacters(in: .whitespaces)) }
        guard let shape, let sizes = shape as? [Int], (1...2).contains(sizes.count), sizes.allSatisfy({ $0 >= 0 })
        else { throw malformed("an array of one or two dimensions", header) }
        return (type, sizes, headerStart + headerLength)
    }
}
