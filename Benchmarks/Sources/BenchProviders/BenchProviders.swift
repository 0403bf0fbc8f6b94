import ArgumentParser
import BenchSupport
import Foundation
import MafinBlackBox
import MafinNumerics
import MafinProviders

/// The speed at which the client reads an embedding server's answers. Prints one JSON line.
@main
struct BenchProviders: AsyncParsableCommand {
    @Option(help: "The server, which speaks OpenAI's /v1/embeddings.") var baseUrl: String
    @Option(help: "Texts to embed, all different.") var texts = 100_000
    @Option(help: "Texts in a request.") var batch = 1000
    @Option(help: "Requests in flight, at most.") var concurrency = 4
    @Option(help: "'base64' or 'float': what is asked for first.") var encoding = "base64"
    @Option(help: "Keep the answers in a cache in this folder.") var cache: String?

    private struct Row: Encodable {
        var texts: Int
        var dimension: Int
        var seconds: Double
        var processorSeconds: Double
        var peakMegabytes: Double
        /// The sum of all values, so that the compiler cannot remove any work.
        var sum: Double
    }

    func run() async throws {
        var profile = try ProfileCatalog.builtIn.profile("openai")
        if encoding == "float" {
            profile = try profile.overriding(toml: "[request]\nencodings = [\"float\"]\n", source: "bench")
        }
        let server = try ProviderBlackBox(
            profile, model: "bench", baseURL: baseUrl,
            options: ProviderBlackBox.Options(limits: BatchLimits(items: batch), maximumConcurrentRequests: concurrency)
        )
        let items = (0..<texts).map { EmbeddingItem(id: "\($0)", text: "text number \($0)") }
        let tally = Tally()
        let start = (ContinuousClock.now, processorSeconds())
        if let cache {
            let file = URL(fileURLWithPath: cache).appendingPathComponent("embeddings.sqlite")
            try await CachedBlackBox(server, cache: EmbeddingCache(file: file)).embed(items, as: .document) {
                await tally.add($0)
            }
        } else {
            try await server.embed(items, as: .document) { await tally.add($0) }
        }
        let (rows, dimension, sum) = await tally.result
        let row = Row(
            texts: rows, dimension: dimension, seconds: (ContinuousClock.now - start.0) / .seconds(1),
            processorSeconds: processorSeconds() - start.1, peakMegabytes: peakMegabytes(), sum: sum)
        print(String(decoding: try JSONEncoder().encode(row), as: UTF8.self))
    }

    private func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

/// Counts vectors without keeping them.
private actor Tally {
    var result: (rows: Int, dimension: Int, sum: Double) = (0, 0, 0)

    func add(_ answered: AnsweredRows) {
        result.rows += answered.vectors.rows
        result.dimension = answered.vectors.columns
        // One value per row, enough to check that rows arrive.
        for row in 0..<answered.vectors.rows {
            result.sum += Double(answered.vectors[row, row % answered.vectors.columns])
        }
    }
}
