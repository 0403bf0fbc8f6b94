import Foundation
import MafinEncoder
import MafinPipeline
import MafinReport
import MafinRetrieval

/// One `mafin evaluate`: measures an artefact and all simpler systems on one split.
package struct EvaluationWorkflow {
    /// The folder of the artefact.
    package var artefact: String
    /// The collection.
    package var data: String
    package var split = JudgedSplits.Part.test.rawValue
    package var metrics = Metric.standard
    /// Whether queries are measured even if the artefact was trained or chosen on them.
    package var allowsLeaks = false
    /// The language of the documents, for the row of BM25; nil for that of the artefact's BM25, or a guess if it has none.
    package var language: Language?
    /// A folder for each system's ranking, as a TREC run file; nil to write none.
    package var runs: String?
    /// In which the encoders embed; nil for what the artefact says.
    package var precision: Precision?

    /// The figures, and the systems that could not be measured. Its JSON is that of the report, with the fields
    /// `omitted`, `known` and `new` if training may know documents, and `knownQueries` if leaks are allowed.
    package struct Result: Sendable, Encodable {
        package struct Omission: Sendable, Encodable {
            package var name: String
            package var reason: String
        }

        private enum CodingKeys: CodingKey { case omitted, knownQueries, known, new }

        package var report: EvaluationReport
        package var omitted: [Omission]
        /// Ids of measured queries that the artefact was trained or chosen on.
        package var knownQueries: [String]
        /// The figures on queries whose answers are all named by the labels of train and dev, and on the other queries. Nil
        /// if a part has no query, or the collection has no such labels.
        package var documents: (known: EvaluationReport, new: EvaluationReport)?

        package func encode(to encoder: any Encoder) throws {
            try report.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(omitted, forKey: .omitted)
            if !knownQueries.isEmpty { try container.encode(knownQueries, forKey: .knownQueries) }
            try container.encodeIfPresent(documents?.known, forKey: .known)
            try container.encodeIfPresent(documents?.new, forKey: .new)
        }
    }

    private let context: WorkflowContext
    private let openBlackBox: BlackBoxOpening

    package init(
        artefact: String, data: String, context: WorkflowContext, openBlackBox: @escaping BlackBoxOpening
    ) {
        (self.artefact, self.data) = (artefact, data)
        (self.context, self.openBlackBox) = (context, openBlackBox)
    }

    /// Measures, and writes the rankings if they are wanted.
    package func run() async throws -> Result {
        let runs = self.runs.map { URL(fileURLWithPath: $0) }
        if let runs { try FileManager.default.createDirectory(at: runs, withIntermediateDirectories: true) }
        let model = try ArtefactOpening.model(at: artefact, precision: precision, context)
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: data))
        context.warn(of: collection.warnings)
        let measured = try LeakGuard.measured(
            split, of: collection, for: model.artefact, allowsLeaks: allowsLeaks, context)
        let vectors = try await BlackBoxVectors(
            asking: ArtefactOpening.blackBox(of: model, openBlackBox), documents: collection.documents,
            queries: measured.queries)
        let progress = EncodingProgress(context)
        defer { progress.finish() }
        let evaluation = try ArtefactEvaluation(
            of: model, on: measured, vectors: vectors, language: language(of: model, collection), cache: .shared,
            released: ArtefactOpening.releasedFolder,
            isCancelled: context.isCancelled, onProgress: progress.update)
        let report = try evaluation.report(metrics: metrics)
        if let runs {
            for (name, run) in evaluation.systems {
                try run.write(to: runs.appendingPathComponent("\(name).\(split).run"), tag: name)
            }
        }
        return Result(
            report: report, omitted: evaluation.omitted.map { Result.Omission(name: $0.name, reason: $0.reason) },
            knownQueries: measured.known.map(\.id), documents: try byDocuments(evaluation, of: collection))
    }

    private func language(of model: ArtefactModel, _ collection: RetrievalCollection) -> Language {
        let own = model.sources.lazy.compactMap { $0 as? LexicalSource }.first?.analyzer.language
        return context.language(language ?? own, of: collection.documents).language
    }

    /// The figures on queries about known documents and about new ones.
    private func byDocuments(
        _ evaluation: ArtefactEvaluation, of collection: RetrievalCollection
    ) throws -> (known: EvaluationReport, new: EvaluationReport)? {
        let others: [JudgedSplits.Part] = [.train, .dev]
        let names = collection.splits
        guard !others.map(\.rawValue).contains(split),
            names.contains(JudgedSplits.Part.train.rawValue) || names == [RetrievalCollection.wholeSplit]
        else { return nil }
        let splits = JudgedSplits(collection, measured: split, allowsLeaks: allowsLeaks)
        // The measured split does not need these labels, so a fault in them costs the division alone.
        guard let learned = try? others.map({ try splits.qrels($0) }) else { return nil }
        let qrels = evaluation.split.qrels
        let parts = QueryPartition(
            qrels, learned: learned, identity: ContentIdentity(collection, labelledBy: learned + [qrels]))
        if let sets = parts.tooFewNewSets {
            context.warn("a difference here is no evidence for other queries: \(Verdict.fewSets(sets))")
        }
        guard !parts.seenDocuments.isEmpty, !parts.newDocuments.isEmpty else { return nil }
        func report(_ queries: [String]) throws -> EvaluationReport {
            let queries = Set(queries)
            return try EvaluationReport(
                split: split, runs: evaluation.systems, qrels: qrels.filter { queries.contains($0) },
                baseline: ArtefactEvaluation.baseline, metrics: metrics)
        }
        return (try report(parts.seenDocuments), try report(parts.newDocuments))
    }
}
