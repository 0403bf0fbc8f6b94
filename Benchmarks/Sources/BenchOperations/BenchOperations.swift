import ArgumentParser
import BenchSupport
import Foundation
import MafinEncoder
import MafinNumerics

/// The processor time of every operation of training or embedding as a Markdown table, beside the rate at which this machine
/// multiplies matrices, measured in the same minute.
@main
struct BenchOperations: ParsableCommand {
    @OptionGroup var options: EncoderOptions
    @Option(help: "JSON file: a list of batches, each a list of [query, document].") var batches: String
    @Option(help: "Dropout rate.") var dropout: Float = 0
    @Flag(help: "Embed the documents instead of training on the pairs.") var embedding = false

    func run() throws {
        let all = try readJSON(batches, as: [[[String]]].self)
        let (tokenizer, encoder) = try options.load()
        encoder.dropoutProbability = dropout
        let training = PairTraining(tokenizer, encoder, maxLength: options.maxLength)
        var (tokens, seconds) = (0, 0.0)
        let before = ProductRate.measure(encoder.architecture, seconds: 1.5, training: !embedding)
        for (index, pairs) in all.enumerated() {
            // The first batch is not counted, because it uses all memory for the first time.
            encoder.timesOperations = index > 0
            var count = 0
            let lap = try Lap {
                if embedding {
                    let batch = tokenizer.batchEncode(pairs.map { $0[1] }, maxLength: options.maxLength)
                    _ = try encoder.embed(batch)
                    count = batch.tokenCount
                } else {
                    count = try training.step(pairs, dropoutSeed: dropout > 0 ? UInt64(index) : nil).tokens
                }
            }
            guard index > 0 else { continue }
            tokens += count
            seconds += lap.processor
        }
        let after = ProductRate.measure(encoder.architecture, seconds: 1.5, training: !embedding)
        let times = encoder.operationTimes()
        seconds -= times.values.reduce(0) { $0 + $1.overhead }
        let ceiling = max(before.perProcessorSecond, after.perProcessorSecond)
        let perToken = Double((embedding ? 2 : 6) * encoder.linearWeights)
        print("| operation | µs a token | share of the time | GFLOP/s | of the ceiling | GB/s |")
        print("|---|---|---|---|---|---|")
        func line(_ name: String, seconds time: Double, operations: Double = 0, bytes: Double = 0) {
            let rate = operations / time
            print(
                "| \(name) | \(rounded(time / Double(tokens) * 1e6, 2)) | \(rounded(time / seconds, 3)) | "
                    + (rate > 0 ? "\(rounded(rate * 1e-9, 0)) | \(rounded(rate / ceiling, 2))" : "|")
                    + " | \(bytes > 0 ? rounded(bytes / time * 1e-9, 1) : "") |")
        }
        for (operation, time) in times.sorted(by: { $0.value.seconds > $1.value.seconds }) {
            line("\(operation)", seconds: time.seconds, operations: time.operations, bytes: time.bytes)
        }
        line("tokenizer, loss and the rest", seconds: seconds - times.values.reduce(0) { $0 + $1.seconds })
        let rate = perToken * Double(tokens) / seconds
        print(
            "| all, linear layers' operations counted | \(rounded(seconds / Double(tokens) * 1e6, 1)) | 1 | "
                + "\(rounded(rate * 1e-9, 0)) | \(rounded(rate / ceiling, 3)) | |")
        print(
            "\n\(tokens) tokens, \(Parallelism.threads) threads, processor time; matrix products alone: "
                + "\(rounded(ceiling * 1e-9, 0)) GFLOP/s a thread.")
    }

    private func rounded(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
}
