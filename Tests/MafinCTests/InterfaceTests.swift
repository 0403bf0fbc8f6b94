import CMafin
import CMafinKernels
import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinC
@testable import MafinPipeline

/// The C interface, called through its header. Expected values are put together by hand from the encoder's own passes.
@Suite(.serialized) struct InterfaceTests {
    private let folder: TemporaryFolder
    private let toy: ToyModel
    private let model: Model
    private let queries = ["w3 w7", "w1", "w5 w5 w9", "w58 w2"]

    init() async throws {
        let kept = ProcessInfo.processInfo.environment["MAFIN_TOY_FOLDER"]
        folder = try TemporaryFolder()
        toy = try await ToyModel(in: kept.map { URL(fileURLWithPath: $0) } ?? folder.url)
        model = try Model(toy.artefact.path)
    }

    private func blackBox(_ texts: [String]) -> [[Float]] { texts.map(ToyModel.blackBox) }

    private func unit(_ row: [Float]) -> [Float] {
        let length = row.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        return row.map { Float(Double($0) / length) }
    }

    /// A vector of the artefact's encoder, made one text at a time and unscaled.
    private func local(_ text: String, _ role: TextRole) throws -> [Float] {
        let name = role == .query ? EncoderRecord.queryFolder : EncoderRecord.documentFolder
        let encoder = try TextEncoder(
            modelFolder: toy.artefact.appendingPathComponent(name), prefixes: TextPrefixes(), maximumLength: 32)
        return try encoder.embedUnnormalized([text], prefix: role == .query ? "w1 " : "w2 ").values
    }

