import MafinRetrieval

/// An unknown name, with the known name that was probably meant, and all known names.
package struct NameError: Error, Equatable, CustomStringConvertible {
    private let kind: String
    private let name: String
    private let known: [String]

    /// - Parameter kind: the kind of name: `metric`, `rival`, `system`, `provider`.
    package init(_ kind: String, _ name: String, known: [String]) {
        (self.kind, self.name, self.known) = (kind, name, known)
    }

    package var description: String {
        let meant = Self.closest(to: name, among: known).map { "did you mean '\($0)'? " } ?? ""
        return "there is no \(kind) '\(name)'; \(meant)known: \(known.joined(separator: ", "))"
    }

    /// The known name with the fewest edits from `name`, if it is at most a third of its letters away. Case does not count.
    package static func closest(to name: String, among known: [String]) -> String? {
        let wanted = Array(name.lowercased())
        let best = known.map { (name: $0, edits: edits(wanted, Array($0.lowercased()))) }
            .min { $0.edits < $1.edits }
        guard let best, best.edits <= max(1, wanted.count / 3) else { return nil }
        return best.name
    }

    /// The smallest number of insertions, deletions, replacements and swaps of neighbours that turn one text into another (optimal string
    /// alignment distance).
    private static func edits(_ first: [Character], _ second: [Character]) -> Int {
        var rows = [Array(0...second.count)]
        for i in 1..<(first.count + 1) {
            var row = [i]
            for j in 1..<(second.count + 1) {
                var edits = min(
                    rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (first[i - 1] == second[j - 1] ? 0 : 1))
                if i > 1, j > 1, first[i - 1] == second[j - 2], first[i - 2] == second[j - 1] {
                    edits = min(edits, rows[i - 2][j - 2] + 1)
                }
                row.append(edits)
            }
            rows.append(row)
        }
        return rows[first.count][second.count]
    }

    /// A metric by its name.
    package static func metric(_ name: String) throws -> Metric {
        guard let metric = Metric(name) else {
            throw NameError(
                "metric", name, known: Metric.standard.map(\.description) + ["P@5", "Success@1", "Rprec", "nDCG"])
        }
        return metric
    }

    /// The values of names separated by commas. Each name must be known, and none may occur twice.
    /// - Parameter named: gives the value of a name; nil for an unknown name.
    package static func list<Value>(
        _ text: String, of kind: String, known: [String], named: (String) throws -> Value?
    ) throws -> [Value] {
        let names = text.split(separator: ",", omittingEmptySubsequences: false).map { part in
            String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
        return try names.enumerated().map { place, name in
            guard let value = try named(name) else { throw NameError(kind, name, known: known) }
            if names[..<place].contains(name) { throw RepeatedNameError(name: name) }
            return value
        }
    }
}

/// A name that occurs twice in a list.
package struct RepeatedNameError: Error, Equatable, CustomStringConvertible {
    var name: String

    package var description: String { "'\(name)' is named twice" }
}
