import Foundation
import Testing

@testable import MafinNumerics

@Suite struct JSONScannerTests {
    private func parse(_ bytes: [UInt8]) throws -> JSONValue {
        try bytes.withUnsafeBufferPointer { buffer in
            var scanner = JSONScanner(buffer)
            let value = try scanner.value()
            try scanner.finish()
            var skipper = JSONScanner(buffer)
            try skipper.skipValue()
            #expect(skipper.offset == scanner.offset || skipper.isAtEnd())
            return value
        }
    }

    private func parse(_ text: String) throws -> JSONValue { try parse(Array(text.utf8)) }

    private func scan<Result>(_ text: String, _ body: (inout JSONScanner) throws -> Result) throws -> Result {
        try Array(text.utf8).withUnsafeBufferPointer { bytes in
            var scanner = JSONScanner(bytes)
            return try body(&scanner)
        }
    }

    private func float(_ text: String) throws -> Float { try scan(text) { try $0.float() } }

    @Test(arguments: [
        "0", "-0", "-0.0", "1", "-1", "0.1", "-0.006929283495992422", "1e10", "1E-10", "1.5e+3",
        "123456789012345678901234567890",
        "0.000000000000000000000000000000000000011754943508222875", "1.401298464324817e-45", "1e-46",
        "7.006492321624085e-46",
        "3.4028234663852886e38", "3.4028235677973366e38", "1e400", "-1e400", "16777217", "16777217.0000000000000000001",
        "16777219",
        "0.50000002980232238769531250", "0.50000002980232238769531251", "0.50000002980232238769531249", "1e-400",
        "8.589973e9", "1.00000017881393421514957253748434595763683319091796875001",
    ])
    func difficultNumbersRoundAsStrtof(text: String) throws {
        #expect(try float(text).bitPattern == strtof(text, nil).bitPattern, "\(text)")
    }

    /// The reference is the C library: 300,000 numbers in the forms that servers write (shortest float, Python's repr of the
    /// float as a double, fixed point), and doubles around the middle between two floats, where a second rounding goes wrong.
    @Test func randomNumbersRoundAsStrtof() throws {
        var generator = RandomGenerator(seed: 12)
        var texts: [String] = []
        for _ in 0..<60_000 {
            let value = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
            guard value.isFinite else { continue }
            texts.append("\(value)")
            texts.append("\(Double(value))")
            let small = 2 * generator.uniform() - 1
            texts.append("\(Double(small))")
            texts.append(String(format: "%.9f", Double(small)))
            let middle = (Double(small) + Double(small.nextUp)) / 2
            texts.append("\([middle.nextDown, middle, middle.nextUp][Int.random(in: 0..<3, using: &generator)])")
        }
        var values: [Float] = []
        let count = try scan("[" + texts.joined(separator: ", ") + "]") { try $0.appendFloats(to: &values) }
        #expect(count == texts.count)
        let wrong = zip(texts, values).filter { strtof($0, nil).bitPattern != $1.bitPattern }
        #expect(wrong.isEmpty, "\(wrong.prefix(5))")
    }

    @Test func numbersThatAreNotFiniteAreRead() throws {
        var values: [Float] = []
        #expect(try scan("[1, null, NaN, Infinity, -Infinity]") { try $0.appendFloats(to: &values) } == 5)
        #expect(values[0] == 1 && values[1].isNaN && values[2].isNaN)
        #expect(values[3] == .infinity && values[4] == -.infinity)
    }

    @Test(arguments: [
        "[1, 2", "[1 2]", "[,]", "[1,]", "[\"1\"]", "[true]", "[[1]]", "[1e]", "[-]", "[.]", "[.5]", "[1.]", "[00.5]",
        "[01]", "[-01]", "[1.e5]", "[-.5]", "[nul]", "[Inf]", "", "{", "[1}",
    ])
    func brokenArraysAreRefused(text: String) {
        var values: [Float] = []
        #expect(throws: JSONSyntaxError.self) { try scan(text) { try $0.appendFloats(to: &values) } }
    }

    @Test func membersAndSkippedValues() throws {
        let text = #" { "a" : {"x":[1,{"y":"}"}]}, "b":12 , "c":[], "d":null} "#
        var seen: [String] = []
        try scan(text) { scanner in
            try scanner.members { scanner, key in
                seen.append(key)
                if key == "b" {
                    let integer = try scanner.integer()
                    #expect(integer == 12)
                } else {
                    try scanner.skipValue()
                }
            }
            let atEnd = scanner.isAtEnd()
            #expect(atEnd)
        }
        #expect(seen == ["a", "b", "c", "d"])
    }

    /// Errors name the byte of the fault itself, not of the value that contains it.
    @Test func faultsAreLocated() {
        func offset(_ bytes: [UInt8]) -> Int? {
            do {
                _ = try parse(bytes)
                return nil
            } catch { return (error as? JSONSyntaxError)?.offset }
        }
        #expect(offset(Array(#"{"a": "b\u+1AB"}"#.utf8)) == 10)
        #expect(offset([0x22, 0x61, 0x62, 0xFF, 0x22]) == 3)
        #expect(offset(Array(#"{"a": tru}"#.utf8)) == 6)
        #expect(offset(Array(#"  [1, "open"#.utf8)) == 6)
    }

    /// Skipped values are checked as strictly as values that are read.
    @Test(arguments: [
        #"{"skipped": "\u+1AB"}"#, #"{"k\u00zz": 1}"#, #"{"skipped": [1 2]}"#, #"{"skipped": {"a":}}"#, #"[01]"#,
        #"["\q"]"#,
    ])
    func skippedValuesAreChecked(text: String) {
        #expect(throws: JSONSyntaxError.self) { try scan(text) { try $0.skipValue() } }
    }

    @Test func nestingIsBounded() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        try scan(nested(JSONScanner.maximumDepth)) { try $0.skipValue() }
        for depth in [JSONScanner.maximumDepth + 1, 200_000] {
            #expect(throws: JSONSyntaxError.self) { try scan(nested(depth)) { try $0.skipValue() } }
            #expect(throws: JSONSyntaxError.self) { try scan(nested(depth)) { _ = try $0.value() } }
        }
    }

    @Test func stringsAreWrittenAsTheyAreRead() throws {
        let text = "a\"b\\c\n\r\t\u{1}\u{1F}é😀"
        #expect(try scan(JSONText.quoted(text)) { try $0.string() } == text)
        #expect(JSONText.quoted(text).utf8.count == JSONText.escapedLength(of: text) + 2)
    }

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
        "\"\\x\"", "\"\\u12\"", "\"\\u+1AB\"", "\"\\u 1AB\"", "\"\\u-1AB\"", "\"\\u12g4\"", "\"\\ud800\"",
        "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800\\ud800\"",
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

    /// Random documents and random damage, compared with Foundation's parser in value and validity.
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
            // Foundation accepts a comma before a closing bracket; RFC 8259 does not.
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
