import Foundation
import MafinImages

extension JSONLines.Object {
    /// The image that the member `image` names by its path, relative to the folder of the file of lines; `nil` if there is no such member.
    ///
    /// The file is read, because its hash identifies the image. A path that leaves the folder is refused: a collection may come from a
    /// stranger, and its images are sent to a provider.
    /// - Throws: ``RetrievalError/wrongType(path:line:field:expected:found:)`` for anything but such a path,
    ///   ``RetrievalError/badImage(path:line:reason:)`` for an image that is missing or not PNG or JPEG.
    func image() throws -> ItemImage? {
        guard let name = try optionalString("image") else { return nil }
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard !name.isEmpty, !name.hasPrefix("/"), !name.contains("\0"), !name.contains("://"), !parts.contains("..")
        else {
            throw RetrievalError.wrongType(
                path: path, line: line, field: "image", expected: "the path of a file below the folder of this file",
                found: "\"\(name)\"")
        }
        let file = URL(fileURLWithPath: path).deletingLastPathComponent().appendingPathComponent(name)
        do {
            return try ItemImage(file: file, path: name)
        } catch let error as ImageError {
            throw RetrievalError.badImage(path: path, line: line, reason: "\(error)")
        }
    }
}
