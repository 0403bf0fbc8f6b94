import Foundation
import MafinReport
import MafinRetrieval
import Testing

@Suite struct EvaluationSummaryTests {
    /// As `mafin evaluate --json` prints it. So the field names that scripts rely on are tested, too.
    private static let json = """
        {"split": "test", "baseline": "black-box", "queries": 323, "queriesWithoutRelevantDocument": 2, "systems": [
          {"name": "bm25", "metrics": {"nDCG@10": 0.3101, "Recall@100": 0.2500, "Success@1": 0.4},
           "difference": {"nDCG@10": {"mean": -0.0190, "low": -0.0350, "high": -0.0030, "p": 0.021, "pHolm": 0.042},
                          "Recall@100": {"mean": -0.0840, "low": -0.1, "high": -0.07, "p": 0.0001, "pHolm": 0.0002},
                          "Success@1": {"mean": 0.0, "low": 0.0, "high": 0.0, "p": 1, "pHolm": 1}}},
          {"name": "black-box", "metrics": {"nDCG@10": 0.3291, "Recall@100": 0.3340, "Success@1": 0.4}},
          {"name": "lambda-mafin", "metrics": {"nDCG@10": 0.3752, "Recall@100": 0.3341, "Success@1": 1.0},
           "difference": {"nDCG@10": {"mean": 0.0461, "low": 0.0309, "high": 0.0612, "p": 0.0001, "pHolm": 0.0003},
                          "Recall@100": {"mean": 0.0001, "low": -0.0101, "high": 0.0102, "p": 0.03, "pHolm": 0.06},
                          "Success@1": {"mean": 0.6, "low": 0.5, "high": 0.7, "p": 0.0001, "pHolm": 0.0002}}}
        ]}
        """

    private func summary() throws -> EvaluationSummary {
        EvaluationSummary(try JSONDecoder().decode(EvaluationReport.self, from: Data(Self.json.utf8)))
    }

    @Test func metricsStandInTheOrderOfTheStandardTable() throws {
        #expect(try summary().metrics.map(\.description) == ["nDCG@10", "Recall@100", "Success@1"])
    }

    @Test func text() throws {
        #expect(
            try summary().text() == """
                test split, 323 queries; differences are to black-box; 2 queries without a relevant document are left out

                system            nDCG@10   Recall@100    Success@1
                ────────────  ───────────  ───────────  ───────────
                bm25               .310 ▼       .250 ▼       .400
                              -.035…-.003  -.100…-.070  ±.000…±.000
                black-box          .329         .334         .400
                lambda-mafin       .375 ▲       .334        1.000 ▲
                              +.031…+.061  -.010…+.010  +.500…+.700

                ▲ better, ▼ worse than black-box (paired randomization test,
                p < .05 after Holm's correction for 2 systems).
                Below each mean: 95 % paired-bootstrap interval of the difference, uncorrected.

                nDCG@10       difference  95 % interval      p  p (Holm)  in words
                ────────────  ──────────  ─────────────  ─────  ────────  ────────
                bm25               -.019    -.035…-.003   .021      .042  worse
                lambda-mafin       +.046    +.031…+.061  <.001     <.001  better

                """)
    }

    @Test func markdown() throws {
        let lines = try summary().markdown().split(separator: "\n")
        #expect(lines[1] == "| system | nDCG@10 | Recall@100 | Success@1 |")
        #expect(lines[2] == "|---|---:|---:|---:|")
        #expect(lines[4] == "| `black-box` | .329 | .334 | .400 |")
        #expect(
            lines[5].hasPrefix(
                "| `lambda-mafin` | **.375** ▲<br>+.046 [+.031, +.061]<br>p <.001 | .334<br>±.000 [-.010, +.010]<br>p .060 |"
            ))
    }

    @Test func findingsFollowTheCorrectedProbability() throws {
        let summary = try summary()
        func finding(_ system: Int, _ metric: String) throws -> EvaluationSummary.Finding {
            let difference = summary.report.systems[system].difference
            return summary.finding(try #require(difference?[try Metric(parsing: metric)]))
        }
        #expect(try finding(0, "nDCG@10") == .worse)
        #expect(try finding(0, "Success@1") == .same)
        #expect(try finding(2, "nDCG@10") == .better)
        // p = .03 would be significant alone; after the correction for two systems it is not.
        #expect(try finding(2, "Recall@100") == .notShown)
    }

    @Test func aReportOfTheBaselineAloneHasNoComparisons() throws {
        var report = try summary().report
        report.systems.removeAll { $0.difference != nil }
        let text = EvaluationSummary(report).text()
        #expect(text.contains("black-box") && !text.contains("▲") && !text.contains("in words"))
    }

    @Test func theStandardTableFitsATerminal() throws {
        var report = try summary().report
        let difference = try #require(report.systems[0].difference?.values.first)
        for index in report.systems.indices {
            report.systems[index].metrics = Dictionary(uniqueKeysWithValues: Metric.standard.map { ($0, 1.0) })
            if report.systems[index].difference != nil {
                report.systems[index].difference = Dictionary(
                    uniqueKeysWithValues: Metric.standard.map { ($0, difference) })
            }
        }
        for line in EvaluationSummary(report).text().split(separator: "\n").dropFirst() {
            #expect(String(line).displayWidth <= 80)
        }
    }
}
