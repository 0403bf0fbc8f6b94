import Foundation
import MafinEncoder
import MafinPipeline
import MafinRetrieval

/// Decides in which precision the encoders of an artefact embed, and writes that into its manifest. It is the last step of every workflow that
/// makes an artefact with an encoder from labels.
package struct PrecisionDecision {
    /// The folder of the artefact.
    package var artefact: String
    /// What was asked for; nil for the processor's default.
    package var asked: Precision?
    private let context: WorkflowContext

    package init(artefact: String, asked: Precision?, context: WorkflowContext) {
        (self.artefact, self.asked, self.context) = (artefact, asked, context)
    }

    /// Measures and writes. Without a wish, nothing is measured or written where float32 is the processor's default.
    /// - Parameters:
    ///   - splits: the labels with which the artefact was made.
    ///   - vectors: the black box's vectors of the queries of dev and of all documents; nil if the artefact's vectors need none.
    /// - Returns: nil if there was nothing to decide.
    /// - Throws: errors of the modules; `CancellationError` when the user asks to end. The artefact then stays in float32.
    @discardableResult
    package func run(splits: JudgedSplits, vectors: BlackBoxVectors?) throws -> PrecisionRecord? {
        let wanted = asked ?? .hardwareDefault
        guard asked != nil || wanted != .float32 else { return nil }
        let folder = URL(fileURLWithPath: artefact)
        let model = try ArtefactModel(
            artefact: folder, precision: .float32, released: ArtefactOpening.releasedFolder)
        guard model.encoder != nil || model.standIn != nil else {
            if asked != nil { context.note("--precision changes nothing: the artefact has no encoder") }
            return nil
        }
        let needsBlackBox = model.queryInputs.union(model.documentInputs).contains(.blackBox)
        guard vectors != nil || !needsBlackBox || wanted == .float32 else {
            context.warn(
                "no precision was compared with float32, because the black box's vectors are not at hand; the artefact embeds in float32"
            )
            return nil
        }
        let progress = EncodingProgress(context)
        defer { progress.finish() }
        if wanted != .float32 {
            context.note("precision: comparing the rankings of dev in \(wanted.rawValue) with those in float32")
        }
        let count = splits.collection.documents.count
        let record = try PrecisionGate().decide(
            wanted, of: model, splits: splits, vectors: vectors, cache: .shared, isCancelled: context.isCancelled
        ) { progress.update("Encoding documents in \($0.rawValue)", $1, count) }
        try model.artefact.write(record)
        return record
    }
}

extension PrecisionRecord {
    /// One line for people.
    package var text: String { "The encoder embeds in \(used.rawValue): \(reason)." }
}

extension ArtefactOpening {
    /// Says what the user should know about the precision in which an artefact was opened.
    static func announcePrecision(
        of model: ArtefactModel, at path: String, asked: Precision?, _ context: WorkflowContext
    ) {
        if let warning = model.precisionWarning(at: path, asked: asked) { context.warn(warning) }
        guard asked == nil, model.encoder != nil || model.standIn != nil, let record = model.manifest.precision,
            record.used != model.precision
        else { return }
        context.note(
            "\(path) embeds in \(record.used.rawValue), which this processor has no instructions for: \(model.precision.rawValue) is used"
        )
    }
}
