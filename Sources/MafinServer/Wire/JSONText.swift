import Foundation
import MafinNumerics
import NIOCore

/// JSON that is written by hand: vectors, for which general encoders are slow.
enum JSONText {
    /// A string with its quotation marks.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{0}"..."\u{1F}":
                let hexadecimal = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hexadecimal.utf8.count) + hexadecimal
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// Appends a row as an array of numbers: the shortest digits that give the same float back.
    static func appendArray(_ row: ArraySlice<Float>, to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(ascii: "["))
        var isFirst = true
        for value in row {
            if !isFirst { buffer.writeInteger(UInt8(ascii: ",")) }
            isFirst = false
            buffer.writeString(value.description)
        }
        buffer.writeInteger(UInt8(ascii: "]"))
    }

    /// Appends a row as a string: its 32-bit floats, little-endian, in base64.
    static func appendBase64(_ row: ArraySlice<Float>, to buffer: inout ByteBuffer) {
        var data = Data(capacity: row.count * 4)
        for value in row { withUnsafeBytes(of: value.bitPattern.littleEndian) { data.append(contentsOf: $0) } }
        buffer.writeInteger(UInt8(ascii: "\""))
        buffer.writeBytes(data.base64EncodedData())
        buffer.writeInteger(UInt8(ascii: "\""))
    }
}

/// How vectors are written.
enum VectorEncoding: String, Sendable {
    case float, base64

    func append(_ row: ArraySlice<Float>, to buffer: inout ByteBuffer) {
        switch self {
        case .float: JSONText.appendArray(row, to: &buffer)
        case .base64: JSONText.appendBase64(row, to: &buffer)
        }
    }

    /// Bytes that a vector takes at most.
    func size(columns: Int) -> Int { self == .float ? columns * 16 + 2 : (columns * 4 + 2) / 3 * 4 + 2 }
}
