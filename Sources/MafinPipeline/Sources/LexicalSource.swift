import Foundation
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// BM25, divided by the square root of the query's own mass `Σ_t idf(t)` over its terms.
///
/// BM25 grows with the number of terms of a query and with their rarity, so a fixed weight would count long queries more.
/// The mass depends on the query alone. So the score stays an inner product of a weighted query and an unweighted
/// document, which a division by each query's largest score would not be.
public struct LexicalSource: SparseSource {
    /// The weights of terms, by the corpus of the training.
    public let weighting: BM25Weighting
    /// How texts are split into terms.
    public let analyzer: TextAnalyzer

    /// BM25 with the given weights.
    public init(_ weighting: BM25Weighting, analyzer: TextAnalyzer = TextAnalyzer()) {
        (self.weighting, self.analyzer) = (weighting, analyzer)
    }

    /// BM25 with the standard weights for a corpus in some language.
    public init(texts: some Sequence<String>, language: Language) {
        let analyzer = TextAnalyzer(language: language)
        let statistics = LexicalStatistics(of: InvertedIndex(texts: texts, analyzer: analyzer))
        self.init(BM25Weighting(statistics), analyzer: analyzer)
    }

    /// ``MafinMethod/SourceName/bm25``.
    public var name: SourceName { .bm25 }
    /// See ``ScoreSource/queryInputs``.
    public var queryInputs: SourceInputs { .text }
    /// See ``ScoreSource/documentInputs``.
    public var documentInputs: SourceInputs { .text }
    /// See ``SparseSource/termCount``.
    public var termCount: Int { weighting.statistics.terms.count }

    /// `1 / √mass`; 0 for a query without a term of the corpus.
    func scale(ofQuery text: String) -> Float {
        let mass = analyzer.terms(in: text).reduce(0.0) { sum, term in
            weighting.statistics.place(of: term) == nil ? sum : sum + weighting.inverseDocumentFrequency(of: term)
        }
        return mass > 0 ? Float(1 / mass.squareRoot()) : 0
    }

    /// See ``SparseSource/terms(ofQuery:)``.
    public func terms(ofQuery text: String) -> [SparseTerm] {
        let scale = scale(ofQuery: text)
        var counts: [Int: Int] = [:]
        for term in analyzer.terms(in: text) {
            if let place = weighting.statistics.place(of: term) { counts[place, default: 0] += 1 }
        }
        return counts.sorted { $0.key < $1.key }.map {
            SparseTerm(index: $0.key, term: weighting.statistics.terms[$0.key], weight: scale * Float($0.value))
        }
    }

    /// See ``SparseSource/terms(ofDocument:)``. Terms that the corpus of the training did not have are left out.
    public func terms(ofDocument text: String) -> [SparseTerm] {
        weighting.weights(ofDocument: analyzer.terms(in: text)).compactMap { term, weight in
            weighting.statistics.place(of: term).map { SparseTerm(index: $0, term: term, weight: weight) }
        }.sorted { $0.index < $1.index }
    }

    /// See ``ScoringSource/scorer(of:)``.
    /// - Complexity: linear in the length of the texts.
    public func scorer(of documents: SourceDocuments) -> any DocumentScorer {
        Scorer(
            source: self,
            bm25: BM25(index: InvertedIndex(texts: documents.texts, analyzer: analyzer), weighting))
    }

    private struct Scorer: DocumentScorer {
        let source: LexicalSource
        let bm25: BM25

        func write(
            row: Int, of queries: SourceQueries, cosines: ArraySlice<Float>,
            to scores: UnsafeMutableBufferPointer<Float>
        ) {
            let text = queries.texts[row]
            let scale = source.scale(ofQuery: text)
            guard scale > 0 else { return }
            bm25.forEachScore(of: text, scale: scale) { scores[$0] = $1 }
        }
    }
}
