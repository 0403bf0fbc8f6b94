import ArgumentParser
import BenchSupport
import Mafin
import MafinNumerics

/// The time of each loss over lists of a whole corpus, and of fitting the scale on a development set. Prints Markdown tables.
@main
struct BenchLosses: ParsableCommand {
    @Option(help: "Queries of a block of logits.") var queries = 64
    @Option(help: "Documents of a block of logits.") var documents = 100_000
    @Option(help: "Development queries.") var devQueries = 324
    @Option(help: "Documents that each development query is compared with.") var devDocuments = 3_395

    func run() throws {
        var random = RandomGenerator(seed: 15)
        func scores(_ rows: Int, _ columns: Int, spread: Float) -> Matrix {
            Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in spread * random.normal() })
        }
        func labels(_ rows: Int, _ columns: Int) -> BlockLabels {
            BlockLabels(
                relevant: (0..<rows).map { _ in
                    Set((0..<20).map { _ in random.index(below: columns) }).sorted().map {
                        Judgement(column: $0, grade: Float(1 + $0 % 2))
                    }
                })
        }
        let logits = scores(queries, documents, spread: 5)
        let relevant = labels(queries, documents)
        let losses: [any Loss] = [
            InfoNCE(), ListNet(), ListNet(target: .softmax(temperature: 0.5)), ListMLE(), HybridLoss(),
        ]
        print("| loss of \(queries) × \(documents) logits | best of 5, ms |\n|---|---|")
        for loss in losses {
            let best = (0..<5).map { _ in Lap { _ = loss.evaluate(logits: logits, labels: relevant) }.wall }.min() ?? 0
            print(
                "| \(loss.summary.name) \(loss.summary.options["target"] ?? "") | \((best * 10_000).rounded() / 10) |")
        }

        var (blackBox, local) = (
            scores(devQueries, devDocuments, spread: 0.1), scores(devQueries, devDocuments, spread: 0.1)
        )
        let judged = labels(devQueries, devDocuments)
        for (row, judgements) in judged.relevant.enumerated() {
            for judgement in judgements {
                blackBox[row, judgement.column] += 0.1
                local[row, judgement.column] += 0.15
            }
        }
        var passes = 0
        let lap = try Lap { passes = try Calibration.fit(blackBox: blackBox, local: local, labels: judged).passes }
        print(
            "\nScale fitted on \(devQueries) × \(devDocuments) scores: \((lap.wall * 10_000).rounded() / 10) ms, \(passes) passes"
        )
    }
}
