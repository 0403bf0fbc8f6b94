import Foundation
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinComparison
@testable import MafinPipeline

/// Sums of sources whose weights are fitted to labels that the sources have not seen.
@Suite struct SourceFitTests {
    private static func blackBox(_ data: RivalData) -> BlackBoxVectorSource {
        BlackBoxVectorSource(dimension: data.blackBox.documents.columns)
    }

    private static func words(_ data: RivalData) -> LexicalSource {
        LexicalSource(BM25Weighting(LexicalStatistics(of: InvertedIndex(texts: data.documents.texts))))
    }

    private static func never() -> Bool { false }

    private static let memory = RememberedQueries(width: 0.8, name: "query-memory")

    /// The formula of a query memory in double precision.
    private static func scores(_ memory: QueryMemory, _ world: RivalFixture.World, query: Int) -> [Double] {
        let ids = world.data.documents.ids
        var sums = [Double](repeating: 0, count: ids.count)
        for (known, answers) in memory.known.answers.enumerated() {
            let cosine = zip(world.system.queries.row(query), memory.known.queries.row(known))
                .reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            for answer in answers {
                guard let column = ids.firstIndex(of: answer) else { continue }
                sums[column] += exp((cosine - 1) / Double(memory.bandwidth)) / Double(answers.count).squareRoot()
            }
        }
        let norm = sums.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return sums.map { $0 / (norm + exp((Double(memory.reach) - 1) / Double(memory.bandwidth))) }
    }

    @Test func scoresOfManyQueriesAreThoseOfTheFormulaAndOfTheIndex() throws {
        let world = try RivalFixture.world(documents: 20, queries: 30)
        let data = world.data
        let rows = Dictionary(uniqueKeysWithValues: data.documents.ids.enumerated().map { ($1, $0) })
        let asked = [25, 2]
        for recipe in [Self.memory, RememberedByMoving()] as [any RememberingSource] {
            let source = try recipe.source(rememberingLabelsOf: data.index.trainQueries, in: data)
            #expect(source.name == recipe.name)
            let found = try BatchScorer(source, documents: data.documents, rows: rows)
                .scores(data.queries.selecting(rows: asked))
            let index = try SourceSystem(source, queries: data.queries, documents: data.documents)
            #expect(largestDifference(found.values, index.scores(queries: asked).values) < 1e-5)
            guard let memory = source as? QueryMemory else { continue }
            for (row, query) in asked.enumerated() {
                let expected = Self.scores(memory, world, query: query)
                #expect(largestDifference(found.row(row), expected) < 1e-5)
            }
        }
        // Nothing to remember.
        let empty = Self.memory.source(rememberingLabelsOf: [], in: data)
        let silent = try BatchScorer(empty, documents: data.documents, rows: rows).scores(data.queries)
        #expect(silent.rows == 30 && silent.values.allSatisfy { $0 == 0 })
    }

    /// Each query against a memory of the other folds, once as it is and once without its own answers.
    @Test func heldOutQueriesAreMeasuredTwice() throws {
        let world = try RivalFixture.world(documents: 30, queries: 60)
        var data = world.data
        data.newAnswers = 1
        let labelled = data.labelledQueries
        let held = try HeldOutScores(
            [Self.blackBox(data)], remembering: [Self.memory, RememberedByMoving()], data: data,
            queries: labelled, isCancelled: Self.never)
        #expect(held.folds.count == 5 && held.queries.sorted() == labelled && held.names.count == 3)
        let weights = [1, 0.3, 0.5]
        let values = try held.values(weights: held.folds.map { _ in weights }, isCancelled: Self.never)
        let sureness = try held.sureness(
            of: Set(labelled), weights: held.folds.map { _ in weights }, isCancelled: Self.never)
        for (position, query) in held.queries.enumerated() {
            let fold = try #require(held.folds.firstIndex { $0.contains(query) })
            let others = labelled.filter { !held.folds[fold].contains($0) }
            let memory = try #require(Self.memory.source(rememberingLabelsOf: others, in: data) as? QueryMemory)
            let remembered = Self.scores(memory, world, query: query)
            let moved = RememberedByMoving().source(rememberingLabelsOf: others, in: data)
            let system = try SourceSystem(moved, queries: data.queries, documents: data.documents)
            let (still, shifted) = (world.system.scores(queries: [query]), system.scores(queries: [query]))
            let known = (0..<30).map { Float(Double(still[0, $0]) + 0.3 * remembered[$0]) + 0.5 * shifted[0, $0] }
            let exponentials = known.map { exp(Double($0)) }
            let probability = (exponentials.max() ?? 0) / exponentials.reduce(0, +)
            #expect(abs(sureness[position] - probability) < 1e-5, "as sure as sums without the query's labels")
            var new = known
            for answer in world.labels[query] { new[answer.column] = 1.5 * still[0, answer.column] }
            #expect(abs(values.known[position] - RivalFixture.figure(known, world.labels[query])) < 1e-9)
            #expect(abs(values.new[position] - RivalFixture.figure(new, world.labels[query])) < 1e-9)
        }
        #expect(values.known.reduce(0, +) > values.new.reduce(0, +) + 1)
        // Without sources that remember both are the same.
        let alone = try held.values(weights: held.folds.map { _ in [1, 0, 0] }, isCancelled: Self.never)
        #expect(alone.known == alone.new)
    }

