/// Why an index cannot be written, read or searched.
package enum IndexError: Error, Equatable, CustomStringConvertible {
    /// The folder has no `index.json`.
    case notAnIndex(path: String)
    /// The manifest is not JSON, or a field is missing or of another type.
    case malformedManifest(path: String, reason: String)
    /// The manifest is of a format that this version does not know.
    case unknownFormat(path: String, newestKnown: Int, found: Int)
    /// A file is missing, or not as long as the manifest says.
    case wrongFile(path: String, expected: String, found: String)
    /// The artefact's document vectors are not those in the index.
    case otherArtefact(path: String, differences: [String])
    /// Each text of the artefact has a weight of its own, so no weights can rank its parts again.
    case normForm(artefact: String)
    /// A file cannot have the name of a source.
    case unusableName(artefact: String, source: String)
    /// The folder to be written holds something other than an index.
    case occupied(path: String)

    /// One sentence.
    package var description: String {
        switch self {
        case .notAnIndex(let path):
            "\(path) is not an index: it holds no \(IndexManifest.fileName); 'mafin index' writes one"
        case .malformedManifest(let path, let reason):
            "\(path): \(reason)"
        case .unknownFormat(let path, let newestKnown, let found):
            "\(path) is of format version \(found); this mafin reads versions up to \(newestKnown)"
        case .wrongFile(let path, let expected, let found):
            "\(path): expected \(expected), found \(found); the file was cut or changed"
        case .otherArtefact(let path, let differences):
            "\(path) holds other vectors than the artefact makes: " + differences.joined(separator: ", ")
                + "; run 'mafin index' again"
        case .normForm(let artefact):
            "\(artefact) is of the norm form, where each text has a weight of its own; an index of unweighted parts cannot hold that"
        case .unusableName(let artefact, let source):
            "\(artefact) has a source '\(source)'; a source with vectors needs a name of at most 100 letters, digits, '-', '_', '.' and '+', so that a file can have it"
        case .occupied(let path):
            "\(path) holds files of something else than an index; nothing was written: choose another folder or empty it"
        }
    }
}
