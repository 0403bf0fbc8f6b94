import Foundation
import MafinBlackBox
import MafinComparison
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import Testing

/// Collections and vectors beside the repository on development machines. A user's clone has none.
private enum RivalSharedData {
    static let folder: URL? = {
        let shared =
            ProcessInfo.processInfo.environment["MAFIN_SHARED"].map { URL(fileURLWithPath: $0) }
            ?? URL(fileURLWithPath: #filePath).appendingPathComponent("../../../../../shared").standardizedFileURL
        return FileManager.default.fileExists(atPath: shared.appendingPathComponent("vectors").path) ? shared : nil
    }()
}

/// NFCorpus with stored black-box vectors, compared with the authors' NUDGE on the same vectors and labels.
@Suite(
    .enabled(
        if: RivalSharedData.folder != nil,
        "the folder 'shared' does not lie beside the repository (MAFIN_SHARED says where else)"))
struct RivalSharedDataTests {
    @Test func rivalsOnNFCorpus() async throws {
        let shared = try #require(RivalSharedData.folder)
        let collection = try RetrievalCollection(contentsOf: shared.appendingPathComponent("data/nfcorpus"))
        let stored = try StoredVectors(contentsOf: shared.appendingPathComponent("vectors/nfcorpus"))
        let vectors = try await BlackBoxVectors(
            asking: stored, documents: collection.documents, queries: collection.queries)
        var labels = [[Judgement]](repeating: [], count: collection.queries.count)
        func rows(_ split: String) throws -> [Int] {
            let qrels = try collection.qrels(split: split)
            return try qrels.queryIds.map { id in
                let row = try #require(collection.queryIndex[id])
                labels[row] = try qrels.relevantDocuments(of: id).map {
                    Judgement(column: try #require(collection.documentIndex[$0.document]), grade: Float($0.grade))
                }
                return row
            }
        }
        let (train, dev) = (try rows("train"), try rows("dev"))
        let data = try RivalData(
            index: TrainingIndex(
                labels: labels, trainQueries: train, devQueries: dev, queryLengths: labels.map { _ in 1 },
                documentLengths: collection.documents.map { _ in 1 }),
            queries: SourceQueries(texts: collection.queries.map(\.text), blackBox: vectors.queryVectors),
            documents: SourceDocuments(
                ids: collection.documentIds, texts: collection.documents.map(\.textForEncoding),
                blackBox: vectors.documentVectors))
        let qrels = try collection.qrels(split: "test")
        let queries = collection.queries(judgedIn: qrels)
        func figures(_ system: any RankingSystem) throws -> (nDCG: Double, recall: Double) {
            let rankings = try system.rankings(
                queries: queries.compactMap { collection.queryIndex[$0.id] }, count: 1_000)
            let means = evaluate(
                Run(rankings, queryIds: queries.map(\.id), documentIds: collection.documentIds), against: qrels
            ).means
            return (means[.nDCG(cutoff: 10)] ?? 0, means[.recall(cutoff: 100)] ?? 0)
        }
        let base = VectorSystem(queries: vectors.queryVectors, documents: vectors.documentVectors)
        // Tools/compare-rivals.py --data nfcorpus
        for (rival, nDCG, recall) in [(NudgeN(base) as any Rival, 0.3750, 0.4354), (NudgeM(base), 0.3635, 0.4242)] {
            let found = try figures(rival.fit(to: data).system)
            #expect(abs(found.nDCG - nDCG) < 0.001 && abs(found.recall - recall) < 0.001, "\(rival.name): \(found)")
        }
        // Measured with other code for fusion (shared/vectors/README.md): .373 and .358.
        let words = LexicalSource(BM25Weighting(LexicalStatistics(of: InvertedIndex(texts: data.documents.texts))))
        let lexical = try SourceSystem(words, queries: data.queries, documents: data.documents)
        let fused = try figures(
            ConvexFusion(("black-box", base), ("bm25", lexical), name: "fusion").fit(to: data).system)
        #expect(abs(fused.nDCG - 0.373) < 0.005 && abs(fused.recall - 0.358) < 0.005, "\(fused)")
        let composed = try figures(
            BestComposition(base, others: [("bm25", lexical)]).fit(to: data).system)
        #expect(composed.nDCG > 0.42, "\(composed)")
        // Measured with NumPy and SciPy: .374.
        let sum = try SourceFit([BlackBoxVectorSource(dimension: base.documents.columns), words], name: "sum").fit(
            to: data)
        #expect(abs(try figures(sum.system).nDCG - 0.374) < 0.005)
    }
}
