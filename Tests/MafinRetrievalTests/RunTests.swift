import Foundation
import MafinRetrieval
import Testing

@Suite struct RunTests {
    @Test func tiesFollowTrecEval() {
        var run = Run()
        run.setRanking(
            [
                .init(id: "d1", score: 1), .init(id: "d10", score: 1), .init(id: "d2", score: 1),
                .init(id: "é", score: 1),
                .init(id: "Z", score: 1), .init(id: "best", score: 2), .init(id: "nan", score: .nan),
                .init(id: "last", score: -.infinity),
            ], for: "q")
        #expect(run["q"]?.map(\.id) == ["best", "é", "d2", "d10", "d1", "Z", "last", "nan"])
        #expect(run["other"] == nil)
    }

    @Test func filesComeBackAsTheyWere() throws {
        try withFiles([:] as [String: String]) { folder in
            let file = folder.appendingPathComponent("run.trec")
            var run = Run()
            run.setRanking(
                [.init(id: "b", score: 0.1), .init(id: "a", score: 1e-30), .init(id: "c", score: -12.5)], for: "q2")
            run.setRanking([.init(id: "x", score: .pi)], for: "q1")
            try run.write(to: file, tag: "test")
            let text = try String(contentsOf: file, encoding: .utf8)
            #expect(text.hasPrefix("q2 Q0 b 1 0.1 test\nq2 Q0 a 2 1e-30 test\nq2 Q0 c 3 -12.5 test\n"))
            #expect(try Run(contentsOf: file) == run)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["run.trec"])

            run.setRanking([.init(id: "two words", score: 1)], for: "q3")
            #expect(throws: RetrievalError.unwritableIdentifier(identifier: "two words")) { try run.write(to: file) }
            #expect(try String(contentsOf: file, encoding: .utf8) == text)
        }
    }

    @Test func runsAreOrderedByScoreNotByRank() throws {
        try withFiles(["run": "q 0 low 1 0.5 t\n\nq\tQ0\thigh\t2\t7e-1\tt\r\n"]) { folder in
            let run = try Run(contentsOf: folder.appendingPathComponent("run"))
            #expect(run["q"]?.map(\.id) == ["high", "low"])
        }
    }

    @Test(arguments: [
        ("q Q0 d 1 0.5\n", "run:1: expected query, Q0, document, rank, score and tag, found \"q Q0 d 1 0.5\""),
        ("q Q0 d 1 high t\n", "run:1: a score must be a finite number, found \"high\""),
        ("q Q0 d 1 nan t\n", "run:1: a score must be a finite number, found \"nan\""),
        (
            "q Q0 d 1 2 t\np Q0 d 1 2 t\nq Q0 d 2 1 t\n",
            "run:3: query \"q\" and document \"d\" were already paired at line 1"
        ),
    ])
    func badLinesAreNamed(text: String, message: String) throws {
        try withFiles(["run": text]) { folder in
            #expect(
                errorMessage(in: folder) { _ = try Run(contentsOf: folder.appendingPathComponent("run")) } == message)
        }
    }
}
