import MafinBlackBox

/// Why a ``SharedModel`` or a ``SharedIndex`` cannot do what was asked of it.
package enum SharedModelError: Error, Equatable, CustomStringConvertible {
    /// A folder is neither an artefact nor an encoder.
    case notAModel(path: String)
    /// The black box's vectors are needed and were not given.
    case blackBoxMissing(path: String, role: TextRole, hint: String)
    /// The model has no such part.
    case unsupported(path: String, reason: String)
    /// What was given does not fit.
    case argument(String)
    /// The index has no such document.
    case noDocument(String)

    /// One sentence.
    package var description: String {
        switch self {
        case .notAModel(let path):
            "\(path) is neither an artefact (manifest.json) nor an encoder (config.json, model.safetensors)"
        case .blackBoxMissing(let path, let role, let hint):
            "\(path) needs the black box's vectors of the \(role == .query ? "queries" : "documents")"
                + (hint.isEmpty ? "" : "; \(hint)")
        case .unsupported(let path, let reason): "\(path) \(reason)"
        case .argument(let reason): reason
        case .noDocument(let what): "the index holds no \(what)"
        }
    }
}
