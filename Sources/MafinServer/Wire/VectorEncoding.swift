import Foundation
import MafinNumerics
import NIOCore

/// How vectors are written. The code does not use a general encoder, because that is slow.
enum VectorEncoding: String, Sendable {
    /// An array of numbers, each the shortest digits that give the same float back.
    case float
    /// A string: its 32-bit floats, little-endian, in base64.
    case base64

    func append(_ row: ArraySlice<Float>, to buffer: inout ByteBuffer) {
        switch self {
        case .float:
            buffer.writeInteger(UInt8(ascii: "["))
            var isFirst = true
            for value in row {
                if !isFirst { buffer.writeInteger(UInt8(ascii: ",")) }
                isFirst = false
                buffer.writeString(value.description)
            }
            buffer.writeInteger(UInt8(ascii: "]"))
        case .base64:
            var data = Data(capacity: row.count * 4)
            for value in row { withUnsafeBytes(of: value.bitPattern.littleEndian) { data.append(contentsOf: $0) } }
            buffer.writeInteger(UInt8(ascii: "\""))
            buffer.writeBytes(data.base64EncodedData())
            buffer.writeInteger(UInt8(ascii: "\""))
        }
    }

    /// Most bytes that a vector takes.
    func size(columns: Int) -> Int { self == .float ? columns * 16 + 2 : (columns * 4 + 2) / 3 * 4 + 2 }
}
