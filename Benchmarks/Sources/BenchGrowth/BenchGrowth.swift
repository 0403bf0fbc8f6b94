import ArgumentParser
import BenchSupport
import Foundation
import MafinEncoder
import MafinNumerics

/// How cost grows: tokens per second with length, batch and threads; memory with the block; search time with the number
/// of vectors. Writes a chart (SVG) for each and the figures (JSON) to a folder.
@main
struct BenchGrowth: ParsableCommand {
    /// The measurements. Those of memory run in separate processes.
    enum Part: String, CaseIterable, ExpressibleByArgument {
        case length
        case batch
        case threads
        case memory
        case search
    }

    @Option(help: "Checkpoint folder.") var model: String
    @Option(help: "Folder for the charts and figures.") var output: String
    @Option(parsing: .upToNextOption, help: "What to measure; memory comes first, as a process only ever grows.")
    var parts: [Part] = Part.allCases
    @Option(help: "Measurements of a point; the best counts.") var rounds = 3
    @Option(help: "Texts of the largest batch.") var largestBatch = 4096
    @Option(help: "Texts of the largest block whose memory is measured.") var largestBlock = 1024
    @Option(help: "Vectors of the largest search.") var largestSearch = 1_000_000

    func run() throws {
        let folder = URL(fileURLWithPath: output)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let model = URL(fileURLWithPath: model)
        func write(_ name: String, _ chart: GrowthChart) throws {
            try AtomicFile.write(Data(chart.svg.utf8), to: folder.appending(path: "\(name).svg"))
            let json = JSONEncoder()
            json.outputFormatting = [.prettyPrinted, .sortedKeys]
            try AtomicFile.write(try json.encode(chart), to: folder.appending(path: "\(name).json"))
            FileHandle.standardError.write(Data("wrote \(name).svg\n".utf8))
        }
        if parts.contains(.memory) {
            try write("memory", EncoderGrowth.memory(model: model, largest: largestBlock))
        }
        let growth = EncoderGrowth(encoder: try TransformerEncoder(modelFolder: model), rounds: rounds)
        if parts.contains(.length) { try write("length", growth.length()) }
        if parts.contains(.batch) { try write("batch", growth.batch(largest: largestBatch)) }
        if parts.contains(.threads) { try write("threads", growth.threads()) }
        if parts.contains(.search) { try write("search", SearchGrowth(rounds: rounds).chart(largest: largestSearch)) }
    }
}
