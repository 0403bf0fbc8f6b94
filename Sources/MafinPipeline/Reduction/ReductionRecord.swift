import MafinMethod
import MafinRetrieval

/// What a manifest says about the reduction of its joined vectors. The maps themselves are in the folder `reduction`.
public struct ReductionRecord: Sendable, Codable, Equatable {
    /// How the maps were found.
    public enum Kind: String, Sendable, Codable, CaseIterable {
        /// In closed form: the products of queries and documents change least.
        case closedForm = "closed-form"
        /// The map of queries was trained on labels from there.
        case trained
    }

    /// Columns of a reduced vector.
    public var dimension: Int
    /// How the maps were found.
    public var kind: Kind
    /// The dense sources whose vectors are reduced, as they were when the maps were fitted.
    public var sources: [SourceRecord]
    /// The weights that the maps were fitted for.
    public var weights: SourceWeights
    /// The limit that it was made for; `nil` if its dimension was given.
    public var target: String?
    /// Figures on dev, with the dense sources alone: ``fullName`` is the baseline, ``reducedName`` the chosen maps.
    public var development: EvaluationReport
    /// The same figures with the weights that rank if the black box is not asked; `nil` without a stand-in.
    public var offlineDevelopment: EvaluationReport?

    /// The name in ``development`` of the joined vectors before the reduction.
    public static let fullName = "joined"
    /// The name in ``development`` of the reduced vectors.
    public static let reducedName = "reduced"
    /// The folder of the maps inside the artefact.
    public static let folder = "reduction"
}

extension ArtefactManifest {
    /// The records of dense sources.
    var denseRecords: [SourceRecord] {
        allSources.filter { ![.bm25, .queryMemory].contains($0.kind) }
    }

    /// The first contradiction between the reduction and the rest; `nil` if there is none.
    func contradictionOfReduction() -> (field: String, expected: String, found: String)? {
        guard let reduction else { return nil }
        if reduction.dimension < 1 { return ("reduction.dimension", "at least 1", "\(reduction.dimension)") }
        if reduction.sources != denseRecords {
            func names(_ records: [SourceRecord]) -> String { records.map(\.name.rawValue).joined(separator: ", ") }
            return ("reduction.sources", "the records of \(names(denseRecords))", names(reduction.sources))
        }
        if !mixing.areWeightsFree { return ("reduction", "none, because documents hold weights", "one") }
        return nil
    }
}
