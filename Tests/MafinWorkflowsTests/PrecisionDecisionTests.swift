import Foundation
import MafinBlackBox
import MafinEncoder
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinPipeline
@testable import MafinWorkflows

/// The decision on an artefact on disk, whose stand-in has a small encoder with random weights.
@Suite struct PrecisionDecisionTests {
    private func withToy(
        hasStandIn: Bool = true, _ body: (ToySources, JudgedSplits, BlackBoxVectors) async throws -> Void
    ) async throws {
        let toy = try ToySources(hasStandIn: hasStandIn)
        defer { toy.remove() }
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: toy.data))
        let vectors = try await BlackBoxVectors(
            asking: toy.blackBox, documents: collection.documents, queries: collection.queries)
        try await body(toy, JudgedSplits(collection), vectors)
    }

    private final class Messages: Sendable {
        let all = Mutex<[String]>([])
        var context: WorkflowContext {
            WorkflowContext(
                note: { text in self.all.withLock { $0.append(text) } },
                warn: { text in self.all.withLock { $0.append("warning: " + text) } })
        }
        var texts: [String] { all.withLock { $0 } }
    }

    @Test func theManifestSaysWhatWasMeasured() async throws {
        try await withToy { toy, splits, vectors in
            let before = try toy.model().manifest
            let messages = Messages()
            let decision = PrecisionDecision(artefact: toy.artefact, asked: .int8, context: messages.context)
            let record = try #require(try decision.run(splits: splits, vectors: vectors))
            // Files are as they were, and the manifest agrees with them.
            let artefact = try Artefact(readingFrom: URL(fileURLWithPath: toy.artefact), verification: .content)
            #expect(artefact.manifest.precision == record && record.asked == .int8)
            var after = artefact.manifest
            after.precision = nil
            #expect(after == before)
            #expect(messages.texts.contains { $0.hasPrefix("precision: comparing") })
            // By all sources, without the memory, and by the stand-in and BM25, in three mixes of precisions.
            let figures = try #require(record.trials.first).figures
            #expect(
                figures.map(\.ranking) == [
                    .all, .withoutMemories, .offline, .all, .withoutMemories, .offline, .all, .withoutMemories,
                    .offline,
                ])
            let queries: [Precision] = [.int8, .int8, .int8, .float32, .float32, .float32, .int8, .int8, .int8]
            #expect(figures.map(\.queries) == queries)
            #expect(figures.allSatisfy { $0.queryCount == 2 })
            // The encoder takes part in the ranking without the black box alone.
            #expect(figures.filter { $0.ranking != .offline }.allSatisfy { $0.change.mean == 0 })

            // What `evaluate` measures in float32 on dev is the figure of float32.
            var evaluation = EvaluationWorkflow(
                artefact: toy.artefact, data: toy.data, context: WorkflowContext(), openBlackBox: { _ in toy.blackBox })
            (evaluation.split, evaluation.precision) = ("dev", .float32)
            let systems = try await evaluation.run().report.systems
            for (ranking, system) in [(PrecisionRecord.Ranking.all, "artefact"), (.offline, "mafin-offline")] {
                let measured = systems.first { $0.name == system }?.metrics[PrecisionGate.metric]
                #expect(figures.first { $0.ranking == ranking }?.float32 == measured, "\(system)")
            }
            // And in the precision that was asked for, the other one.
            evaluation.precision = .int8
            let lower = try await evaluation.run().report.systems.first { $0.name == "mafin-offline" }
            #expect(figures.first { $0.ranking == .offline }?.value == lower?.metrics[PrecisionGate.metric])
        }
    }

    /// The encoders of an artefact that was opened embed in its precision, or in that of the user.
    @Test func anArtefactIsOpenedInItsPrecision() async throws {
        try await withToy { toy, _, _ in
            func opened(_ precision: Precision?, _ messages: Messages = Messages()) throws -> ArtefactModel {
                try ArtefactOpening.model(at: toy.artefact, precision: precision, messages.context)
            }
            #expect(try opened(nil).precision == .float32)
            let unmeasured = Messages()
            let model = try opened(.int8, unmeasured)
            #expect(model.precision == .int8 && model.standIn?.encoder.encoder.precision == .int8)
            #expect(
                unmeasured.texts.contains { $0.hasPrefix("warning: ") && $0.contains("does not say what int8 changes") }
            )
            model.precision = .float32
            #expect(model.standIn?.encoder.encoder.precision == .float32)

            func trial(_ precision: Precision, passed: Bool) -> PrecisionRecord.Trial {
                PrecisionRecord.Trial(precision: precision, passed: passed, figures: [])
            }
            let artefact = try toy.model().artefact
            try artefact.write(
                PrecisionRecord(
                    asked: .int8, used: .float32, reason: "int8 did not pass", trials: [trial(.int8, passed: false)]))
            let failed = Messages()
            #expect(try opened(.int8, failed).precision == .int8)
            #expect(failed.texts.contains { $0.contains("found to rank differently in int8: int8 did not pass") })
            #expect(try opened(nil).precision == .float32)
            try artefact.write(
                PrecisionRecord(asked: .int8, used: .int8, reason: "int8 passed", trials: [trial(.int8, passed: true)]))
            let passed = Messages()
            #expect(try opened(nil, passed).precision == .int8)
            #expect(try opened(.int8, passed).precision == .int8)
            #expect(try opened(.float32, passed).precision == .float32)
            #expect(!passed.texts.contains { $0.contains("int8") }, "\(passed.texts)")
        }
    }

    @Test func withoutAWishNothingIsDoneWhereFloat32IsTheDefault() async throws {
        try await withToy { toy, splits, vectors in
            let url = URL(fileURLWithPath: toy.artefact).appendingPathComponent("manifest.json")
            let before = try Data(contentsOf: url)
            let decision = PrecisionDecision(artefact: toy.artefact, asked: nil, context: WorkflowContext())
            let record = try decision.run(splits: splits, vectors: vectors)
            if Precision.hardwareDefault == .float32 {
                let after = try Data(contentsOf: url)
                #expect(record == nil && after == before)
            } else {
                #expect(record?.asked == Precision.hardwareDefault)
            }
            let asked = PrecisionDecision(artefact: toy.artefact, asked: .float32, context: WorkflowContext())
            #expect(try asked.run(splits: splits, vectors: nil)?.reason == "float32 was asked for")
        }
    }

    @Test func anArtefactWithoutAnEncoderHasNoPrecision() async throws {
        try await withToy(hasStandIn: false) { toy, splits, vectors in
            let messages = Messages()
            let decision = PrecisionDecision(artefact: toy.artefact, asked: .int8, context: messages.context)
            let decided = try decision.run(splits: splits, vectors: vectors)
            #expect(decided == nil)
            #expect(messages.texts == ["--precision changes nothing: the artefact has no encoder"])
        }
    }

    /// A reduction ranks differently, so the decision is made again.
    @Test func aReductionDecidesAgain() async throws {
        try await withToy { toy, splits, vectors in
            let decision = PrecisionDecision(artefact: toy.artefact, asked: .int8, context: WorkflowContext())
            let first = try #require(try decision.run(splits: splits, vectors: vectors))
            let target = toy.folder.url.appendingPathComponent("SMALL").path
            let reduction = ReductionWorkflow(
                artefact: toy.artefact, data: toy.data, output: target,
                size: try #require(try IndexSize(dimensions: 5, target: nil)), context: WorkflowContext(),
                openBlackBox: { _ in toy.blackBox })
            _ = try await reduction.run()
            let manifest = try Artefact(readingFrom: URL(fileURLWithPath: target), verification: .content).manifest
            let second = try #require(manifest.precision)
            #expect(second.asked == .int8)
            let figures = [first, second].map { $0.trials.first?.figures.first { $0.ranking == .all }?.float32 }
            #expect(figures[0] != nil && figures[1] != nil)
        }
    }
}
