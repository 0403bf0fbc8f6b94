import CMafinKernels
import Foundation
import MafinNumerics
import Synchronization

/// Vectors to search, one per row, in memory or in a mapped `.npy` file, as float32 or float16.
///
/// Copies and ``selecting(columns:)`` share the storage and cost nothing. Every element is finite.
public struct VectorRows: Sendable {
    /// How elements are stored.
    public enum Element: String, Sendable, CaseIterable {
        /// IEEE 754 single precision.
        case float32
        /// IEEE 754 half precision: half the memory, eleven significant bits, numbers up to 65,504.
        case float16

        var size: Int { self == .float16 ? 2 : 4 }
        var kernelElement: mafin_element { self == .float16 ? MAFIN_FLOAT16 : MAFIN_FLOAT32 }
        var fileType: NumPyFile.ElementType { self == .float16 ? .float16 : .float32 }
    }

    private enum Storage: Sendable {
        case floats([Float])
        case halves([UInt16])
        case file(NumPyFile.MappedArray)
    }

    private let storage: Storage
    /// Position of the first element of row 0 in the storage, and the number of elements from one row to the next.
    private let offset: Int
    let stride: Int
    /// Number of rows.
    public let count: Int
    /// Number of columns.
    public let columns: Int
    /// How the elements are stored.
    public let element: Element

    /// Name of these rows in errors.
    var source: String {
        if case .file(let array) = storage { return array.path }
        return "the vectors"
    }

    /// Bytes that the rows take, in memory or in the file.
    public var byteCount: Int { count * columns * element.size }

    /// Rows in memory. Rows of float32 share the storage of the matrix.
    /// - Throws: ``RetrievalError/invalidElement(source:row:column:expected:found:)`` for an element that is infinite,
    ///   NaN, or outside the range of `element`.
    public init(_ matrix: Matrix, as element: Element = .float32) throws {
        let storage: Storage
        switch element {
        case .float32: storage = .floats(matrix.values)
        case .float16: storage = .halves(try Self.halves(of: matrix))
        }
        self.init(storage, offset: 0, stride: matrix.columns, matrix.rows, matrix.columns, element)
        if element == .float32 { try requireFinite() }
    }

    /// The rows of a `.npy` file of float32 or float16. The file is mapped, so searches read its pages directly.
    ///
    /// Reads the file once, to check it. While the file is in use, replace it only by renaming, as `AtomicFile` does,
    /// and never write into it.
    /// - Throws: `NumericsError` with the file, if it cannot be read, has another format or another element type;
    ///   ``RetrievalError/invalidElement(source:row:column:expected:found:)`` for an element that is infinite or NaN.
    public init(contentsOf url: URL) throws {
        let array = try NumPyFile.map(url)
        let element: Element
        switch array.elementType {
        case .float32: element = .float32
        case .float16: element = .float16
        case .float64:
            throw NumericsError.malformed(
                path: array.path, expected: "elements of type <f4 or <f2",
                found: "type \(array.elementType.rawValue)")
        }
        let isAligned = array.withUnsafeBytes { Int(bitPattern: $0.baseAddress) % element.size == 0 }
        guard isAligned else {
            throw NumericsError.malformed(
                path: array.path, expected: "elements that begin at a multiple of \(element.size) bytes",
                found: "a header of another length")
        }
        self.init(.file(array), offset: 0, stride: array.columns, array.rows, array.columns, element)
        try requireFinite()
    }

    private init(_ storage: Storage, offset: Int, stride: Int, _ count: Int, _ columns: Int, _ element: Element) {
        self.storage = storage
        self.offset = offset
        self.stride = stride
        self.count = count
        self.columns = columns
        self.element = element
    }

    /// A view of some columns of the same rows, such as one source of joined vectors. O(1); shares the storage.
    public func selecting(columns range: Range<Int>) -> VectorRows {
        precondition(range.lowerBound >= 0 && range.upperBound <= columns, "columns \(range) of \(columns)")
        return VectorRows(storage, offset: offset + range.lowerBound, stride: stride, count, range.count, element)
    }

