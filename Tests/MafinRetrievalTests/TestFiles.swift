import Foundation
import MafinRetrieval
import Testing

/// Stored results of other programs, written by Tools/write_retrieval_goldens.py.
enum Golden {
    static func url(_ name: String) throws -> URL {
        try #require(Bundle.module.url(forResource: "Goldens", withExtension: nil)).appendingPathComponent(name)
    }

    static func data(_ name: String) throws -> Data {
        try Data(contentsOf: url(name))
    }

    static func decode<Value: Decodable>(_ name: String, as type: Value.Type) throws -> Value {
        try JSONDecoder().decode(type, from: data(name))
    }
}

/// The collections beside the developers' repository; a user's clone has none.
enum SharedData {
    static let folder: URL? = {
        let shared =
            ProcessInfo.processInfo.environment["MAFIN_SHARED"].map { URL(fileURLWithPath: $0) }
            ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("shared")
        let data = shared.appendingPathComponent("data")
        return FileManager.default.fileExists(atPath: data.path) ? data : nil
    }()

    static let isThere = folder != nil

    /// Stored vectors of a black box, beside the collections.
    static func vectors(_ name: String) throws -> URL {
        try #require(folder).deletingLastPathComponent().appendingPathComponent("vectors/\(name)")
    }
    static let absence: Comment =
        "the folder 'shared' does not lie beside the repository (MAFIN_SHARED says where else)"

    static func collection(_ name: String) throws -> RetrievalCollection {
        try RetrievalCollection(contentsOf: #require(folder).appendingPathComponent(name))
    }
}

/// Runs `body` with the URL of a new folder that holds the given files, and then removes the folder.
func withFiles<Result>(_ files: [String: String], _ body: (URL) throws -> Result) throws -> Result {
    try withFiles(files.mapValues { Data($0.utf8) }, body)
}

func withFiles<Result>(_ files: [String: Data], _ body: (URL) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mafin-retrieval-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for (name, contents) in files {
        let file = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try contents.write(to: file)
    }
    return try body(folder)
}

/// The message of the ``RetrievalError`` that `body` throws, without the folder's name.
func errorMessage(in folder: URL, _ body: () throws -> Void) -> String {
    do {
        try body()
        return "no error"
    } catch {
        return "\(error)".replacingOccurrences(of: folder.path + "/", with: "").replacingOccurrences(
            of: folder.path, with: "")
    }
}
