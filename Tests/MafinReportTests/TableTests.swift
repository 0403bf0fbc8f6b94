import MafinReport
import Testing

@Suite struct TableTests {
    private func table() -> Table {
        var table = Table(columns: [.init("system"), .init("nDCG@10", .right)])
        table.append(["bm25", "0.3"])
        table.append(["λ-mafin", "0.3754"])
        return table
    }

    @Test func textAlignsWordsLeftAndNumbersRight() {
        #expect(
            table().text() == """
                system   nDCG@10
                ───────  ───────
                bm25         0.3
                λ-mafin   0.3754

                """)
    }

    @Test func textAlignsByTerminalColumnsNotCharacters() {
        var table = Table(columns: [.init("text"), .init("n", .right)])
        table.append(["日本", "1"])
        table.append(["e\u{301}té", "2"])
        table.append(["👩‍🔬!", "3"])
        let widths = table.text().split(separator: "\n").map { String($0).displayWidth }
        #expect(Set(widths) == [7])
    }

    /// A document or a server must not be able to clear the screen, set the title, or reverse a line.
    @Test func cellsCannotSteerTheTerminal() {
        var table = Table(columns: [.init("text"), .init("n", .right)])
        table.append(["\u{1B}[2J\u{1B}]0;title\u{7}\r\u{9B}31m\u{202E}abc\u{7F}", "1"])
        table.append(["two\nlines\tand a tab", "2"])
        let text = table.text()
        #expect(text.split(separator: "\n").count == 4)
        #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || $0.properties.generalCategory != .control })
        #expect(
            !text.unicodeScalars.contains("\u{202E}") && text.contains("\u{FFFD}[2J")
                && text.contains("two lines and a tab"))
        #expect(Set(text.split(separator: "\n").map { String($0).displayWidth }).count == 1)
    }

    @Test func printedTextKeepsLinesAndSigns() {
        #expect("a\r\nb\tc\n日本 👩‍🔬 é".safeForTerminal == "a\nb\tc\n日本 👩‍🔬 é")
        #expect("a\u{1B}[31mb\u{85}\u{2066}".safeForTerminal == "a\u{FFFD}[31mb\u{FFFD}\u{FFFD}")
    }

    @Test func noLineEndsInSpaces() {
        var table = Table(columns: [.init("a"), .init("long title")])
        table.append(["x", ""])
        for line in table.text().split(separator: "\n") { #expect(line.last != " ") }
    }

    @Test func markdownHasARuleThatAligns() {
        #expect(
            table().markdown() == """
                | system | nDCG@10 |
                |---|---:|
                | bm25 | 0.3 |
                | λ-mafin | 0.3754 |

                """)
    }

    @Test func markdownEscapesBarsAndLineBreaks() {
        var table = Table(columns: [.init("a")])
        table.append(["x|y\nz"])
        #expect(table.markdown().contains("| x\\|y<br>z |"))
    }

    /// Widths from the tables that terminals use (Unicode East Asian Width, wcwidth).
    @Test(arguments: [
        ("", 0), ("abc", 3), ("é", 1), ("e\u{301}", 1), ("ﬁ", 1), ("日本語", 6), ("한글", 4), ("ｱ", 1), ("Ａ", 2), ("…", 1),
        ("█░", 2),
        ("👍", 2), ("👍🏽", 2), ("👩‍👩‍👧", 2), ("🇩🇪", 2), ("❤️", 2), ("\u{200B}", 0), ("\u{7}", 0), ("नि", 1), ("─", 1),
    ])
    func displayWidth(_ text: String, _ width: Int) {
        #expect(text.displayWidth == width)
    }

    @Test(arguments: [
        ("abcdef", 6, "abcdef"), ("abcdef", 4, "abc…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…"), ("abc", 0, ""),
    ])
    func truncation(_ text: String, _ width: Int, _ expected: String) {
        #expect(text.truncated(toWidth: width) == expected)
        #expect(text.truncated(toWidth: width).displayWidth <= width)
    }
}
