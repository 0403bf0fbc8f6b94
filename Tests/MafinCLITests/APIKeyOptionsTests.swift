import ArgumentParser
import Foundation
import MafinProviders
import Testing

@testable import MafinCLI

@Suite struct APIKeyOptionsTests {
    @Test func theFlagsNameAPlace() throws {
        #expect(try APIKeyOptions.parse([]).source.variable == nil)
        #expect(try APIKeyOptions.parse(["--api-key-env", "MY_KEY"]).source.variable == "MY_KEY")
        #expect(try APIKeyOptions.parse(["--api-key-file", "/a/key"]).source.file?.path == "/a/key")
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
