/// What can be wrong with a black box's files, ids and vectors.
public enum BlackBoxError: Error, Sendable, Equatable, CustomStringConvertible {
    /// `--black-box` names no black box.
    case badSpecification(String, reason: String)
    /// There is nothing at the path, or a part of it is missing.
    case missingFile(path: String, expected: String)
    /// A file cannot be read.
    case unreadable(path: String, reason: String)
    /// A line of a file is malformed; lines count from 1.
    case malformedLine(path: String, line: Int, reason: String)
    /// There are more or fewer ids than vectors.
    case countMismatch(path: String, vectors: Int, idsPath: String, ids: Int)
    /// Vectors of one black box differ in length.
    case dimensionMismatch(path: String, found: Int, expected: Int, expectedIn: String)
    /// A vector is of another length than those before it; lines count from 1.
    case lineDimensionMismatch(path: String, line: Int, id: String, found: Int, expected: Int)
    /// An element is NaN or infinite; rows and columns count from 0.
    case notFinite(path: String, id: String, row: Int, column: Int, value: Float)
    /// A vector is all zeros, so it has no direction; rows count from 0.
    case zeroVector(path: String, id: String, row: Int)
    /// An id is used twice; rows count from 0.
    case duplicateID(path: String, id: String, firstRow: Int, row: Int)
    /// Vectors were asked for ids that are not stored.
    case missingIDs(path: String, role: TextRole, count: Int, asked: Int, first: [String])
    /// An id contains a line break, so it cannot be written to a file with one id per line.
    case unwritableID(path: String, id: String)
    /// Items have images, and the black box reads texts alone.
    case cannotReadImages(model: String, count: Int, first: [String])
    /// Items have no image, and the black box reads images alone.
    case cannotReadTexts(model: String, count: Int, first: [String])
    /// Items have an image and a text, and the black box reads either alone.
    case cannotReadImagesWithTexts(model: String, count: Int, first: [String])
    /// There are vectors of the other role only.
    case missingRole(path: String, role: TextRole)

    /// One sentence: what is wrong, where, and what was expected.
    public var description: String {
        switch self {
        case .badSpecification(let text, let reason): "black box '\(text)': \(reason)"
        case .missingFile(let path, let expected): "\(path): not found; expected \(expected)"
        case .unreadable(let path, let reason): "\(path): cannot be read: \(reason)"
        case .malformedLine(let path, let line, let reason): "\(path):\(line): \(reason)"
        case .countMismatch(let path, let vectors, let idsPath, let ids):
            "\(path) holds \(vectors) vectors but \(idsPath) holds \(ids) ids; there must be one id per vector"
        case .dimensionMismatch(let path, let found, let expected, let expectedIn):
            "\(path): vectors have \(found) numbers, but \(expected) in \(expectedIn); both must come from one model"
        case .lineDimensionMismatch(let path, let line, let id, let found, let expected):
            "\(path):\(line): vector of '\(id)' has \(found) numbers, those before it have \(expected)"
        case .notFinite(let path, let id, let row, let column, let value):
            "\(path): vector of '\(id)' (row \(row)) has \(value) at position \(column); every element must be finite"
        case .zeroVector(let path, let id, let row):
            "\(path): vector of '\(id)' (row \(row)) is all zeros and so has no direction"
        case .duplicateID(let path, let id, let firstRow, let row):
            "\(path): id '\(id)' occurs twice (rows \(firstRow) and \(row))"
        case .missingIDs(let path, let role, let count, let asked, let first):
            "\(path): no vectors for \(count) of \(asked) \(role.plural): \(Self.list(first, of: count))"
        case .unwritableID(let path, let id):
            "\(path): the id \(String(reflecting: id)) contains a line break, so it cannot be written to a file with one id per line"
        case .cannotReadImages(let model, let count, let first):
            "\(model) reads no images, and \(count) items have one: \(Self.list(first, of: count))"
        case .cannotReadTexts(let model, let count, let first):
            "\(model) reads images, and \(count) items have none: \(Self.list(first, of: count))"
        case .cannotReadImagesWithTexts(let model, let count, let first):
            "\(model) reads an image or a text, and \(count) items have both: \(Self.list(first, of: count))"
        case .missingRole(let path, let role):
            "\(path): holds no \(role.rawValue) vectors"
        }
    }

    /// Refuses items with images.
    /// - Parameter model: the black box, for the error.
    /// - Throws: ``cannotReadImages(model:count:first:)``.
    package static func refuseImages(_ items: [EmbeddingItem], model: String) throws {
        let images = items.filter { $0.image != nil }
        guard images.isEmpty else {
            throw cannotReadImages(model: model, count: images.count, first: images.prefix(5).map(\.id))
        }
    }

    /// Refuses items without an image.
    /// - Parameter model: the black box, for the error.
    /// - Throws: ``cannotReadTexts(model:count:first:)``.
    package static func refuseTexts(_ items: [EmbeddingItem], model: String) throws {
        let texts = items.filter { $0.image == nil }
        guard texts.isEmpty else {
            throw cannotReadTexts(model: model, count: texts.count, first: texts.prefix(5).map(\.id))
        }
    }

    /// The first of some names, in quotation marks.
    package static func list(_ first: some Collection<String>, of count: Int) -> String {
        first.map { "'\($0)'" }.joined(separator: ", ") + (count > first.count ? ", …" : "")
    }
}