    @Test func aShareOfTheAnswersIsNew() throws {
        let world = try RivalFixture.world()
        var data = world.data
        func counts() -> [Int: Set<Int>] {
            Dictionary(grouping: data.labelledQueries) { world.labels[$0].count }
                .mapValues { Set($0.map { data.newAnswers(of: $0).count }) }
        }
        #expect(counts() == [1: [1], 2: [1], 3: [2], 4: [2]])
        for query in data.labelledQueries {
            let new = Set(data.newAnswers(of: query).map(\.column))
            #expect(new.isSubset(of: world.labels[query].map(\.column)))
        }
        data.newAnswers = 1
        #expect(counts() == [1: [1], 2: [2], 3: [3], 4: [4]])
    }

    @Test func queriesOfOneTextStayInOneFold() throws {
        let world = try RivalFixture.world(queries: 60)
        let index = world.data.index
        let identities = (0..<60).map { $0 < 20 ? $0 / 4 : $0 }
        let data = try RivalData(
            index: TrainingIndex(
                labels: world.labels, trainQueries: index.trainQueries, devQueries: index.devQueries,
                queryLengths: index.queryLengths, documentLengths: index.documentLengths,
                queryIdentities: identities), queries: world.data.queries, documents: world.data.documents)
        let held = try HeldOutScores(
            [Self.blackBox(data)], remembering: [], data: data, queries: data.labelledQueries, isCancelled: Self.never)
        for identity in Set(identities) {
            #expect(held.folds.count { $0.contains { identities[$0] == identity } } <= 1)
        }
    }

    @Test func weightsAreThoseOfTheLikelihood() throws {
        let world = try RivalFixture.world()
        let data = world.data
        let (blackBox, words) = (Self.blackBox(data), Self.words(data))
        var fit = SourceFit([blackBox, words], name: "sum")
        fit.adjustsToMetric = false
        let fitted = try fit.fit(to: data)
        let labelled = data.labelledQueries
        let lexical = try SourceSystem(words, queries: data.queries, documents: data.documents)
        let scores = [world.system.scores(queries: labelled), lexical.scores(queries: labelled)]
        let labels = BlockLabels(relevant: labelled.map { world.labels[$0] })
        let expected = try WeightFit.fit(
            ScoreBlocks(sources: [.blackBox, .bm25], ScoreBlock(scores)), labels: labels)
        let sum = try #require(fitted.sum)
        #expect(sum.weights.sources == [.blackBox, .bm25])
        for (mine, theirs) in zip(sum.weights.values, expected.weights) {
            #expect(abs(Double(mine) - theirs) < 1e-4 * theirs)
        }
        #expect(fitted.choices["fittedQueries"] == .integer(Int64(labelled.count)))
        #expect(fitted.developmentKnown == fitted.developmentNew && fitted.development == fitted.developmentKnown)
        // The value on dev is cross-fitted, and close to that of the weights of all queries.
        #expect(abs(fitted.development - (try data.development(of: sum))) < 0.02)
        let direct = zip(scores[0].values, scores[1].values).map {
            sum.weights.values[0] * $0 + sum.weights.values[1] * $1
        }
        #expect(largestDifference(sum.scores(queries: labelled).values, direct) < 1e-3)
    }

