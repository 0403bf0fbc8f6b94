import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinComparison
@testable import MafinMethod

@Suite struct NudgeTests {
    private func problem(_ golden: RivalGoldens.Nudge) throws -> (VectorSystem, RivalData) {
        let (documents, queries) = (golden.documents.count / golden.width, golden.queries.count / golden.width)
        return (
            VectorSystem(
                queries: Matrix(rows: queries, columns: golden.width, values: golden.queries),
                documents: Matrix(rows: documents, columns: golden.width, values: golden.documents)),
            try RivalData(
                labels: golden.answers.map { $0.map { Judgement(column: $0) } }, documentCount: documents,
                trainQueries: Array(0..<golden.trainQueries), devQueries: Array(golden.trainQueries..<queries))
        )
    }

    @Test func vectorsOfTheAuthorsPackage() throws {
        for golden in try Goldens.read("rivals.json", as: RivalGoldens.self).nudge {
            let (base, data) = try problem(golden)
            for (rival, expected) in [(NudgeN(base) as any Rival, golden.nudgeN), (NudgeM(base), golden.nudgeM)] {
                let fitted = try rival.fit(to: data)
                let source = try #require(fitted.sum?.sources.first as? MovedDocuments)
                let moved = source.vectors(
                    of: SourceDocuments(ids: data.documents.ids, blackBox: try base.normalized().documents))
                #expect(relativeDifference(moved.values, from: expected) < 5e-6, "\(rival.name): \(fitted.choices)")
                #expect(relativeDifference(moved.values, from: golden.documents) > 0.05, "nothing has moved")
            }
        }
    }

    private func paths(_ world: RivalFixture.World) -> GreatCirclePaths {
        GreatCirclePaths(world.data.index.trainQueries, labels: world.labels, base: world.system)
    }

    private func documents(_ paths: GreatCirclePaths, step: Double, _ world: RivalFixture.World) -> Matrix {
        let documents = world.data.documents
        return paths.source(step: step, ids: documents.ids, name: SourceName(rawValue: "moved")).vectors(of: documents)
    }

    /// Of all vectors within the bound, the closed form gives the largest sum of scores.
    @Test func noOtherVectorIsBetter() throws {
        let world = try RivalFixture.world()
        let paths = paths(world)
        let sums = QuerySums(
            world.data.index.trainQueries, labels: world.labels, queryVectors: world.system.queries)
        var generator = RandomGenerator(seed: 4)
        for step in [0.02, 0.3, 1] {
            let moved = documents(paths, step: step, world)
            for document in paths.moved {
                let row = try #require(sums.documents.firstIndex(of: document))
                func gain(_ vector: [Float]) -> Float { zip(vector, sums.rows.row(row)).reduce(0) { $0 + $1.0 * $1.1 } }
                func distance(_ vector: [Float]) -> Float {
                    zip(vector, world.system.documents.row(document)).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
                }
                let found = Array(moved.row(document))
                #expect(distance(found) <= Float(step) + 1e-5)
                #expect(abs(found.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
                for _ in 0..<20 {
                    // Other unit vectors nearby that keep the bound.
                    let noise = found.map { $0 + 0.1 * generator.normal() }
                    let norm = noise.reduce(0) { $0 + $1 * $1 }.squareRoot()
                    let other = noise.map { $0 / norm }
                    if distance(other) <= Float(step) { #expect(gain(other) <= gain(found) + 1e-4) }
                }
            }
        }
    }

    @Test func scoresWithoutVectorsAreThoseOfTheVectors() throws {
        let world = try RivalFixture.world()
        let paths = paths(world)
        let queries = world.system.queries.selecting(rows: world.testQueries)
        for step in [0, 0.1, 0.5, 2] {
            let scores = paths.scores(
                world.system.scores(queries: world.testQueries),
                along: Matrix.multiply(queries, transposed: paths.tangents), step: step)
            let direct = Matrix.multiply(queries, transposed: documents(paths, step: step, world))
            #expect(largestDifference(scores.values, direct.values) < 1e-5)
        }
        #expect(differingElements(documents(paths, step: 0, world).values, world.system.documents.values) == 0)
    }

    @Test func developmentFigureIsThatOfTheRanking() throws {
        let world = try RivalFixture.world()
        let metric = try NudgeN(world.system, criterion: nil).fit(to: world.data)
        for fitted in [
            metric, try NudgeN(world.system).fit(to: world.data), try NudgeM(world.system).fit(to: world.data),
        ] {
            let figure = try RivalFixture.figure(
                fitted.system, queries: world.data.index.devQueries, labels: world.labels)
            #expect(abs(fitted.developmentKnown - figure) < 1e-12)
            // By the metric that chose it, no other step is better.
            #expect(metric.developmentKnown >= fitted.developmentKnown || fitted.name == "nudge-m")
        }
        let before = try RivalFixture.figure(world.system, queries: world.testQueries, labels: world.labels)
        let after = try RivalFixture.figure(metric.system, queries: world.testQueries, labels: world.labels)
        #expect(after > before + 0.02)
    }

    /// The answers of a development query have the vectors that they would have without labels, and all others moved.
    @Test func newDocumentsAreThoseThatNoLabelHasMoved() throws {
        let world = try RivalFixture.world()
        var data = world.data
        data.newAnswers = 1
        let fits = [try NudgeN(world.system, criterion: nil).fit(to: data), try NudgeM(world.system).fit(to: data)]
        #expect(fits[0].developmentNew < fits[0].developmentKnown)
        for fitted in fits {
            let dev = data.index.devQueries
            var new = 0.0
            for query in dev {
                var scores = Array(try fitted.system.scores(queries: [query]).values)
                let answers = world.labels[query]
                for answer in answers {
                    scores[answer.column] = world.system.scores(queries: [query])[0, answer.column]
                }
                new += RivalFixture.figure(scores, answers) / Double(dev.count)
            }
            #expect(abs(fitted.developmentNew - new) < 1e-9)
            let mean = 0.75 * fitted.developmentKnown + 0.25 * fitted.developmentNew
            #expect(abs(fitted.development - mean) < 1e-12)
        }
    }

    @Test func stepsOfTheIntervals() {
        #expect(NudgeM.mostCovered([]) == 0)
        #expect(NudgeM.mostCovered([0...1]) == 0)
        #expect(NudgeM.mostCovered([0...2, 1...3, 5...9]) == 1)
        // One ends where the other begins.
        #expect(NudgeM.mostCovered([0...1, 1...3]) == 0)
        // An answer that is overtaken, one that overtakes, and one that cannot overtake.
        let interval = NudgeM.interval(of: 0, scores: [0.5, 0.6, 0.1], slopes: [0.4, 0.2, 0.8])
        #expect(abs((interval?.lowerBound ?? 0) - 0.5) < 1e-5 && abs((interval?.upperBound ?? 0) - 1) < 1e-5)
        #expect(NudgeM.interval(of: 0, scores: [0.5, 0.6], slopes: [0.3, 0.3]) == nil)
        #expect(NudgeM.interval(of: 0, scores: [0.5, 0.9, 0.4], slopes: [0.3, 0.2, 0.9]) == nil)
    }
}
