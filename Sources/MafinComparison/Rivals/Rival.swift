import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// A method that improves a ranking with labels, without training an encoder. It is compared with trained encoders on
/// the same labels.
///
/// It learns from the labels of the training and development queries, and sees no others. Choices are made on the
/// development queries, or by cross-fitting. The same data and seed give the same system.
public protocol Rival: Sendable {
    /// Its name in tables and JSON.
    var name: String { get }

    /// Learns and chooses.
    /// - Parameter seed: the seed of everything random.
    /// - Throws: `CancellationError` when cancelled; ``TrainingError`` and ``CombinationError`` for data that it cannot learn from.
    func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival
}

extension Rival {
    /// The same without cancellation.
    public func fit(to data: RivalData, seed: UInt64 = 1) throws -> FittedRival {
        try fit(to: data, seed: seed, isCancelled: { false })
    }
}

/// A rival after it has learned.
public struct FittedRival: Sendable {
    /// Its name in tables and JSON.
    public let name: String
    /// The system that ranks.
    public let system: any RankingSystem
    /// The same system as a sum of sources, which can be stored and served anywhere; `nil` for a system that is none,
    /// such as one that normalises scores for each query.
    public let sum: SourceSystem?
    /// The metric on the development queries: ``developmentKnown`` and ``developmentNew``, weighted by
    /// ``RivalData/newDocuments``. If choices were made on these queries, the figure is slightly too high.
    public let development: Double
    /// The metric on the development queries as they are.
    public let developmentKnown: Double
    /// The same if no label had named some of the answers of these queries (``RivalData/newAnswers``). Equal to
    /// ``developmentKnown`` for a system that remembers no documents.
    public let developmentNew: Double
    /// ``development`` query by query, in the order of the development queries, by weights and sources that did not learn
    /// from the query; `nil`: ``system`` did not learn from these queries, and is measured as it is.
    let developmentQueries: [Double]?
    /// How sure the system is of each development query (`Sureness`), by the same weights and sources as the metric; `nil` if it was
    /// not measured.
    package let sureness: [Double]?
    /// What was chosen, by name.
    public let choices: [String: ManifestValue]

    /// A rival that remembers no documents.
    public init(name: String, system: any RankingSystem, development: Double, choices: [String: ManifestValue] = [:]) {
        (self.name, self.system, self.choices) = (name, system, choices)
        sum = system as? SourceSystem
        (self.development, developmentKnown, developmentNew) = (development, development, development)
        (developmentQueries, sureness) = (nil, nil)
    }

    /// A rival that remembers documents.
    init(
        name: String, sum: SourceSystem, development: DevelopmentValues, queries: [Double]? = nil,
        sureness: [Double]? = nil, choices: [String: ManifestValue] = [:]
    ) {
        (self.name, system, self.sum, self.choices) = (name, sum, sum, choices)
        (developmentQueries, self.sureness) = (queries, sureness)
        (developmentKnown, developmentNew) = (development.known, development.new)
        self.development = development.mean
    }

    /// One source alone, which remembers no documents.
    /// - Throws: `CombinationError` for vectors that cannot be used.
    init(_ source: any ScoreSource, name: String, data: RivalData, choices: [String: ManifestValue] = [:]) throws {
        let system = try SourceSystem(source, queries: data.queries, documents: data.documents)
        self.init(name: name, system: system, development: try data.development(of: system), choices: choices)
    }
}

extension FittedRival {
    /// The sum without sources of weight 0, as an artefact holds it; `nil` if it is no sum.
    /// - Parameter newDocuments: ρ of the data that it was fitted to.
    package func shipped(newDocuments: Double, fittedQueries: Int? = nil) -> ShippedSources? {
        guard let sum else { return nil }
        let sources = sum.sources.filter { sum.weights[$0.name] > 0 }
        let remembers = sources.contains { [.queryMemory, .movedDocuments].contains($0.record.kind) }
        return ShippedSources(
            sources,
            mixture: Mixture(
                SourceWeights(sources.map { ($0.name, sum.weights[$0.name]) }), origin: .calibrated,
                fittedQueries: fittedQueries, newDocuments: remembers ? newDocuments : nil))
    }
}

/// A metric on the development queries, for documents that labels have named and for others.
public struct DevelopmentValues: Sendable, Hashable {
    /// The queries as they are.
    public var known: Double
    /// As if no label had named some of the answers.
    public var new: Double
    /// The weight of ``new`` in ``mean``.
    public var newDocuments: Double

    /// `(1 − ρ) · known + ρ · new`.
    public var mean: Double { (1 - newDocuments) * known + newDocuments * new }
}

/// A system that has nothing to learn or choose, such as reciprocal rank fusion, as a rival.
public struct UntunedRival: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// The system that ranks.
    public let system: any RankingSystem

    /// A system with a name.
    public init(_ system: any RankingSystem, name: String) {
        self.system = system
        self.name = name
    }

    /// See ``Rival/fit(to:seed:isCancelled:)``. Only measures the system on dev.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        FittedRival(name: name, system: system, development: try data.development(of: system))
    }
}
