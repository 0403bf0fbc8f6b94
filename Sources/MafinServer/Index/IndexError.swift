/// Why an index cannot be written, read or searched.
public enum IndexError: Error, Equatable, CustomStringConvertible {
    /// The folder has no `index.json`.
    case notAnIndex(path: String)
    /// The manifest is not JSON, or a field is missing or of another type.
    case malformedManifest(path: String, reason: String)
    /// The manifest is of a format that this library does not know.
    case unknownFormat(path: String, newestKnown: Int, found: Int)
    /// A file is not there, or not as long as the manifest says.
    case wrongFile(path: String, expected: String, found: String)
    /// The index was made with other vectors of documents than the artefact makes.
    case otherArtefact(path: String, differences: [String])
    /// Each text of the artefact has a weight of its own, so that no λ can rank its halves anew.
    case normForm(artefact: String)
    /// The folder to write holds something else than an index.
    case occupied(path: String)

    /// One sentence.
    public var description: String {
        switch self {
        case .notAnIndex(let path):
            "\(path) is no index: it holds no \(IndexManifest.fileName); 'mafin index' writes one"
        case .malformedManifest(let path, let reason):
            "\(path): \(reason)"
        case .unknownFormat(let path, let newestKnown, let found):
            "\(path) is of format version \(found); this mafin reads versions up to \(newestKnown)"
        case .wrongFile(let path, let expected, let found):
            "\(path): expected \(expected), found \(found): it was cut or changed"
        case .otherArtefact(let path, let differences):
            "\(path) was made with another artefact: " + differences.joined(separator: ", ")
                + "; run 'mafin index' again"
        case .normForm(let artefact):
            "\(artefact) is a norm-mafin, where each text has a weight of its own: an index of two halves cannot hold it"
        case .occupied(let path):
            "\(path) holds files that are not an index's; nothing was written: choose another folder or empty it"
        }
    }
}
