import Foundation
import MafinText

/// Encodes a list of texts again and again, and prints the seconds of each round. Run by Tools/bench-tokenizer.py.
///
///     bench-tokenizer MODEL-FOLDER TEXTS.json MAX-LENGTH THREADS ROUNDS OUTPUT
///
/// TEXTS.json is an array of strings. OUTPUT receives the number of rows, the offsets (both Int64) and the ids (Int32).
@main
enum BenchTokenizer {
    struct Figures: Encodable {
        var loadSeconds: Double
        var tokens: Int
        var seconds: [Double]
    }

    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 7, let maxLength = Int(arguments[3]), let threads = Int(arguments[4]),
            let rounds = Int(arguments[5])
        else {
            FileHandle.standardError.write(
                Data("usage: bench-tokenizer MODEL-FOLDER TEXTS.json MAX-LENGTH THREADS ROUNDS OUTPUT\n".utf8))
            exit(64)
        }
        let clock = ContinuousClock()
        var loaded: (any Tokenizer)?
        let loadTime = try clock.measure {
            loaded = try readTokenizer(modelFolder: URL(fileURLWithPath: arguments[1]))
        }
        guard let tokenizer = loaded else { return }
        let texts = try JSONDecoder().decode([String].self, from: Data(contentsOf: URL(fileURLWithPath: arguments[2])))

        var batch = TokenBatch()
        var seconds: [Double] = []
        for _ in 0..<rounds {
            let time = clock.measure { batch = tokenizer.batchEncode(texts, maxLength: maxLength, threads: threads) }
            seconds.append(time / .seconds(1))
        }

        var output = Data()
        for value in [batch.count] + batch.offsets {
            withUnsafeBytes(of: Int64(value).littleEndian) { output.append(contentsOf: $0) }
        }
        for id in batch.ids { withUnsafeBytes(of: id.littleEndian) { output.append(contentsOf: $0) } }
        try output.write(to: URL(fileURLWithPath: arguments[6]))

        let figures = Figures(loadSeconds: loadTime / .seconds(1), tokens: batch.tokenCount, seconds: seconds)
        print(String(decoding: try JSONEncoder().encode(figures), as: UTF8.self))
    }
}
