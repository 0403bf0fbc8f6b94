import Foundation
import MafinComparison
import MafinReport
import MafinRetrieval

/// A condition on a finished comparison, in the form of `--fail-if`: `[SYSTEM] METRIC < SYSTEM-OR-NUMBER`.
package struct FailCondition: CustomStringConvertible, Equatable, Sendable {
    enum Comparison: String, CaseIterable, Sendable {
        case lessOrEqual = "<="
        case greaterOrEqual = ">="
        case less = "<"
        case greater = ">"

        func holds(_ left: Double, _ right: Double) -> Bool {
            switch self {
            case .less: left < right
            case .lessOrEqual: left <= right
            case .greater: left > right
            case .greaterOrEqual: left >= right
            }
        }
    }

    enum Side: Equatable, Sendable {
        case system(String)
        case number(Double)
    }

    /// The system on the left; nil for the artefact that the comparison ships.
    package var system: String?
    package var metric: Metric
    var comparison: Comparison
    var other: Side
    package let description: String

    /// Reads a condition.
    /// - Throws: ``NameError`` for an unknown metric or system, ``FailConditionSyntaxError`` for anything else.
    package init(parsing text: String) throws {
        // The two-character signs are the first cases, so that `<=` is not read as `<`.
        let found = Comparison.allCases.lazy.compactMap { sign in text.range(of: sign.rawValue).map { (sign, $0) } }
            .first
        guard let (comparison, range) = found else { throw FailConditionSyntaxError(text: text) }
        let left = text[..<range.lowerBound].split(separator: " ").map(String.init)
        let right = text[range.upperBound...].split(separator: " ").map(String.init)
        guard (1...2).contains(left.count), right.count == 1 else { throw FailConditionSyntaxError(text: text) }
        metric = try NameError.metric(left[left.count - 1])
        self.comparison = comparison
        system = left.count == 2 ? try Self.known(left[0]) : nil
        if let number = Double(right[0]) {
            guard number.isFinite else { throw FailConditionSyntaxError(text: text) }
            other = .number(number)
        } else {
            other = .system(try Self.known(right[0]))
        }
        description = (left + [comparison.rawValue] + right).joined(separator: " ")
    }

    private static func known(_ system: String) throws -> String {
        guard ComparedSystem.named(system) != nil else {
            throw NameError("system", system, known: ComparedSystem.all.map(\.name))
        }
        return system
    }

    /// Whether it holds.
    /// - Throws: ``WorkflowError/undecidableCondition(condition:system:)`` for a system that was not measured.
    package func holds(in facts: ComparisonFacts) throws -> Bool {
        func value(_ name: String) throws -> Double {
            // As in --systems, mafin+… stands for the system that is built on the method that is best on dev.
            let found = facts.system(named: name) ?? facts.systems.first { ComparedSystem.named($0.name)?.name == name }
            guard let value = found?.metrics[metric] else { throw undecidable(name) }
            return value
        }
        func undecidable(_ name: String) -> WorkflowError {
            .undecidableCondition(condition: description, system: name)
        }
        let left: Double
        if let system {
            left = try value(system)
        } else {
            guard let artefact = facts.chosen?.all.metrics[metric] else { throw undecidable("artefact") }
            left = artefact
        }
        let right: Double =
            switch other {
            case .number(let number): number
            case .system(let name): try value(name)
            }
        return comparison.holds(left, right)
    }
}

/// A condition that does not follow the grammar.
package struct FailConditionSyntaxError: Error, Equatable, CustomStringConvertible {
    var text: String

    package var description: String {
        "expected '[SYSTEM] METRIC < SYSTEM-OR-NUMBER' (also <=, >, >=), such as 'nDCG@10 < black-box'; found '\(text)'"
    }
}
