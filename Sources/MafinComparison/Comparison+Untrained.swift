import Foundation
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

extension Comparison {
    /// Measures lexical systems and the black box alone.
    /// - Returns: BM25 with the settings that are best on dev. Other systems are fused with it.
    func measureLexical() throws -> ScoreFunction {
        let collection = training.collection
        let index = InvertedIndex(texts: collection.documents.map(\.textForEncoding), analyzer: TextAnalyzer())
        let measured = collection.queries(judgedIn: qrels)
        let texts = training.queries.map(\.text)
        let count = collection.documents.count
        func lexicalRow(
            _ name: String, _ rankings: ([String], Int) -> Rankings, choices: [String: ManifestValue],
            scores: @escaping @Sendable ([String]) -> Matrix
        ) throws -> ComparisonRow {
            let run = Run(
                rankings(measured.map(\.text), ArtefactEvaluation.depth), queryIds: measured.map(\.id),
                documentIds: collection.documentIds)
            let system = ScoreFunction(documentCount: count) { rows in scores(rows.map { texts[$0] }) }
            return try row(name, run, development: data.development(of: system), choices: choices)
        }
        func choices(_ system: BM25) -> [String: ManifestValue] {
            ["k1": .number(system.k1), "b": .number(system.b)]
        }
        let unit = try part("lexical", title: "bm25, tf-idf, black box") {
            let plain = BM25(index: index)
            let tuned = try BM25.tuned(
                index: index, queries: collection.queries, qrels: training.devQrels,
                documentIds: collection.documentIds, metric: plan.metric
            ).system
            let tfidf = TFIDF(index: index)
            return ComparisonUnit(rows: [
                try lexicalRow("bm25", plain.rankings, choices: choices(plain)) { plain.scores(of: $0) },
                try lexicalRow("bm25-tuned", tuned.rankings, choices: choices(tuned)) { tuned.scores(of: $0) },
                try lexicalRow("tf-idf", tfidf.rankings, choices: [:]) { tfidf.scores(of: $0) },
                try row(StandardRivals.blackBoxName, training.blackBoxSystem),
            ])
        }
        guard let chosen = unit.rows.first(where: { $0.name == "bm25-tuned" })?.choices,
            let k1 = chosen["k1"]?.number, let b = chosen["b"]?.number
        else { throw ComparisonError.damaged(path: store.folder.path, reason: "the settings of BM25 are missing") }
        let tuned = BM25(index: index, k1: k1, b: b)
        return ScoreFunction(documentCount: count) { rows in tuned.scores(of: rows.map { texts[$0] }) }
    }

    /// Measures the released encoder: alone, concatenated with λ = ½, and concatenated with weights that are fitted on
    /// dev by maximum likelihood.
    func measureReleased() throws {
        guard ComparedSystem.all.contains(where: { $0.kind == .released && plan.wants($0.name) }) else { return }
        try part("released", title: "local encoder as released") {
            let local = try training.releasedSystem(isCancelled: isCancelled)
            let (queries, documents) = (local.queries, local.documents)
            var unit = ComparisonUnit(rows: [
                try row("local", local), try row("concatenation", training.concatenation(of: local, lambda: 0.5)),
            ])
            let dev = data.index.devQueries
            do {
                let budget = training.settings.options.scoreByteBudget
                let scale = try Calibration.fit(
                    queries: dev, local: queries.selecting(rows: dev), documents: documents,
                    scores: BlackBoxScores(
                        queries: dev, queryVectors: training.data.blackBoxQueries,
                        documentVectors: training.data.blackBoxDocuments, byteBudget: budget),
                    index: data.index, byteBudget: budget
                ).scale
                unit.rows.append(
                    try row(
                        "concatenation-calibrated", training.concatenation(of: local, lambda: scale.lambda),
                        choices: ["lambda": .number(Double(scale.lambda))]))
            } catch CalibrationError.uninformative {
                unit.failure =
                    "Neither the black box nor the local encoder ranks the dev labels above chance, so no scale can be fitted."
            }
            return unit
        }
    }
}
