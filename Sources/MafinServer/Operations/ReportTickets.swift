import Foundation
import HTTPTypes
import MafinNumerics

/// Lets a browser that has shown a key open `/report`: a cookie that says until when, signed with a key of this process, and that is sent
/// nowhere else.
struct ReportTickets: Sendable {
    private static let cookieName = "mafin-report"
    private let key = (0..<ContentHash.blockSize).map { _ in UInt8.random(in: 0...255) }
    /// How long a ticket holds, in seconds.
    var lifetime = 600

    /// The value of `Set-Cookie` for the owner of a key.
    func cookie(for name: String, now: Date = Date()) -> String {
        let text = "\(Int(now.timeIntervalSince1970) + lifetime).\(ContentHash.hexadecimal(name.utf8))"
        let signature = ContentHash.hexadecimal(signature(of: text))
        return "\(Self.cookieName)=\(text).\(signature); Path=/report; Max-Age=\(lifetime); HttpOnly; SameSite=Strict"
    }

    /// HMAC-SHA-256 (RFC 2104).
    private func signature(of text: String) -> [UInt8] {
        let inner = ContentHash.sha256(key.map { $0 ^ 0x36 } + Array(text.utf8))
        return ContentHash.sha256(key.map { $0 ^ 0x5C } + inner)
    }

    /// The name of the key that a request's ticket was given for; `nil` without one that holds.
    func name(in headers: HTTPFields, now: Date = Date()) -> String? {
        for pair in headers[values: .cookie].flatMap({ $0.split(separator: ";") }) {
            let sides = pair.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard sides.count == 2, sides[0] == Self.cookieName else { continue }
            let parts = sides[1].split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 3, let end = Int(parts[0]), Double(end) > now.timeIntervalSince1970,
                let name = Data(hexadecimal: parts[1]), let found = Data(hexadecimal: parts[2]), found.count == 32,
                zip(found, signature(of: "\(parts[0]).\(parts[1])")).reduce(0, { $0 | ($1.0 ^ $1.1) }) == 0
            else { continue }
            return String(decoding: name, as: UTF8.self)
        }
        return nil
    }
}

extension Data {
    fileprivate init?(hexadecimal text: Substring) {
        let digits = text.utf8.map { UnicodeScalar($0) }.map { Character($0).hexDigitValue }
        guard digits.count.isMultiple(of: 2) else { return nil }
        self.init()
        for place in stride(from: 0, to: digits.count, by: 2) {
            guard let high = digits[place], let low = digits[place + 1] else { return nil }
            append(UInt8(high << 4 | low))
        }
    }
}
