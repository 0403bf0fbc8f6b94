import ArgumentParser
import Foundation
import Testing

@testable import MafinCLI

@Suite struct APIKeyOptionsTests {
    private func withFile<Result>(_ text: String, _ body: (String) throws -> Result) throws -> Result {
        let file = FileManager.default.temporaryDirectory.appending(path: "mafin-key-\(UUID().uuidString)")
        try text.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        return try body(file.path)
    }

    @Test func defaultVariable() throws {
        let options = try APIKeyOptions.parse([])
        #expect(try options.key(defaultVariable: "OPENAI_API_KEY", environment: ["OPENAI_API_KEY": "sk-1"]) == "sk-1")
        #expect(try options.key(defaultVariable: "OPENAI_API_KEY", environment: [:]) == nil)
    }

    @Test func namedVariable() throws {
        let options = try APIKeyOptions.parse(["--api-key-env", "MY_KEY"])
        #expect(try options.key(defaultVariable: "OTHER", environment: ["MY_KEY": "a", "OTHER": "b"]) == "a")
        #expect(throws: APIKeyError.notSet(variable: "MY_KEY")) {
            try options.key(defaultVariable: "OTHER", environment: ["OTHER": "b"])
        }
    }

    @Test func file() throws {
        try withFile("sk-from-file\r\n") { path in
            let options = try APIKeyOptions.parse(["--api-key-file", path])
            #expect(try options.key(defaultVariable: "OTHER", environment: ["OTHER": "b"]) == "sk-from-file")
        }
        let missing = try APIKeyOptions.parse(["--api-key-file", "/nonexistent/key"])
        #expect(throws: APIKeyError.unreadable(path: "/nonexistent/key")) {
            try missing.key(defaultVariable: "OTHER", environment: [:])
        }
    }

    @Test func faultyKeysAreRefusedWithoutShowingThem() throws {
        let options = try APIKeyOptions.parse([])
        #expect(throws: APIKeyError.empty(origin: "KEY")) {
            try options.key(defaultVariable: "KEY", environment: ["KEY": "  \n"])
        }
        for key in ["secret word", "secret\r\nX-Other: 1", "secrét"] {
            let error = #expect(throws: APIKeyError.malformed(origin: "KEY")) {
                try options.key(defaultVariable: "KEY", environment: ["KEY": key])
            }
            #expect(error.map { !String(describing: $0).contains("secr") } ?? false)
        }
    }

    @Test func aKeyInPlaceOfANameIsNotPrinted() {
        let error = #expect(throws: (any Error).self) { try APIKeyOptions.parse(["--api-key-env", "sk-secret"]) }
        #expect(error.map { APIKeyOptions.exitCode(for: $0) } == .validationFailure)
        #expect(error.map { !APIKeyOptions.fullMessage(for: $0).contains("secret") } ?? false)
    }

    @Test func bothFlagsAreRefused() {
        #expect(throws: (any Error).self) { try APIKeyOptions.parse(["--api-key-env", "A", "--api-key-file", "b"]) }
    }
}
