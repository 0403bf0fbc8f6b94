import ArgumentParser
import BenchSupport
import CPeak
import Foundation
import MafinEncoder
import MafinNumerics
import MafinRetrieval
import MafinText

/// Detects that the engine became slower. Each task's speed, by processor time, is a share of this machine's matrix products in the same
/// seconds, and must stay above a bound well below the usual share. Needs no checkpoint and less than a minute.
///
/// Ends with status 1 if a share is below its bound in every attempt while the speed of the products is steady. If it
/// is not steady, because other programs use the machine, the program says that it cannot tell and ends with 0.
@main
struct BenchGuard: ParsableCommand {
    @Option(help: "Attempts at a share below its bound.") var attempts = 4
    @Option(help: "The products are steady where they differ by less than this share between before and after.")
    var steadiness = 0.15
    @Flag(help: "Fail where the machine is too noisy to tell, too.") var strict = false

    /// The least share of the cores' peak that matrix products must reach; .75 to .95 is usual.
    private static let leastProducts = 0.5

    /// How many times as fast as in float32 products in lower precision must be. On AVX2, which has the least for bytes, 1.5 is usual.
    private static let leastGain = 1.2
    /// The least shares of embedding in a precision's own products, for texts of 256 and of 16 tokens. The faster the products, the more of the
    /// time goes to softmax, GELU and norms, so these are lower than in float32.
    private static let lowPrecisionBounds: [Precision: (long: Double, short: Double)] = [
        .bfloat16: (0.10, 0.10), .int8: (0.30, 0.30),
    ]
    /// The same for training in bfloat16.
    private static let bfloat16TrainingBound = 0.10

    private enum Verdict: String {
        case good = "ok"
        case slow = "SLOW"
        case unknown = "cannot tell"
    }

