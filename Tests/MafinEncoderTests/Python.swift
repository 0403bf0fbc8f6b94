import Foundation
import Testing

/// Runs programs in a Python that has sentence-transformers and peft.
enum Python {
    /// Where it is: the value of `MAFIN_PYTHON`.
    static let path = ProcessInfo.processInfo.environment["MAFIN_PYTHON"].flatMap { $0.isEmpty ? nil : $0 }

    /// What a program prints behind `ANSWER`. If it fails, the error has its messages.
    /// - Parameter input: goes to its standard input, as JSON.
    static func answer<Answer: Decodable>(
        _ program: String, _ arguments: [String], input: some Encodable
    ) throws -> Answer {
        let process = Process()
        let (stdin, stdout) = (Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: try #require(path))
        process.arguments = ["-c", program] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(["HF_HUB_OFFLINE": "1"]) { $1 }
        (process.standardInput, process.standardOutput) = (stdin, stdout)
        try process.run()
        try stdin.fileHandleForWriting.write(contentsOf: JSONEncoder().encode(input))
        try stdin.fileHandleForWriting.close()
        let output = try stdout.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        let text = String(decoding: output, as: UTF8.self)
        try #require(process.terminationStatus == 0, "Python failed: \(text)")
        let line = try #require(text.split(separator: "\n").last { $0.hasPrefix("ANSWER") }, "\(text)")
        return try JSONDecoder().decode(Answer.self, from: Data(line.dropFirst(6).utf8))
    }
}
