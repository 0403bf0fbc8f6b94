import Foundation

/// A file's attributes that change when it is replaced or written to.
struct FileStamp: Equatable, Sendable {
    private let path: String
    private let number: Int?
    private let size: Int?
    private let modified: Date?

    /// Symbolic links are followed; `nil` if there is no file.
    init?(_ url: URL) {
        path = url.resolvingSymlinksInPath().path
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path) else { return nil }
        number = (attributes[.systemFileNumber] as? NSNumber)?.intValue
        size = (attributes[.size] as? NSNumber)?.intValue
        modified = attributes[.modificationDate] as? Date
    }
}
