/// A table of texts, printed with aligned columns for a terminal or as Markdown.
///
/// ```swift
/// var table = Table(columns: ["system", .number("nDCG@10")])
/// table.append(["black-box", "0.329"])
/// print(table.text())
/// ```
public struct Table: Sendable, Equatable {
    /// On which side of a column its cells are aligned.
    public enum Alignment: Sendable {
        /// For words.
        case left
        /// For numbers.
        case right
    }

    /// One column: its title, and how its cells are aligned.
    public struct Column: Sendable, Equatable, ExpressibleByStringInterpolation {
        /// The title above the column; may be empty.
        public var title: String
        /// How its cells are aligned.
        public var alignment: Alignment

        /// A column with a title, aligned to the left by default.
        public init(_ title: String, _ alignment: Alignment = .left) {
            self.title = title
            self.alignment = alignment
        }

        /// A column of words.
        public init(stringLiteral title: String) { self.init(title) }

        /// A column of numbers.
        public static func number(_ title: String) -> Column { Column(title, .right) }
    }

    /// The columns, from left to right.
    public let columns: [Column]
    /// The rows so far; each has as many cells as there are columns.
    public private(set) var rows: [[String]] = []

    /// A table of these rows, or an empty one.
    /// - Precondition: each row has as many cells as there are columns.
    public init(columns: [Column], rows: [[String]] = []) {
        self.columns = columns
        for row in rows { append(row) }
    }

    /// Adds a row at the bottom.
    /// - Precondition: there are as many cells as columns.
    public mutating func append(_ cells: [String]) {
        precondition(
            cells.count == columns.count, "a row of \(cells.count) cells in a table of \(columns.count) columns")
        rows.append(cells)
    }

    /// The table for a terminal: titles, a rule, the rows. Columns are two spaces apart, and no line ends in spaces.
    /// Widths are terminal columns (`String.displayWidth`). Each line, the last too, ends in a newline. Cells may hold any text, so
    /// their control characters are replaced (`String.safeForTerminal`), and each cell is one line.
    public func text() -> String {
        let rows = rows.map { $0.map(\.singleTerminalLine) }
        let widths = columns.indices.map { column in
            rows.reduce(columns[column].title.displayWidth) { max($0, $1[column].displayWidth) }
        }
        func line(_ cells: [String]) -> String {
            var line = ""
            for (column, cell) in cells.enumerated() {
                if column > 0 { line += "  " }
                let space = String(repeating: " ", count: widths[column] - cell.displayWidth)
                line += columns[column].alignment == .right ? space + cell : cell + space
            }
            return line.trimmingTrailingSpaces() + "\n"
        }
        let rule = widths.map { String(repeating: "─", count: $0) }.joined(separator: "  ")
        return line(columns.map(\.title)) + rule + "\n" + rows.map(line).joined()
    }

    /// The table in GitHub's Markdown; vertical bars and line breaks inside cells are escaped.
    public func markdown() -> String {
        func line(_ cells: [String]) -> String {
            "| " + cells.map(\.escapedForMarkdownTable).joined(separator: " | ") + " |\n"
        }
        let rule = columns.map { $0.alignment == .right ? "---:" : "---" }
        return line(columns.map(\.title)) + "|" + rule.joined(separator: "|") + "|\n" + rows.map(line).joined()
    }
}

extension String {
    fileprivate var singleTerminalLine: String {
        guard !utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else { return self }
        return safeForTerminal.replacing("\n", with: " ").replacing("\t", with: " ")
    }

    fileprivate func trimmingTrailingSpaces() -> String {
        guard let last = lastIndex(where: { $0 != " " }) else { return "" }
        return String(self[...last])
    }

    fileprivate var escapedForMarkdownTable: String {
        split(omittingEmptySubsequences: false) { ["\n", "\r\n", "\r"].contains($0) }
            .joined(separator: "<br>").replacing("|", with: "\\|")
    }
}
