import Foundation
import MafinBlackBox
import MafinRetrieval
import Testing

@testable import MafinMethod
@testable import MafinPipeline

/// A folder that is removed after the test.
private final class TemporaryFolder {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("mafin-artefact-\(UUID().uuidString)")

    init() throws {
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    /// All of its files, including hidden ones.
    var contents: [String] { ((try? FileManager.default.subpathsOfDirectory(atPath: url.path)) ?? []).sorted() }
}

private struct Interruption: Error {}

/// Saves a pretended encoder: two files, one in a sub-folder.
private func save(_ text: String) -> (URL) throws -> Void {
    { folder in
        try Data(text.utf8).write(to: folder.appendingPathComponent("model.safetensors"))
        let pooling = folder.appendingPathComponent("1_Pooling")
        try FileManager.default.createDirectory(at: pooling, withIntermediateDirectories: true)
        try Data("{}".utf8).write(to: pooling.appendingPathComponent("config.json"))
    }
}

private func report() throws -> EvaluationReport {
    var qrels = Qrels()
    var (blackBox, mafin) = (Run(), Run())
    for query in 0..<8 {
        qrels.insert(query: "q\(query)", document: "d1", grade: 1)
        let documents = ["d0", "d1", "d2"].enumerated().map { ScoredDocument(id: $1, score: Float(-$0)) }
        blackBox.setRanking(documents, for: "q\(query)")
        mafin.setRanking(query == 0 ? documents : [ScoredDocument(id: "d1", score: 1)], for: "q\(query)")
    }
    return try EvaluationReport(
        split: "dev", runs: [("black-box", blackBox), ("mafin", mafin)], qrels: qrels, baseline: "black-box")
}

private func manifest(towers: Int = 2) throws -> ArtefactManifest {
    let development = try report()
    let weights = MixtureWeights(blackBox: 30.3, local: 12.7)
    let document = EncoderRecord(
        name: "sentence-transformers/all-MiniLM-L6-v2", revision: "abc", folder: "document-encoder", dimension: 384,
        pooling: "mean", queryPrefix: "query: ", documentPrefix: "passage: ", maximumLength: 256)
    var query = document
    query.folder = "query-encoder"
    return ArtefactManifest(
        blackBox: BlackBoxIdentity(provider: "vectors", model: "mpnet", dimension: 768), blackBoxDimension: 768,
        mixing: Mixture(weights, origin: .calibrated, lambdaStandardError: 0.02, fittedQueries: 8),
        documentEncoder: document, queryEncoder: towers == 2 ? query : nil,
        objective: HybridLoss(listwise: ListMLE(cutoff: 10), weight: 0.3).summary,
        training: ArtefactManifest.Training(
            mode: "query", steps: 160, hyperparameters: ["learningRate": .number(1.5e-4), "epochs": .null]),
        seeds: ["training": .max, "bootstrap": 1],
        data: [ArtefactManifest.DataRecord(role: "corpus", name: "corpus.jsonl", sha256: "00ff", count: 3)],
        development: development, test: development,
        verdict: Verdict(lambda: weights.lambda, development: development))
}

@Suite struct ArtefactTests {
    private let folder: TemporaryFolder
    private let url: URL

    init() throws {
        folder = try TemporaryFolder()
        url = folder.url.appendingPathComponent("runs/ART")
    }

    private func writeBoth() throws -> Artefact {
        try Artefact.write(
            manifest(), to: url, saveDocumentEncoder: save("documents"), saveQueryEncoder: save("queries"))
    }

    private func error(_ verification: Artefact.Verification = .content) -> ArtefactError? {
        do {
            _ = try Artefact(readingFrom: url, verification: verification)
            return nil
        } catch {
            return error as? ArtefactError
        }
    }

    /// Changes the manifest on disk.
    private func edit(_ change: (inout [String: Any]) -> Void) throws {
        let file = url.appendingPathComponent("manifest.json")
        var object = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
        change(&object)
        try JSONSerialization.data(withJSONObject: object).write(to: file)
    }

