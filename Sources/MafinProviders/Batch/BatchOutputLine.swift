import Foundation
import MafinNumerics
import NIOCore

/// One line of a batch's answers: `{"custom_id":"line-12","response":{"status_code":200,"body":{…}},"error":null}`, or of Anthropic's form
/// `{"custom_id":"TAG-12","result":{"type":"succeeded","message":{…}}}`.
struct BatchOutputLine {
    /// The number of the line in the job that it answers.
    let number: Int
    /// The part of the name before the number.
    let tag: String
    let status: Int
    /// The body of the answer, as for a single request.
    let body: Data?
    /// The provider's message if the request was refused.
    let complaint: String
    /// Whether the line may be sent again: the batch expired before it, or the server was overloaded.
    let isOpen: Bool

    /// The members that are read from a line.
    private struct Parts {
        var name: String?
        var status = 0
        var body: Range<Int>?
        var error: ServerComplaint?
        /// Anthropic's `succeeded`, `errored`, `canceled`, `expired`.
        var outcome: String?
    }

    /// nil for a line that is not of one of these forms.
    init?(_ line: [UInt8]) {
        var parts = Parts()
        let isRead = line.withUnsafeBufferPointer { bytes -> Bool in
            var scanner = JSONScanner(bytes)
            return (try? Self.read(&scanner, bytes, &parts)) != nil
        }
        guard isRead, let name = parts.name, let dash = name.lastIndex(of: "-"),
            let number = Int(name[name.index(after: dash)...])
        else { return nil }
        self.number = number
        tag = String(name[..<dash])
        let isAnswered = parts.outcome == "succeeded"
        status = isAnswered ? 200 : parts.status
        body = parts.body.map { Data(line[$0]) }
        let (status, error, outcome) = (status, parts.error, parts.outcome)
        let answer = parts.body.map { ServerComplaint(status: status, body: line[$0]) }
        complaint = error?.message ?? (isAnswered ? nil : outcome) ?? answer?.message ?? "it was not answered"
        if status == 0 {
            isOpen = error.map(Self.isPassing) ?? true
        } else {
            isOpen = status != 200 && (answer ?? ServerComplaint(status: status, body: [])).verdict() == .retry
        }
    }

    /// - Parameter place: the path of the enclosing members, each followed by a dot.
    private static func read(
        _ scanner: inout JSONScanner, _ bytes: UnsafeBufferPointer<UInt8>, in place: String = "", _ parts: inout Parts
    ) throws {
        try scanner.members { scanner, name in
            let isObject = scanner.peek() == UInt8(ascii: "{")
            switch place + name {
            case "custom_id": parts.name = try scanner.string()
            case "response" where isObject, "result" where isObject:
                try read(&scanner, bytes, in: name + ".", &parts)
            case "response.status_code": parts.status = try scanner.integer()
            case "response.body", "result.message": parts.body = try scanner.rangeOfValue()
            case "result.type": parts.outcome = try scanner.string()
            case "error" where isObject, "result.error":
                parts.error = ServerComplaint(status: 0, body: bytes[try scanner.rangeOfValue()])
            default: try scanner.skipValue()
            }
        }
    }

    /// `{"response":null,"error":{"code":"batch_expired","message":"This request could not be executed before the completion window expired."}}`
    private static func isPassing(_ error: ServerComplaint) -> Bool {
        let words = (error.labels + [error.message]).joined(separator: " ").lowercased()
        return [
            "expired", "cancel", "server_error", "api_error", "rate_limit", "rate limit", "overloaded", "unavailable",
            "timeout",
        ]
        .contains(where: words.contains)
    }

    /// The bytes up to the next end of a line; nil at the end of the file. Empty lines are skipped.
    static func next(in content: inout ByteBuffer) -> [UInt8]? {
        while content.readableBytes > 0 {
            let view = content.readableBytesView
            let length = view.firstIndex(of: UInt8(ascii: "\n")).map { $0 - view.startIndex } ?? view.count
            let line = content.readBytes(length: length) ?? []
            if content.readableBytes > 0 { content.moveReaderIndex(forwardBy: 1) }
            if !line.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\r") }) { return line }
        }
        return nil
    }
}