    private func near(_ a: [Float], _ b: [Float], _ tolerance: Float = 2e-6) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance }
    }

    @Test func aModelSaysWhatItIs() throws {
        #expect(mafin_abi_version() == UInt32(MAFIN_ABI_VERSION))
        #expect(String(cString: mafin_version()) == LibraryVersion.current.version)
        #expect(model.localDimension == 32 && model.joinedDimension == 38)
        #expect(mafin_dimension(model.handle, mafin_vector_kind(MAFIN_BLACK_BOX)) == 6)
        #expect(mafin_dimension(model.handle, 77) == 0)
        #expect(model.sources == ["black-box", "local", "bm25", "stand-in"])
        #expect(mafin_source_name(model.handle, 4) == nil)
        // In the unit in which the weights of the black box and the local encoder add up to 1.
        #expect(abs(mafin_source_weight(model.handle, 1, 0) - 0.4) < 1e-6)
        #expect(abs(mafin_source_weight(model.handle, 3, UInt64(MAFIN_OFFLINE)) - 0.7) < 1e-6)
        var json: UnsafePointer<CChar>?
        try calling { mafin_describe(model.handle, &json, $0) }
        let text = String(cString: try #require(json))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["kind"] as? String == "artefact" && object["standIn"] as? Bool == true)
        #expect((object["dimensions"] as? [String: Int]) == ["local": 32, "blackBox": 6, "joined": 38])
        #expect((object["sources"] as? [[String: Any]])?.count == 4)
        #expect((object["manifest"] as? [String: Any])?["blackBoxDimension"] as? Int == 6)
    }

    @Test func vectorsAreThoseOfTheEncoder() throws {
        let texts = queries + ["", "w4 " + (0..<60).map { "w\($0)" }.joined(separator: " ")]
        for (role, side) in [(Int(MAFIN_QUERY), TextRole.query), (Int(MAFIN_DOCUMENT), .document)] {
            let vectors = try model.encode(texts, role)
            let raw = try model.encode(texts, role, options { $0.flags = UInt64(MAFIN_UNNORMALIZED) })
            for (row, text) in texts.enumerated() {
                let expected = try local(text, side)
                #expect(near(raw[row], expected) && near(vectors[row], unit(expected)))
            }
        }
        let prefixed = try "w9 ".withCString { prefix in
            try model.encode(["w3"], Int(MAFIN_QUERY), options { $0.prefix = prefix })
        }
        let byHand = try "".withCString { prefix in
            try model.encode(["w9 w3"], Int(MAFIN_QUERY), options { $0.prefix = prefix })
        }
        #expect(prefixed == byHand)
        let counters = try model.counters()
        #expect(counters.queries_encoded == 14 && counters.documents_encoded == 12 && counters.texts_at_limit == 4)
        #expect(counters.errors == 0 && counters.encoding_seconds > 0)
    }

    @Test func joinedVectorsHoldTheWeightsOnTheSideOfTheQuery() throws {
        let joined = try model.join(queries, Int(MAFIN_QUERY), blackBox: blackBox(queries))
        let documents = try model.join(queries, Int(MAFIN_DOCUMENT), blackBox: blackBox(queries))
        for (row, text) in queries.enumerated() {
            let box = unit(ToyModel.blackBox(text))
            let query = unit(try local(text, .query)).map { 0.4 * $0 }
            #expect(near(joined[row], box.map { 0.6 * $0 } + query))
            #expect(near(documents[row], box + unit(try local(text, .document))))
        }
        let offline = try model.join(
            queries, Int(MAFIN_QUERY), blackBox: nil, options { $0.flags = UInt64(MAFIN_OFFLINE) })
        let artefact = try ArtefactModel(artefact: toy.artefact, released: { _ in throw CancellationError() })
        let expected = try artefact.embedOffline(queries.map { EmbeddingItem(id: "", text: $0) })
        #expect(offline == MafinCTests.rows(expected.values, 38))
    }

    @Test func aSearchIsThatOfTheProgram() async throws {
        let artefact = try ArtefactModel(artefact: toy.artefact, released: { _ in throw CancellationError() })
        let texts = ToyModel.documents.map(\.textForEncoding)
        let reference = try ArtefactSearch(
            artefact, documents: ToyModel.documents,
            blackBox: Matrix(rows: texts.count, columns: 6, values: blackBox(texts).flatMap(\.self)),
            cache: LocalVectorCache(folder: nil))
        let opened = try Index(model, path: toy.index.path)
        let made = try Index(model, texts, ids: ToyModel.documents.map(\.id), blackBox: blackBox(texts))
        for (name, index) in [("opened", opened), ("made", made)] {
            let found = try index.search(queries, blackBox: blackBox(queries), count: 7)
            for (query, hits) in found.enumerated() {
                let expected = try reference.hits(
                    queries[query], blackBoxVector: ToyModel.blackBox(queries[query]), count: 7)
                #expect(hits.map { ToyModel.documents[Int($0.row)].id } == expected.map(\.id), "\(name)")
                for (hit, other) in zip(hits, expected) {
                    #expect(abs(hit.score - other.score) < 1e-6)
                    #expect(abs(hit.parts[0...2].reduce(0, +) - hit.score) < 1e-5 && hit.parts[3].isNaN)
                }
            }
            let offline = try index.search(queries, blackBox: nil, count: 5, flags: Int(MAFIN_OFFLINE))
            for (query, hits) in offline.enumerated() {
                let expected = try reference.hits(queries[query], blackBoxVector: nil, count: 5, isOffline: true)
                #expect(hits.map { ToyModel.documents[Int($0.row)].id } == expected.map(\.id), "\(name) offline")
                #expect(hits.allSatisfy { $0.parts[0].isNaN && !$0.parts[3].isNaN })
            }
        }
    }

    @Test func scoresArePartsByHand() throws {
        let texts = ToyModel.documents.map(\.textForEncoding)
        let index = try Index(model, texts, ids: ToyModel.documents.map(\.id), blackBox: blackBox(texts))
        let (scores, parts) = try index.scores("w5 w9", blackBox: blackBox(["w5 w9"]))
        func cosine(_ a: [Float], _ b: [Float]) -> Float { zip(unit(a), unit(b)).reduce(0) { $0 + $1.0 * $1.1 } }
        let query = (box: ToyModel.blackBox("w5 w9"), own: try local("w5 w9", .query))
        for (row, text) in texts.enumerated() {
            #expect(abs(parts[row][0] - 0.6 * cosine(query.box, ToyModel.blackBox(text))) < 1e-5)
            #expect(abs(parts[row][1] - 0.4 * cosine(query.own, try local(text, .document))) < 1e-5)
            #expect((parts[row][2] > 0) == text.split(separator: " ").contains { $0 == "w5" || $0 == "w9" })
            #expect(abs(scores[row] - parts[row][0] - parts[row][1] - parts[row][2]) < 1e-5)
        }
        let best = try index.search(["w5 w9"], blackBox: blackBox(["w5 w9"]), count: texts.count)[0]
        for hit in best { #expect(abs(scores[Int(hit.row)] - hit.score) < 1e-5) }
    }

    @Test func weightsAndMissingVectors() throws {
        let texts = ToyModel.documents.map(\.textForEncoding)
        let ids = ToyModel.documents.map(\.id)
        let index = try Index(model, texts, ids: ids, blackBox: blackBox(texts))
        let alone = try index.search(["w5"], blackBox: nil, count: 3, weights: [0, 1, 0, 0])[0]
        let documents = try model.encode(texts, Int(MAFIN_DOCUMENT))
        let query = try model.encode(["w5"], Int(MAFIN_QUERY))[0]
        let cosines = documents.map { zip($0, query).reduce(0) { $0 + $1.0 * $1.1 } }
        #expect(Int(alone[0].row) == cosines.indices.max { cosines[$0] < cosines[$1] })
        let without = Int(MAFIN_WITHOUT_BLACK_BOX)
        let local = try index.search(["w5"], blackBox: nil, count: 3, flags: without)[0]
        #expect(local.allSatisfy { $0.parts[0].isNaN && !$0.parts[1].isNaN && !$0.parts[2].isNaN })
        let bare = try Index(model, texts, ids: ids, blackBox: nil, flags: without)
        let found = try bare.search(["w5"], blackBox: nil, count: 3, flags: without)[0]
        #expect(found.map(\.row) == local.map(\.row) && near(found.map(\.score), local.map(\.score)))
        func status(_ body: () throws -> Void) -> Int? {
            do { try body() } catch { return (error as? Refusal)?.status }
            return 0
        }
        #expect(
            status { _ = try bare.search(["w5"], blackBox: blackBox(["w5"]), count: 3) } == Int(MAFIN_NEEDS_BLACK_BOX))
        #expect(status { _ = try index.search(["w5"], blackBox: nil, count: 3) } == Int(MAFIN_NEEDS_BLACK_BOX))
        #expect(status { _ = try Index(model, texts, ids: ids, blackBox: nil) } == Int(MAFIN_NEEDS_BLACK_BOX))
        #expect(status { _ = try model.join(["w5"], 0, blackBox: nil) } == Int(MAFIN_NEEDS_BLACK_BOX))
        #expect(status { _ = try model.join(["w5"], 0, blackBox: [[1, 2]]) } == Int(MAFIN_INVALID_ARGUMENT))
        #expect(
            status { _ = try model.join(["w5"], 0, blackBox: [[0, 0, 0, 0, 0, 0]]) } == Int(MAFIN_BAD_VECTOR))
        #expect(
            status { _ = try model.join(["w5"], 0, blackBox: [[.nan, 0, 0, 0, 0, 1]]) } == Int(MAFIN_BAD_VECTOR))
        for bad: [Float] in [[-1, 1, 0, 0], [.nan, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]] {
            #expect(
                status { _ = try index.search(["w5"], blackBox: blackBox(["w5"]), count: 3, weights: bad) }
                    == Int(MAFIN_INVALID_ARGUMENT))
        }
        #expect(try model.counters().errors == 11)
    }

    @Test func anEncoderAloneIsAModelToo() throws {
        let encoder = try Model(toy.encoder.path) { $0.maximum_tokens = 16 }
        #expect(encoder.sources == ["local"] && encoder.joinedDimension == 32)
        #expect(mafin_dimension(encoder.handle, mafin_vector_kind(MAFIN_BLACK_BOX)) == 0)
        let index = try Index(encoder, ["w1 w2", "w3"], ids: ["a", "b"], blackBox: nil)
        let hit = try index.search(["w3"], blackBox: nil, count: 5)[0]
        #expect(hit.count == 2 && hit[0].row == 1)
        var document = mafin_document()
        try calling { mafin_index_document(index.handle, 1, &document, $0) }
        #expect(String(cString: document.id) == "b" && document.text_length == 2 && document.title_length == 0)
        mafin_document_free(&document)
        #expect(document.id == nil)
        var row: UInt64 = 0
        try calling { mafin_index_row(index.handle, "b", 1, &row, $0) }
        #expect(row == 1)
        #expect(throws: Refusal.self) { try calling { mafin_index_row(index.handle, "c", 1, &row, $0) } }
        #expect(throws: Refusal.self) { try calling { mafin_index_document(index.handle, 2, &document, $0) } }
        let empty = try Index(encoder, [], ids: [], blackBox: nil)
        #expect(try empty.search(["w3", "w4"], blackBox: nil, count: 3) == [[], []])
        var counts = [UInt64](repeating: 0, count: 2)
        try PackedTexts(["w1", "w1 w2 w3"]).with { texts in
            try calling { mafin_count_tokens(encoder.handle, 1, texts, &counts, 2, $0) }
        }
        // [CLS] and [SEP] are counted. The prefix is the checkpoint's own: none.
        #expect(counts == [3, 5])
    }

    @Test func encodersComputeInThePrecisionThatIsAskedFor() throws {
        let int8 = try "int8".withCString { name in try Model(toy.artefact.path) { $0.precision = name } }
        let program = try ArtefactModel(
            artefact: toy.artefact, precision: .int8, released: { _ in throw CancellationError() })
        let encoder = try #require(program.encoder?.query)
        let raw = try int8.encode(queries, Int(MAFIN_QUERY), options { $0.flags = UInt64(MAFIN_UNNORMALIZED) })
        for (row, text) in queries.enumerated() {
            #expect(near(raw[row], try encoder.embedUnnormalized([text], prefix: "w1 ").values))
            #expect(!near(raw[row], try local(text, .query)), "float32 was used")
        }
        var json: UnsafePointer<CChar>?
        try calling { mafin_describe(int8.handle, &json, $0) }
        #expect(String(cString: try #require(json)).contains(#""precision":"int8""#))
        // The documents of the index are in float32, and no gate has measured the mix.
        let mixed = #expect(throws: Refusal.self) { try Index(int8, path: toy.index.path) }
        #expect(mixed?.status == Int(MAFIN_BAD_FILE))
        #expect(mixed?.message.contains("documents embedded in float32 for queries in int8") == true)
        let unknown = #expect(throws: Refusal.self) {
            try "half".withCString { name in _ = try Model(toy.artefact.path) { $0.precision = name } }
        }
        #expect(unknown?.message == "options: expected float32, bf16 or int8 as precision, found 'half'")
    }

    @Test func whatMaySpoilResultsIsSaid() throws {
        func warnings(_ model: Model) -> [String] {
            (0..<mafin_warning_count(model.handle)).compactMap { mafin_warning(model.handle, $0) }.map(
                String.init(cString:))
        }
        // The toy's verdict: nothing was measured.
        let untold = try #require(warnings(model).first)
        #expect(
            untold.hasPrefix("\(toy.artefact.path): on dev it could not be told whether it gains. There are no dev"))
        #expect(mafin_warning(model.handle, mafin_warning_count(model.handle)) == nil)
        #expect(mafin_warning(nil, 0) == nil && mafin_warning_count(nil) == 0)
        // A verdict against it, and the same one overridden.
        func judged(_ verdict: Verdict) throws -> Model {
            var manifest = try Artefact(readingFrom: toy.artefact).manifest
            manifest.verdict = verdict
            let other = folder.url.appendingPathComponent("judged", isDirectory: true)
            try? FileManager.default.removeItem(at: other)
            try FileManager.default.copyItem(at: toy.artefact, to: other)
            try JSONEncoder().encode(manifest).write(to: other.appendingPathComponent(Artefact.manifestName))
            return try Model(other.path)
        }
        let against = Verdict(lambda: 0, metric: "nDCG@10", difference: nil, queries: 0)
        #expect(try warnings(judged(against)).first?.contains("judged showed no gain on dev. The best share") == true)
        #expect(try !warnings(judged(against.forced())).contains { $0.contains("judged") })
        // A precision that nothing was measured of, and kernels that are wrong.
        try BrokenKernels.turn.withLock { _ in
            let kernel = Processor.productKernels.int8
            mafin_break_kernels(true)
            defer { mafin_break_kernels(false) }
            let int8 = try "int8".withCString { name in try Model(toy.artefact.path) { $0.precision = name } }
            let found = warnings(int8)
            #expect(found[0].contains("does not say what int8 changes in its rankings") && found[1] == untold)
            let fault =
                "the \(kernel) kernel for products of bytes computes wrong numbers on this processor and is not used"
            #expect(found.contains(fault) == (kernel != "portable"))
            #expect(try int8.encode(["w3"], 0).count == 1)
        }
    }

    @Test func aDamagedLookupFindsNothing() throws {
        let copy = folder.url.appendingPathComponent("damaged", isDirectory: true)
        try FileManager.default.copyItem(at: toy.index, to: copy)
        let file = copy.appendingPathComponent("corpus.lookup")
        var bytes = try Data(contentsOf: file)
        // Entries of 16 bytes: a hash, then a row.
        for place in bytes.indices where place % 16 >= 8 { bytes[place] = 0xff }
        try bytes.write(to: file)
        let index = try Index(model, path: copy.path)
        var row: UInt64 = 0
        let refused = #expect(throws: Refusal.self) { try calling { mafin_index_row(index.handle, "d3", 2, &row, $0) } }
        #expect(refused?.status == Int(MAFIN_NOT_FOUND))
    }

    @Test func mistakesAreSaid() throws {
        func refusal(_ body: (UnsafeMutablePointer<mafin_error>) -> mafin_status) -> Refusal? {
            do { try calling(body) } catch { return error as? Refusal }
            return nil
        }
        var opened: OpaquePointer?
        let missing = refusal { mafin_open("/no/such/folder", nil, &opened, $0) }
        #expect(missing?.status == Int(MAFIN_NOT_FOUND) && opened == nil)
        #expect(missing?.message.contains("/no/such/folder") == true)
        #expect(refusal { mafin_open(nil, nil, &opened, $0) }?.message == "path is NULL")
        #expect(refusal { mafin_open(folder.url.path, nil, &opened, $0) }?.status == Int(MAFIN_NOT_FOUND))
        var output = [Float](repeating: 0, count: 32)
        let bytes = UnsafeMutablePointer<CChar>.allocate(capacity: 3)
        let offsets = UnsafeMutablePointer<UInt64>.allocate(capacity: 2)
        defer {
            bytes.deallocate()
            offsets.deallocate()
        }
        for (place, byte) in [0x77, -1, 0x31].enumerated() { bytes[place] = CChar(byte) }
        (offsets[0], offsets[1]) = (0, 3)
        var texts = mafin_texts(utf8: bytes, byte_count: 3, offsets: offsets, count: 1)
        func encode(_ capacity: UInt64 = 32, _ given: mafin_options? = nil) -> Refusal? {
            var given = given ?? options()
            return refusal { mafin_encode(model.handle, 0, &texts, &given, &output, capacity, $0) }
        }
        #expect(encode()?.message == "texts: text 0 is no UTF-8")
        bytes[1] = 0x30
        #expect(encode(31)?.status == Int(MAFIN_BUFFER_TOO_SMALL))
        #expect(encode(32, options { $0.flags = 1 << 40 })?.status == Int(MAFIN_INVALID_ARGUMENT))
        #expect(encode(32, options { $0.struct_size = 3 })?.status == Int(MAFIN_INVALID_ARGUMENT))
        #expect(encode() == nil)
        offsets[1] = 4
        #expect(encode()?.status == Int(MAFIN_INVALID_ARGUMENT))
        (offsets[0], offsets[1]) = (2, 1)
        #expect(encode()?.status == Int(MAFIN_INVALID_ARGUMENT))
        #expect(refusal { mafin_encode(nil, 0, &texts, nil, &output, 32, $0) }?.message == "model is NULL")
        #expect(refusal { mafin_set_threads(5000, $0) }?.status == Int(MAFIN_INVALID_ARGUMENT))
        // Without room for a message there is still a status.
        #expect(mafin_encode(model.handle, 9, &texts, nil, &output, 32, nil) == mafin_status(MAFIN_INVALID_ARGUMENT))
        #expect((0...9).map { String(cString: mafin_status_name($0)) }.contains("unknown status") == false)
        #expect(String(cString: mafin_status_name(1000)) == "unknown status")
        mafin_close(nil)
        mafin_index_close(nil)
        mafin_document_free(nil)
    }

    @Test func aCallCanBeEnded() throws {
        let texts = (0..<2000).map { "w\($0 % 59)" }
        var calls = 0
        try withUnsafeMutablePointer(to: &calls) { calls in
            let given = options {
                $0.context = UnsafeMutableRawPointer(calls)
                $0.progress = { context, done, total in
                    context?.assumingMemoryBound(to: Int.self).pointee += 1
                    return done >= 512 && total == 2000 ? 1 : 0
                }
            }
            do {
                _ = try model.encode(texts, 0, given)
                Issue.record("it was not ended")
            } catch let refusal as Refusal {
                #expect(refusal.status == Int(MAFIN_CANCELLED))
            }
        }
        #expect(calls == 2)
        #expect(try model.counters().queries_encoded == 512)
    }

    @Test func threadsShareAModel() async throws {
        let texts = (0..<300).map { "w\($0 % 59) w\($0 % 7)" }
        let expected = try model.encode(texts, 1)
        let query = try model.encode(["w3"], 0)
        let same = await withTaskGroup(of: Bool.self, returning: [Bool].self) { group in
            for task in 0..<8 {
                group.addTask { [model] in
                    (0..<5).allSatisfy { _ in
                        task % 2 == 0
                            ? (try? model.encode(texts, 1)) == expected : (try? model.encode(["w3"], 0)) == query
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(same == [Bool](repeating: true, count: 8))
    }
}
