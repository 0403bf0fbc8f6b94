import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinPipeline

@Suite struct BridgedDocumentsTests {
    private static func unit(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
        var generator = RandomGenerator(seed: seed)
        return Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in generator.normal() })
            .normalizedRows().matrix
    }

    /// Documents of 6 columns, and maps of every form from 9 columns to them.
    private static func source(_ form: VectorMap.Form?) -> BridgedDocuments {
        let (x, y) = (unit(40, 9, seed: 1), unit(40, 6, seed: 2))
        let moments = VectorMap.Moments(from: x, to: y)
        let ridge = VectorMap.ridge(moments, strength: 0.1)
        let map: VectorMap? =
            switch form {
            case nil: nil
            case .procrustes: VectorMap.procrustes(from: x, to: y)
            case .ridge: ridge
            case .lowRank: VectorMap.lowRank(moments, ridge: ridge, rank: 2)
            case .twoLayer:
                VectorMap.twoLayer(after: ridge, from: x, to: y, hidden: 3, epochs: 1, seed: 1) { _, _ in true }
            }
        return BridgedDocuments(ids: ["a", "b", "c"], vectors: unit(3, 6, seed: 3), map: map)
    }

    /// - Parameter change: of the files, after they were written.
    private func written(
        _ source: BridgedDocuments, dimension: Int, _ body: (Artefact) throws -> Void
    ) throws {
        let folder = try TemporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
        let mixture = Mixture(SourceWeights([(source.name, 1)]))
        let artefact = try Artefact.ship(
            ShippedSources([source], mixture: mixture),
            Artefact.Shipment(
                system: "bridge", blackBox: BlackBoxIdentity(provider: "p", model: "m"), blackBoxSource: nil,
                blackBoxDimension: dimension, data: [],
                verdict: Verdict(lambda: nil, metric: "nDCG@10", difference: nil, queries: 0),
                knownQueries: KnownQueries([])),
            encoderFrom: nil, to: folder.url.appendingPathComponent("ART"))
        try body(artefact)
    }

    @Test(arguments: [nil] + VectorMap.Form.allCases.map(Optional.some))
    func itIsReadAsItWasWritten(_ form: VectorMap.Form?) throws {
        let source = Self.source(form)
        try written(source, dimension: form == nil ? 6 : 9) { artefact in
            let read = try #require(try Artefact(readingFrom: artefact.folder).sources().first as? BridgedDocuments)
            #expect(read.ids == source.ids && read.vectors == source.vectors && read.map == source.map)
            #expect(artefact.manifest.asksBlackBox)
        }
    }

    /// The score is the inner product of the mapped query and the document's own vector, whatever the order.
    @Test func documentsAreKnownByTheirIds() {
        let source = Self.source(.ridge)
        let queries = Self.unit(2, 9, seed: 4)
        let found = source.vectors(of: SourceDocuments(ids: ["c", "new", "a"]))
        #expect(Array(found.row(0)) == Array(source.vectors.row(2)))
        #expect(found.row(1).allSatisfy { $0 == 0 })
        #expect(Array(found.row(2)) == Array(source.vectors.row(0)))
        #expect(source.vectors(of: SourceQueries(blackBox: queries)) == source.map?(queries))
        #expect(Self.source(nil).vectors(of: SourceQueries(blackBox: Self.unit(2, 6, seed: 5))).columns == 6)
    }

    /// Rows of another length than the manifest says would be written beyond the end of the vectors.
    @Test func aManifestCannotMakeUpADimension() throws {
        func refusal(_ change: (inout [String: Any]) throws -> Void) throws -> String {
            var found = ""
            try written(Self.source(.ridge), dimension: 9) { artefact in
                let file = artefact.folder.appendingPathComponent("manifest.json")
                var manifest = try #require(
                    try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
                try change(&manifest)
                try JSONSerialization.data(withJSONObject: manifest).write(to: file)
                let error = #expect(throws: ArtefactError.self) {
                    try Artefact(readingFrom: artefact.folder, verification: .length).sources()
                }
                found = error?.description ?? ""
            }
            return found
        }
        func changeSource(_ manifest: inout [String: Any], _ change: (inout [String: Any]) throws -> Void) throws {
            var sources = try #require(manifest["sources"] as? [[String: Any]])
            try change(&sources[0])
            manifest["sources"] = sources
        }
        for map in [nil, 5] as [Int?] {
            let text = try refusal { manifest in
                try changeSource(&manifest) { source in
                    var settings = try #require(source["settings"] as? [String: Any])
                    settings["map"] = map
                    source["settings"] = settings
                }
            }
            #expect(text.contains("sources.bridge.dimension") && text.contains("expected 9, found 6"), "\(text)")
        }
        func refusal(of name: String) throws -> String {
            try refusal { manifest in
                try changeSource(&manifest) { $0["name"] = name }
                var mixing = try #require(manifest["mixing"] as? [String: Any])
                mixing["weights"] = [["source": name, "weight": 1] as [String: Any]]
                manifest["mixing"] = mixing
            }
        }
        let named = try refusal(of: "mine")
        #expect(named.contains("sources.mine.kind"), "\(named)")
        // Exports name files by it, and write it into comments of SQL.
        for name in ["../../mine", "mine\nDROP TABLE docs", ".."] {
            let named = try refusal(of: name)
            #expect(named.contains("a name without '/' and line breaks") && !named.contains("\n"), "\(named)")
        }
    }

    @Test func rowsOfAnotherLengthAreNotWritten() async {
        await #expect(processExitsWith: .failure) {
            let vectors = [SourceName.blackBox: Matrix(rows: 1, columns: 5, values: [1, 2, 3, 4, 5])]
            _ = SourceIndex.weighted(
                [BlackBoxVectorSource(dimension: 5)], vectors, [.blackBox], widths: [3], 0..<1
            ) { _ in 1 }
        }
    }

    /// An artefact from a stranger is refused with the field, and never crashes.
    @Test func contradictionsAreNamed() throws {
        // The black box's queries do not fit the map, or the documents.
        #expect(throws: ArtefactError.self) { try written(Self.source(.ridge), dimension: 8) { _ in } }
        #expect(throws: ArtefactError.self) { try written(Self.source(nil), dimension: 9) { _ in } }
        for (setting, value, hint) in [
            ("map", ManifestValue.text("magic"), "settings.map"), ("hidden", .number(1e300), "settings.hidden"),
            ("hidden", .integer(Int64.max / 8), "settings.hidden"), ("hidden", .integer(4), "folder"),
        ] {
            let folder = try TemporaryFolder()
            defer { try? FileManager.default.removeItem(at: folder.url) }
            let source = Self.source(.twoLayer)
            try source.write(to: folder.url)
            var record = source.record
            record.settings[setting] = value
            let fault = #expect(throws: SourceFault.self) {
                try BridgedDocuments(record, dimension: 6, in: folder.url)
            }
            #expect(fault?.field == "sources.bridge.\(hint)", "\(fault as Any)")
        }
    }
}
