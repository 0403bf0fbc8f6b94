import MafinEncoder

extension ArtefactModel {
    /// What a user should know before relying on the artefact, a sentence each.
    /// - Parameters:
    ///   - path: what the sentences call it.
    ///   - asked: the precision that the user named; `nil` if none.
    package func warnings(at path: String, asked: Precision?) -> [String] {
        [precisionWarning(at: path, asked: asked), manifest.verdict.warning(at: path)].compactMap(\.self)
    }

    /// That the encoders embed in a precision of which nothing says that it ranks like float32; `nil` unless the user named it.
    package func precisionWarning(at path: String, asked: Precision?) -> String? {
        guard asked != nil, precision != .float32, encoder != nil || standIn != nil else { return nil }
        let (record, name) = (manifest.precision, precision.rawValue)
        switch record?.trial(of: precision) {
        case nil:
            return
                "\(path) does not say what \(name) changes in its rankings: 'mafin train --precision \(name)' measures it"
        case let trial? where !trial.passed:
            return "\(path) was found to rank differently in \(name): \(record?.reason ?? "")"
        default: return nil
        }
    }
}

extension Verdict {
    /// That no gain was shown for an artefact; `nil` if one was, or if the user overrode the verdict.
    /// - Parameter path: what the sentence calls it.
    package func warning(at path: String) -> String? {
        switch decision {
        case .ship: nil
        case .doNotShip: isForced ? nil : "\(path) showed \(decision.words) on dev. \(reason)"
        case .cannotTell: "\(path): on dev it could not be told whether it gains. \(reason)"
        }
    }
}
