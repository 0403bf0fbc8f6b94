import Foundation

/// The data folder `shared` beside the repository (or where `MAFIN_SHARED` says); tests over it are skipped where it is absent.
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
