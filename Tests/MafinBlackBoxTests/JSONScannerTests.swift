import Foundation
import MafinBlackBox
import Testing

@Suite struct JSONScannerTests {
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
        "00.5",
        "8.589973e9", "1.00000017881393421514957253748434595763683319091796875001",
    ])
    func difficultNumbersRoundAsStrtof(text: String) throws {
        #expect(try float(text).bitPattern == strtof(text, nil).bitPattern, "\(text)")
    }

    /// The reference is the C library: 300,000 numbers in the forms that servers write (shortest float, Python's repr of the
    /// float as a double, fixed point), and doubles around the middle between two floats, where a second rounding goes wrong.
    @Test func randomNumbersRoundAsStrtof() throws {
        var generator = SystemRandomNumberGenerator()
        var texts: [String] = []
        for _ in 0..<60_000 {
            let value = Float(bitPattern: generator.next())
            guard value.isFinite else { continue }
            texts.append("\(value)")
            texts.append("\(Double(value))")
            let small = Float.random(in: -1...1, using: &generator)
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

    @Test func whatIsNoNumberIsFoundLater() throws {
        var values: [Float] = []
        #expect(try scan("[1, null, NaN, Infinity, -Infinity]") { try $0.appendFloats(to: &values) } == 5)
        #expect(values[0] == 1 && values[1].isNaN && values[2].isNaN)
        #expect(values[3] == .infinity && values[4] == -.infinity)
    }

    @Test(arguments: [
        "[1, 2", "[1 2]", "[,]", "[1,]", "[\"1\"]", "[true]", "[[1]]", "[1e]", "[-]", "[.]", "", "{", "[1}",
    ])
    func brokenArraysAreRefused(text: String) {
        var values: [Float] = []
        #expect(throws: JSONScanner.Failure.self) { try scan(text) { try $0.appendFloats(to: &values) } }
    }

    @Test(arguments: [
        #""plain""#, #""""#, #""a\nb\t\"q\" \\ \/ é\u00e9""#, #""\ud83d\ude00 😀""#, #""\b\f\r""#, #""日本語""#,
    ])
    func stringsReadAsFoundationReadsThem(text: String) throws {
        let expected = try JSONDecoder().decode(String.self, from: Data(text.utf8))
        #expect(try scan(text) { try $0.string() } == expected)
    }

    @Test func loneSurrogatesDoNotStopAnything() throws {
        #expect(try scan(#""a\ud83db""#) { try $0.string() } == "a\u{FFFD}b")
        #expect(try scan(#""\ud83d\u0041""#) { try $0.string() } == "\u{FFFD}A")
    }

    @Test(arguments: [#""open"#, #""\x""#, #""\u12"#, #""\u12g4""#, #""\"#])
    func brokenStringsAreRefused(text: String) {
        #expect(throws: JSONScanner.Failure.self) { try scan(text) { try $0.string() } }
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

    @Test func deepNestingDoesNotExhaustTheStack() throws {
        let text = String(repeating: "[", count: 200_000) + String(repeating: "]", count: 200_000)
        try scan(text) { try $0.skipValue() }
        #expect(throws: JSONScanner.Failure.self) { try scan(String(text.dropLast())) { try $0.skipValue() } }
    }
}
