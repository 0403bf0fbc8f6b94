import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// The weighted sum of the scores of several systems. Each system's scores are normalised per query over all documents.
public struct WeightedFusion: RankingSystem {
    /// A system with its weight in the sum.
    public struct Part: Sendable {
        /// Its name in records.
        public var name: String
        /// The system.
        public var system: any RankingSystem
        /// Its weight. A system of weight 0 is not computed.
        public var weight: Double

        /// A system with its weight.
        public init(_ name: String, _ system: any RankingSystem, weight: Double) {
            self.name = name
            self.system = system
            self.weight = weight
        }
    }

    /// The systems that are added.
    public let parts: [Part]
    /// How scores are normalised.
    public let normalization: ScoreNormalization

    /// - Precondition: at least one part, all over the same documents.
    public init(_ parts: [Part], normalization: ScoreNormalization) {
        precondition(!parts.isEmpty, "a fusion of nothing")
        precondition(
            parts.allSatisfy { $0.system.documentCount == parts[0].system.documentCount },
            "the parts of a fusion rank different documents")
        self.parts = parts
        self.normalization = normalization
    }

    /// Number of documents.
    public var documentCount: Int { parts[0].system.documentCount }

    /// See ``RankingSystem/scores(queries:)``.
    public func scores(queries: [Int]) throws -> Matrix {
        var sum = Matrix(rows: queries.count, columns: documentCount)
        for part in parts where part.weight != 0 {
            let scores = Self.normalized(try part.system.scores(queries: queries), normalization)
            let factor = Float(part.weight)
            sum.forEachRow { row, sum in
                scores.row(row).withUnsafeBufferPointer { scores in
                    for index in sum.indices { sum[index] += factor * scores[index] }
                }
            }
        }
        return sum
    }

    static func normalized(_ scores: Matrix, _ normalization: ScoreNormalization) -> Matrix {
        var result = scores
        result.forEachRow { normalization.normalize($1) }
        return result
    }
}
