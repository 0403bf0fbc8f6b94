import Foundation
import MafinMethod
import MafinNumerics

/// The sources and the weights of a fitted system in a folder, without encoder and black box: what a comparison keeps of
/// each system that can be shipped.
public struct ShippedSources: Sendable {
    /// The sources, in the order of the weights.
    public let sources: [any ScoreSource]
    /// How their scores are added.
    public let mixture: Mixture

    /// A fitted system.
    /// - Precondition: the weights name the sources, in their order.
    public init(_ sources: [any ScoreSource], mixture: Mixture) {
        precondition(sources.map(\.name) == mixture.weights.sources, "weights of other sources")
        (self.sources, self.mixture) = (sources, mixture)
    }

    /// Whether one of them is a local encoder.
    public var usesLocalEncoder: Bool { sources.contains { $0.record.kind == .local } }

    /// The same sum with further sources of weight 0. Those that it has already are left out.
    package func adding(_ others: [any ScoreSource]) -> ShippedSources {
        let names = Set(sources.map(\.name))
        let all = sources + others.filter { !names.contains($0.name) }
        return all.count == sources.count
            ? self : ShippedSources(all, mixture: mixture.padded(to: all.map(\.name)))
    }

    /// The same with a stand-in that estimates the black box's vectors alone, because nothing reads other ones.
    func withoutLocalHead() -> ShippedSources {
        ShippedSources(
            sources.map { source in
                (source as? StandInSource).map { StandInSource(StandInHeads(blackBox: $0.heads.blackBox)) } ?? source
            }, mixture: mixture)
    }

    private struct Stored: Codable {
        var sources: [SourceRecord]
        var mixing: Mixture
    }

    private static let fileName = "sources.json"

    /// Writes the folder, whole or not at all.
    /// - Throws: `NumericsError` if a file cannot be written.
    public func write(to folder: URL) throws {
        try AtomicFile.replaceDirectory(at: folder) { temporary in
            try Self.writeFiles(of: sources, to: temporary)
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try AtomicFile.write(
                try encoder.encode(Stored(sources: sources.map(\.record), mixing: mixture)),
                to: temporary.appendingPathComponent(Self.fileName))
        }
    }

    /// Reads a folder.
    /// - Throws: ``ArtefactError`` for a file that cannot be used; file errors.
    public init(readingFrom folder: URL) throws {
        let file = folder.appendingPathComponent(Self.fileName)
        do {
            let stored = try JSONDecoder().decode(Stored.self, from: Data(contentsOf: file))
            let sources = try stored.sources.map { try $0.load(in: folder, form: stored.mixing.localForm) }
            guard sources.map(\.name) == stored.mixing.weights.sources else {
                throw SourceFault(field: "mixing.weights", expected: "weights of the sources", found: "others")
            }
            self.init(sources, mixture: stored.mixing)
        } catch let fault as SourceFault {
            throw ArtefactError.contradiction(
                path: file.path, field: fault.field, expected: fault.expected, found: fault.found)
        } catch let error as DecodingError {
            throw ArtefactError.malformedManifest(path: file.path, field: error.fault.field, reason: error.fault.reason)
        }
    }

    /// Writes the files of sources, each into the folder of its record. Sources that share a folder have the same files.
    static func writeFiles(of sources: [any ScoreSource], to folder: URL) throws {
        var written: Set<String> = []
        for source in sources {
            guard let name = source.record.folder, written.insert(name).inserted else { continue }
            let target = folder.appendingPathComponent(name, isDirectory: true)
            try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
            try source.write(to: target)
        }
    }
}
