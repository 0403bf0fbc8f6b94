/// Why an artefact cannot be read, used or written.
public enum ArtefactError: Error, Equatable, CustomStringConvertible {
    /// The folder has no `manifest.json`.
    case notAnArtefact(path: String)
    /// The manifest has a format version that this library cannot read.
    case unknownFormat(path: String, newestKnown: Int, found: Int)
    /// The manifest is not JSON, or a field is missing or of another type.
    case malformedManifest(path: String, field: String, reason: String)
    /// A field contradicts another.
    case contradiction(path: String, field: String, expected: String, found: String)
    /// A file is missing, or its length or content differs from the manifest.
    case wrongFile(path: String, expected: String, found: String)
    /// The manifest does not record the weights with which training began. Manifests of older versions do not.
    case releasedUnknown(path: String)
    /// The black box is not the one that the encoder was trained with.
    case otherBlackBox(path: String, differences: [String])
    /// Vectors do not have the dimension of the manifest.
    case dimension(path: String, of: String, expected: Int, found: Int)
    /// The black box did not answer, and no other source with a weight is left to rank by.
    case noSourceLeft(path: String)
    /// The black box is not to be asked, and the artefact has nothing that answers in its place.
    case noStandIn(path: String)
    /// The folder to write to holds files that are not an artefact.
    case occupied(path: String)
    /// The artefact's vectors cannot be reduced to the wanted dimension.
    case notReducible(path: String, reason: String)
    /// An encoder was saved without the file that holds its weights.
    case incompleteEncoder(path: String, missing: String)

    /// One sentence.
    public var description: String {
        switch self {
        case .notAnArtefact(let path):
            "\(path) is not an artefact: it has no manifest.json"
        case .unknownFormat(let path, let newestKnown, let found):
            "\(path) is of format version \(found); \(LibraryVersion.current) reads version"
                + (newestKnown == 1 ? " 1" : "s 1 to \(newestKnown)")
        case .malformedManifest(let path, let field, let reason):
            field.isEmpty ? "\(path): \(reason)" : "\(path): '\(field)': \(reason)"
        case .noSourceLeft(let path):
            "the black box's vector of the query is missing, and \(path) has no other source to rank by"
        case .noStandIn(let path):
            "\(path) has no stand-in, which would answer without the black box: make an artefact with one by 'mafin train --stand-in' or 'mafin compare'"
        case .contradiction(let path, let field, let expected, let found):
            "\(path): '\(field)': expected \(expected), found \(found)"
        case .wrongFile(let path, let expected, let found):
            "\(path): the artefact's manifest says \(expected), found \(found)"
        case .releasedUnknown(let path):
            "\(path) was written by an older version, which did not record the released encoder's hash: train it again to compare"
        case .otherBlackBox(let path, let differences):
            "\(path) was trained with another black box: " + differences.joined(separator: ", ")
        case .dimension(let path, let of, let expected, let found):
            "\(path): vectors of \(of) have \(found) numbers, expected \(expected)"
        case .occupied(let path):
            "\(path) holds files that do not belong to an artefact; nothing was written: choose another folder or empty it"
        case .notReducible(let path, let reason):
            "the vectors of \(path) cannot be reduced: \(reason)"
        case .incompleteEncoder(let path, let missing):
            "the encoder saved for \(path) has no \(missing)"
        }
    }
}
