/// A position in a distributed trace: W3C's `traceparent` (Trace Context, level 1).
struct RequestTrace: Sendable, Equatable {
    /// 32 hexadecimal digits, the same through all services.
    let traceID: String
    /// 16 hexadecimal digits, this service's own part of it.
    let spanID: String
    /// Two hexadecimal digits.
    let flags: String

    /// Continues the trace of a header, or begins a new one if there is no valid header.
    init(continuing header: String?) {
        spanID = Self.random(16)
        if let header, let (trace, flags) = Self.parse(header) {
            (traceID, self.flags) = (trace, flags)
        } else {
            (traceID, flags) = (Self.random(32), "00")
        }
    }

    /// The header to send on.
    var header: String { "00-\(traceID)-\(spanID)-\(flags)" }

    /// Trace and flags of a header; `nil` unless it is of version 00, or of a later version with the same beginning.
    static func parse(_ header: String) -> (trace: String, flags: String)? {
        let parts = header.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[0].utf8.count == 2, parts[1].utf8.count == 32, parts[2].utf8.count == 16,
            parts[3].utf8.count == 2, parts.prefix(4).allSatisfy({ $0.utf8.allSatisfy(isDigit) }),
            parts[0] != "ff", parts[0] != "00" || parts.count == 4,
            parts[1].utf8.contains(where: { $0 != UInt8(ascii: "0") }),
            parts[2].utf8.contains(where: { $0 != UInt8(ascii: "0") })
        else { return nil }
        return (String(parts[1]), String(parts[3]))
    }

    /// `digits` random hexadecimal digits, not all zero.
    static func random(_ digits: Int) -> String {
        var text = ""
        while text.utf8.count < digits {
            let part = String(UInt64.random(in: 1...UInt64.max), radix: 16)
            text += String(repeating: "0", count: 16 - part.utf8.count) + part
        }
        return String(text.prefix(digits))
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}
