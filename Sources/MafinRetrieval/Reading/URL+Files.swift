import Foundation

extension URL {
    var isFolder: Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }

    var exists: Bool { FileManager.default.fileExists(atPath: path) }

    /// The file `name` in this folder, or `name.gz` if only that exists.
    func plainOrCompressed(_ name: String) -> URL {
        let plain = appendingPathComponent(name)
        let compressed = appendingPathComponent(name + ".gz")
        return !plain.exists && compressed.exists ? compressed : plain
    }
}
