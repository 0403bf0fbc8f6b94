import ArgumentParser
import BenchSupport
import MafinEncoder
import MafinNumerics

/// Training speed and memory on given batches of pairs. Prints one JSON line.
@main
struct BenchTraining: ParsableCommand {
    @OptionGroup var options: EncoderOptions
    @Option(help: "JSON file: a list of batches, each a list of [query, document].") var batches: String
    @Option(help: "Dropout rate.") var dropout: Float = 0
    @Option(help: "Memory for training, in MiB. (default: the encoder's own)") var memory: Int?
    @Option(help: "Seconds of measuring matrix products, before and after each.") var ceilingSeconds = 0.0

    private struct Row: Encodable {
        var threads: Int
        var tokens: Int
        var bestTokensPerSecond: Double
        var medianTokensPerSecond: Double
        var medianTokensPerProcessorSecond: Double
        var ceiling: Double
        var ceilingPerProcessorSecond: Double
        /// Floating-point operations of the linear layers for one token.
        var operationsPerToken: Int
        var peakMegabytes: Double
        var losses: [Float]
    }

    func validate() throws {
        if options.precision == .int8 { throw ValidationError("--precision int8 is for embedding alone.") }
    }

    func run() throws {
        let all = try readJSON(batches, as: [[[String]]].self)
        let (tokenizer, encoder) = try options.load()
        encoder.dropoutProbability = dropout
        encoder.trainingPrecision = options.precision
        if let memory { try encoder.limitTrainingMemory(to: memory << 20) }
        var ceilings: [ProductRate] = []
        func measureCeiling() {
            guard ceilingSeconds > 0 else { return }
            ceilings.append(
                .measure(
                    encoder.architecture, seconds: ceilingSeconds, training: true, precision: options.precision))
        }
        let training = PairTraining(tokenizer, encoder, maxLength: options.maxLength)
        var (rates, processorRates): ([Double], [Double]) = ([], [])
        var losses: [Float] = []
        var counted = 0
        measureCeiling()
        for (index, batch) in all.enumerated() {
            var tokens = 0
            let lap = try Lap {
                let step = try training.step(batch, dropoutSeed: dropout > 0 ? UInt64(index) : nil)
                tokens = step.tokens
                losses.append(step.loss)
            }
            // The first step touches all memory for the first time, in the peer too.
            guard index > 0 else { continue }
            counted += tokens
            rates.append(Double(tokens) / lap.wall)
            processorRates.append(Double(tokens) / lap.processor)
        }
        let peak = peakMegabytes()
        measureCeiling()
        try printJSON(
            Row(
                threads: Parallelism.threads, tokens: counted, bestTokensPerSecond: rates.max() ?? 0,
                medianTokensPerSecond: quantile(0.5, of: rates),
                medianTokensPerProcessorSecond: quantile(0.5, of: processorRates),
                ceiling: ceilings.map(\.perSecond).max() ?? 0,
                ceilingPerProcessorSecond: ceilings.map(\.perProcessorSecond).max() ?? 0,
                operationsPerToken: 6 * encoder.linearWeights, peakMegabytes: peak, losses: losses))
    }
}
