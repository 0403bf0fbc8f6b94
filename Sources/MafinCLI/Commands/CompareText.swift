import Foundation
import MafinPipeline
import MafinReport
import MafinRetrieval

/// What `mafin compare` prints: the table, the verdict, where the report is.
struct CompareText {
    private let facts: ComparisonFacts
    private let output: String

    init(_ facts: ComparisonFacts, output: String) {
        self.facts = facts
        self.output = output
    }

    var text: String {
        var parts = [EvaluationSummary(facts).text()]
        if let verdict = facts.verdict, let answer = facts.answer {
            parts.append("Verdict: \(answer). \(verdict.reason)")
            parts += verdict.notes ?? []
        }
        if let expectation = facts.learningCurve?.expectation { parts.append(expectation) }
        for omission in facts.omissions ?? [] { parts.append("Left out: \(omission.what). \(omission.reason)") }
        parts.append("Report: \(output)/index.html")
        return parts.joined(separator: "\n\n")
    }
}