    @Test func readsWhatWasWritten() throws {
        let written = try writeBoth()
        let read = try Artefact(readingFrom: url)
        #expect(read.manifest == written.manifest)
        #expect(read.manifest.allSources.map(\.dimension) == [768, 384])
        #expect(read.manifest.seeds["training"] == .max)
        #expect(read.manifest.development == written.manifest.development)
        #expect(
            folder.contents == [
                "runs", "runs/ART", "runs/ART/document-encoder", "runs/ART/document-encoder/1_Pooling",
                "runs/ART/document-encoder/1_Pooling/config.json", "runs/ART/document-encoder/model.safetensors",
                "runs/ART/manifest.json", "runs/ART/query-encoder", "runs/ART/query-encoder/1_Pooling",
                "runs/ART/query-encoder/1_Pooling/config.json", "runs/ART/query-encoder/model.safetensors",
            ])
        // SHA-256 of "documents", by sha256sum.
        #expect(
            read.manifest.documentEncoder?.weightsSHA256
                == "9b16b44d0e0a5cac4f968befb0b5b5eba913f9ef3dfa1501ed728b6ead72a357")
        let query = try #require(read.encoder(.query))
        #expect(try read.encoderFolder(of: query) { _ in throw Interruption() }.path == url.path + "/query-encoder")
        let text = try String(contentsOf: url.appendingPathComponent("manifest.json"), encoding: .utf8)
        for field in [
            #""formatVersion" : 3"#, #""origin" : "calibrated""#, #""layout" : "query-sided""#, #""cutoff" : 10"#,
            #""learningRate" : 0.00015"#, #""decision" : "ship""#, #""nDCG@10""#, #""fittedQueries" : 8"#,
        ] {
            #expect(text.contains(field), "\(field)")
        }
        #expect(!text.contains(folder.url.path))
    }

    @Test func oneEncoderForQueriesAndDocuments() throws {
        try Artefact.write(manifest(towers: 1), to: url, saveDocumentEncoder: save("one"))
        let read = try Artefact(readingFrom: url)
        #expect(read.manifest.queryEncoder == nil && read.encoder(.query) == read.encoder(.document))
    }

    @Test func releasedEncodersAreNamedByHash() throws {
        let model = folder.url.appendingPathComponent("model")
        try FileManager.default.createDirectory(at: model, withIntermediateDirectories: true)
        try save("documents")(model)
        var released = try manifest()
        released.documentEncoder?.folder = nil
        released.documentEncoder?.weightsSHA256 = "9b16b44d0e0a5cac4f968befb0b5b5eba913f9ef3dfa1501ed728b6ead72a357"
        try Artefact.write(released, to: url, saveQueryEncoder: save("queries"))
        let read = try Artefact(readingFrom: url)
        #expect(!folder.contents.contains("runs/ART/document-encoder"))
        let documents = try #require(read.encoder(.document))
        let found = try read.encoderFolder(of: documents) { record in
            #expect(record.name == "sentence-transformers/all-MiniLM-L6-v2" && record.revision == "abc")
            return model
        }
        #expect(found == model)
        try save("another")(model)
        #expect(throws: ArtefactError.self) { try read.encoderFolder(of: documents) { _ in model } }
        try FileManager.default.removeItem(at: model.appendingPathComponent("model.safetensors"))
        let weights = model.path + "/model.safetensors"
        let hash = try #require(released.documentEncoder?.weightsSHA256)
        #expect(throws: ArtefactError.wrongFile(path: weights, expected: "SHA-256 \(hash)", found: "no file")) {
            try read.encoderFolder(of: documents) { _ in model }
        }
    }

    /// The checkpoint with which training began is known by its hash, whichever encoder was trained.
    @Test func theReleasedCheckpointIsRecorded() throws {
        var trained = try manifest(towers: 1)
        var released = try #require(trained.documentEncoder)
        released.folder = nil
        released.weightsSHA256 = "9b16b44d0e0a5cac4f968befb0b5b5eba913f9ef3dfa1501ed728b6ead72a357"
        trained.released = released
        try Artefact.write(trained, to: url, saveDocumentEncoder: save("trained"))
        let read = try Artefact(readingFrom: url)
        #expect(read.manifest.releasedEncoder == released && read.manifest.documentEncoder?.folder != nil)

        let model = folder.url.appendingPathComponent("model")
        try FileManager.default.createDirectory(at: model, withIntermediateDirectories: true)
        try save("documents")(model)
        #expect(try Artefact.releasedFolder(of: released) { _ in model } == model)
        try save("another revision")(model)
        #expect(throws: ArtefactError.self) { try Artefact.releasedFolder(of: released) { _ in model } }

        try edit { object in
            var record = object["released"] as? [String: Any] ?? [:]
            record["folder"] = "document-encoder"
            object["released"] = record
        }
        #expect(error()?.description.contains("'released.folder'") == true)
        // Older manifests of format 1, without that record.
        try edit { $0["released"] = nil }
        #expect(try Artefact(readingFrom: url).manifest.releasedEncoder == nil)
        var towers = try manifest()
        towers.documentEncoder = released
        #expect(towers.released == nil && towers.releasedEncoder == released, "the tower that was left alone")
    }

    @Test func replacingKeepsTheOldUntilTheNewIsComplete() throws {
        let first = try writeBoth()
        #expect(throws: Interruption.self) {
            try Artefact.write(
                manifest(), to: url, saveDocumentEncoder: save("newer"),
                saveQueryEncoder: { folder in
                    try save("half")(folder)
                    // The old one is whole while the new one is being made.
                    #expect(try Artefact(readingFrom: url).manifest == first.manifest)
                    throw Interruption()
                })
        }
        #expect(try Artefact(readingFrom: url).manifest == first.manifest)
        #expect(try FileManager.default.contentsOfDirectory(atPath: url.deletingLastPathComponent().path) == ["ART"])
        let second = try Artefact.write(manifest(towers: 1), to: url, saveDocumentEncoder: save("newer"))
        #expect(try Artefact(readingFrom: url).manifest == second.manifest && second.manifest != first.manifest)
        #expect(!folder.contents.contains { $0.hasPrefix("runs/ART/query-encoder") })
        #expect(try FileManager.default.contentsOfDirectory(atPath: url.deletingLastPathComponent().path) == ["ART"])
    }

    @Test func nothingIsLeftOfAFirstWriteThatFails() throws {
        #expect(throws: Interruption.self) {
            try Artefact.write(manifest(towers: 1), to: url, saveDocumentEncoder: { _ in throw Interruption() })
        }
        #expect(
            throws: ArtefactError.incompleteEncoder(path: url.path + "/document-encoder", missing: "model.safetensors")
        ) {
            try Artefact.write(manifest(towers: 1), to: url, saveDocumentEncoder: { _ in })
        }
        var notANumber = try manifest(towers: 1)
        notANumber.training?.hyperparameters["bad"] = .number(.nan)
        #expect(throws: ArtefactError.self) {
            try Artefact.write(notANumber, to: url, saveDocumentEncoder: save("x"))
        }
        #expect(folder.contents == ["runs"])
    }

    @Test func foldersOfOthersAreNotReplaced() throws {
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        let thesis = url.appendingPathComponent("thesis.txt")
        try Data("years of work".utf8).write(to: thesis)
        #expect(throws: ArtefactError.occupied(path: url.path)) {
            try Artefact.write(manifest(towers: 1), to: url, saveDocumentEncoder: save("x"))
        }
        #expect(FileManager.default.fileExists(atPath: thesis.path))
        #expect(throws: ArtefactError.occupied(path: thesis.path)) {
            try Artefact.write(manifest(towers: 1), to: thesis, saveDocumentEncoder: save("x"))
        }
        try FileManager.default.removeItem(at: thesis)
        try Artefact.write(manifest(towers: 1), to: url, saveDocumentEncoder: save("x"))
    }

    @Test func damageIsNamed() throws {
        #expect(error() == .notAnArtefact(path: url.path))
        _ = try writeBoth()
        let weights = url.appendingPathComponent("query-encoder/model.safetensors")
        try Data("querieS".utf8).write(to: weights)
        #expect(error(.length) == nil)
        guard case .wrongFile(let path, let expected, _)? = error() else {
            Issue.record("no hash mismatch")
            return
        }
        #expect(path == weights.path && expected.hasPrefix("SHA-256 "))
        try Data("quer".utf8).write(to: weights)
        #expect(error(.length) == .wrongFile(path: weights.path, expected: "7 bytes", found: "4 bytes"))
        try FileManager.default.removeItem(at: weights)
        #expect(error()?.description == "\(weights.path): the artefact's manifest says 7 bytes, found no file")
    }

    @Test func badManifestsAreNamed() throws {
        let file = url.path + "/manifest.json"
        _ = try writeBoth()
        try edit { $0["formatVersion"] = 7 }
        #expect(error() == .unknownFormat(path: file, newestKnown: 3, found: 7))
        #expect(
            error()?.description == "\(file) is of format version 7; \(LibraryVersion.current) reads versions 1 to 3")
        try edit {
            $0["formatVersion"] = 2
            $0["verdict"] = nil
        }
        #expect(error() == .malformedManifest(path: file, field: "verdict", reason: "is missing"))
        _ = try writeBoth()
        try edit { $0["blackBoxDimension"] = "768" }
        #expect(error()?.description == "\(file): 'blackBoxDimension': expected Int, found another type")
        _ = try writeBoth()
        try edit { $0["blackBoxDimension"] = 1_024 }
        #expect(
            error()
                == .contradiction(
                    path: file, field: "blackBoxDimension", expected: "768, the dimension of blackBox", found: "1024"))
        _ = try writeBoth()
        try edit {
            var encoder = $0["documentEncoder"] as? [String: Any]
            encoder?["folder"] = "../../elsewhere"
            $0["documentEncoder"] = encoder
        }
        #expect(error()?.description.contains("a folder inside the artefact, found '../../elsewhere'") == true)
        _ = try writeBoth()
        try edit {
            var mixing = $0["mixing"] as? [String: Any]
            mixing?["weights"] = ["blackBox": -1, "local": 3]
            $0["mixing"] = mixing
        }
        #expect(error()?.description.contains("two weights of at least 0") == true)
        _ = try writeBoth()
        try edit { $0["files"] = [] as [Any] }
        #expect(error()?.description.contains("a record of document-encoder/model.safetensors") == true)
        try Data("{".utf8).write(to: URL(fileURLWithPath: file))
        guard case .malformedManifest? = error() else {
            Issue.record("half a manifest was read")
            return
        }
    }

    @Test func anotherBlackBoxIsRefused() throws {
        let artefact = try writeBoth()
        try artefact.require(blackBox: BlackBoxIdentity(provider: "vectors", model: "mpnet"), dimension: 768)
        #expect(
            throws: ArtefactError.dimension(path: url.path, of: "the black box", expected: 768, found: 1_536)
        ) { try artefact.require(blackBoxDimension: 1_536) }
        #expect(throws: ArtefactError.otherBlackBox(path: url.path, differences: ["model 'ada' instead of 'mpnet'"])) {
            try artefact.require(blackBox: BlackBoxIdentity(provider: "vectors", model: "ada"))
        }
        #expect(
            throws: ArtefactError.dimension(path: url.path, of: "the query encoder", expected: 384, found: 768)
        ) { try artefact.require(encoderDimension: 768, .query) }
    }

    /// The manifest of an artefact that was written in format 1.
    @Test func anArtefactOfFormat1IsRead() throws {
        let weights = Data("queries".utf8)
        try FileManager.default.createDirectory(
            at: url.appendingPathComponent("query-encoder"), withIntermediateDirectories: true)
        try weights.write(to: url.appendingPathComponent("query-encoder/model.safetensors"))
        try FileManager.default.copyItem(
            at: Goldens.url("manifest-format-1.json"), to: url.appendingPathComponent("manifest.json"))
        let manifest = try Artefact(readingFrom: url).manifest
        #expect(manifest.formatVersion == 1 && manifest.contender == .mafin && manifest.blackBoxDimension == 768)
        #expect(manifest.mixing.weights.pair == MixtureWeights(blackBox: 30.5, local: 12.25))
        #expect(manifest.allSources.map(\.name) == [.blackBox, .local] && manifest.sources == nil)
        #expect(manifest.mixing.layout == .querySided && manifest.mixing.origin == .calibrated)
        #expect(manifest.mixing.lambda == 12.25 / 42.75 && manifest.mixing.lambdaStandardError == 0.02)
        #expect(manifest.untrainedScale == MixtureWeights(blackBox: 25, local: 5))
        #expect(manifest.queryEncoder?.folder == "query-encoder" && manifest.documentEncoder?.folder == nil)
        #expect(manifest.verdict.decision == .cannotTell)
    }

    @Test func optionsOfAnyTypeAreKeptByName() throws {
        struct Options: Encodable {
            var rate: Float = 0.1
            var steps: Int? = 4
            var on = true
            var name = "query"
            var scale = MixtureWeights.paper
        }
        let value = try ManifestValue(encoding: Options())
        #expect(
            value
                == .record([
                    "rate": .number(0.1), "steps": .integer(4), "on": .boolean(true), "name": .text("query"),
                    "scale": .record(["blackBox": .integer(10), "local": .integer(10)]),
                ]))
        #expect(try JSONDecoder().decode(ManifestValue.self, from: JSONEncoder().encode(value)) == value)
    }
}

