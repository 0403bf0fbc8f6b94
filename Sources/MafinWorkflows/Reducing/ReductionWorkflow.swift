import Foundation
import MafinBlackBox
import MafinEncoder
import MafinPipeline
import MafinRetrieval

/// One `mafin reduce`: fits maps of an artefact's joined vectors into fewer dimensions, and writes the artefact with them.
package struct ReductionWorkflow {
    /// The folder of the artefact.
    package var artefact: String
    /// The collection: its documents, and the queries of train and dev.
    package var data: String
    /// The folder of the artefact that is written. It may be ``artefact``.
    package var output: String
    /// The wanted dimension.
    package var size: IndexSize
    /// Whether the map of queries is trained on the labels too; see `ReductionFit`.
    package var trainsQueries = false
    package var seed: UInt64 = 1
    /// The split that the artefact will be measured on.
    package var split = JudgedSplits.Part.test.rawValue
    /// Whether queries of train and dev are used if they are also in ``split``.
    package var allowsLeaks = false

    /// What was written.
    package struct Result: Sendable, Encodable {
        package var artefact: String
        /// Numbers of a vector before and after.
        package var joinedDimension: Int
        package var dimension: Int
        package var kind: ReductionRecord.Kind
        package var target: String?
        /// The figures on dev of the dense sources before and after.
        package var development: EvaluationReport
        /// The same if the black box is not asked; nil without a stand-in.
        package var offlineDevelopment: EvaluationReport?

        /// One line for people.
        package var text: String {
            let metric = ReductionFit.metric
            func change(_ report: EvaluationReport?) -> String? {
                guard let systems = report?.systems,
                    let before = systems.first(where: { $0.name == ReductionRecord.fullName })?.metrics[metric],
                    let after = systems.first(where: { $0.name == ReductionRecord.reducedName }),
                    let value = after.metrics[metric], let change = after.difference?[metric]
                else { return nil }
                return String(
                    format: "%.4f before and %.4f after (%+.4f, 95 %% interval %+.4f to %+.4f)", before, value,
                    change.mean, change.low, change.high)
            }
            return
                "\(joinedDimension) numbers reduced to \(dimension) "
                + (kind == .closedForm ? "in closed form" : "with a trained map of queries")
                + (change(development).map { ": on dev \(metric) of the vectors alone is \($0)" } ?? "")
                + (change(offlineDevelopment).map { "; if the black box is not asked, \($0)" } ?? "")
        }
    }

    private let context: WorkflowContext
    private let openBlackBox: BlackBoxOpening

    package init(
        artefact: String, data: String, output: String, size: IndexSize, context: WorkflowContext,
        openBlackBox: @escaping BlackBoxOpening
    ) {
        (self.artefact, self.data, self.output, self.size) = (artefact, data, output, size)
        (self.context, self.openBlackBox) = (context, openBlackBox)
    }

    /// Fits the maps and writes the artefact. The black box is asked only if dense sources read its vectors.
    /// - Throws: ``WorkflowError/indexDimensions(reason:)`` if the vectors fit the target as they are, `ArtefactError.notReducible`
    ///   for a dimension that is not below theirs, `ArtefactError.occupied`; errors of the modules.
    package func run() async throws -> Result {
        let target = URL(fileURLWithPath: output)
        try Artefact.requireReplaceable(target)
        let model = try ArtefactOpening.model(at: artefact, precision: .float32, context)
        let joined = model.sources.unreduced.joinedDimension
        guard let dimension = size.dimension(joined: joined) else {
            throw WorkflowError.indexDimensions(
                reason:
                    "the vectors of \(artefact) have \(joined) numbers, which \(size.limit?.name ?? "the target") takes; "
                    + "--index-dimensions makes them smaller")
        }
        try ReductionFit.check(dimension, of: model, trainsQueries: trainsQueries)
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: data))
        context.warn(of: collection.warnings)
        let splits = JudgedSplits(collection, measured: split, allowsLeaks: allowsLeaks)
        try LeakGuard.announce(splits, context)
        let judged = try [splits.qrels(.train), splits.qrels(.dev)]
        var vectors: BlackBoxVectors?
        if model.asksBlackBoxForVectors {
            // The vectors that a bridge has are in the artefact.
            vectors = try await BlackBoxVectors(
                asking: ArtefactOpening.blackBox(of: model, openBlackBox),
                documents: model.documentInputs.contains(.blackBox) ? collection.documents : [],
                queries: collection.queries.filter { query in judged.contains { $0[query.id] != nil } })
        }
        if let vectors { try model.require(vectors) }
        let progress = EncodingProgress(context)
        defer { progress.finish() }
        context.note("reducing the vectors from \(joined) to \(dimension) numbers")
        let fit = try ReductionFit(
            of: model, to: dimension, target: size.limit?.target, splits: splits, vectors: vectors,
            trainsQueries: trainsQueries, cache: .shared,
            seed: seed, isCancelled: context.isCancelled
        ) { progress.update("Encoding documents", $0, collection.documents.count) }
        let written = try model.artefact.write(
            fit.reduction, fit.record, fittedTo: splits.knownQueries(), to: target)
        if let asked = model.manifest.precision?.asked {
            // Reduced vectors rank differently, so it is decided again.
            progress.finish()
            let decision = PrecisionDecision(artefact: output, asked: asked, context: context)
            if let decided = try decision.run(splits: splits, vectors: vectors) { context.note(decided.text) }
        }
        return Result(
            artefact: written.folder.path, joinedDimension: joined, dimension: dimension, kind: fit.record.kind,
            target: fit.record.target, development: fit.record.development,
            offlineDevelopment: fit.record.offlineDevelopment)
    }

    /// Reduces the vectors of an artefact that another workflow has just written, in its place. If nothing has to be reduced, or
    /// nothing can be, a note says so: the artefact is whole without it.
    package func runInPlace() async throws -> Result? {
        let written = try Artefact(readingFrom: URL(fileURLWithPath: artefact), verification: .length)
        let joined = try written.sources().unreduced.joinedDimension
        guard let dimension = size.dimension(joined: joined), dimension < joined else {
            context.note(
                joined == 0
                    ? "the artefact has no dense vectors to reduce"
                    : "the artefact's vectors have \(joined) numbers and stay as they are")
            return nil
        }
        do {
            return try await run()
        } catch let error as ArtefactError {
            guard case .notReducible = error else { throw error }
            context.note("the artefact's vectors stay as they are: \(error)")
            return nil
        }
    }
}
