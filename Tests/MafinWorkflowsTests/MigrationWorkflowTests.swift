import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinPipeline
@testable import MafinWorkflows

@Suite struct MigrationWorkflowTests {
    private func road(_ name: MigrationRoad.Name, _ result: MigrationWorkflow.Result) throws -> MigrationRoad {
        try #require(result.roads.first { $0.name == name })
    }

    /// A rotation of the old documents with better queries: a sample is enough, and what it costs less decides.
    @Test func aBridgeWinsWhereTheNewSpaceIsARotation() async throws {
        let world = try MigrationWorld(.rotation)
        defer { world.remove() }
        let result = try await world.migration().run()
        #expect(result.roads.map(\.name) == [.stay, .reindex, .bridgeDocuments, .bridgeQueries, .standIn])
        #expect(result.queries == 100 && result.documents == 240 && result.sample == 120)
        let (stay, whole) = (try road(.stay, result), try road(.reindex, result))
        let (documents, queries) = (try road(.bridgeDocuments, result), try road(.bridgeQueries, result))
        #expect(documents.map?.form == .procrustes)
        #expect(documents.newDocuments == 120 && whole.newDocuments == 240 && stay.newDocuments == 0)
        let best = try #require(whole.value?.mean)
        #expect(best > (try #require(stay.value?.mean)) + 0.1)
        #expect(abs(try #require(documents.value?.mean) - best) < 0.005)
        #expect(try #require(documents.toReindex).isWorse(at: 0.05) == false)
        // Its pairs of queries are noisy.
        #expect(try #require(queries.value?.mean) > 0.8 * best)
        for bridge in [documents, queries] { #expect(try #require(bridge.toStaying).isBetter(at: 0.05)) }
        #expect(try #require(documents.keepsNew) > 0.99 && whole.keepsNew == 1 && stay.keepsOld == 1)
        #expect(result.verdict.decision == .bridge && result.verdict.ifOldEnds == result.verdict.road)
        #expect(try road(.standIn, result).omitted?.contains("no stand-in") == true)
        // The adapter belongs to the old space.
        #expect(documents.leftOut.map(\.rawValue) == ["linear-adapter"] && stay.leftOut.isEmpty)
    }

    /// The curve begins with the bridge and ends with all new vectors, in either order.
    @Test func theMixedIndexGoesFromTheBridgeToTheWhole() async throws {
        let world = try MigrationWorld(.unrelated)
        defer { world.remove() }
        let result = try await world.migration().run()
        let bridge = try #require(try road(.bridgeDocuments, result).value?.mean)
        for order in MigrationPoint.Order.allCases {
            let points = result.mixedIndex.filter { $0.order == order }
            #expect(points.map(\.share) == [0.5, 0.75, 1])
            #expect(points.first?.value == bridge)
            #expect(zip(points, points.dropFirst()).allSatisfy { $0.value < $1.value + 0.02 })
            #expect(try #require(points.last?.value) > 0.9)
        }
    }

    @Test func aReindexWinsWhereNoMapHolds() async throws {
        let world = try MigrationWorld(.unrelated)
        defer { world.remove() }
        var migration = world.migration()
        migration.output = world.path("MOVED")
        let result = try await migration.run()
        #expect(result.verdict.decision == .reindex && result.verdict.road == .reindex)
        #expect(result.verdict.ifOldEnds == .reindex)
        let written = try #require(result.written)
        #expect(written == world.path("MOVED") && result.notWritten == nil)

        // The artefact ranks as the table says, and refuses the old black box.
        let artefact = try Artefact(readingFrom: URL(fileURLWithPath: written))
        #expect(artefact.manifest.blackBox == world.new.identity)
        #expect(artefact.manifest.development?.queries == 60)
        // The verdict chose the road on the measured queries, so the artefact knows them.
        let known = try #require(try artefact.knownQueries())
        #expect(known.among([0, 200].map { Query(id: "q\($0)", text: "question number\($0)") }).count == 2)
        var evaluation = EvaluationWorkflow(
            artefact: written, data: world.path("data"), context: WorkflowContext(),
            openBlackBox: { _ in world.new })
        let metric = Metric.nDCG(cutoff: 10)
        evaluation.metrics = [metric]
        await #expect(throws: WorkflowError.self) { try await evaluation.run() }
        evaluation.allowsLeaks = true
        let report = try await evaluation.run().report
        let own = try #require(report.systems.first { $0.name == ArtefactEvaluation.artefactName })
        let value = try #require(own.metrics[metric])
        #expect(abs(value - (try #require(try road(.reindex, result).value?.mean))) < 1e-9)
        evaluation = EvaluationWorkflow(
            artefact: written, data: world.path("data"), context: WorkflowContext(),
            openBlackBox: { _ in world.old })
        evaluation.allowsLeaks = true
        await #expect(throws: ArtefactError.self) { try await evaluation.run() }
    }

    /// The artefact of a bridge ranks as the table says, and searches without asking for a document.
    @Test(arguments: [MigrationRoad.Name.bridgeDocuments, .bridgeQueries])
    func aBridgeIsWritten(_ name: MigrationRoad.Name) async throws {
        let world = try MigrationWorld(.rotation)
        defer { world.remove() }
        var migration = world.migration(newIsStored: false)
        (migration.output, migration.road) = (world.path("MOVED"), name)
        let result = try await migration.run()
        #expect(result.written == world.path("MOVED"), "\(result.notWritten ?? "")")
        let asked = world.new.asked(.document)
        #expect(asked == 120)
        var search = SearchWorkflow(
            artefact: world.path("MOVED"), data: world.path("data"), query: "question number200",
            context: WorkflowContext(), openBlackBox: { _ in world.new.byText("question number") })
        search.count = 3
        #expect(try await search.run().results.first?.id == "d200")
        #expect(world.new.asked(.document) == asked)
        // The documents' vectors are in the artefact, so a reduction asks for queries alone.
        try FileManager.default.copyItem(atPath: world.path("MOVED"), toPath: world.path("SMALL"))
        try await world.reduce("SMALL", to: 12, asking: world.new)
        #expect(world.new.asked(.document) == asked)

        var evaluation = EvaluationWorkflow(
            artefact: world.path("MOVED"), data: world.path("data"), context: WorkflowContext(),
            openBlackBox: { _ in world.new })
        let metric = Metric.nDCG(cutoff: 10)
        evaluation.metrics = [metric]
        let report = try await evaluation.run().report
        let value = report.systems.first { $0.name == ArtefactEvaluation.artefactName }?.metrics[metric]
        #expect(abs(try #require(value) - (try #require(try road(name, result).value?.mean))) < 1e-9)
    }

    @Test func nothingIsMovedIntoNoise() async throws {
        let world = try MigrationWorld(.noise)
        defer { world.remove() }
        var migration = world.migration()
        migration.output = world.path("MOVED")
        let result = try await migration.run()
        #expect(result.verdict.decision == .stay && result.written == nil)
        #expect(result.notWritten?.contains("goes on as it is") == true)
        #expect(!FileManager.default.fileExists(atPath: world.path("MOVED")))
        #expect(try #require(try road(.reindex, result).toStaying).isWorse(at: 0.05))
    }

    /// Of a black box that costs money only the sample and the queries are bought, unless everything is wanted.
    @Test func noMoreIsBoughtThanPlanned() async throws {
        let world = try MigrationWorld(.rotation)
        defer { world.remove() }
        let price: MigrationSide.Pricing = {
            let count = $0.count + $1.count
            return MigrationPrice(texts: count, tokens: 10 * count, minutes: 1, cost: 0.5 * Double(count))
        }
        // All of it is announced before the first text is sent.
        let announced = Mutex<[Int]>([])
        let new = world.new
        let context = WorkflowContext(note: { note in
            guard note.contains("360, at most 3600 tokens, at most 180.0000 in the currency of the price") else {
                return
            }
            announced.withLock { $0.append(new.asked(.document) + new.asked(.query)) }
        })
        var migration = world.migration(newIsStored: false, price: price, context: context)
        let result = try await migration.run()
        #expect(announced.withLock { $0 } == [0])
        #expect(world.new.asked(.document) == 120 && world.new.asked(.query) == 240)
        let whole = try road(.reindex, result)
        #expect(whole.value == nil && whole.omitted?.contains("--buy-everything") == true && whole.price?.cost == 240)
        #expect(try road(.bridgeDocuments, result).price?.cost == 180)
        #expect(result.mixedIndex.isEmpty && result.verdict.ifOldEnds == nil)
        #expect(result.verdict.decision == .bridge && result.verdict.reason.contains("--buy-everything"))
        migration.buysEverything = true
        let all = try await migration.run()
        #expect(world.new.asked(.document) == 360)
        #expect(try road(.reindex, all).value != nil)
    }

    /// Without labels the share of the ten best documents that a road keeps is all that is known.
    @Test func withoutLabelsRankingsAreCompared() async throws {
        let world = try MigrationWorld(.rotation, isLabelled: false)
        defer { world.remove() }
        let result = try await world.migration().run()
        #expect(!result.isLabelled && result.queries == 240)
        #expect(result.roads.allSatisfy { $0.value == nil && $0.toStaying == nil })
        #expect(try #require(try road(.bridgeDocuments, result).keepsNew) > 0.99)
        #expect(try #require(try road(.bridgeDocuments, result).keepsOld) < 0.9)
        #expect(result.verdict.decision == .stay && result.verdict.reason.contains("Without labels"))
        // The weights of the sources that last are those of the artefact.
        let weights = try #require(try road(.reindex, result).weights)
        #expect(weights.sources == [.blackBox, .bm25] && abs(weights[.bm25] / weights[.blackBox] - 0.1) < 1e-6)
    }

    /// One half of dev is measured, the other fits the weights. The weights of the artefact know both, which makes staying
    /// look too good.
    @Test func halfOfDevIsMeasured() async throws {
        let world = try MigrationWorld(.rotation)
        defer { world.remove() }
        var migration = world.migration()
        migration.split = "dev"
        let unfair = migration
        let error = await #expect(throws: WorkflowError.self) { try await unfair.run() }
        #expect(error?.description.contains("30 of the 30 measured queries of dev") == true, "\(error as Any)")
        migration.allowsLeaks = true
        let result = try await migration.run()
        #expect(result.queries == 30 && result.verdict.decision == .bridge)
    }

    /// The maps of a reduction belong to the old space. Every road is measured without one.
    @Test func aReductionStaysBehind() async throws {
        let world = try MigrationWorld(.unrelated)
        defer { world.remove() }
        let full = try await world.migration().run()
        try await world.reduce(to: 6, asking: world.old)
        let warnings = Mutex<[String]>([])
        var migration = world.migration(
            context: WorkflowContext(warn: { warning in warnings.withLock { $0.append(warning) } }))
        (migration.output, migration.road) = (world.path("MOVED"), .reindex)
        let result = try await migration.run()
        #expect(warnings.withLock { $0 }.contains { $0.contains("reduced to 6 numbers, by maps of the old space") })
        #expect(result.roads.map(\.value?.mean) == full.roads.map(\.value?.mean))
        let artefact = try Artefact(readingFrom: URL(fileURLWithPath: world.path("MOVED")))
        #expect(try artefact.manifest.reduction == nil && artefact.sources().joinedDimension == 24)
    }

    /// A sum of moved documents has no source of the black box's own vectors.
    @Test(arguments: [true, false])
    func aSumOfMovedDocumentsMoves(_ isLabelled: Bool) async throws {
        let world = try MigrationWorld(.rotation, isLabelled: isLabelled)
        defer { world.remove() }
        try world.writeMovedDocuments(to: "MOVING")
        var migration = world.migration()
        migration.artefact = world.path("MOVING")
        let whole = try road(.reindex, try await migration.run())
        let weights = try #require(whole.weights)
        if isLabelled {
            #expect(try #require(whole.value?.mean) > 0.9 && !whole.leftOut.contains(SourceName(rawValue: "nudge-n")))
        } else {
            #expect(weights.sources == [.blackBox, .bm25] && abs(weights[.bm25] / weights[.blackBox] - 0.1) < 1e-6)
        }
    }

    /// The map of `bridge-queries` has seen the queries of dev. With as many directions as pairs it would fit them exactly.
    @Test func heldOutQueriesAreMappedWithoutTheirPairs() {
        func turn(_ sign: Float) -> VectorMap {
            let pairs = Matrix(rows: 2, columns: 2, values: [1, 0, 0, 1])
            return VectorMap.procrustes(
                from: pairs, to: Matrix(rows: 2, columns: 2, values: [sign, 0, 0, sign]))
        }
        let bridge = BridgedDocuments(
            ids: ["d"], vectors: Matrix(rows: 1, columns: 2, values: [1, 0]), map: turn(1))
        let source = HeldOutBridge(base: bridge, maps: [(ids: ["b", "x"], map: turn(-1))])
        let queries = SourceQueries(
            ids: ["a", "b"], texts: [], blackBox: Matrix(rows: 2, columns: 2, values: [1, 0, 0, 1]))
        let found = source.vectors(of: queries)
        #expect(zip(found.values, [1, 0, 0, -1]).allSatisfy { abs($0 - $1) < 1e-5 }, "\(found.values)")
        #expect(source.record == bridge.record && source.documentVectors == bridge.name)
    }

    /// What could only fail later is refused before anything is bought.
    @Test func predictableFaultsCostNothing() async throws {
        let world = try MigrationWorld(.rotation)
        defer { world.remove() }
        for (name, hint) in [
            (.reindex, "--buy-everything buys them"), (.reindexTrained, "it needs --time"),
            (.standIn, "with --offline"),
        ] as [(MigrationRoad.Name, String)] {
            var migration = world.migration(newIsStored: false)
            (migration.output, migration.road) = (world.path("MOVED"), name)
            let wanted = migration
            let error = await #expect(throws: WorkflowError.self) { try await wanted.run() }
            #expect(error?.description.hasPrefix("no artefact can be made of \(name.rawValue): ") == true)
            #expect(error?.description.contains(hint) == true, "\(error as Any)")
        }
        // Labels that cannot be read are no missing labels.
        try world.folder.write("query-id\tcorpus-id\tscore\nq0\td0\tmany\n", to: "data/qrels/train.tsv")
        await #expect(throws: RetrievalError.self) { try await world.migration(newIsStored: false).run() }
        #expect(world.new.asked(.document) == 0 && world.new.asked(.query) == 0)
    }

    @Test func faultsAreNamed() async throws {
        let world = try MigrationWorld(.rotation)
        defer { world.remove() }
        // The old black box is not asked for what is not cached.
        let missing = await #expect(throws: WorkflowError.self) {
            try await world.migration(oldIsStored: false).run()
        }
        #expect(missing?.description.contains("240 of 240 texts (query) are not in the cache") == true)
        #expect(world.old.asked(.query) == 0 && world.old.asked(.document) == 0)

        // Other vectors are not taken for the old ones, unless the user says so and the dimension fits.
        let new = world.new
        func beside(_ isVouchedFor: Bool) -> MigrationWorkflow {
            MigrationWorkflow(
                artefact: world.path("ART"), data: world.path("data"), context: WorkflowContext(),
                openOld: { _ in
                    var side = MigrationSide(new, source: nil, isStored: true)
                    side.isVouchedFor = isVouchedFor
                    return side
                }, openNew: { MigrationSide(new, source: nil, isStored: true) })
        }
        await #expect(throws: ArtefactError.self) { try await beside(false).run() }
        let same = try await beside(true).run()
        #expect(try road(.stay, same).keepsOld == 1 && road(.reindex, same).keepsOld == 1)
        let asked = world.new.asked(.document)

        var migration = world.migration()
        migration.output = world.path("MOVED")
        migration.road = .standIn
        let bridge = await #expect(throws: WorkflowError.self) { try await migration.run() }
        #expect(bridge?.description.hasPrefix("no artefact can be made of stand-in") == true)
        #expect(world.new.asked(.document) == asked)

        migration = world.migration()
        migration.sample = 5
        await #expect(throws: WorkflowError.sampleTooSmall(found: 5, needed: 100)) { try await migration.run() }

        let old = world.old
        migration = MigrationWorkflow(
            artefact: world.path("ART"), data: world.path("data"), context: WorkflowContext(),
            openOld: { _ in MigrationSide(old, source: nil, isStored: true) },
            openNew: { MigrationSide(old, source: nil, isStored: true) })
        let again = await #expect(throws: WorkflowError.self) { try await migration.run() }
        #expect(again?.description.contains("the black box that it has already") == true)
    }
}

