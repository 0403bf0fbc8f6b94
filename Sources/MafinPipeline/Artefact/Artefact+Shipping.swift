import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval

extension Artefact {
    /// The parts of a manifest that the sources do not tell.
    public struct Shipment: Sendable {
        /// The system's name in its comparison.
        public var system: String
        /// The black box.
        public var blackBox: BlackBoxIdentity
        /// How to reach the black box again.
        public var blackBoxSource: BlackBoxSource?
        /// Dimension of its vectors.
        public var blackBoxDimension: Int
        /// The data that the system was fitted and measured on.
        public var data: [ArtefactManifest.DataRecord]
        /// Figures on dev, and on the measured split.
        public var development: EvaluationReport?
        /// Figures on the measured split.
        public var test: EvaluationReport?
        /// Whether it is worth using.
        public var verdict: Verdict
        /// The queries that it learned from or was chosen on.
        public var knownQueries: KnownQueries

        /// All of them.
        public init(
            system: String, blackBox: BlackBoxIdentity, blackBoxSource: BlackBoxSource?, blackBoxDimension: Int,
            data: [ArtefactManifest.DataRecord], development: EvaluationReport? = nil, test: EvaluationReport? = nil,
            verdict: Verdict, knownQueries: KnownQueries
        ) {
            (self.system, self.blackBox, self.blackBoxSource) = (system, blackBox, blackBoxSource)
            (self.blackBoxDimension, self.data) = (blackBoxDimension, data)
            (self.development, self.test) = (development, test)
            (self.verdict, self.knownQueries) = (verdict, knownQueries)
        }
    }

    /// A stand-in and the sum that ranks where the black box is not asked.
    public struct ShippedStandIn {
        /// The sum: a ``StandInSource`` and others.
        public var sources: ShippedSources
        /// The encoder's record, in the folder ``EncoderRecord/standInFolder``.
        public var encoder: EncoderRecord
        /// The released encoder, which encodes the documents of a local encoder if the system beside it has none; `nil` if the
        /// sum has no local encoder.
        public var released: EncoderRecord?
        /// How it was trained.
        public var training: ArtefactManifest.Training?
        /// Figures on dev.
        public var development: EvaluationReport?
        /// See ``ArtefactManifest/Offline/asking``.
        public var asking: [Sureness.Point]?
        /// Writes the encoder into an empty folder.
        public var save: (URL) throws -> Void

        /// All of it.
        public init(
            sources: ShippedSources, encoder: EncoderRecord, released: EncoderRecord? = nil,
            training: ArtefactManifest.Training? = nil, development: EvaluationReport? = nil,
            asking: [Sureness.Point]? = nil,
            save: @escaping (URL) throws -> Void
        ) {
            precondition(sources.sources.contains { $0.name == .standIn }, "a sum without a stand-in")
            (self.sources, self.encoder, self.released, self.training) = (sources, encoder, released, training)
            (self.development, self.asking, self.save) = (development, asking, save)
        }
    }

    /// Writes the artefact of a fitted system, whole or not at all.
    /// - Parameters:
    ///   - standIn: what answers if the black box is not asked. A source of the same name as one of the system must be the
    ///     same source.
    ///   - trained: the artefact that holds the local encoder; `nil` if no source is a local encoder, or only
    ///     ``ShippedStandIn/released`` is.
    ///   - queryEncoder: replaces the artefact's encoder of queries; `nil`: it stays.
    /// - Throws: ``ArtefactError``, `NumericsError`. `folder` is then unchanged.
    @discardableResult
    public static func ship(
        _ sources: ShippedSources, _ shipment: Shipment, standIn: ShippedStandIn? = nil,
        encoderFrom trained: Artefact?, queryEncoder: TrainedEncoder? = nil, to folder: URL
    ) throws -> Artefact {
        var all = sources.adding(standIn?.sources.sources ?? [])
        if !all.usesLocalEncoder { all = all.withoutLocalHead() }
        let released = trained == nil && all.usesLocalEncoder ? standIn?.released : nil
        precondition(
            all.usesLocalEncoder == (trained != nil || released != nil), "a local encoder and its artefact go together")
        var manifest =
            trained?.manifest
            ?? ArtefactManifest(
                blackBox: shipment.blackBox, blackBoxDimension: shipment.blackBoxDimension, mixing: all.mixture,
                documentEncoder: released, verdict: shipment.verdict)
        manifest.library = .current
        manifest.system = shipment.system
        if !shipment.blackBox.differences(from: manifest.blackBox).isEmpty {
            (manifest.blackBox, manifest.blackBoxDimension) = (shipment.blackBox, shipment.blackBoxDimension)
            // Fitted beside the vectors of the other black box.
            manifest.untrainedScale = nil
        }
        manifest.blackBoxSource = shipment.blackBoxSource
        manifest.mixing = all.mixture
        manifest.offline = standIn.map { standIn in
            ArtefactManifest.Offline(
                encoder: standIn.encoder, mixing: standIn.sources.mixture.padded(to: all.sources.map(\.name)),
                training: standIn.training, development: standIn.development, asking: standIn.asking)
        }
        manifest.data = shipment.data
        (manifest.development, manifest.test) = (shipment.development, shipment.test)
        manifest.verdict = shipment.verdict
        // Both were fitted to the rankings of other sources.
        (manifest.reduction, manifest.precision) = (nil, nil)
        func copying(_ record: EncoderRecord?) -> ((URL) throws -> Void)? {
            guard let trained, let name = record?.folder else { return nil }
            let source = trained.folder.appendingPathComponent(name, isDirectory: true)
            return { try AtomicFile.copyContents(of: source, to: $0) }
        }
        if let queryEncoder {
            manifest.queryEncoder = manifest.queryEncoder ?? manifest.documentEncoder
            manifest.queryEncoder?.folder = EncoderRecord.queryFolder
            manifest.training = queryEncoder.manifest.training
            manifest.objective = queryEncoder.manifest.objective
        }
        return try write(
            manifest, to: folder, sources: all.sources, knownQueries: shipment.knownQueries,
            saveDocumentEncoder: copying(manifest.documentEncoder),
            saveQueryEncoder: queryEncoder.map { new in { try new.save(to: $0) } } ?? copying(manifest.queryEncoder),
            saveStandIn: standIn?.save)
    }
}
