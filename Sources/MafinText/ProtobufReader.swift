/// Reads one message of a Protocol Buffers file, field by field (the encoding of "proto2" and "proto3").
struct ProtobufReader {
    /// The place where a file is not such a message, and the reason.
    struct Failure: Error {
        let offset: Int
        let reason: String
    }

    /// The value of one field.
    enum Value {
        case number(UInt64)
        case word(UInt32)
        case bytes(ArraySlice<UInt8>)

        /// A number that is a flag, or that says which of several.
        var integer: Int { if case .number(let value) = self { Int(truncatingIfNeeded: value) } else { 0 } }
        var flag: Bool { integer != 0 }
        var float: Float { if case .word(let bits) = self { Float(bitPattern: bits) } else { .nan } }
    }

    private var rest: ArraySlice<UInt8>

    init(_ message: ArraySlice<UInt8>) { rest = message }

    /// Where the next field starts in the file.
    var offset: Int { rest.startIndex }

    /// The next field; `nil` at the end of the message.
    mutating func next() throws(Failure) -> (field: Int, value: Value)? {
        if rest.isEmpty { return nil }
        let start = rest.startIndex
        let key = try number()
        let field = Int(truncatingIfNeeded: key >> 3)
        switch key & 7 {
        case 0: return (field, .number(try number()))
        case 1: return (field, .number(try take(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }))
        case 2:
            let count = try number()
            guard count <= UInt64(rest.count) else {
                throw Failure(offset: start, reason: "field \(field) has \(count) bytes, more than the file")
            }
            return (field, .bytes(try take(Int(count))))
        case 5: return (field, .word(try take(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }))
        default: throw Failure(offset: start, reason: "field \(field) has the unknown wire type \(key & 7)")
        }
    }

    private mutating func take(_ count: Int) throws(Failure) -> ArraySlice<UInt8> {
        guard count <= rest.count else { throw Failure(offset: rest.startIndex, reason: "the file ends too early") }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    /// A number in seven bits a byte, the lowest first.
    private mutating func number() throws(Failure) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = rest.popFirst() else {
                throw Failure(offset: rest.startIndex, reason: "the file ends too early")
            }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw Failure(offset: rest.startIndex, reason: "a number has more than ten bytes")
    }
}
