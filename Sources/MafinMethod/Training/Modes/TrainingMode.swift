import MafinNumerics

/// Which queries and documents each step of an epoch encodes with gradient, and which documents they are compared with.
///
/// There are three: ``QueryTowerMode``, ``BlockMode``, ``PairMode``; ``ModeChoice`` picks one.
public protocol TrainingMode: Sendable {
    /// The mode by name with its parameters, for checkpoints and the artefact.
    var summary: TrainingModeSummary { get }

    /// Whether documents are encoded with gradient. If `false`, the bank never changes, and plans name no documents.
    var trainsDocuments: Bool { get }

    /// Whether a query is compared with the documents of the bank. If `false`, it is compared only with the documents
    /// of the step.
    var usesBank: Bool { get }

    /// The steps of one epoch, in order. The result must depend only on the arguments, so that a resumed run makes the
    /// same steps.
    func steps(of index: TrainingIndex, using generator: inout RandomGenerator) -> [StepPlan]
}

/// The name of a mode, and all its parameters by name.
public struct TrainingModeSummary: Sendable, Codable, Equatable {
    /// `"query"`, `"block"` or `"pair"`, or the name of a mode of your own.
    public var name: String
    /// Parameters by name; switches are 0 or 1.
    public var parameters: [String: Double]

    /// A summary of a mode.
    public init(name: String, parameters: [String: Double]) {
        self.name = name
        self.parameters = parameters
    }
}

/// The queries and documents that one step encodes with gradient.
public struct StepPlan: Sendable, Equatable {
    /// The query of each row of the score block. A query may have several rows.
    public var queries: [Int]
    /// For each row its only target document; the other positives of the row are masked. `nil`: all positives are
    /// targets.
    public var targets: [Int]?
    /// Documents to encode with gradient. A text that is named twice is encoded once.
    public var documents: [Int]

    /// A plan of one step.
    public init(queries: [Int], targets: [Int]? = nil, documents: [Int] = []) {
        precondition(targets.map { $0.count == queries.count } ?? true, "one target a row")
        self.queries = queries
        self.targets = targets
        self.documents = documents
    }

    /// Tokens that the step encodes with gradient, each distinct text once.
    public func tokens(in index: TrainingIndex) -> Int {
        index.tokens(
            queries: DistinctRows(queries, identities: index.queryIdentities).rows,
            documents: DistinctRows(documents, identities: index.documentIdentities).rows)
    }
}

/// The size of a batch.
public enum BatchSize: Sendable, Codable, Equatable {
    /// This many rows.
    case rows(Int)
    /// As many rows as have no more than this many tokens together, but at least one row. Steps then cost about the
    /// same, however long the rows are.
    case tokens(Int)
    /// Rows that have as many tokens together as this many rows of mean length.
    case meanRows(Int)

    /// Cuts `items` into batches, in order.
    /// - Parameter length: number of tokens of an item.
    func batches<Item>(of items: [Item], length: (Item) -> Int) -> [ArraySlice<Item>] {
        var result: [ArraySlice<Item>] = []
        switch self {
        case .rows(let rows):
            precondition(rows >= 1, "a batch needs a row")
            for start in stride(from: 0, to: items.count, by: rows) {
                result.append(items[start..<min(start + rows, items.count)])
            }
        case .tokens(let budget):
            var start = 0
            var tokens = 0
            for (position, item) in items.enumerated() {
                let cost = length(item)
                if position > start, tokens + cost > budget {
                    result.append(items[start..<position])
                    start = position
                    tokens = 0
                }
                tokens += cost
            }
            if start < items.count { result.append(items[start...]) }
        case .meanRows(let rows):
            precondition(rows >= 1, "a batch needs a row")
            let tokens = items.reduce(0) { $0 + length($1) }
            guard tokens > 0 else { return BatchSize.rows(rows).batches(of: items, length: length) }
            let budget = Int((Double(tokens) / Double(items.count) * Double(rows)).rounded(.up))
            return BatchSize.tokens(budget).batches(of: items, length: length)
        }
        return result
    }

    /// The size as parameters of a summary.
    func parameters(_ name: String) -> [String: Double] {
        switch self {
        case .rows(let rows): ["\(name)Rows": Double(rows)]
        case .tokens(let tokens): ["\(name)Tokens": Double(tokens)]
        case .meanRows(let rows): ["\(name)MeanRows": Double(rows)]
        }
    }
}
