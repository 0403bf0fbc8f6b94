import MafinPipeline

/// What an export will write, and whether it fits. It is made before anything is paid.
public struct ExportPlan: Sendable, Encodable, Equatable {
    /// One set of vectors in the store.
    public struct Part: Sendable, Encodable, Equatable {
        /// Its name.
        public var name: String
        /// Dense or sparse.
        public var face: SourceFace
        /// Numbers of a vector, or terms of the vocabulary.
        public var dimension: Int
        /// How the store holds it.
        public var type: String
        /// How it is indexed; nil: not at all.
        public var index: String?
    }

    /// The store.
    public var store: StoreKind
    /// Where it is.
    public var place: String
    /// What is written.
    public var parts: [Part]
    /// Sources that the store cannot hold. Their part of the score is missing there.
    public var leftOut: [String]
    /// Number of texts; nil: not known.
    public var texts: Int?
    /// Bytes of all dense vectors; nil: not known.
    public var bytes: Int?

    /// Plans an export.
    /// - Parameters:
    ///   - parts: all sets of vectors of the artefact.
    ///   - others: sources that have no vectors.
    ///   - isHalf: whether the store is to hold 16-bit floats.
    ///   - wantsIndex: whether an index is to be built. Without one more numbers may fit.
    ///   - isReduced: whether the vectors are reduced already.
    ///   - foreign: names of vectors in the store that hold a part already, by the part's name.
    /// - Throws: ``StoreError/doesNotFit(store:reason:)``, which says what to reduce to.
    public init(
        _ target: StoreTarget, parts: [StorePart], others: [String], texts: Int?, isHalf: Bool = false,
        wantsIndex: Bool = true, isReduced: Bool = false, foreign: [String: String] = [:]
    ) throws {
        let (kind, abilities) = (target.kind, target.kind.abilities)
        (store, place, self.texts) = (kind, target.shown, texts)
        let kept = Self.kept(parts, by: kind)
        leftOut = others + parts.filter { part in part.face == .sparse && !abilities.holdsSparse }.map(\.name)
        for part in kept where part.face == .dense && foreign[part.name] == nil {
            try Self.require(part, kind, wantsIndex: wantsIndex, isReduced: isReduced)
        }
        if let most = abilities.maximumParts, kept.count > most {
            throw StoreError.doesNotFit(
                store: kind.name,
                reason:
                    "it takes \(most) vectors of a text, and the artefact has \(kept.count): 'mafin reduce' makes one of all dense ones"
            )
        }
        self.parts = kept.map { part in
            if let name = foreign[part.name] {
                return Part(
                    name: part.name, face: part.face, dimension: part.dimension, type: "in '\(name)' already",
                    index: nil)
            }
            let (type, index) = Self.form(of: part, kind, isHalf: isHalf, wantsIndex: wantsIndex)
            return Part(name: part.name, face: part.face, dimension: part.dimension, type: type, index: index)
        }
        let numbers = kept.filter { $0.face == .dense && foreign[$0.name] == nil }.reduce(0) { $0 + $1.dimension }
        bytes = texts.map { $0 * numbers * (isHalf ? 2 : 4) }
    }

    /// The sets of vectors that a store holds: all dense ones as one, named `joined`, if it holds one vector of a text.
    public static func kept(_ parts: [StorePart], by kind: StoreKind) -> [StorePart] {
        let dense = parts.filter { $0.face == .dense }
        let sparse = kind.abilities.holdsSparse ? parts.filter { $0.face == .sparse } : []
        guard !kind.abilities.isNamed, dense.count > 1 else { return dense + sparse }
        return [StorePart(name: "joined", face: .dense, dimension: dense.reduce(0) { $0 + $1.dimension })] + sparse
    }

    private static func require(_ part: StorePart, _ kind: StoreKind, wantsIndex: Bool, isReduced: Bool) throws {
        let abilities = kind.abilities
        let most = wantsIndex ? abilities.index ?? abilities.storage : abilities.storage
        guard let most, part.dimension > most else { return }
        let what = part.name == "joined" ? "a joined vector" : "the vector '\(part.name)'"
        let where_ = wantsIndex ? "its index takes" : "it stores"
        let advice =
            isReduced
            ? "reduce the artefact that this one was reduced from to \(most) or fewer"
            : "'mafin reduce ART --index-dimensions \(Self.advised(most))' makes one smaller vector of all dense ones"
        let unindexed =
            wantsIndex && (abilities.storage ?? 0) >= part.dimension
            ? ", or --no-index stores them for exact search" : ""
        throw StoreError.doesNotFit(
            store: kind.name,
            reason: "\(what) has \(part.dimension) numbers, and \(where_) at most \(most)"
                + "\(abilities.isVerified ? "" : " (as its documentation says)"): \(advice)\(unindexed)")
    }

    /// pgvector indexes 32-bit vectors of half the size only.
    private static func advised(_ most: Int) -> Int { most == 4000 ? 2000 : most }

    private static func form(
        of part: StorePart, _ kind: StoreKind, isHalf: Bool, wantsIndex: Bool
    ) -> (type: String, index: String?) {
        switch (kind, part.face) {
        case (.postgresql, _):
            let column = PgvectorColumn(part, isHalf: isHalf)
            return (column.type, wantsIndex ? column.indexName : nil)
        case (.elasticsearch, .sparse): return ("sparse_vector", "inverted")
        case (.opensearch, .sparse): return ("rank_features", "inverted")
        case (.elasticsearch, _): return ("dense_vector(\(part.dimension))", "HNSW")
        case (.opensearch, _): return ("knn_vector(\(part.dimension))", "HNSW")
        case (_, .sparse): return ("sparse(\(part.dimension))", kind.hasServer ? "inverted" : nil)
        default:
            let type = isHalf ? "float16(\(part.dimension))" : "float32(\(part.dimension))"
            return (type, kind.hasServer || kind == .redis ? "HNSW" : nil)
        }
    }

    /// The plan as lines for a terminal.
    public var text: String {
        var lines = ["\(store.name): \(place)"]
        for part in parts {
            let isForeign = part.type.hasSuffix("already")
            lines.append(
                "  \(part.name): \(part.type)"
                    + (part.index.map { ", indexed by \($0)" } ?? (isForeign ? "" : ", not indexed")))
        }
        if let texts, let bytes {
            lines.append("  \(texts) texts, \((bytes + 500_000) / 1_000_000) MB of dense vectors")
        }
        if !leftOut.isEmpty {
            lines.append("  left out: \(leftOut.joined(separator: ", ")); their part of the score is missing there")
        }
        return lines.joined(separator: "\n")
    }
}
