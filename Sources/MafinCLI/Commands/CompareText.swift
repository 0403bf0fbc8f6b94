import Foundation
import MafinPipeline
import MafinReport
import MafinRetrieval

/// What `mafin compare` prints: the table, the verdict, where the report lies.
struct CompareText {
    private let facts: ComparisonFacts
    private let output: String

    init(_ facts: ComparisonFacts, output: String) {
        self.facts = facts
        self.output = output
    }

    var text: String {
        var parts = [EvaluationSummary(facts.evaluation).text()]
        if let verdict = facts.verdict {
            parts.append("Verdict on \(verdict.system): \(verdict.decision.rawValue). \(verdict.reason)")
            parts += verdict.notes ?? []
        }
        if let expectation = facts.learningCurve?.expectation { parts.append(expectation) }
        for omission in facts.omissions ?? [] { parts.append("Left out: \(omission.what). \(omission.reason)") }
        parts.append("Report: \(output)/index.html")
        return parts.joined(separator: "\n\n")
    }
}

/// What figures were taken on.
enum Machine {
    /// Cores and processor, where the system tells.
    static let description: String = {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let text = "\(cores) \(cores == 1 ? "core" : "cores")"
        return processor.map { "\(text), \($0)" } ?? text
    }()

    private static var processor: String? {
        guard let information = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
            let line = information.split(separator: "\n").first(where: { $0.hasPrefix("model name") }),
            let colon = line.firstIndex(of: ":")
        else { return nil }
        return line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
    }
}

/// Command lines as they are typed.
enum CommandLineText {
    /// The command that runs, without the password of an address; keys are never flags.
    static var current: String {
        (["mafin"] + CommandLine.arguments.dropFirst().map(withoutPassword)).map(quoted).joined(separator: " ")
    }

    /// An argument as a shell takes it for one.
    static func quoted(_ argument: String) -> String {
        let isPlain =
            !argument.isEmpty
            && argument.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "-_./:,@%+=".utf8.contains(byte)
                }
            }
        return isPlain ? argument : "'" + argument.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }

    /// `https://user:password@host` without what stands before the host.
    static func withoutPassword(_ argument: String) -> String {
        argument.replacingOccurrences(of: "://[^/@]*@", with: "://…@", options: .regularExpression)
    }
}
