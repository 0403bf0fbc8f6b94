import Foundation
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinComparison
@testable import MafinMethod
@testable import MafinPipeline

@Suite struct FusionTests {
    /// A second system: the labels with noise.
    private func hints(_ world: RivalFixture.World, noise: Float = 0.6, seed: UInt64 = 5) -> ScoreFunction {
        var generator = RandomGenerator(seed: seed)
        let (rows, columns) = (world.labels.count, world.system.documentCount)
        var scores = Matrix(
            rows: rows, columns: columns, values: (0..<rows * columns).map { _ in noise * generator.normal() })
        for (row, judgements) in world.labels.enumerated() {
            for judgement in judgements { scores[row, judgement.column] += judgement.grade }
        }
        let all = scores
        return ScoreFunction(documentCount: columns) { all.selecting(rows: $0) }
    }

    /// The fusion of one query in double precision.
    private func fused(
        _ a: ArraySlice<Float>, _ b: ArraySlice<Float>, weight: Double, _ normalization: ScoreNormalization
    )
        -> [Double]
    {
        func normalized(_ scores: ArraySlice<Float>) -> [Double] {
            let values = scores.map(Double.init)
            switch normalization {
            case .minMax:
                let (least, greatest) = (values.min() ?? 0, values.max() ?? 0)
                return values.map { ($0 - least) / (greatest - least) }
            case .zScore:
                let mean = values.reduce(0, +) / Double(values.count)
                let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
                return values.map { ($0 - mean) / variance.squareRoot() }
            }
        }
        return zip(normalized(a), normalized(b)).map { (1 - weight) * $0 + weight * $1 }
    }

    @Test(arguments: ScoreNormalization.allCases)
    func sumsOfNormalizedScores(normalization: ScoreNormalization) throws {
        let world = try RivalFixture.world()
        let other = hints(world)
        let fusion = WeightedFusion(
            [.init("a", world.system, weight: 0.7), .init("b", other, weight: 0.3)], normalization: normalization)
        let rows = [3, 90, 11]
        let found = try fusion.scores(queries: rows)
        let (a, b) = (world.system.scores(queries: rows), try other.scores(queries: rows))
        for row in rows.indices {
            let expected = fused(a.row(row), b.row(row), weight: 0.3, normalization)
            #expect(largestDifference(found.row(row), expected) < 2e-6)
        }
    }

    @Test func theBestWeightOnDevIsFound() throws {
        let world = try RivalFixture.world()
        let other = hints(world, noise: 1)
        let fitted = try ConvexFusion(("a", world.system), ("b", other), name: "fusion").fit(to: world.data)
        let dev = world.data.index.devQueries
        var best = 0.0
        for normalization in ScoreNormalization.allCases {
            for weight in ConvexFusion.standardWeights {
                let fusion = WeightedFusion(
                    [.init("a", world.system, weight: 1 - weight), .init("b", other, weight: weight)],
                    normalization: normalization)
                best = max(best, try RivalFixture.figure(fusion, queries: dev, labels: world.labels))
            }
        }
        #expect(abs(fitted.development - best) < 1e-9)
        #expect(abs(try RivalFixture.figure(fitted.system, queries: dev, labels: world.labels) - best) < 1e-9)
        #expect(best > (try world.data.development(of: world.system)))
        // A second system without information gets no weight.
        let silent = ScoreFunction(documentCount: world.system.documentCount) { rows in
            Matrix(rows: rows.count, columns: world.system.documentCount)
        }
        let alone = try ConvexFusion(("a", world.system), ("b", silent), name: "fusion").fit(to: world.data)
        #expect(alone.choices["weight"] == .number(0))
    }

    @Test func reciprocalRanksAreThoseOfRuns() throws {
        let world = try RivalFixture.world()
        let other = hints(world)
        let systems: [any RankingSystem] = [world.system, other]
        let found = try ReciprocalRankFusion(systems).scores(queries: world.testQueries)
        func name(_ number: Int) -> String { String(format: "%05d", 99_999 - number) }
        let runs = try systems.map { system in
            // All but the last, which the systems leave out as "no match".
            Run(
                try system.rankings(queries: world.testQueries, count: system.documentCount - 1),
                queryIds: world.testQueries.map(name), documentIds: (0..<system.documentCount).map(name))
        }
        let run = Run(reciprocalRankFusion: runs)
        for (row, query) in world.testQueries.enumerated() {
            for document in run[name(query)] ?? [] {
                let column = 99_999 - (Int(document.id) ?? 0)
                #expect(abs(found[row, column] - document.score) < 1e-6)
            }
        }
        // A document that shares no term is in no list.
        let matching = ScoreFunction(documentCount: 4) { rows in
            Matrix(rows: rows.count, columns: 4, values: rows.flatMap { _ in [0, 2, 0, 1] as [Float] })
        }
        let scores = try ReciprocalRankFusion([matching]).scores(queries: [0])
        #expect(scores.values == [0, 1 / 61, 0, 1 / 62])
    }

