import Foundation

/// The data folder `shared` beside the repository, or the folder in `MAFIN_SHARED`. Tests that use it are skipped if it
/// does not exist.
enum SharedData {
    static func folder(_ path: String) -> URL? {
        let named = ProcessInfo.processInfo.environment["MAFIN_SHARED"].map { URL(fileURLWithPath: $0) }
        let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
            .standardizedFileURL
        let folder = (named ?? repository.deletingLastPathComponent().appendingPathComponent("shared"))
            .appendingPathComponent(path)
        return FileManager.default.fileExists(atPath: folder.path) ? folder : nil
    }
}
