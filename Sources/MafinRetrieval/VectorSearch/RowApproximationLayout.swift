import Foundation
import MafinNumerics

/// Where the parts of a ``RowApproximation`` lie, in memory and in its file.
///
/// | bytes | hold |
/// |---|---|
/// | 0–7 | `MAFINROW` |
/// | 8–11 | the version, 1 |
/// | 12–15 | 0 |
/// | 16–31 | the numbers of rows and columns, 8 bytes each |
/// | 32–63 | 0 |
/// | from 64 | a signed byte for each number, row by row; then a float32 scale for each row; then a float32 margin for each row |
///
/// Each part begins at a multiple of 64 bytes. Numbers are little-endian.
struct RowApproximationLayout {
    /// Bytes. Parts begin at cache lines.
    static let alignment = 64
    /// The version of the file's format. Raise it if a bound means something else.
    static let version: UInt32 = 1
    private static let magic = Data("MAFINROW".utf8)

    let rows: Int
    let columns: Int

    /// Offset of the codes.
    var codes: Int { Self.alignment }
    /// Offset of the scales.
    var scales: Int { Self.aligned(codes + rows * columns) }
    /// Offset of the margins.
    var margins: Int { Self.aligned(scales + 4 * rows) }
    /// Bytes of all.
    var size: Int { margins + 4 * rows }
    /// Bytes of the parts alone.
    var byteCount: Int { rows * columns + 8 * rows }

    private static func aligned(_ offset: Int) -> Int { (offset + alignment - 1) / alignment * alignment }

    /// The first bytes of a file.
    var head: Data {
        var data = Self.magic
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { data.append(contentsOf: $0) }
        }
        append(Self.version)
        append(UInt32(0))
        append(UInt64(rows))
        append(UInt64(columns))
        data.append(Data(count: Self.alignment - data.count))
        return data
    }

    /// Checks the length and the head of a file, and returns its address.
    /// - Throws: `NumericsError.malformed`.
    func check(_ bytes: UnsafeRawBufferPointer, path: String) throws -> UnsafeRawPointer? {
        func refused(_ expected: String, _ found: String) -> NumericsError {
            .malformed(path: path, expected: expected, found: found)
        }
        guard bytes.count >= Self.alignment, bytes.prefix(Self.magic.count).elementsEqual(Self.magic) else {
            throw refused("bytes of vectors, which begin with MAFINROW", "another file")
        }
        let version = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
        guard version == Self.version else {
            throw refused(
                "version \(Self.version) of the bytes of vectors; 'mafin index' writes it", "version \(version)")
        }
        let shape = [16, 24].map { UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt64.self)) }
        guard shape == [UInt64(rows), UInt64(columns)] else {
            throw refused("\(rows) × \(columns) numbers", "\(shape[0]) × \(shape[1])")
        }
        guard bytes.count == size else { throw refused("\(size) bytes", "\(bytes.count)") }
        return bytes.baseAddress
    }
}
