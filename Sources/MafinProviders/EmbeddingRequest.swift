import NIOCore

/// The body of a request to `/v1/embeddings`.
enum EmbeddingRequest {
    /// `{"model":…,"input":[…],"dimensions":…,"encoding_format":…}`
    static func body(model: String, input: [String], dimensions: Int?, base64: Bool) -> ByteBuffer {
        var json = Array(#"{"model":"#.utf8)
        append(model, to: &json)
        json += Array(#","input":["#.utf8)
        for (index, text) in input.enumerated() {
            if index > 0 { json.append(UInt8(ascii: ",")) }
            append(text, to: &json)
        }
        json.append(UInt8(ascii: "]"))
        if let dimensions { json += Array(",\"dimensions\":\(dimensions)".utf8) }
        json += Array(",\"encoding_format\":\"\(base64 ? "base64" : "float")\"}".utf8)
        return ByteBuffer(bytes: json)
    }

    /// Bytes that a text takes in a body, quotes and comma included.
    static func length(of text: String) -> Int {
        text.utf8.reduce(3) { $0 + (mustEscape($1) ? ($1 < 0x20 ? 6 : 2) : 1) }
    }

    /// Appends a JSON string.
    static func append(_ text: String, to json: inout [UInt8]) {
        json.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            guard mustEscape(byte) else {
                json.append(byte)
                continue
            }
            switch byte {
            case UInt8(ascii: "\n"): json += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                json += Array("\\u00\(digits.count < 2 ? "0" : "")\(digits)".utf8)
            default: json += [UInt8(ascii: "\\"), byte]
            }
        }
        json.append(UInt8(ascii: "\""))
    }

    private static func mustEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }
}
