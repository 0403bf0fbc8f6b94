import MafinNumerics
import MafinRetrieval
import Testing

@testable import MafinMethod

@Suite struct LambdaSweepTests {
    let rows = 23
    let columns = 150
    let ids: [String]
    let blackBox: Matrix
    let local: Matrix
    let labels: BlockLabels
    let qrels: Qrels

    init() {
        var generator = RandomGenerator(seed: 5)
        let (rows, columns) = (rows, columns)
        ids = (0..<columns).map { "d\($0 * 7 % 150)" }
        // Scores in steps of an eighth: many ties.
        func scores() -> Matrix {
            Matrix(
                rows: rows, columns: columns,
                values: (0..<rows * columns).map { _ in (generator.normal() * 8).rounded() / 8 })
        }
        var (first, second) = (scores(), scores())
        var relevant = [[Judgement]](repeating: [], count: rows)
        for row in 0..<rows where row % 7 != 3 {
            for column in Array(0..<columns).shuffled(using: &generator).prefix(1 + generator.index(below: 9)) {
                relevant[row].append(Judgement(column: column, grade: Float(1 + generator.index(below: 3))))
                first[row, column] += 1
                second[row, column] += 0.75
            }
        }
        (blackBox, local) = (first, second)
        labels = BlockLabels(relevant: relevant)
        var qrels = Qrels()
        for row in 0..<rows {
            for judgement in relevant[row] {
                qrels.insert(query: "q\(row)", document: ids[judgement.column], grade: Int(judgement.grade))
            }
        }
        self.qrels = qrels
    }

    /// Compares the sweep with whole rankings that are sorted and measured by MafinRetrieval, which is tested against
    /// trec_eval.
    @Test(arguments: ["nDCG@10", "nDCG", "Recall@10", "P@5", "MRR", "MRR@10", "MAP", "MAP@20", "Success@1", "Rprec"])
    func equalsTheEvaluationOfWholeRuns(name: String) throws {
        let metric = try Metric(parsing: name)
        let blocks = ScoreBlocks(rows: rows, rowsPerBlock: 5) { range in
            (blackBox.selecting(rows: range), local.selecting(rows: range))
        }
        let sweep = try LambdaSweep(blocks, labels: labels, documentIds: ids, metric: metric)
        #expect(sweep.points.count == 21 && sweep.metric == metric.description)
        for point in sweep.points {
            let mixed = MixtureWeights(lambda: point.lambda).mix(blackBox: blackBox, local: local)
            var run = Run()
            for row in 0..<rows {
                run.setRanking(
                    (0..<columns).map { ScoredDocument(id: ids[$0], score: mixed[row, $0]) }, for: "q\(row)")
            }
            let expected = evaluate(run, against: qrels, metrics: [metric]).means[metric] ?? .nan
            #expect(abs(point.value - expected) < 1e-12, "λ = \(point.lambda)")
        }
        #expect(sweep.points.allSatisfy { $0.value <= sweep.best.value })
        let whole = try LambdaSweep(
            ScoreBlocks(blackBox: blackBox, local: local), labels: labels, documentIds: ids, metric: metric)
        #expect(whole == sweep)
    }

    @Test func equalValuesGoToTheSmallestLambda() {
        let sweep = LambdaSweep(metric: "nDCG@10", lambdas: [1, 0.5, 0, 0.25]) { $0 == 1 ? 0.1 : 0.3 }
        #expect(sweep.best == LambdaSweep.Point(lambda: 0, value: 0.3))
        #expect(LambdaSweep.defaultLambdas.first == 0 && LambdaSweep.defaultLambdas.last == 1)
        #expect(LambdaSweep.defaultLambdas.count == 21)
    }

    @Test func badInputIsNamed() {
        var broken = local
        broken[13, 4] = .nan
        let blocks = ScoreBlocks(rows: rows, rowsPerBlock: 4) { range in
            (blackBox.selecting(rows: range), broken.selecting(rows: range))
        }
        #expect(throws: CombinationError.notFinite(source: .local, row: 13, column: 4, id: nil)) {
            try LambdaSweep(blocks, labels: labels, documentIds: ids, metric: .nDCG(cutoff: 10))
        }
        #expect(throws: CalibrationError.noLabelledRow(rows: 23)) {
            try LambdaSweep(
                ScoreBlocks(blackBox: blackBox, local: local),
                labels: BlockLabels(relevant: [[Judgement]](repeating: [], count: rows)), documentIds: ids,
                metric: .nDCG(cutoff: 10))
        }
    }
}