    @Test func trainedSourcesAreFittedOnDevAlone() throws {
        let world = try RivalFixture.world()
        let data = world.data
        // What a source says of a training query changes nothing.
        var changed = world.system.queries
        for row in data.index.trainQueries {
            for column in 0..<changed.columns { changed[row, column] = column == 0 ? 1 : 0 }
        }
        func weights(_ queries: Matrix) throws -> SourceWeights {
            let local = VectorSystem(queries: queries, documents: world.system.documents)
            let fit = SourceFit(
                [LocalVectorSource(dimension: queries.columns), Self.words(data)], local: local,
                learned: [.local], name: "sum")
            let fitted = try fit.fit(to: data)
            #expect(fitted.choices["fittedQueries"] == .integer(Int64(data.index.devQueries.count)))
            return try #require(fitted.sum?.weights)
        }
        #expect(try weights(changed) == weights(world.system.queries))
    }

    /// Beside sources that remember, a trained encoder adds one weight, and the others keep the proportions of the sum without it.
    @Test(arguments: [true, false]) func otherSourcesKeepTheirProportions(isUseful: Bool) throws {
        let data = try RivalFixture.world(queries: 160).data
        let others = [Self.blackBox(data), Self.words(data)] as [any ScoreSource]
        let alone = try SourceFit(others, remembering: [Self.memory], name: "sum").fit(to: data)
        let expected = try #require(alone.sum).weights
        // A useful encoder's queries lie near their answers.
        var generator = RandomGenerator(seed: 11)
        func random(_ rows: Int) -> Matrix {
            Matrix(rows: rows, columns: 12, values: (0..<rows * 12).map { _ in generator.normal() })
        }
        let documents = random(data.documents.count).normalizedRows().matrix
        var queries = random(data.queries.count)
        for query in 0..<queries.rows where isUseful {
            for answer in data.index.labels[query] {
                for column in 0..<12 { queries[query, column] += 6 * documents[answer.column, column] }
            }
        }
        let local = VectorSystem(queries: queries.normalizedRows().matrix, documents: documents)
        var fit = SourceFit(
            others + [LocalVectorSource(dimension: 12)], remembering: [Self.memory], local: local, learned: [.local],
            name: "sum")
        let fitted = try fit.fit(to: data)
        let weights = try #require(fitted.sum).weights
        #expect((weights[.local] > 0) == isUseful)
        for source in expected.sources where expected[source] > 0 {
            let ratio = weights[source] / weights[expected.sources[0]]
            #expect(abs(ratio - expected[source] / expected[expected.sources[0]]) < 1e-5 * ratio, "\(source)")
        }
        if isUseful { #expect(fitted.development > alone.development + 0.05) }
        // The sum without the encoder need not be fitted again.
        fit.proportions = expected
        #expect(try fit.fit(to: data).sum?.weights == weights)
    }

    /// Lists of the best of each source, so long that they hold all documents, are the whole corpus.
    @Test func listsOfTheBestLeadToTheSameWeights() throws {
        let world = try RivalFixture.world()
        let data = world.data
        let held = try HeldOutScores(
            [Self.blackBox(data), Self.words(data)],
            remembering: [Self.memory, RememberedByMoving()], data: data,
            queries: data.labelledQueries, isCancelled: Self.never)
        func weights(fullCandidates: Int, depth: Int) throws -> [Double] {
            try SourceProblem(
                held, queries: held.folds, fullCandidates: fullCandidates, depth: depth, isCancelled: Self.never
            ).weights(of: [0, 1, 2, 3], newDocuments: 0.25)
        }
        let full = try weights(fullCandidates: 60, depth: 5)
        for (mine, theirs) in zip(try weights(fullCandidates: 0, depth: 60), full) {
            #expect(abs(mine - theirs) < 1e-6 * max(1, theirs))
        }
        #expect(try weights(fullCandidates: 0, depth: 5) != full)
    }

    /// Too large a weight of noise is made smaller. Weights that are as good as their neighbours stay.
    @Test func weightsAreAdjustedToTheMetric() throws {
        let world = try RivalFixture.world(queries: 160)
        let data = world.data
        var random = Adapter(shape: .linear, dimension: world.system.queries.columns, seed: 1)
        var generator = RandomGenerator(seed: 4)
        random.weights = random.weights.map { _ in 20 * generator.normal() }
        let noise = AdapterSource(random, mapsDocuments: false, name: SourceName(rawValue: "noise"))
        let held = try HeldOutScores(
            [Self.blackBox(data), noise], remembering: [], data: data, queries: data.labelledQueries,
            isCancelled: Self.never)
        let problem = try SourceProblem(held, queries: held.folds, isCancelled: Self.never)
        func factors(_ weight: Double) throws -> [Double] {
            try problem.factors(
                of: held.folds.map { _ in [1, weight] }, newDocuments: 0.25, metric: data.metric,
                isCancelled: Self.never)
        }
        func value(_ weight: Double) throws -> Double {
            try held.values(weights: held.folds.map { _ in [1, weight] }, isCancelled: Self.never).known.reduce(0, +)
        }
        let found = try factors(2)
        #expect(found[1] < found[0])
        #expect(try value(2 * found[1] / max(found[0], 1e-9)) > value(2) + 1)
        #expect(try factors(1e-4) == [1, 1])
    }

    /// In the order of the development queries, by weights of other folds, which are close to those of all.
    @Test func sumsSayHowSureTheyAreOfDevelopmentQueries() throws {
        let data = try RivalFixture.world(queries: 160).data
        var fit = SourceFit([Self.blackBox(data)], name: "sum")
        #expect(try fit.fit(to: data).sureness == nil)
        fit.measuresSureness = true
        let fitted = try fit.fit(to: data)
        let (sum, sureness) = (try #require(fitted.sum), try #require(fitted.sureness))
        let final = try sum.sureness(ofQueries: data.index.devQueries, Mixture(sum.weights))
        #expect(sureness.count == final.count && zip(sureness, final).allSatisfy { abs($0 - $1) < 0.15 })
    }

    /// The values of single queries on dev have the mean that the system is chosen by.
    @Test func valuesOfQueriesAddUpToTheFigureOnDev() throws {
        let data = try RivalFixture.world(queries: 160).data
        let fitted = try SourceFit(
            [Self.blackBox(data)], remembering: [Self.memory, RememberedByMoving()], name: "sum"
        ).fit(to: data)
        let values = try #require(fitted.developmentQueries)
        #expect(values.count == data.index.devQueries.count)
        #expect(abs(values.reduce(0, +) / Double(values.count) - fitted.development) < 1e-9)
        #expect(
            abs(fitted.development - 0.75 * fitted.developmentKnown - 0.25 * fitted.developmentNew) < 1e-9)
    }

    /// Training names documents 0 and 1 of six; dev has the given answers.
    private static func index(devAnswers: [[Int]]) throws -> TrainingIndex {
        try RivalData(
            labels: ([[0], [1]] + devAnswers).map { $0.map { Judgement(column: $0) } }, documentCount: 6,
            trainQueries: [0, 1], devQueries: Array(2..<2 + devAnswers.count)
        ).index
    }

    @Test func theExpectedShareOfNewDocumentsIsThatOfDev() throws {
        func share(_ devAnswers: [[Int]]) throws -> Double {
            RivalData.newDocuments(expectedFrom: try Self.index(devAnswers: devAnswers))
        }
        #expect(try share([[0], [1], [0, 1], [1]]) == 0.1)
        #expect(try share([[0, 2], [3], [4, 5], [1]]) == 0.625)
    }

    /// How many of the answers of a query about new documents are new is what dev shows, if it has enough such queries.
    @Test func theShareOfNewAnswersIsThatOfDev() throws {
        func share(_ devAnswers: [[Int]]) throws -> Double {
            RivalData.newAnswers(expectedFrom: try Self.index(devAnswers: devAnswers))
        }
        let (known, mixed, new) = ([0, 1], [0, 2, 3, 4], [2, 5])
        #expect(try share([known, mixed, new]) == 0.5, "too few")
        #expect(try share([[Int]](repeating: known, count: 9) + [[Int]](repeating: mixed, count: 10)) == 0.75)
        #expect(try share([[Int]](repeating: new, count: 10)) == 1)
        #expect(try share([[Int]](repeating: [0, 1, 2], count: 10)) == 0.5, "the least")
    }

    /// All documents of a class answer each of its queries, and dev has classes of its own: a memory knows nothing of them, although the queries
    /// of a class know each other's answers.
    @Test func aMemoryIsWorthNothingForClassesThatAreHeldOut() throws {
        var generator = RandomGenerator(seed: 5)
        let (classes, queries, documents, width) = (12, 10, 40, 16)
        func rows(_ perClass: Int) -> Matrix {
            let values = (0..<classes * perClass).flatMap { row in
                centers[row / perClass].map { $0 + 1.5 * generator.normal() }
            }
            return Matrix(rows: classes * perClass, columns: width, values: values).normalizedRows().matrix
        }
        let centers = (0..<classes).map { _ in (0..<width).map { _ in generator.normal() } }
        let system = VectorSystem(queries: rows(queries), documents: rows(documents))
        let labels = (0..<classes * queries).map { query in
            (0..<documents).map { Judgement(column: query / queries * documents + $0) }
        }
        let cut = 8 * queries
        var data = try RivalData(
            labels: labels, documentCount: classes * documents, trainQueries: Array(0..<cut),
            devQueries: Array(cut..<classes * queries), vectors: system, newDocuments: 1)
        data.newAnswers = RivalData.newAnswers(expectedFrom: data.index)
        #expect(data.newAnswers == 1)
        let fit = SourceFit([Self.blackBox(data)], remembering: [Self.memory], name: "sum")
        let alone = try data.developmentValues(of: VectorSystem(queries: system.queries, documents: system.documents))
        let blackBox = alone.reduce(0, +) / Double(alone.count)
        let honest = try fit.fit(to: data)
        #expect(honest.development <= blackBox + 1e-6, "\(honest.development) above \(blackBox)")
        // The memory looks good if half of a class counts as known.
        data.newAnswers = 0.5
        #expect(try fit.fit(to: data).development > blackBox + 0.05)
    }

    /// If all labelled queries have dates, the last fifth of them tells how many answers are new.
    @Test func theExpectedShareOfNewDocumentsIsThatOfTheLatestQueries() throws {
        // Queries 0–7 are the earlier ones, 8 and 9 the later.
        let answers = [[0], [1], [2], [0], [1], [2], [3], [3], [0, 4], [5]]
        let data = try RivalData(
            labels: answers.map { $0.map { Judgement(column: $0) } }, documentCount: 6,
            trainQueries: [0, 2, 4, 6, 8], devQueries: [1, 3, 5, 7, 9])
        func share(_ dates: [String?]) -> Double { RivalData.newDocuments(expectedFrom: data.index, dates: dates) }
        let dates = (1...10).map { String(format: "2026-%02d-01", $0) }
        #expect(share(dates) == 0.75)
        #expect(share(dates.map { $0 + "T10:00:00Z" }) == 0.75)
        let undated = share([])
        #expect(share(dates.dropLast() + [nil]) == undated && undated != 0.75, "one query has no date")
        #expect(share(dates.map { _ in "2026-01-01" }) == undated, "no query is later than others")
    }

    @Test func samplesHoldAsManyOfDevAsOfTrain() throws {
        let world = try RivalFixture.world()
        let data = world.data
        let fit = SourceFit([Self.blackBox(data)], name: "sum")
        let dev = Set(data.index.devQueries)
        #expect(fit.sample(data, capacity: 90, seed: 1) == Set(data.labelledQueries))
        let some = fit.sample(data, capacity: 20, seed: 1)
        #expect(some.count == 20 && some.intersection(dev).count == 10)
        #expect(some == fit.sample(data, capacity: 20, seed: 1) && some != fit.sample(data, capacity: 20, seed: 2))
        let most = fit.sample(data, capacity: 80, seed: 1)
        #expect(most.count == 80 && most.intersection(dev).count == 30)
        // 60 documents, two sources, two versions, four bytes each.
        #expect(SourceProblem.capacity(sources: 2, versions: 2, documents: 60) == SourceProblem.scoreBytes / 960)
        #expect(
            SourceProblem.capacity(sources: 2, versions: 1, documents: 1_000_000) == SourceProblem.scoreBytes / 16_000)
    }

