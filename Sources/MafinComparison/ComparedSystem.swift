import MafinPipeline

/// A system that a comparison can measure; one row of its table.
public struct ComparedSystem: Sendable, Hashable {
    /// What a system is made of. The simplest kinds come first.
    public enum Kind: String, Sendable, Codable, CaseIterable {
        /// The black box alone.
        case baseline
        /// Words only, no vectors.
        case lexical
        /// The local encoder as released, alone or beside the black box.
        case released
        /// Built on the black box's vectors and labels; no encoder is trained.
        case rival
        /// A trained encoder, alone or beside the black box.
        case trained
        /// Built on the trained encoder that is best on dev.
        case derived
        /// A map of the black box's vectors, trained by gradient descent.
        case adapter
        /// A sum that asks the black box for no query: a stand-in estimates its vectors.
        case offline
    }

    /// The name in tables and JSON. In the name of a derived system, ``chosenPrefix`` stands for the method that is
    /// best on dev.
    public let name: String
    /// What it is made of.
    public let kind: Kind

    /// Prefix in the names of derived systems that stands for the trained method that is best on dev.
    public static let chosenPrefix = Contender.mafin.rawValue

    /// The name of the sum of all sources with a trained encoder. It has no prefix.
    public static let composition = "composition"

    /// All systems, in the order of tables.
    public static let all: [ComparedSystem] = {
        let blackBox = StandardRivals.blackBoxName
        let names: [(kind: Kind, names: [String])] = [
            (.lexical, ["tf-idf", "bm25", "bm25-tuned"]), (.baseline, [blackBox]),
            (.released, ["local", "concatenation", "concatenation-calibrated"]),
            (.rival, ["\(blackBox)+bm25-rrf", "\(blackBox)+bm25-convex", "\(blackBox)+bm25"]),
            (.rival, ["nudge-n", "nudge-m", "query-memory", "composition-stepwise", "composition-without-encoder"]),
            (.adapter, ["linear-adapter", "two-layer-adapter", "linear-adapter-both"]),
            (.trained, ["tuned-alone", "tuned-alone-concatenated", "tuned-alone-mixed"]),
            (.trained, ["paper-mafin", "lambda-mafin", "norm-mafin", "hybrid-mafin", "mafin"]),
            (.derived, ["\(chosenPrefix)+bm25", "\(chosenPrefix)+query-memory", composition]),
            (.offline, OfflineSums.names),
        ]
        return names.flatMap { kind, names in names.map { ComparedSystem(name: $0, kind: kind) } }
    }()

    /// The names of systems that need documents with a text.
    static let needingText = all.filter { $0.kind == .lexical || $0.name.contains("+bm25") }.map(\.name)

    /// The system with this name; `nil` if there is none. The name of a derived system may begin with any trained
    /// method.
    public static func named(_ name: String) -> ComparedSystem? {
        if let found = byName[name] { return found }
        guard let plus = name.firstIndex(of: "+"),
            Contender.allCases.contains(where: { $0.joinedName == name[..<plus] })
        else { return nil }
        return byName[chosenPrefix + name[plus...]]
    }

    /// Whether a system of this name asks the black box for no query.
    package static func isOffline(_ name: String) -> Bool { named(name)?.kind == .offline }

    /// Position in tables. Unknown names come last.
    public static func place(of name: String) -> Int { named(name).flatMap { places[$0.name] } ?? all.count }

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
    private static let places = Dictionary(uniqueKeysWithValues: all.enumerated().map { ($1.name, $0) })
}
