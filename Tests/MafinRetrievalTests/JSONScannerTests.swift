import Foundation
import Testing

@testable import MafinRetrieval

@Suite struct JSONScannerTests {
    private func parse(_ bytes: [UInt8]) throws -> JSONValue {
        try bytes.withUnsafeBufferPointer { buffer in
            var scanner = JSONScanner(buffer)
            let value = try scanner.value()
            try scanner.finish()
            var skipper = JSONScanner(buffer)
            try skipper.skip()
            #expect(skipper.offset == scanner.offset || skipper.isAtEnd())
            return value
        }
    }

    private func parse(_ text: String) throws -> JSONValue { try parse(Array(text.utf8)) }

    @Test func escapesAndSurrogates() throws {
        #expect(
            try parse(#""a\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\uDE00z""#) == .string("a\"\\/\u{8}\u{C}\n\r\tAé€😀z"))
        #expect(try parse("\"raw é € 😀\"") == .string("raw é € 😀"))
        #expect(
            try parse(#"{"k\u0065y": -1.50e+3, "": [true, false, null, [], {}]}"#)
                == .object([
                    .init(key: "key", value: .number("-1.50e+3")),
                    .init(key: "", value: .array([.boolean(true), .boolean(false), .null, .array([]), .object([])])),
                ]))
    }

    @Test(arguments: [
        "", " ", "{", "[", "\"", "\"\\\"", "tru", "nul", "+1", "01", "1.", ".5", "1e", "1e+", "-", "--1", "0x1", "NaN",
        "Infinity",
        "'a'", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}",
        "1 2", "{} x",
        "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800\\ud800\"",
        "\"a\nb\"",
        "\"\u{1}\"", "[\"a\\\"]", "]", "\u{FEFF}{}",
    ])
    func malformedTextIsRefused(text: String) {
        #expect(throws: JSONSyntaxError.self) { _ = try parse(text) }
    }

    @Test func invalidUTF8AndDeepNestingAreRefused() {
        for bytes: [UInt8] in [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0x80]] {
            #expect(throws: JSONSyntaxError.self) { _ = try parse([0x22] + bytes + [0x22]) }
            #expect(throws: JSONSyntaxError.self) { _ = try parse([0x22] + bytes + Array("\\n\"".utf8)) }
        }
        #expect(throws: JSONSyntaxError.self) { _ = try parse(String(repeating: "[", count: 100_000)) }
    }

    /// Random documents and random damage: Foundation's parser is the judge of both value and validity.
    @Test(arguments: UInt64(1)...4)
    func agreesWithFoundation(seed: UInt64) throws {
        var random = SeededBits(state: seed)
        var refused = 0
        for round in 0..<1_000 {
            var text = Array(random.json(depth: 0).utf8)
            if round % 2 == 1, !text.isEmpty {
                let place = Int(random.next() % UInt64(text.count))
                switch random.next() % 3 {
                case 0: text.remove(at: place)
                // (A NUL makes Foundation take the text for UTF-16.)
                case 1: text[place] = UInt8(1 + random.next() % 127)
                default: text.insert(Array("\",:{}[]0-\\u".utf8)[Int(random.next() % 11)], at: place)
                }
            }
            // Foundation lets a comma stand before a closing bracket; RFC 8259 does not.
            if hasTrailingComma(text) { continue }
            let theirs = try? JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed)
            let ours = try? parse(text)
            if theirs == nil { refused += 1 }
            #expect(
                (theirs == nil) == (ours == nil),
                "round \(round): \(String(decoding: text, as: UTF8.self))")
            if let theirs, let ours {
                #expect(
                    NSArray(array: [theirs]).isEqual(to: [ours.foundation]),
                    "round \(round): \(String(decoding: text, as: UTF8.self))")
            }
        }
        #expect(refused > 100)
    }

    private func hasTrailingComma(_ text: [UInt8]) -> Bool {
        let dense = text.filter { !Array(" \n\t\r".utf8).contains($0) }
        return zip(dense, dense.dropFirst()).contains { $0 == UInt8(ascii: ",") && ($1 == 0x5D || $1 == 0x7D) }
    }
}

/// Random JSON of small depth.
private struct SeededBits {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }

    mutating func json(depth: Int) -> String {
        let space = ["", " ", "\n\t"][Int(next() % 3)]
        switch next() % (depth < 3 ? 8 : 6) {
        case 0: return space + ["true", "false", "null"][Int(next() % 3)]
        case 1: return ["0", "-1", "12", "3.25", "-0.5e2", "1E-3"][Int(next() % 6)] + space
        case 2...5: return space + string()
        case 6: return "[" + (0..<next() % 4).map { _ in json(depth: depth + 1) }.joined(separator: ",") + space + "]"
        default:
            let members = (0..<next() % 4).map { "\(space)\"k\($0)\": \(json(depth: depth + 1))" }
            return "{" + members.joined(separator: ",") + "}"
        }
    }

    mutating func string() -> String {
        let pieces = ["a", "bc", "é", "😀", "\\n", "\\\"", "\\\\", "\\u00e9", "\\ud83d\\ude00", "\\/", " ", "x\\tz"]
        return "\"" + (0..<next() % 6).map { _ in pieces[Int(next() % 12)] }.joined() + "\""
    }
}

extension JSONValue {
    /// The value as Foundation's parser gives it.
    fileprivate var foundation: Any {
        switch self {
        case .string(let text): text
        case .number(let text): NSNumber(value: Double(text) ?? .nan)
        case .boolean(let value): value
        case .null: NSNull()
        case .array(let elements): elements.map(\.foundation)
        case .object(let members): Dictionary(members.map { ($0.key, $0.value.foundation) }) { $1 }
        }
    }
}
