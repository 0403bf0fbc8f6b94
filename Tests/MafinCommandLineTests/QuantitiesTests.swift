import ArgumentParser
import MafinNumerics
import Testing

@testable import MafinCommandLine

@Suite struct QuantitiesTests {
    @Test(arguments: [
        ("90s", 90.0), ("10m", 600), ("1h30m", 5400), ("1h30m15s", 5415), ("2h", 7200), ("1.5h", 5400), ("250ms", 0.25),
        ("1m250ms", 60.25),
        ("0h5s", 5),
    ])
    func timeLimit(_ text: String, _ seconds: Double) throws {
        #expect(try TimeLimit(parsing: text).duration == .milliseconds(Int(seconds * 1000)))
    }

    @Test(arguments: [
        "", "10", "m", "10x", "-5s", "5s ", " 5s", "5m1h", "5s5s", "1.5h30m", "1..5h", ".5h", "5.h", "0s", "1e3s",
        "inf", "nans", "٣s", "99999h",
        "1234567890123456789012345678901234567890s", "10M",
    ])
    func noTimeLimit(_ text: String) {
        #expect(throws: ValidationError.self) { try TimeLimit(parsing: text) }
    }

    @Test func aBareNumberIsAskedForItsUnit() {
        let error = #expect(throws: ValidationError.self) { try TimeLimit(parsing: "10") }
        #expect(error?.message == "a duration needs a unit: 10s, 10m or 10h?")
    }

    @Test(arguments: [(0, "0s"), (42, "42s"), (60, "1m"), (185, "3m05s"), (600, "10m"), (3600, "1h"), (3749, "1h02m")])
    func shortText(_ seconds: Int, _ text: String) {
        #expect(Duration.seconds(seconds).shortText == text)
    }

    @Test(arguments: [
        ("4GiB", 4 << 30), ("4G", 4 << 30), ("4g", 4 << 30), ("512MiB", 512 << 20), ("512 MiB", 512 << 20),
        ("2GB", 2_000_000_000),
        ("10kb", 10_000), ("1.5GiB", 3 << 29), ("4096", 4096), ("4096B", 4096), ("1TiB", 1 << 40),
    ])
    func memorySize(_ text: String, _ bytes: Int) throws {
        #expect(try MemorySize(parsing: text).bytes == bytes)
    }

    @Test(arguments: ["", "GiB", "4X", "-1G", "0", "0.1", "1..5G", ".5G", "99999999999TiB", "4GiBs", "1e9"])
    func noMemorySize(_ text: String) {
        #expect(throws: ValidationError.self) { try MemorySize(parsing: text) }
    }

    @Test(arguments: [(512, "512 B"), (1024, "1 KiB"), (3 << 29, "1.5 GiB"), (4 << 30, "4 GiB")])
    func memorySizeDescription(_ bytes: Int, _ text: String) throws {
        #expect(MemorySize(bytes: bytes).description == text)
        #expect(try MemorySize(parsing: MemorySize(bytes: bytes).description).bytes == bytes)
    }
}
