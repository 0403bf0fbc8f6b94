import Foundation
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

extension Comparison {
    /// Measures lexical systems and the black box alone.
    /// - Returns: BM25 with the settings that are best on dev. Other systems are fused with it. `nil` where documents have no text: then the
    ///   black box alone is measured.
    func measureLexical() throws -> SourceSystem? {
        let collection = training.collection
        let vectors = BlackBoxVectorSource(dimension: training.data.blackBoxDocuments.columns)
        func blackBox() throws -> ComparisonRow {
            try row(of: FittedRival(vectors, name: StandardRivals.blackBoxName, data: data))
        }
        guard collection.documentsHaveText else {
            try part("lexical", title: StandardRivals.blackBoxName) { ComparisonUnit(rows: [try blackBox()]) }
            for name in ComparedSystem.needingText where plan.wants(name) {
                leaveOut(name, "Documents or queries have no text.")
            }
            return nil
        }
        let index = InvertedIndex(texts: collection.documents.map(\.textForEncoding), analyzer: plan.analyzer)
        let statistics = LexicalStatistics(of: index)
        func fitted(_ system: BM25, _ name: String) throws -> FittedRival {
            try FittedRival(
                LexicalSource(BM25Weighting(statistics, k1: system.k1, b: system.b), analyzer: plan.analyzer),
                name: name, data: data,
                choices: ["k1": .number(system.k1), "b": .number(system.b)])
        }
        let unit = try part("lexical", title: "bm25, tf-idf, black box") {
            let plain = BM25(index: index)
            let tuned = try BM25.tuned(
                index: index, queries: collection.queries, qrels: training.devQrels,
                documentIds: collection.documentIds, metric: plan.metric
            ).system
            return ComparisonUnit(rows: [
                try row(of: fitted(plain, "bm25")), try row(of: fitted(tuned, "bm25-tuned")),
                try measureTFIDF(index), try blackBox(),
            ])
        }
        guard let chosen = unit.rows.first(where: { $0.name == "bm25-tuned" })?.choices,
            let k1 = chosen["k1"]?.number, let b = chosen["b"]?.number
        else { throw ComparisonError.damaged(path: store.folder.path, reason: "the settings of BM25 are missing") }
        return try SourceSystem(
            LexicalSource(BM25Weighting(statistics, k1: k1, b: b), analyzer: plan.analyzer), queries: data.queries,
            documents: data.documents)
    }

    private func measureTFIDF(_ index: InvertedIndex) throws -> ComparisonRow {
        let collection = training.collection
        let tfidf = TFIDF(index: index)
        let texts = training.queries.map(\.text)
        let measured = collection.queries(judgedIn: qrels)
        let run = Run(
            tfidf.rankings(of: measured.map(\.text), count: ArtefactEvaluation.depth), queryIds: measured.map(\.id),
            documentIds: collection.documentIds)
        let system = ScoreFunction(documentCount: collection.documents.count) { rows in
            tfidf.scores(of: rows.map { texts[$0] })
        }
        return try row("tf-idf", run, development: data.development(of: system))
    }

    /// Measures the released encoder: alone, concatenated with λ = ½, and concatenated with weights that are fitted on
    /// dev by maximum likelihood.
    func measureReleased() throws {
        guard ComparedSystem.all.contains(where: { $0.kind == .released && plan.wants($0.name) }) else { return }
        try part("released", title: "local encoder as released") {
            let local = try training.releasedSystem(isCancelled: isCancelled)
            let (queries, documents) = (local.queries, local.documents)
            var unit = ComparisonUnit(rows: [
                try row(
                    of: FittedRival(
                        LocalVectorSource(dimension: documents.columns), name: "local", data: data.adding(local: local))
                ),
                try row("concatenation", training.concatenation(of: local, lambda: 0.5)),
            ])
            let dev = data.index.devQueries
            do {
                let budget = training.settings.options.scoreByteBudget
                let scale = try Calibration.fit(
                    queries: dev, local: queries.selecting(rows: dev), documents: documents,
                    scores: FrozenScores(
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
