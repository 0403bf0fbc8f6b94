import BenchSupport
import Foundation
import MafinEncoder
import MafinNumerics
import MafinText

/// Tokens per second and memory of an encoder.
struct EncoderGrowth {
    let encoder: TransformerEncoder
    let rounds: Int

    private enum Work: String, CaseIterable {
        case embedding
        case training

        /// Floating-point operations of the linear layers per token and weight.
        var operations: Double { self == .embedding ? 2 : 6 }
    }

    /// Tokens a second at this length of text, 8,192 tokens at a time.
    func length() throws -> GrowthChart {
        try speeds(
            "Speed against length", x: "tokens of a text", sizes: [16, 32, 64, 128, 256, 512].map(Double.init)
        ) { randomTexts(count: 8192 / Int($0), tokens: Int($0), vocabulary: encoder.configuration.vocabularySize) }
    }

    /// Tokens per second with this many texts of 32 tokens at a time.
    func batch(largest: Int) throws -> GrowthChart {
        let sizes = sequence(first: 1) { $0 * 4 }.prefix { $0 <= largest }.map(Double.init)
        return try speeds("Speed against batch", x: "texts of 32 tokens at a time", sizes: sizes) {
            randomTexts(count: Int($0), tokens: 32, vocabulary: encoder.configuration.vocabularySize)
        }
    }

    /// Tokens a second on a number of threads.
    func threads() throws -> GrowthChart {
        let all = Parallelism.threads
        defer { Parallelism.threads = all }
        return try speeds("Speed against threads", x: "threads", sizes: (1...all).map(Double.init)) {
            Parallelism.threads = Int($0)
            return randomTexts(count: 64, tokens: 128, vocabulary: encoder.configuration.vocabularySize)
        }
    }

    /// The peak memory of the process in a training step on this many texts of 128 tokens, with the default memory for
    /// activations and with a limit.
    static func memory(model: URL, largest: Int) throws -> GrowthChart {
        let sizes = Array(sequence(first: 16, next: { $0 * 2 }).prefix { $0 <= largest })
        // If the peak cannot be reset, only one value can be measured.
        let limits: [Int?] = resetPeak() ? [nil, 1 << 30, 768 << 20] : [nil]
        let lines = try limits.map { limit in
            var points: [[Double]] = []
            for count in sizes {
                let encoder = try TransformerEncoder(modelFolder: model)
                if let limit { try encoder.limitTrainingMemory(to: limit) }
                _ = resetPeak()
                try trainingStep(
                    encoder, randomTexts(count: count, tokens: 128, vocabulary: encoder.configuration.vocabularySize))
                points.append([Double(count), peakMegabytes().rounded()])
            }
            return GrowthChart.Line(label: limit.map { "limit of \($0 >> 20) MiB" } ?? "no limit", points: points)
        }
        return GrowthChart(
            title: "Memory of training against the block", x: "texts of 128 tokens in a step", y: "peak memory, MB",
            lines: lines)
    }

    private func speeds(
        _ title: String, x: String, sizes: [Double], texts: (Double) throws -> TokenBatch
    ) throws -> GrowthChart {
        var lines: [GrowthChart.Line] = []
        for work in Work.allCases {
            var line = GrowthChart.Line(label: work.rawValue, points: [])
            var bound = GrowthChart.Line(label: "linear layers alone", points: [], isBound: true)
            for size in sizes {
                let batch = try texts(size)
                var best = 0.0
                for round in 0...rounds {
                    OtherLoad.waitForQuiet()
                    let lap = try Lap {
                        switch work {
                        case .embedding: _ = try encoder.embed(batch)
                        case .training: try trainingStep(encoder, batch)
                        }
                    }
                    // The first run is not counted, because it uses memory for the first time.
                    if round > 0 { best = max(best, Double(batch.tokenCount) / lap.wall) }
                }
                let rate = ProductRate.measure(encoder.architecture, seconds: 0.4, training: work == .training)
                line.points.append([size, best.rounded()])
                bound.points.append([
                    size, (rate.perSecond / (work.operations * Double(encoder.linearWeights))).rounded(),
                ])
            }
            lines += [line, bound]
        }
        return GrowthChart(title: title, x: x, y: "tokens a second", lines: lines)
    }
}