    @Test func memoriesHelpWithDocumentsThatTheyKnow() throws {
        let world = try RivalFixture.world(queries: 240)
        let data = world.data
        let plain = try SourceFit([Self.blackBox(data)], name: "plain").fit(to: data)
        // What they cost new documents is another test's subject.
        var fit = SourceFit([Self.blackBox(data)], remembering: RememberedQueries.standard, name: "sum")
        fit.level = 0
        let fitted = try fit.fit(to: data)
        let before = try RivalFixture.figure(plain.system, queries: world.testQueries, labels: world.labels)
        let after = try RivalFixture.figure(fitted.system, queries: world.testQueries, labels: world.labels)
        #expect(after > before + 0.03, "\(before) to \(after): \(fitted.choices)")
        #expect(fitted.developmentKnown > plain.development + 0.03 && fitted.developmentNew < fitted.developmentKnown)
        // The final memories know dev too.
        let known = try #require(fitted.sum?.sources.lazy.compactMap { $0 as? QueryMemory }.first?.known)
        #expect(known.answers.count == data.labelledQueries.count)
        #expect(try fit.fit(to: data).sum?.weights == fitted.sum?.weights)
    }

    /// Labels name 30 of 200 documents again and again, and half of the later queries ask for the others. A memory that
    /// prefers documents with labels, whatever the query, helps with the former and hurts the latter.
    @Test func newDocumentsAreNotWorseOff() throws {
        for seed in UInt64(1)...3 {
            var generator = RandomGenerator(seed: seed)
            let documents = Matrix(rows: 200, columns: 16, values: (0..<3_200).map { _ in generator.normal() })
                .normalizedRows().matrix
            let answers = (0..<320).map { $0 < 240 ? generator.index(below: 30) : 30 + generator.index(below: 170) }
            let vectors = answers.flatMap { documents.row($0).map { $0 + 0.3 * generator.normal() } }
            let system = VectorSystem(
                queries: Matrix(rows: 320, columns: 16, values: vectors).normalizedRows().matrix, documents: documents)
            let labels = answers.map { [Judgement(column: $0)] }
            let data = try RivalData(
                labels: labels, documentCount: 200, trainQueries: Array(0..<80), devQueries: Array(80..<160),
                vectors: system)
            let (known, new) = (Array(160..<240), Array(240..<320))
            let memory = RememberedQueries(width: 50, name: "query-memory")

            // The fit alone, without the test of new documents.
            let held = try HeldOutScores(
                [Self.blackBox(data)], remembering: [memory], data: data, queries: data.labelledQueries,
                isCancelled: Self.never)
            let problem = try SourceProblem(held, queries: held.folds, isCancelled: Self.never)
            func mean(_ weights: [Double]) throws -> Double {
                try held.values(weights: held.folds.map { _ in weights }, isCancelled: Self.never)
                    .new.reduce(0, +) / 160
            }
            let unguarded = try problem.weights(of: [0, 1], newDocuments: 0.25)
            #expect(try mean(unguarded) < mean([1, 0]) - 0.03)

            let fitted = try SourceFit([Self.blackBox(data)], remembering: [memory], name: "sum").fit(to: data)
            #expect(fitted.choices["newDocumentsInFit"] != nil || fitted.choices["remembering"] != nil)
            var free = SourceFit([Self.blackBox(data)], remembering: [memory], name: "sum")
            free.level = 0
            let unchecked = try free.fit(to: data)
            #expect(unchecked.developmentNew < fitted.developmentNew - 0.02)
            #expect(unchecked.choices["newDocumentsInFit"] == nil && unchecked.choices["remembering"] == nil)
            let plain = try RivalFixture.figure(system, queries: new, labels: labels)
            let sum = try RivalFixture.figure(fitted.system, queries: new, labels: labels)
            #expect(sum > plain - 0.02, "seed \(seed): \(plain) to \(sum), \(fitted.choices)")
            let before = try RivalFixture.figure(system, queries: known, labels: labels)
            #expect(try RivalFixture.figure(fitted.system, queries: known, labels: labels) > before - 0.01)
        }
    }

