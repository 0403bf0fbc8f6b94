import Crypto
import Foundation
import HTTPTypes

/// Lets a browser that has shown a key open `/report`: a cookie that says until when, signed with a key of this process, and that is sent
/// nowhere else.
struct ReportTickets: Sendable {
    private static let cookieName = "mafin-report"
    private let key = SymmetricKey(size: .bits256)
    /// How long a ticket holds, in seconds.
    var lifetime = 600

    /// The value of `Set-Cookie` for the owner of a key.
    func cookie(for name: String, now: Date = Date()) -> String {
        let text = "\(Int(now.timeIntervalSince1970) + lifetime).\(Data(name.utf8).hexadecimal)"
        let signature = Data(HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: key)).hexadecimal
        return "\(Self.cookieName)=\(text).\(signature); Path=/report; Max-Age=\(lifetime); HttpOnly; SameSite=Strict"
    }

    /// The name of the key that a request's ticket was given for; `nil` without one that holds.
    func name(in headers: HTTPFields, now: Date = Date()) -> String? {
        for pair in headers[values: .cookie].flatMap({ $0.split(separator: ";") }) {
            let sides = pair.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard sides.count == 2, sides[0] == Self.cookieName else { continue }
            let parts = sides[1].split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 3, let end = Int(parts[0]), Double(end) > now.timeIntervalSince1970,
                let name = Data(hexadecimal: parts[1]), let signature = Data(hexadecimal: parts[2]),
                HMAC<SHA256>.isValidAuthenticationCode(
                    signature, authenticating: Data("\(parts[0]).\(parts[1])".utf8), using: key)
            else { continue }
            return String(decoding: name, as: UTF8.self)
        }
        return nil
    }
}

extension Data {
    fileprivate var hexadecimal: String {
        map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

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