    func run() throws {
        let shape = EncoderConfiguration(
            hiddenSize: 384, layerCount: 6, headCount: 12, intermediateSize: 1536, vocabularySize: 30522)
        let encoder = TransformerEncoder(architecture: .bert(shape), pooling: .mean, seed: 1)
        let long = randomTexts(count: 16, tokens: 256, vocabulary: shape.vocabularySize)
        let short = randomTexts(count: 64, tokens: 16, vocabulary: shape.vocabularySize)
        let weights = Double(encoder.linearWeights)
        var random = RandomGenerator(seed: 1)
        func vectors(_ rows: Int) -> Matrix {
            Matrix(rows: rows, columns: 384, values: (0..<rows * 384).map { _ in random.uniform() - 0.5 })
        }
        let rows = vectors(100_000)
        let index = VectorIndex(try VectorRows(rows))
        let queries = vectors(100)

        var verdicts: [Verdict] = []
        func check(
            _ name: String, bound: Double, operations: Double, training: Bool = false, precision: Precision = .float32,
            _ work: () throws -> Void
        ) throws {
            func products() -> Double {
                ProductRate.measure(encoder.architecture, seconds: 0.4, training: training, precision: precision)
                    .perProcessorSecond
            }
            var best = 0.0
            var wasSteady = false
            var verdict = Verdict.unknown
            try work()
            for _ in 0..<attempts where verdict != .good {
                let before = products()
                let lap = try Lap(work)
                let after = products()
                best = max(best, operations / lap.processor / max(before, after))
                wasSteady = wasSteady || abs(before - after) < steadiness * max(before, after)
                verdict = best >= bound ? .good : wasSteady ? .slow : .unknown
            }
            verdicts.append(verdict)
            print(
                name.padding(toLength: 48, withPad: " ", startingAt: 0)
                    + String(format: "share %.2f   bound %.2f   ", best, bound) + verdict.rawValue)
        }

        /// The products in lower precision must be faster than those in float32, or there is no reason for them.
        func checkProducts(_ precision: Precision) throws {
            var best = 0.0
            var wasSteady = false
            for _ in 0..<attempts where best < Self.leastGain {
                func float32() -> Double {
                    ProductRate.measure(encoder.architecture, seconds: 0.3, training: false).perProcessorSecond
                }
                let before = float32()
                let own = ProductRate.measure(
                    encoder.architecture, seconds: 0.4, training: false, precision: precision
                ).perProcessorSecond
                let after = float32()
                best = max(best, own / max(before, after))
                wasSteady = wasSteady || abs(before - after) < steadiness * max(before, after)
            }
            let verdict: Verdict = best >= Self.leastGain ? .good : wasSteady ? .slow : .unknown
            verdicts.append(verdict)
            print(
                "products in \(precision.rawValue), times those in float32".padding(
                    toLength: 48, withPad: " ", startingAt: 0)
                    + String(format: "times %.2f   bound %.2f   ", best, Self.leastGain) + verdict.rawValue)
        }

        // Compared with the core's peak, because everything else is compared with the products.
        var productsOfPeak = 0.0
        for _ in 0..<attempts where productsOfPeak < Self.leastProducts {
            OtherLoad.waitForQuiet()
            let peak = mafin_peak(0.3)
            let products = ProductRate.measure(encoder.architecture, seconds: 0.4, training: false).perProcessorSecond
            productsOfPeak = max(productsOfPeak, products / max(peak, mafin_peak(0.3)))
        }
        // Other processes that use the caches slow down the products, but not the peak.
        verdicts.append(
            productsOfPeak >= Self.leastProducts ? .good : OtherLoad.isQuiet() ? .slow : .unknown)
        print(
            String(
                format: "matrix products: %.2f of what this core's units can do   bound %.2f   %@", productsOfPeak,
                Self.leastProducts, verdicts[0].rawValue))
        print("share of this machine's matrix products, by processor time, \(Parallelism.threads) threads")
        try check(
            "training, 16 texts of 256 tokens", bound: 0.40, operations: 6 * weights * Double(long.tokenCount),
            training: true
        ) { try trainingStep(encoder, long) }
        try check(
            "training, 64 texts of 16 tokens", bound: 0.30, operations: 6 * weights * Double(short.tokenCount),
            training: true
        ) { try trainingStep(encoder, short) }
        try check(
            "training with dropout, 16 texts of 256 tokens", bound: 0.35,
            operations: 6 * weights * Double(long.tokenCount), training: true
        ) { try trainingStep(encoder, long, dropoutSeed: 1) }
        try check("embedding, 16 texts of 256 tokens", bound: 0.45, operations: 2 * weights * Double(long.tokenCount)) {
            _ = try encoder.embed(long)
        }
        try check("embedding, 64 texts of 16 tokens", bound: 0.45, operations: 2 * weights * Double(short.tokenCount)) {
            _ = try encoder.embed(short)
        }
        for precision in [Precision.bfloat16, .int8] {
            // bfloat16 without instructions for it is there for tests alone.
            guard precision == .int8 || Precision.hardwareDefault == .bfloat16 else { continue }
            try checkProducts(precision)
            let bounds = Self.lowPrecisionBounds[precision] ?? (0, 0)
            encoder.precision = precision
            defer { encoder.precision = .float32 }
            try check(
                "embedding in \(precision.rawValue), 16 texts of 256 tokens", bound: bounds.long,
                operations: 2 * weights * Double(long.tokenCount), precision: precision
            ) { _ = try encoder.embed(long) }
            try check(
                "embedding in \(precision.rawValue), 64 texts of 16 tokens", bound: bounds.short,
                operations: 2 * weights * Double(short.tokenCount), precision: precision
            ) { _ = try encoder.embed(short) }
            guard precision == .bfloat16 else { continue }
            encoder.trainingPrecision = .bfloat16
            defer { encoder.trainingPrecision = .float32 }
            try check(
                "training in bf16, 16 texts of 256 tokens", bound: Self.bfloat16TrainingBound,
                operations: 6 * weights * Double(long.tokenCount), training: true, precision: precision
            ) { try trainingStep(encoder, long) }
        }
        try check(
            "top 100 of 100,000 x 384, 100 queries", bound: 0.30,
            operations: 2 * Double(rows.rows * rows.columns * queries.rows)
        ) { _ = try index.search(queries: queries, count: 100) }
        if verdicts.contains(.slow) || (strict && verdicts.contains(.unknown)) { throw ExitCode(1) }
    }
}
