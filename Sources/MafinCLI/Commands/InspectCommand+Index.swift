import Foundation
import MafinEncoder
import MafinPipeline
import MafinReport

extension InspectCommand {
    /// What an index holds, and how it is searched.
    static func text(_ manifest: IndexManifest) -> String {
        var table = Table(columns: [.init("what"), .init("value")])
        table.append(["written by", "\(manifest.library), format \(manifest.formatVersion)"])
        table.append(["index of", "\(manifest.documents) documents of \(manifest.collection)"])
        table.append(["artefact", "SHA-256 of its manifest \(manifest.artefactSHA256.prefix(16))…"])
        for part in manifest.parts {
            table.append(["vectors of \(part.source)", "\(part.dimension)-d, \(manifest.element)"])
        }
        if let precision = manifest.precision { table.append(["embedded in", precision.rawValue]) }
        let bytes = manifest.files.reduce(0) { $0 + $1.bytes }
        table.append(["files", String(format: "%d, %.1f MB", manifest.files.count, Double(bytes) / 1e6)])
        guard let record = manifest.approximation else {
            table.append(["searches", "exact"])
            return table.text()
        }
        table.append(["searches", "approximate, with candidates from a graph (HNSW)"])
        table.append(["graph", "\(record.links) links, built with a breadth of \(record.buildBreadth)"])
        let recall = Table(
            columns: manifest.parts.map { .number("weight of \($0.source)") } + [
                .number("candidates"), .number("of the best 10"), .number("of the best 100"),
            ],
            rows: record.measured.map { measured in
                measured.weights.map { String(format: "%.4f", $0) } + [
                    "\(measured.breadth)", ApproximationRecord.percent(measured.at10),
                    ApproximationRecord.percent(measured.at100),
                ]
            })
        return table.text()
            + "\nWhat searches find, with the vectors of \(record.sample) documents as queries (with other weights they are exact):\n"
            + recall.text()
    }
}
