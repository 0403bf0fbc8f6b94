import Logging
import MafinReport
import MafinTestSupport
import Testing

@testable import MafinCommandLine

@Suite struct ProgressTests {
    private func line(_ completed: Int, of total: Int = 1000, after seconds: Int, detail: String = "") -> ProgressLine {
        ProgressLine(
            title: "embedding", completed: completed, total: total, unit: "texts", elapsed: .seconds(seconds),
            detail: detail)
    }

    @Test func barHasRateAndTimeLeft() {
        #expect(
            line(250, after: 10, detail: "loss 1.25").bar(columns: 100)
                == "embedding  ███████░░░░░░░░░░░░░░░░░░░░░░░   25%  25.0 texts/s  30s left  loss 1.25")
    }

    @Test func barIsFullAtTheEnd() {
        #expect(
            line(1000, after: 10).bar(columns: 100)
                == "embedding  \(String(repeating: "█", count: 30))  100%  100 texts/s")
    }

    @Test(arguments: 0...120)
    func barFitsTheTerminal(columns: Int) {
        let text = line(250, after: 10, detail: "日本語 loss 1.25").bar(columns: columns)
        #expect(text.displayWidth <= max(0, columns - 1))
    }

    @Test func colourAddsOnlyEscapes() {
        let coloured = line(500, after: 10).bar(columns: 80, colour: true)
        #expect(coloured.contains("\u{1B}[36m"))
        #expect(
            coloured.replacing("\u{1B}[36m", with: "").replacing("\u{1B}[0m", with: "")
                == line(500, after: 10).bar(columns: 80))
    }

    @Test func plainLineAndSummary() {
        #expect(line(250, after: 10).plain == "embedding: 25% of 1000 texts, 25.0 texts/s, 30s left")
        #expect(
            line(1000, after: 200, detail: "loss 0.5").summary
                == "embedding: 1000 texts in 3m20s, 5.00 texts/s, loss 0.5")
    }

    @Test func nothingToDoAndNothingDoneYet() {
        #expect(line(0, of: 0, after: 0).plain == "embedding: 100% of 0 texts")
        #expect(line(0, after: 0).plain == "embedding: 0% of 1000 texts")
        #expect(line(2000, after: 10).fraction == 1)
    }

    @Test(arguments: [
        (0, "0.00"), (0.416, "0.42"), (7.104, "7.10"), (12.34, "12.3"), (99.96, "100"), (128.4, "128"),
        (999.6, "1.00k"), (12_345, "12.3k"),
        (4_561_000, "4.56M"),
    ])
    func shortNumbers(_ value: Double, _ text: String) {
        #expect(ProgressLine.short(value) == text)
    }

    @Test func logFilesGetALineATenthButNoFlood() {
        var throttle = ProgressThrottle()
        // A job of a second: nothing but its summary.
        #expect((1...100).filter { throttle.shouldPrint(line($0 * 10, after: 1)) }.isEmpty)

        throttle = ProgressThrottle()
        let ordinary = (1...100).filter { throttle.shouldPrint(line($0 * 10, after: $0)) }
        #expect(ordinary == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100])

        throttle = ProgressThrottle()
        let slow = (1...100).filter { throttle.shouldPrint(line($0, after: $0)) }  // the first tenth ends with 100
        #expect(slow == [30, 60, 90, 100])
    }

    @Test func barRewritesOneLineOnATerminal() {
        let written = Written()
        let bar = ProgressBar(
            title: "job", total: 4, unit: "parts",
            output: .init(
                terminal: Terminal(isInteractive: true, columns: 60, usesColour: false), write: { written.append($0) }))
        bar.update(completed: 1)
        bar.update(completed: 2)  // too soon after the first to be drawn
        bar.note("said")
        bar.update(completed: 4)
        bar.finish()
        bar.finish()
        bar.update(completed: 3)
        let text = written.text
        #expect(text.hasPrefix("\r\u{1B}[2Kjob  "))
        #expect(text.contains("\r\u{1B}[2Ksaid\njob  "))
        #expect(text.contains("\r\u{1B}[2Kjob: 4 parts in "))
        #expect(text.filter { $0 == "\n" }.count == 2)
    }

    @Test func barIsPlainInAFile() async {
        let written = Written()
        let bar = ProgressBar(
            title: "job", total: 100, unit: "parts", output: .init(terminal: .none, write: { written.append($0) }))
        await withTaskGroup { group in
            for _ in 0..<100 { group.addTask { bar.update(completed: 100) } }
        }
        bar.finish()
        // How many lines come before the last depends on how long the tasks take.
        let lines = written.text.split(separator: "\n")
        #expect(lines.last?.hasPrefix("job: 100 parts in ") == true)
        #expect(lines.allSatisfy { $0.hasPrefix("job: ") })
        #expect(!written.text.contains("\u{1B}") && !written.text.contains("\r"))
    }

    @Test func cachedTextsDoNotCountInTheRate() {
        var resumed = line(600, after: 10)
        resumed.skipped = 500
        #expect(resumed.plain == "embedding: 60% of 1000 texts, 10.0 texts/s, 40s left")
        resumed.completed = 500
        #expect(resumed.plain == "embedding: 50% of 1000 texts")
    }

    @Test func logMessagesAreNotes() {
        let written = Written()
        var logger = Logger(label: "test") { _ in NoteLogHandler(logLevel: .notice, write: written.append) }
        logger[metadataKey: "cache"] = "c.sqlite"
        logger.warning("asking again", metadata: ["reason": "503", "after": "0.5 s"])
        logger.info("not shown")
        #expect(written.text == "asking again (after: 0.5 s, cache: c.sqlite, reason: 503)")
    }
}