    @Test func aSumOfNothingThatHelpsIsItsFirstSource() throws {
        let world = try RivalFixture.world()
        // Unrelated vectors for queries.
        var generator = RandomGenerator(seed: 3)
        let noise = Matrix(rows: 120, columns: 12, values: (0..<1_440).map { _ in generator.normal() })
        let system = VectorSystem(queries: noise.normalizedRows().matrix, documents: world.system.documents)
        let data = try RivalData(
            labels: world.labels, documentCount: 60, trainQueries: world.data.index.trainQueries,
            devQueries: world.data.index.devQueries, vectors: system)
        let fitted = try SourceFit(
            [Self.blackBox(data)], remembering: [RememberedQueries(width: 0.004, name: "query-memory")], name: "sum"
        ).fit(to: data)
        #expect(fitted.sum?.weights.sources.first == .blackBox)
    }

    @Test func stopsWhenCancelled() throws {
        let data = try RivalFixture.world().data
        let fit = SourceFit([Self.blackBox(data)], remembering: RememberedQueries.standard, name: "sum")
        for limit in [0, 3, 8, 12] {
            var asked = 0
            #expect(throws: CancellationError.self) {
                try fit.fit(to: data, seed: 1) {
                    asked += 1
                    return asked > limit
                }
            }
        }
    }
}
