import ArgumentParser
import BenchSupport
import Foundation
import MafinEncoder
import MafinImages
import MafinNumerics

/// The speed of a vision encoder on pixels that are in memory, and of reading pictures. Prints one JSON line.
@main
struct BenchVision: ParsableCommand {
    @Option(help: "Folder of the checkpoint.") var model: String
    @Option(help: "Pixels of a side; 0: as the checkpoint says.") var side = 0
    @Option(help: "Images of a round.") var images = 64
    @Option(help: "Rounds.") var rounds = 3
    @Option var threads = 1
    @Option(help: "JSON file: a list of pictures to read.") var pictures: String?
    @Option(help: "JSON file to which the vectors of the pictures are written.") var vectors: String?

    private struct Row: Encodable {
        var threads: Int
        var side: Int
        var images: Int
        /// Images a second of the best round, by elapsed time and by processor time of a core.
        var imagesPerSecond: Double
        var imagesPerProcessorSecond: Double
        /// Floating-point operations of the linear layers a second, divided by the rate of matrix products alone.
        var share: Double
        /// Pictures read, resized and normalised a second on one thread; nil without pictures.
        var picturesPerSecond: Double?
        var peakMegabytes: Double
    }

    func run() throws {
        Parallelism.threads = threads
        let encoder = try TextEncoder(modelFolder: URL(fileURLWithPath: model), imageSide: side > 0 ? side : nil)
        guard let shape = encoder.encoder.imageShape, case .images(let processor) = encoder.reader.kind else {
            throw ValidationError("\(model) reads no images")
        }
        var random = RandomGenerator(seed: 1)
        let pixels = (0..<shape.floats).map { _ in random.normal() }
        let rows = (0..<images).map { number in ImageBatch.Row(content: "\(number)") { _ in pixels } }
        let batch = ItemBatch.images(ImageBatch(rows, tokensPerImage: shape.tokens))
        let rate = ProductRate.measure(encoder.encoder.architecture, seconds: 1, training: false)
        var laps: [Lap] = []
        for round in 0...rounds {
            let lap = try Lap { _ = try encoder.encoder.embed(batch) }
            if round > 0 { laps.append(lap) }
        }
        let best = laps.map(\.wall).min() ?? 0
        let operations = Double(images * shape.tokens * 2 * encoder.encoder.linearWeights)
        var row = Row(
            threads: threads, side: shape.side, images: images, imagesPerSecond: Double(images) / best,
            imagesPerProcessorSecond: Double(images) / (laps.map(\.processor).min() ?? 1),
            share: operations / best / rate.perSecond, peakMegabytes: peakMegabytes())
        if let pictures {
            let files = try readJSON(pictures, as: [String].self)
            let items = try files.map { try ItemImage(file: URL(fileURLWithPath: $0), path: $0) }
            var times: [Double] = []
            for _ in 0..<rounds {
                times.append(try Lap { for item in items { _ = processor.tensor(of: try item.pixels()) } }.wall)
            }
            row.picturesPerSecond = Double(items.count) / (times.min() ?? 1)
            if let vectors {
                let made = try encoder.embedUnnormalized(items.map { Item(image: $0) }, prefix: "")
                try JSONEncoder().encode((0..<made.rows).map { Array(made.row($0)) }).write(
                    to: URL(fileURLWithPath: vectors))
            }
        }
        try printJSON(row)
    }
}
