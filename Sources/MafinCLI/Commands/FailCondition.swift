import ArgumentParser
import Foundation
import MafinComparison
import MafinReport
import MafinRetrieval

/// `--fail-if`: `[SYSTEM] METRIC < SYSTEM-OR-NUMBER`.
struct FailCondition: ExpressibleByArgument, CustomStringConvertible, Equatable {
    enum Comparison: String, CaseIterable {
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

    enum Side: Equatable {
        case system(String)
        case number(Double)
    }

    /// `nil`: the artefact of the comparison.
    var system: String?
    var metric: Metric
    var comparison: Comparison
    var other: Side
    let description: String

    init?(argument: String) {
        // Two-character signs stand first among the cases.
        guard
            let (comparison, range) = Comparison.allCases.lazy.compactMap({ sign in
                argument.range(of: sign.rawValue).map { (sign, $0) }
            }).first
        else { return nil }
        let left = argument[..<range.lowerBound].split(separator: " ").map(String.init)
        let right = argument[range.upperBound...].split(separator: " ").map(String.init)
        guard (1...2).contains(left.count), right.count == 1, let metric = left.last.flatMap({ Metric($0) }) else {
            return nil
        }
        self.metric = metric
        self.comparison = comparison
        system = left.count == 2 ? left[0] : nil
        let name = right[0]
        if let number = Double(name), number.isFinite {
            other = .number(number)
        } else {
            guard ComparedSystem.named(name) != nil else { return nil }
            other = .system(name)
        }
        if let system, ComparedSystem.named(system) == nil { return nil }
        description = (left + [comparison.rawValue] + right).joined(separator: " ")
    }

    /// Whether it holds.
    /// - Throws: ``FailConditionError`` for a system that was not measured: a check that cannot be made is no check that is passed.
    func holds(in facts: ComparisonFacts) throws -> Bool {
        func value(_ name: String) throws -> Double {
            var name = name
            // As in --systems, mafin+… is built on the method that is best on dev.
            let prefix = ComparedSystem.chosenPrefix + "+"
            if facts.system(named: name) == nil, name.hasPrefix(prefix), let chosen = facts.examples?.system {
                name = "\(chosen)+\(name.dropFirst(prefix.count))"
            }
            guard let value = facts.system(named: name)?.metrics[metric] else {
                throw FailConditionError(condition: description, system: name)
            }
            return value
        }
        guard let name = system ?? facts.examples?.system else {
            throw FailConditionError(condition: description, system: "artefact")
        }
        let right: Double =
            switch other {
            case .number(let number): number
            case .system(let name): try value(name)
            }
        return comparison.holds(try value(name), right)
    }
}

/// A condition about a system that was not measured.
struct FailConditionError: CommandStatusProviding, CustomStringConvertible {
    var condition: String
    var system: String

    var commandStatus: CommandStatus { .data }
    var description: String {
        "--fail-if \"\(condition)\" cannot be decided: there is no figure of \(system); the report says what was left out"
    }
}