@Suite struct MigrationVerdictTests {
    private func road(
        _ name: MigrationRoad.Name, cost: Double?, documents: Int, mean: Double?,
        stay: (mean: Double, p: Double)? = nil,
        reindex: (mean: Double, p: Double)? = nil
    ) -> MigrationRoad {
        func difference(_ value: (mean: Double, p: Double)?) -> PairedDifference? {
            value.map {
                PairedDifference(
                    mean: $0.mean, low: $0.mean - 0.01, high: $0.mean + 0.01, p: $0.p, includesSeeds: false)
            }
        }
        var road = MigrationRoad(
            name, newDocuments: documents, price: cost.map { MigrationPrice(texts: documents, cost: $0) })
        road.value = mean.map { PairedBootstrap(resamples: 10).interval(of: [$0, $0]) }
        (road.toStaying, road.toReindex) = (difference(stay), difference(reindex))
        return road
    }

    private var stay: MigrationRoad { road(.stay, cost: 0, documents: 0, mean: 0.5, reindex: (-0.1, 0.001)) }
    private var whole: MigrationRoad { road(.reindex, cost: 10, documents: 100, mean: 0.6, stay: (0.1, 0.001)) }

    @Test func theCheapestRoadThatHoldsAndGainsIsTaken() {
        let bridge = road(
            .bridgeDocuments, cost: 1, documents: 10, mean: 0.59, stay: (0.09, 0.001), reindex: (-0.01, 0.3))
        let verdict = MigrationVerdict(of: [stay, whole, bridge])
        #expect(
            verdict.decision == .bridge && verdict.road == .bridgeDocuments && verdict.ifOldEnds == .bridgeDocuments)
        #expect(verdict.reason.contains("+.090") && verdict.reason.contains("-.010"))
        // Of two at the same price the one that needs fewer new documents.
        let other = road(.bridgeQueries, cost: 1, documents: 9, mean: 0.58, stay: (0.08, 0.001), reindex: (-0.02, 0.3))
        #expect(MigrationVerdict(of: [stay, whole, bridge, other]).road == .bridgeQueries)
    }

    @Test func aBridgeThatLosesToTheReindexIsNotTaken() {
        let bridge = road(
            .bridgeDocuments, cost: 1, documents: 10, mean: 0.55, stay: (0.05, 0.001), reindex: (-0.05, 0.01))
        let verdict = MigrationVerdict(of: [stay, whole, bridge])
        #expect(verdict.decision == .reindex && verdict.road == .reindex && verdict.ifOldEnds == .reindex)
    }

    @Test func withoutAGainOneStaysButABridgeIsNamedIfTheOldModelEnds() {
        let equal = road(.reindex, cost: 10, documents: 100, mean: 0.51, stay: (0.01, 0.4))
        let bridge = road(.bridgeQueries, cost: 1, documents: 10, mean: 0.5, stay: (0, 1), reindex: (-0.01, 0.4))
        let verdict = MigrationVerdict(of: [stay, equal, bridge])
        #expect(verdict.decision == .stay && verdict.road == .stay && verdict.ifOldEnds == .bridgeQueries)
        #expect(verdict.reason.contains("re-index, differs by +.010"))
    }
}
