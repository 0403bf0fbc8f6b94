import ArgumentParser
import Foundation
import Mafin
import MafinEncoder
import MafinNumerics
import MafinText

/// Training speed on given batches of (query, document) pairs: InfoNCE with in-batch negatives, gradient clipping, AdamW, as
/// `train_speed.py` of the Python peers does. Prints one JSON line.
@main
struct BenchTraining: ParsableCommand {
    @Option(help: "Checkpoint folder.") var model: String
    @Option(help: "JSON file: a list of batches, each a list of [query, document].") var batches: String
    @Option(help: "Tokens of a text at most.") var maxLength = 256
    @Option(help: "Dropout rate.") var dropout: Float = 0
    @Option(help: "Threads; 0: one a core.") var threads = 0

    private struct Row: Encodable {
        var threads: Int
        var tokens: Int
        var bestTokensPerSecond: Double
        var medianTokensPerSecond: Double
        var peakMegabytes: Double
        var losses: [Float]
    }

    func run() throws {
        if threads > 0 { Parallelism.threads = threads }
        let data = try Data(contentsOf: URL(fileURLWithPath: batches))
        let all = try JSONDecoder().decode([[[String]]].self, from: data)
        let text = try TextEncoder(modelFolder: URL(fileURLWithPath: model), maximumLength: maxLength)
        let encoder = text.encoder
        encoder.dropoutProbability = dropout
        let loss = InfoNCE()
        let scale: Float = 20
        var rates: [Double] = []
        var losses: [Float] = []
        var counted = 0
        for (index, batch) in all.enumerated() {
            let start = ContinuousClock.now
            let tokens = text.tokens(of: batch.map { $0[0] } + batch.map { $0[1] }, prefix: "")
            let pass = try encoder.forward(tokens, dropoutSeed: dropout > 0 ? UInt64(index) : nil)
            let (unit, norms) = pass.embeddings.normalizedRows()
            let queries = unit.selecting(rows: 0..<batch.count)
            let documents = unit.selecting(rows: batch.count..<2 * batch.count)
            var logits = Matrix.multiply(queries, transposed: documents)
            for index in logits.values.indices { logits.values[index] *= scale }
            let value = loss.evaluate(
                logits: logits,
                labels: BlockLabels(
                    relevant: batch.indices.map { [Judgement(column: $0, grade: 1)] },
                    masked: batch.indices.map { _ in [] }))
            var gradient = Matrix.multiply(value.gradient, documents).values
            let transposed = Matrix(
                rows: batch.count, columns: batch.count,
                values: batch.indices.flatMap { row in batch.indices.map { value.gradient[$0, row] } })
            gradient += Matrix.multiply(transposed, queries).values
            for index in gradient.indices { gradient[index] *= scale }
            encoder.backward(
                pass,
                gradient: .normalizedRowsBackward(
                    gradient: Matrix(rows: unit.rows, columns: unit.columns, values: gradient), unit: unit,
                    norms: norms))
            _ = encoder.update(learningRate: 2e-5, maximumGradientNorm: 1)
            losses.append(value.value)
            // The first step touches all memory for the first time, in the peer too.
            guard index > 0 else { continue }
            counted += tokens.tokenCount
            rates.append(Double(tokens.tokenCount) / seconds(ContinuousClock.now - start))
        }
        rates.sort()
        let row = Row(
            threads: Parallelism.threads, tokens: counted, bestTokensPerSecond: rates.last ?? 0,
            medianTokensPerSecond: rates.isEmpty ? 0 : rates[rates.count / 2],
            peakMegabytes: peakMegabytes(), losses: losses)
        print(String(decoding: try JSONEncoder().encode(row), as: UTF8.self))
    }

    private func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    }

    private func peakMegabytes() -> Double {
        var usage = rusage()
        // RUSAGE_SELF, which the C libraries import as different types.
        getrusage(0, &usage)
        #if os(macOS)
            return Double(usage.ru_maxrss) / 1_048_576
        #else
            return Double(usage.ru_maxrss) / 1024
        #endif
    }
}