    /// Calls `body` with the address of row 0. The next row is `stride` elements further. The address is valid until
    /// `body` returns.
    func withUnsafeRows<Result>(_ body: (UnsafeRawPointer) throws -> Result) rethrows -> Result {
        func call(_ bytes: UnsafeRawBufferPointer) throws -> Result {
            // Without elements there is no address, and nothing is read.
            guard let base = bytes.baseAddress else { return try withUnsafeBytes(of: 0) { try call($0) } }
            return try body(base + min(offset * element.size, bytes.count))
        }
        switch storage {
        case .floats(let values): return try values.withUnsafeBytes(call)
        case .halves(let values): return try values.withUnsafeBytes(call)
        case .file(let array): return try array.withUnsafeBytes(call)
        }
    }

    /// The elements of row `row` as floats.
    public func row(_ row: Int) -> [Float] {
        precondition(row >= 0 && row < count, "row \(row) of \(count)")
        return [Float](unsafeUninitializedCapacity: columns) { values, initialized in
            copy(rows: row..<row + 1, to: values)
            initialized = columns
        }
    }

    /// All rows. Rows of float32 in memory share the storage.
    package var matrix: Matrix {
        if case .floats(let values) = storage, offset == 0, stride == columns, values.count == count * columns {
            return Matrix(rows: count, columns: columns, values: values)
        }
        let values = [Float](unsafeUninitializedCapacity: count * columns) { values, initialized in
            copy(rows: 0..<count, to: values)
            initialized = count * columns
        }
        return Matrix(rows: count, columns: columns, values: values)
    }

    /// Copies rows as floats, one after the other.
    func copy(rows: Range<Int>, to values: UnsafeMutableBufferPointer<Float>) {
        guard let out = values.baseAddress, columns > 0 else { return }
        withUnsafeRows { base in
            for (place, row) in rows.enumerated() {
                let from = base + row * stride * element.size
                switch element {
                case .float32:
                    UnsafeMutableRawPointer(out + place * columns).copyMemory(from: from, byteCount: columns * 4)
                case .float16:
                    mafin_from_half(columns, from.assumingMemoryBound(to: UInt16.self), out + place * columns)
                }
            }
        }
    }

    private func requireFinite() throws {
        guard columns > 0 else { return }
        let place = withUnsafeRows { base in
            let base = UnsafeTransfer(base)
            return firstUnfit(of: count * columns) { range in
                mafin_finite_prefix(
                    range.count, base.value + range.lowerBound * element.size, element == .float16)
            }
        }
        guard let place else { return }
        let (row, column) = place.quotientAndRemainder(dividingBy: columns)
        throw RetrievalError.invalidElement(
            source: source, row: row, column: column, expected: "a finite number", found: "\(self.row(row)[column])")
    }

    /// Rounds rows to float16: to nearest, ties to even.
    /// - Parameter firstRow: row number of the first of these rows, for errors.
    static func halves(of matrix: Matrix, source: String = "the vectors", firstRow: Int = 0) throws -> [UInt16] {
        let (values, columns) = (matrix.values, matrix.columns)
        return try [UInt16](unsafeUninitializedCapacity: values.count) { halves, initialized in
            initialized = values.count
            try values.withUnsafeBufferPointer { values in
                guard let from = values.baseAddress, let to = halves.baseAddress else { return }
                let pointers = UnsafeTransfer((from: from, to: to))
                let place = firstUnfit(of: values.count) { range in
                    let start = range.lowerBound
                    return mafin_to_half(range.count, pointers.value.from + start, pointers.value.to + start)
                }
                guard let place else { return }
                throw RetrievalError.invalidElement(
                    source: source, row: firstRow + place / columns, column: place % columns,
                    expected: "a number that float16 holds, up to 65504", found: "\(values[place])")
            }
        }
    }
}

/// The first bad element, found in parallel; `nil` if all are good. `prefix` returns the number of good elements at the
/// start of a range.
private func firstUnfit(of count: Int, _ prefix: @Sendable (Range<Int>) -> Int) -> Int? {
    let first = Atomic<Int>(Int.max)
    parallelRanges(count, grain: 1 << 14) { range in
        let good = prefix(range)
        if good < range.count { first.min(range.lowerBound + good, ordering: .relaxed) }
    }
    let place = first.load(ordering: .relaxed)
    return place == Int.max ? nil : place
}
