import ArgumentParser
import BenchSupport
import MafinEncoder
import MafinNumerics

/// Embedding speed on documents, and the time of single queries. Prints one JSON line.
@main
struct BenchEmbedding: ParsableCommand {
    @OptionGroup var options: EncoderOptions
    @Option(help: "JSON file: a list of documents.") var documents: String
    @Option(help: "JSON file: a list of queries, embedded one by one.") var queries: String
    @Option(help: "Repetitions of the documents.") var rounds = 3
    @Option(help: "Seconds of measuring matrix products, before and after each.") var ceilingSeconds = 1.0

    private struct Row: Encodable {
        var threads: Int
        var documents: Int
        var tokens: Int
        /// Best and median of the rounds, text to vectors.
        var bestSeconds: Double
        var medianSeconds: Double
        var medianProcessorSeconds: Double
        var ceiling: Double
        var ceilingPerProcessorSecond: Double
        var operationsPerToken: Int
        /// Milliseconds of single queries: the shortest, and the quantiles.
        var queryLeast: Double
        var queryMedian: Double
        var query99: Double
        var queryTokens: Double
        var peakMegabytes: Double
    }

    func run() throws {
        let documents = try readJSON(documents, as: [String].self)
        let queries = try readJSON(queries, as: [String].self)
        let (tokenizer, encoder) = try options.load()
        func measureCeiling() -> ProductRate {
            .measure(encoder.architecture, seconds: ceilingSeconds, training: false, precision: options.precision)
        }
        var ceilings = [measureCeiling()]
        var tokens = 0
        var laps: [Lap] = []
        for round in 0..<(documents.isEmpty ? 0 : rounds + 1) {
            let lap = try Lap {
                let batch = tokenizer.batchEncode(documents, maxLength: options.maxLength)
                tokens = batch.tokenCount
                _ = try encoder.embed(batch).normalizedRows()
            }
            if round > 0 { laps.append(lap) }
        }
        ceilings.append(measureCeiling())
        var times: [Double] = []
        for (index, query) in (queries.prefix(20) + queries).enumerated() {
            let lap = try Lap {
                _ = try encoder.embed(tokenizer.batchEncode([query], maxLength: options.maxLength)).normalizedRows()
            }
            if index >= min(20, queries.count) { times.append(1000 * lap.wall) }
        }
        let queryTokens = tokenizer.batchEncode(queries, maxLength: options.maxLength).tokenCount
        try printJSON(
            Row(
                threads: Parallelism.threads, documents: documents.count, tokens: tokens,
                bestSeconds: laps.map(\.wall).min() ?? 0, medianSeconds: quantile(0.5, of: laps.map(\.wall)),
                medianProcessorSeconds: quantile(0.5, of: laps.map(\.processor)),
                ceiling: ceilings.map(\.perSecond).max() ?? 0,
                ceilingPerProcessorSecond: ceilings.map(\.perProcessorSecond).max() ?? 0,
                operationsPerToken: 2 * encoder.linearWeights, queryLeast: times.min() ?? 0,
                queryMedian: quantile(0.5, of: times), query99: quantile(0.99, of: times),
                queryTokens: Double(queryTokens) / Double(max(1, queries.count)), peakMegabytes: peakMegabytes()))
    }
}
