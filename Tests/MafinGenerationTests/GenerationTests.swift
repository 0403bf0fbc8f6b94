import Foundation
import MafinRetrieval
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinGeneration

/// A model that answers from a closure, one prompt at a time.
struct StubModel: LanguageModel {
    let identity = LanguageModelIdentity(provider: "stub", model: "m")
    let reply: @Sendable (LanguagePrompt) -> LanguageReply

    func answer(
        _ prompts: [LanguagePrompt], answered: @escaping @Sendable (Int, LanguageReply) async throws -> Void
    ) async throws {
        for index in prompts.indices.reversed() { try await answered(index, reply(prompts[index])) }
    }
}

@Suite struct GenerationTests {
    private static func documents(_ count: Int) -> [Document] {
        (0..<count).map { row in
            Document(
                id: "d\(row)", title: row % 2 == 0 ? "Lamp \(row)" : "",
                text:
                    "# Model \(row)\nThe lamp number \(row) shines for \(row + 3) hours before it has to be charged again. It weighs \(row) grams."
            )
        }
    }

    // MARK: - Mix

    @Test func stylesHaveTheirShares() throws {
        let mix = try StyleMix(parsing: "question=2, keywords=1,situation=1")
        var counts: [QueryStyle: Int] = [:]
        for passage in 0..<400 {
            for style in mix.styles(forPassage: passage, count: 3) { counts[style, default: 0] += 1 }
        }
        #expect(counts[.question] == 600 && counts[.keywords] == 300 && counts[.situation] == 300)
        #expect(try StyleMix(parsing: "keywords").styles(forPassage: 7, count: 2) == [.keywords, .keywords])
        #expect("\(mix)" == "question=2,keywords=1,situation=1")
        for text in ["", "question=-1", "poem=1", "question=1,question=2", "question=0", "question=x"] {
            #expect(throws: GenerationError.badMix(text)) { try StyleMix(parsing: text) }
        }
    }

    // MARK: - Passages

    @Test func passagesAreChosenEvenlyAndAreNeverTorn() throws {
        var documents = Self.documents(40)
        documents[3].text = "short"
        documents[5].text = documents[7].text
        documents[5].title = documents[7].title
        documents[9].text = String(repeating: "Ein Satz über Öl. ", count: 500)
        let all = try PassageSelection(of: documents, maximum: nil, passageBytes: 300, seed: 1)
        #expect(all.tooShort == 1 && all.repeated == 1 && all.rows.count == 38)
        #expect(all.passages.allSatisfy { $0.text.utf8.count <= 300 })
        #expect(all.passages.contains { $0.row == 9 && $0.text.hasPrefix("Ein Satz") })
        let some = try PassageSelection(of: documents, maximum: 10, seed: 2)
        #expect(some.rows.count == 10 && some.rows == some.rows.sorted())
        #expect(try some.rows == PassageSelection(of: documents, maximum: 10, seed: 2).rows)
        #expect(try some.rows != PassageSelection(of: documents, maximum: 10, seed: 3).rows)
        #expect(throws: GenerationError.self) { try PassageSelection(of: [documents[3]], maximum: nil, seed: 1) }
    }

    // MARK: - Language model