    @Test func compositionsKeepWhatHelps() throws {
        let world = try RivalFixture.world()
        let parts: [(name: String, system: any RankingSystem)] = [
            ("vectors", world.system), ("hints", hints(world, noise: 1)), ("others", hints(world, noise: 1.2, seed: 9)),
            ("noise", hints(world, noise: 1_000, seed: 7)),
        ]
        var composition = Composition(parts)
        composition.depth = 30
        let fitted = try composition.fit(to: world.data)
        let dev = world.data.index.devQueries
        let figure = try RivalFixture.figure(fitted.system, queries: dev, labels: world.labels)
        // Cross-validated, so below what the weights reach on the queries that chose them.
        #expect(fitted.development < figure && fitted.development > figure - 0.1, "\(fitted.development), \(figure)")
        for (name, system) in parts {
            #expect(figure > (try world.data.development(of: system)) + 0.005, "\(name)")
        }
        guard case .record(let weights) = fitted.choices["weights"] else {
            Issue.record("no weights")
            return
        }
        #expect(weights["hints"] != nil && weights["others"] != nil)
        // Truncated lists lead to the same choice as whole lists.
        composition.depth = 60
        #expect(try composition.fit(to: world.data).choices == fitted.choices)
    }

    /// The value on dev must not be too high because of the many choices.
    @Test func valueOfACompositionIsThatOnOtherQueries() throws {
        let world = try RivalFixture.world(queries: 240)
        let noise = (0..<12).map { ("hints \($0)", hints(world, noise: 1.2, seed: UInt64($0 + 1))) }
        var (inSample, stated, onOthers) = (0.0, 0.0, 0.0)
        for draw in 0..<6 {
            // Few queries to choose on, and many to measure the choice.
            let dev = Array(world.testQueries[(10 * draw)..<(10 * draw + 10)])
            let others = world.testQueries.filter { !dev.contains($0) }
            let data = try RivalData(
                labels: world.labels, documentCount: world.data.index.documentCount,
                trainQueries: world.data.index.trainQueries, devQueries: dev)
            let fitted = try Composition(noise).fit(to: data)
            inSample += try RivalFixture.figure(fitted.system, queries: dev, labels: world.labels) / 6
            stated += fitted.development / 6
            onOthers += try RivalFixture.figure(fitted.system, queries: others, labels: world.labels) / 6
        }
        #expect(stated < inSample - 0.01, "\(stated), \(inSample)")
        // Weights averaged over five choices are better than each of them, so the cross-validated value is
        // conservative.
        #expect(stated < onOthers + 0.01, "\(stated), on others \(onOthers)")
    }

    @Test func standardRivalsAreFitAndDiffer() throws {
        let world = try RivalFixture.world()
        let texts = world.data.documents.texts
        let lexical = try SourceSystem(
            LexicalSource(BM25Weighting(LexicalStatistics(of: InvertedIndex(texts: texts)))),
            queries: world.data.queries, documents: world.data.documents)
        let rivals = StandardRivals(
            blackBox: world.system, lexical: lexical, joined: .init(vectors: world.system, local: world.system)
        ).rivals
        #expect(Set(rivals.map(\.name)).count == rivals.count && rivals.count == 14)
        for rival in rivals {
            #expect(ComparedSystem.named(rival.name) != nil, "\(rival.name)")
            guard !(rival is AdapterRival) else { continue }
            let fitted = try rival.fit(to: world.data)
            #expect(fitted.name == rival.name)
            let mean = 0.75 * fitted.developmentKnown + 0.25 * fitted.developmentNew
            #expect(abs(fitted.development - mean) < 1e-12, "\(rival.name)")
            // Everything but per-query normalisation is a sum of sources.
            let isSum = !["rrf", "convex", "stepwise"].contains { rival.name.hasSuffix($0) }
            #expect((fitted.sum != nil) == isSum, "\(rival.name)")
        }
        #expect(StandardRivals(blackBox: world.system).rivals.count == 8)
    }

    @Test func dataWithoutDevelopmentQueriesIsRefused() {
        #expect(throws: TrainingError.self) {
            try RivalData(labels: [[Judgement(column: 0)]], documentCount: 1, trainQueries: [0], devQueries: [])
        }
    }
}
