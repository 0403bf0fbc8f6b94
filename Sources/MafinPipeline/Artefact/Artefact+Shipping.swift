import Foundation
import MafinBlackBox
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

    /// Writes the artefact of a fitted system, whole or not at all.
    /// - Parameters:
    ///   - trained: the artefact that holds the local encoder of the system; `nil` if no source is a local encoder.
    /// - Throws: ``ArtefactError``, `NumericsError`. `folder` is then unchanged.
    @discardableResult
    public static func ship(
        _ sources: ShippedSources, _ shipment: Shipment, encoderFrom trained: Artefact?, to folder: URL
    ) throws -> Artefact {
        precondition(sources.usesLocalEncoder == (trained != nil), "a local encoder and its artefact go together")
        var manifest =
            trained?.manifest
            ?? ArtefactManifest(
                blackBox: shipment.blackBox, blackBoxDimension: shipment.blackBoxDimension, mixing: sources.mixture,
                verdict: shipment.verdict)
        manifest.library = .current
        manifest.system = shipment.system
        manifest.blackBoxSource = shipment.blackBoxSource
        manifest.mixing = sources.mixture
        manifest.data = shipment.data
        (manifest.development, manifest.test) = (shipment.development, shipment.test)
        manifest.verdict = shipment.verdict
        manifest.reduction = nil
        func copying(_ record: EncoderRecord?) -> ((URL) throws -> Void)? {
            guard let trained, let name = record?.folder else { return nil }
            let source = trained.folder.appendingPathComponent(name, isDirectory: true)
            return { target in
                for file in try FileManager.default.contentsOfDirectory(atPath: source.path) {
                    try FileManager.default.copyItem(
                        at: source.appendingPathComponent(file), to: target.appendingPathComponent(file))
                }
            }
        }
        return try write(
            manifest, to: folder, sources: sources.sources, knownQueries: shipment.knownQueries,
            saveDocumentEncoder: copying(manifest.documentEncoder), saveQueryEncoder: copying(manifest.queryEncoder))
    }
}