    @Test func promptsSayWhatIsWanted() throws {
        let selection = try PassageSelection(of: Self.documents(4), maximum: nil, seed: 1)
        let examples: [(query: String, passage: String?)] = [
            ("how long does lamp 9 shine", nil), ("lamp weight", "The lamp weighs 3 g"),
        ]
        let plain = LanguageQueries(for: selection).prompts
        let shown = LanguageQueries(for: selection, options: LanguageQueries.Options(examples: examples, seed: 5))
            .prompts
        #expect(
            plain.count == 4
                && plain.allSatisfy { $0.user.contains("<passage>") && $0.user.contains("language of the passage") })
        #expect(
            plain[0].user.contains("Title: Lamp 0") && plain[0].user.contains("1. \"question\"")
                && !plain[0].user.contains("real users"))
        #expect(
            shown[0].user.contains("how long does lamp 9 shine")
                && shown[0].user.contains("for \"The lamp weighs 3 g\": lamp weight"))
        #expect(shown[0].seed != plain[0].seed && Set(plain.map(\.user)).count == 4)
        let schema = try #require(plain[0].schema)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(schema.utf8)) as? [String: Any])
        #expect(object["required"] as? [String] == ["queries"])
    }

    /// Replies are cached by their prompts, so those of English collections must stay as they were.
    @Test func promptsNameTheLanguage() throws {
        let selection = try PassageSelection(of: Self.documents(2), maximum: nil, seed: 1)
        func prompts(_ language: Language) -> [String] {
            LanguageQueries(for: selection, options: LanguageQueries.Options(language: language)).prompts.map(\.user)
        }
        #expect(prompts(.english) == LanguageQueries(for: selection).prompts.map(\.user))
        #expect(prompts(.other).allSatisfy { $0.contains("\n- Write in the language of the passage.\n") })
        for language in Language.allCases where language != .english && language != .other {
            #expect(
                prompts(language).allSatisfy {
                    $0.contains("\n- Write in \(language.name), the language of the collection.\n")
                        && !$0.contains("language of the passage")
                })
        }
        #expect(prompts(.german)[0].contains("Write in German,"))
    }

    @Test func repliesBecomeQueries() async throws {
        let documents = Self.documents(5)
        let selection = try PassageSelection(of: documents, maximum: nil, seed: 1)
        let model = StubModel { prompt in
            if prompt.user.contains("lamp number 1 ") {
                return LanguageReply(text: #"{"queries":[]}"#, inputTokens: 5, outputTokens: 1)
            }
            if prompt.user.contains("lamp number 2 ") { return LanguageReply(text: "", refusal: "filtered") }
            return LanguageReply(
                text:
                    #"{"queries":[{"style":"keywords","text":" lamp\n hours "},{"text":"How long?"},{"text":"c"},{"text":"too many"}]}"#,
                isCutOff: prompt.user.contains("lamp number 3 "), inputTokens: 5, outputTokens: 7)
        }
        let progress = Mutex<[Int]>([])
        let (queries, replies) = try await LanguageQueries(for: selection).ask(model) { count in
            progress.withLock { $0.append(count) }
        }
        #expect(queries.map(\.id) == ["g1-1", "g1-2", "g1-3", "g4-1", "g4-2", "g4-3", "g5-1", "g5-2", "g5-3"])
        #expect(queries[0].text == "lamp hours" && queries[0].origin == .keywords && queries[0].passage == 0)
        #expect(
            replies.prompts == 5 && replies.withoutQuery == 1 && replies.refused == 1
                && replies.firstRefusal == "filtered")
        #expect(replies.cutOff == 1 && replies.inputTokens == 20 && replies.outputTokens == 22)
        #expect(progress.withLock { $0 } == [1, 2, 3, 4, 5])
    }

    @Test func theJudgeRejects() async throws {
        let documents = Self.documents(4)
        let selection = try PassageSelection(of: documents, maximum: nil, seed: 1)
        let made = [(0, "a"), (0, "b"), (1, "c"), (3, "d")].map {
            GeneratedQuery(id: $1, text: $1, passage: $0, origin: .question)
        }
        var filtering = QueryFiltering(made)
        let judge = QueryJudge(filtering, of: selection, seed: 1)
        #expect(judge.prompts.count == 3 && judge.prompts[0].user.contains("1. a\n2. b"))
        let unread = try await judge.apply(
            to: &filtering,
            StubModel { prompt in
                LanguageReply(
                    text: prompt.user.contains("1. a\n")
                        ? #"{"grades":[3,1]}"# : prompt.user.contains("1. c\n") ? "no idea" : "[0]")
            })
        #expect(filtering.kept.map(\.id) == ["a", "c"] && filtering.rejections == [.judged: 2] && unread == 1)
    }

    // MARK: - Without

    @Test func piecesComeFromThePassage() {
        let documents = Self.documents(20)
        let queries = PseudoQueries(perPassage: 4, seed: 1).queries(of: documents, rows: Array(documents.indices))
        #expect(queries.count == 80 && Set(queries.map(\.id)).count == 80)
        for query in queries {
            let document = documents[query.passage]
            #expect((document.title + " " + document.text.oneLine).contains(query.text), "\(query)")
        }
        #expect(Set(queries.map(\.origin)) == Set(PseudoQueries.allKinds))
        #expect(
            PseudoQueries.headings(
                in: "# One #\ntext\nA short line\nwhich is followed by one that is much longer than it is itself.") == [
                    "One #", "A short line",
                ])
        #expect(
            PseudoQueries.sentences(in: "Too short. This one has just six words! Costs 3.5 euros in all of the shops")
                == ["This one has just six words!", "Costs 3.5 euros in all of the shops"])
        #expect(PseudoQueries.sentences(in: "この港の塔は千八百九十四年に建てられました。高さは四十メートルです。") == ["この港の塔は千八百九十四年に建てられました。"])
    }

    // MARK: - Collection

    @Test(arguments: GeneratedCollection.Grouping.allCases)
    func noTwoSplitsShareADocument(grouping: GeneratedCollection.Grouping) async throws {
        let documents = (0..<60).map {
            Document(
                id: "report-\($0 / 4)#\($0 % 4)", title: "Report \($0 / 3)",
                text: "Some text about the matter number \($0)")
        }
        let made = documents.indices.flatMap { row in
            (1...2).map {
                GeneratedQuery(id: "g\(row + 1)-\($0)", text: "query \(row) \($0)", passage: row, origin: .question)
            }
        }
        let collection = try GeneratedCollection(
            QueryFiltering(made), documents: documents, grouping: grouping, seed: 3)
        var splits: [String: Set<String>] = [:]
        for (name, qrels) in collection.qrels {
            for id in qrels.queryIds {
                let row = try #require(made.first { $0.id == id }).passage
                let group = grouping == .passage ? "\(row)" : grouping == .title ? "\(row / 3)" : "\(row / 4)"
                splits[group, default: []].insert(name)
                #expect(qrels.relevantDocuments(of: id).map(\.document) == [documents[row].id])
            }
        }
        #expect(splits.values.allSatisfy { $0.count == 1 })
        #expect(collection.sizes.values.reduce(0) { $0 + $1.queries } == 120 && collection.qrels.count == 3)
        #expect(throws: GenerationError.self) {
            try GeneratedCollection(
                QueryFiltering(Array(made.prefix(2))), documents: documents, grouping: grouping, seed: 3)
        }
    }

    @Test func theFolderIsReadAsAnyOther() async throws {
        try await TemporaryFolder.with { folder in
            let documents = Self.documents(30)
            let selection = try PassageSelection(of: documents, maximum: nil, seed: 1)
            let made = PseudoQueries(perPassage: 2, seed: 1).queries(of: documents, rows: selection.rows)
            var filtering = QueryFiltering(made)
            filtering.byText(documents)
            filtering.byDuplicates()
            let own = Query(id: "real", text: "a real query")
            let collection = try GeneratedCollection(
                filtering, documents: documents, own: ([own], ["test": Qrels([("real", "d4", 1)])]), seed: 1)
            let report = GenerationReport(
                selection: selection, documents: 30, generated: made, filtering: filtering, splits: collection.sizes,
                styles: "title", perPassage: 2, seed: 1)
            let url = folder.url.appendingPathComponent("generated")
            try collection.write(to: url, rejected: filtering.rejected, report: report)
            let read = try RetrievalCollection(contentsOf: url)
            #expect(read.documents == documents && read.splits == ["train", "dev", "test"])
            #expect(try read.qrels(split: "test").queryIds == ["real"])
            #expect(try read.qrels(split: "train") == collection.qrels["train"])
            #expect(read.queries.count == filtering.kept.count + 1)
            let kept = try JSONDecoder().decode(
                GenerationReport.self, from: Data(contentsOf: url.appendingPathComponent(GenerationReport.fileName)))
            #expect(kept == report && kept.rejected.values.reduce(0, +) + kept.kept.values.reduce(0, +) == made.count)
            let lines = try String(contentsOf: url.appendingPathComponent("rejected.jsonl"), encoding: .utf8).split(
                separator: "\n")
            #expect(lines.count == filtering.rejected.count)
        }
    }
}