@Suite struct VerdictTests {
    private func verdict(
        _ lambda: Float?, _ mean: Double, _ low: Double, _ high: Double, queries: Int = 324
    ) -> Verdict {
        Verdict(lambda: lambda, metric: "nDCG@10", difference: (mean, low, high), queries: queries)
    }

    @Test func aGainThatHoldsIsShipped() {
        let found = verdict(0.4, 0.0412, 0.0271, 0.0553)
        #expect(found.decision == .ship && found.allowsUse)
        #expect(
            found.reason
                == "nDCG@10 of 324 dev queries changes by +0.0412 over the black box (95 % interval +0.0271 to +0.0553): the whole interval lies above 0."
        )
    }

    /// 300 pictures of two classes that training does not know are no evidence for a third class.
    @Test func aGainOnFewNewSetsCannotBeTold() {
        func verdict(_ mean: Double, _ low: Double) -> Verdict {
            Verdict(
                lambda: 0.4, metric: "nDCG@10", difference: (mean, low, 0.0929), queries: 300, tooFewNewSets: 2)
        }
        let found = verdict(0.0701, 0.0473)
        #expect(found.decision == .cannotTell && found.allowsUse && found.reason.contains("only 2 sets of them"))
        #expect(verdict(-0.01, -0.03).decision == .doNotShip)
        let chance = verdict(0.0701, -0.01)
        #expect(chance.decision == .cannotTell && chance.reason.contains("only 2 sets of them"))
        #expect(!chance.reason.contains("more labelled dev queries would tell"))
    }

    @Test func aMixtureWithoutGainIsNotShipped() {
        #expect(verdict(0, 0.1, 0.05, 0.2).decision == .doNotShip)
        #expect(verdict(0, 0.1, 0.05, 0.2).reason.contains("λ = 0"))
        #expect(verdict(0.3, 0, 0, 0).decision == .doNotShip)
        let worse = verdict(0.3, -0.02, -0.05, 0.01)
        #expect(worse.decision == .doNotShip && !worse.allowsUse && worse.reason.contains("−0.0200"))
        #expect(worse.forced().allowsUse && worse.forced().isForced && worse.forced().decision == .doNotShip)
        let better = verdict(0.4, 0.04, 0.03, 0.05)
        #expect(better.forced() == better, "there is nothing to override")
    }

    /// The mixture is better than the black box, but not by training, because the untrained mixture is as good.
    @Test func aGainThatIsNotFromTrainingIsNotShipped() {
        func verdict(_ mean: Double, p: Double, low: Double = 0.03) -> Verdict {
            Verdict(
                lambda: 0.4, metric: "nDCG@10", difference: (0.04, low, 0.05), queries: 324,
                gain: TrainingGain(mean: mean, p: p, queries: 324, evaluations: 13))
        }
        for mean in [0.0, -0.01] {
            let none = verdict(mean, p: 0.8)
            #expect(none.decision == .doNotShip && !none.allowsUse && none.forced().allowsUse)
        }
        let found = verdict(0.0071, p: 0.21)
        #expect(found.decision == .cannotTell && found.allowsUse)
        #expect(
            found.reason
                == "nDCG@10 of 324 dev queries changes by +0.0400 over the black box (95 % interval +0.0300 to +0.0500), but training shows no gain over the untrained encoder: +0.0071 on dev queries that did not choose among its 13 states (p = 0.210)."
        )
        let shipped = verdict(0.0312, p: 0.0005)
        #expect(shipped.decision == .ship)
        #expect(
            shipped.reason.hasSuffix(
                "the whole interval lies above 0. Training gained +0.0312 on dev queries that did not choose the state (p = 0.0005)."
            ))
        #expect(verdict(0.0312, p: 0.03).decision == .cannotTell, "p is one-sided, at half of .05")
        #expect(verdict(-0.01, p: 0.9, low: -0.01).decision == .doNotShip)
        #expect(verdict(0.0312, p: 0.0005, low: -0.01).decision == .cannotTell)
    }

    @Test func aGainWithinChanceCannotBeTold() {
        #expect(verdict(0.3, 0.01, -0.01, 0.03, queries: 20).decision == .cannotTell)
        #expect(verdict(0.3, 0.01, 0, 0.03).decision == .cannotTell)
        #expect(verdict(0.3, .nan, .nan, .nan).decision == .cannotTell)
        #expect(verdict(nil, 0.01, 0.005, 0.03).decision == .ship)
        let unknown = Verdict(lambda: 0.5, metric: "nDCG@10", difference: nil, queries: 0)
        #expect(unknown.decision == .cannotTell && unknown.reason.contains("no dev queries"))
    }

    @Test func aReportDecides() throws {
        let development = try report()
        let found = Verdict(lambda: 0.5, development: development)
        #expect(found.decision == .ship && found.reason.contains("of 8 dev queries"))
        #expect(Verdict(lambda: 0.5, development: development, system: "absent").decision == .cannotTell)
        let text = try JSONEncoder().encode(Verdict(lambda: 0, development: development))
        #expect(String(decoding: text, as: UTF8.self).contains("\"do-not-ship\""))
        #expect(try JSONDecoder().decode(Verdict.self, from: text).decision == .doNotShip)
    }
}
