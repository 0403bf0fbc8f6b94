import Foundation
import MafinTestSupport
import Testing

@testable import MafinText

/// Reads the files that Tools/write_tokenizer_goldens.py wrote.
enum GoldenFiles {
    static func data(_ name: String) throws -> Data {
        let folder = try #require(Bundle.module.url(forResource: "Goldens", withExtension: nil))
        return try Data(contentsOf: folder.appendingPathComponent(name))
    }

    static func read<File: Decodable>(_ type: File.Type, _ name: String) throws -> File {
        try JSONDecoder().decode(type, from: data(name))
    }

    /// The tokenizer of the test model, read once.
    static let miniLM = Result { try WordPieceTokenizer(modelFolder: #require(TestModel.folder())) }

    /// The shared data sets, which are not part of the repository: `MAFIN_SHARED`, else `shared` beside it.
    static let sharedData: URL? = {
        let shared =
            ProcessInfo.processInfo.environment["MAFIN_SHARED"].map { URL(fileURLWithPath: $0) }
            ?? TestModel.repository.deletingLastPathComponent().appendingPathComponent("shared")
        let data = shared.appendingPathComponent("data")
        return FileManager.default.fileExists(atPath: data.path) ? data : nil
    }()
}

/// A text and its encoding by Python `tokenizers`.
struct EncodingCase: Decodable {
    var text: String
    var ids: [Int32]
    /// Start and end of each token in UTF-8 bytes.
    var offsets: [Int]?

    var byteRanges: [Range<Int>]? {
        offsets.map { offsets in stride(from: 0, to: offsets.count, by: 2).map { offsets[$0]..<offsets[$0 + 1] } }
    }
}

/// FNV-1a with 64 bits, as in the golden script.
struct FNV {
    var state: UInt64 = 0xCBF2_9CE4_8422_2325

    var hexadecimal: String {
        let digits = String(state, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    mutating func add(bytes: some Sequence<UInt8>) {
        for byte in bytes { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }

    /// The values as little-endian 32-bit words, then their number.
    mutating func add(_ values: some Collection<Int32>) {
        for value in values { add(word: UInt32(bitPattern: value)) }
        add(word: UInt32(values.count))
    }

    private mutating func add(word: UInt32) {
        for shift in [UInt32(0), 8, 16, 24] { state = (state ^ UInt64(word >> shift & 0xFF)) &* 0x100_0000_01B3 }
    }
}

/// A folder for one test, removed at its end.
func withTemporaryFolder<Value>(
    files: [String: String], data: [String: Data] = [:], _ body: (URL) throws -> Value
) throws -> Value {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mafin-text-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for (name, content) in files { try Data(content.utf8).write(to: folder.appendingPathComponent(name)) }
    for (name, content) in data { try content.write(to: folder.appendingPathComponent(name)) }
    return try body(folder)
}
