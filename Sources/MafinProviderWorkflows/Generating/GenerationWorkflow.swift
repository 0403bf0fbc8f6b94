import Foundation
import MafinBlackBox
import MafinGeneration
import MafinNumerics
import MafinProviders
import MafinRetrieval
import MafinWorkflows

/// One `mafin generate`: makes queries for a corpus, filters them, splits them by document and writes the collection.
package struct GenerationWorkflow {
    /// A corpus, or a collection whose documents are used.
    package var data: String
    /// The folder of the collection.
    package var output: String
    package var seed: UInt64 = 1
    /// The language of the queries; nil for that of the documents, which is guessed.
    package var language: Language?
    /// The kinds of pieces of passages that become queries if there is no language model.
    package var pieces = PseudoQueries.allKinds
    /// Queries for each passage.
    package var perPassage = 3
    /// Passages to make queries from; nil: all.
    package var passages: Int?
    package var mix = StyleMix.standard
    /// A file of real queries to imitate.
    package var examples: String?
    package var temperature = 0.7
    /// A query is kept only if its own passage is among this many results of the black box; 0: no such test.
    package var roundTrip = 20
    package var group: GeneratedCollection.Grouping = .passage
    package var split = GeneratedCollection.Shares()
    /// Whether the collection's own dev and test labels are kept.
    package var keepsLabels = false
    /// Price, rates and limits of the language models.
    package var limits = ChatLimits()

    /// A language model, the writer or the judge: `provider:model`, and how it is opened.
    package typealias Model = (name: String, open: () throws -> LanguageModelFactory.Opened)
    /// The black box of the round trip, as `--black-box` names it.
    package typealias RoundTrip = (name: String, open: BlackBoxOpening)

    private let writer: Model?
    private let judge: Model?
    private let blackBox: RoundTrip?
    private let context: WorkflowContext

    /// - Parameters:
    ///   - writer: writes the queries; nil: pieces of the passages become queries.
    ///   - judge: grades the queries; nil: they are not graded.
    ///   - blackBox: must find each query's passage; nil: no such test.
    package init(
        data: String, output: String, writer: Model?, judge: Model?, blackBox: RoundTrip?, context: WorkflowContext
    ) {
        (self.data, self.output) = (data, output)
        (self.writer, self.judge, self.blackBox, self.context) = (writer, judge, blackBox, context)
    }

    // MARK: - Input

    /// A corpus, and its own labels that are kept.
    private struct Corpus {
        var documents: [Document]
        var own: (queries: [Query], qrels: [String: Qrels]) = ([], [:])
        /// The file that holds exactly the documents; nil: there is none.
        var file: URL?
    }

    /// - Throws: also `GenerationError.documentsWithImages`: the new collection would name images that are not in its folder.
    private func readCorpus() throws -> Corpus {
        let corpus = try readDocuments()
        let pictures = corpus.documents.filter { $0.image != nil }
        if let first = pictures.first {
            throw GenerationError.documentsWithImages(path: data, count: pictures.count, first: first.id)
        }
        return corpus
    }

    private func readDocuments() throws -> Corpus {
        let url = URL(fileURLWithPath: data)
        guard try Self.isCorpusAlone(url) else {
            let collection = try RetrievalCollection(contentsOf: url)
            context.warn(of: collection.warnings)
            var corpus = Corpus(
                documents: collection.documents, file: collection.format == .beir ? collection.sourceFiles.first : nil)
            if keepsLabels {
                for split in ["dev", "test"] where collection.splits.contains(split) {
                    let qrels = try collection.qrels(split: split)
                    corpus.own.qrels[split] = qrels
                    corpus.own.queries += collection.queries(judgedIn: qrels)
                }
                guard !corpus.own.qrels.isEmpty else {
                    throw WorkflowError.noLabelsToKeep(path: data)
                }
            }
            return corpus
        }
        if keepsLabels { throw WorkflowError.noLabelsToKeep(path: data) }
        // The same checks as for a collection: ids used twice, empty texts.
        var texts = try CheckedTexts(documents: url)
        while try texts.next() != nil {}
        context.warn(of: texts.warnings)
        var reader = try DocumentReader(contentsOf: url)
        var documents: [Document] = []
        while let document = try reader.next() { documents.append(document) }
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
        let plain = url.appendingPathComponent("corpus.jsonl")
        let file =
            !isFolder.boolValue
            ? url : FileManager.default.fileExists(atPath: plain.path) ? plain : plain.appendingPathExtension("gz")
        return Corpus(documents: documents, file: file)
    }

    /// Whether a path is a corpus without queries: a folder that has none, or lines of documents rather than of pairs.
    private static func isCorpusAlone(_ url: URL) throws -> Bool {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else { return false }
        if isFolder.boolValue {
            return !["queries.jsonl", "queries.jsonl.gz"].contains {
                FileManager.default.fileExists(atPath: url.appendingPathComponent($0).path)
            }
        }
        guard url.lastPathComponent.contains(".jsonl") else { return false }
        var lines = try JSONLines(contentsOf: url, fields: ["_id", "query"])
        let first = try lines.next()
        return first?["_id"] != nil && first?["query"] == nil
    }

    private func readExamples() throws -> [(query: String, passage: String?)] {
        guard let path = self.examples else { return [] }
        let url = URL(fileURLWithPath: path)
        var examples: [(query: String, passage: String?)] = []
        if [".jsonl", ".jsonl.gz", ".ndjson"].contains(where: url.lastPathComponent.hasSuffix) {
            var lines = try JSONLines(contentsOf: url, fields: ["query", "text", "passage", "document", "positive"])
            while let line = try lines.next() {
                let query = try line.optionalString("query") ?? line.optionalString("text")
                let passage =
                    try line.optionalString("passage") ?? line.optionalString("document")
                    ?? line.optionalString("positive")
                guard let query, !query.isEmpty else {
                    throw GenerationError.badExamples(
                        path: path, reason: "line \(line.line) has neither 'query' nor 'text'")
                }
                examples.append((query, passage))
            }
        } else {
            guard let text = try? String(contentsOf: url, encoding: .utf8) else {
                throw GenerationError.badExamples(path: path, reason: "it cannot be read as text")
            }
            examples = text.split(whereSeparator: \.isNewline).map {
                (String($0).trimmingCharacters(in: .whitespaces), nil)
            }
            .filter { !$0.0.isEmpty }
        }
        guard !examples.isEmpty else { throw GenerationError.badExamples(path: path, reason: "it holds no query") }
        return examples
    }

    private func select(_ corpus: Corpus) throws -> PassageSelection {
        try PassageSelection(of: corpus.documents, maximum: passages, seed: seed)
    }

    /// The language in which queries are written. Where the documents are of several, each passage decides.
    private func language(of corpus: Corpus) -> Language {
        let found = context.language(language, of: corpus.documents)
        return found.isSure ? found.language : .other
    }

    private func prompts(_ selection: PassageSelection, in language: Language) throws -> LanguageQueries {
        LanguageQueries(
            for: selection,
            options: LanguageQueries.Options(
                language: language, perPassage: perPassage, mix: mix, examples: try readExamples(),
                temperature: temperature, seed: seed, maximumTokens: limits.tokensOfReply))
    }

    // MARK: - Plan

    /// What would be sent. Nothing is sent.
    package func plan() async throws -> GenerationPlan {
        let corpus = try readCorpus()
        let selection = try select(corpus)
        guard let writer else {
            return GenerationPlan(documents: corpus.documents.count, passages: selection.rows.count)
        }
        let opened = try writer.open()
        return try await plan(
            prompts(selection, in: language(of: corpus)).prompts, opened, documents: corpus.documents.count,
            passages: selection.rows.count)
    }

    private func plan(
        _ prompts: [LanguagePrompt], _ opened: LanguageModelFactory.Opened, documents: Int,
        passages: Int
    ) async throws -> GenerationPlan {
        GenerationPlan(
            documents: documents, passages: passages, model: opened.model, prompts: prompts.count,
            missing: try await opened.cached.missing(prompts), limits: limits)
    }

    // MARK: - Run

    /// Makes, filters, splits and writes.
    package func run() async throws -> GenerationReport {
        let corpus = try readCorpus()
        let selection = try select(corpus)
        let language = writer == nil ? nil : self.language(of: corpus)
        var generated: [GeneratedQuery] = []
        var replies: LanguageQueries.Replies?
        var models: [ChatModel] = []
        if let writer {
            let opened = try writer.open()
            models.append(opened.model)
            let asked = try prompts(selection, in: language ?? .other)
            try await announce(asked.prompts, opened, corpus.documents.count, selection.rows.count)
            let written = try await withProgress("Queries", asked.prompts.count, unit: "passages") { progress in
                try await asked.ask(opened.cached, progress: progress)
            }
            generated = written.queries
            replies = written.replies
            if let refused = replies?.refused, refused > 0 {
                context.warn(
                    "\(refused) passages were refused by \(writer.name); the first reason was: \(replies?.firstRefusal ?? "")"
                )
            }
        } else {
            generated = PseudoQueries(kinds: pieces, perPassage: perPassage, seed: seed)
                .queries(of: corpus.documents, rows: selection.rows)
        }
        var filtering = QueryFiltering(generated)
        filtering.byText(corpus.documents)
        filtering.byDuplicates(known: corpus.own.queries.map(\.text))
        let blackBox = try await applyRoundTrip(&filtering, corpus.documents)
        var unreadGrades: Int?
        if let judge {
            let opened = try judge.open()
            models.append(opened.model)
            unreadGrades = try await applyJudge(&filtering, selection, opened, corpus.documents.count)
        }
        let collection = try GeneratedCollection(
            filtering, documents: corpus.documents, grouping: group, shares: split, own: corpus.own,
            seed: seed)
        var report = GenerationReport(
            selection: selection, documents: corpus.documents.count, generated: generated, filtering: filtering,
            splits: collection.sizes,
            styles: writer == nil ? pieces.map(\.rawValue).joined(separator: ",") : "\(mix)",
            perPassage: perPassage,
            seed: seed)
        report.model = writer?.name
        report.judge = judge?.name
        report.prompt = writer == nil ? nil : GenerationReport.promptVersion
        report.blackBox = blackBox
        report.roundTrip = blackBox == nil ? nil : roundTrip
        report.language = language
        report.examples = try readExamples().count
        report.replies = replies
        report.unreadGrades = unreadGrades
        if !models.isEmpty {
            // Both models share one account of spending.
            report.requests = models.last?.spent.requests
            if limits.price != nil { report.cost = models.last?.spent.cost }
        }
        let folder = URL(fileURLWithPath: output)
        try FileManager.default.createDirectory(
            at: folder.deletingLastPathComponent(), withIntermediateDirectories: true)
        try collection.write(to: folder, rejected: filtering.rejected, report: report, corpus: corpus.file)
        return report
    }

    /// Reports what will be sent. Throws if it could cost more than is allowed.
    private func announce(
        _ prompts: [LanguagePrompt], _ opened: LanguageModelFactory.Opened, _ documents: Int,
        _ passages: Int
    ) async throws {
        let plan = try await plan(prompts, opened, documents: documents, passages: passages)
        context.note(plan.summary)
        try await opened.model.require(prompts: plan.toAsk, cost: plan.cost)
    }

    private func applyJudge(
        _ filtering: inout QueryFiltering, _ selection: PassageSelection,
        _ opened: LanguageModelFactory.Opened,
        _ documents: Int
    ) async throws -> Int {
        let judge = QueryJudge(
            filtering, of: selection, seed: seed, maximumTokens: limits.tokensOfReply)
        try await announce(judge.prompts, opened, documents, judge.prompts.count)
        let before = filtering
        let (after, unread) = try await withProgress("Judging", judge.prompts.count, unit: "passages") { progress in
            var filtering = before
            let unread = try await judge.apply(to: &filtering, opened.cached, progress: progress)
            return (filtering, unread)
        }
        filtering = after
        if unread > 0 { context.warn("the grades of \(unread) passages could not be read; their queries are kept") }
        return unread
    }

    /// Applies the round-trip test. Returns the black box's name; nil: there is no such test.
    private func applyRoundTrip(_ filtering: inout QueryFiltering, _ documents: [Document]) async throws -> String? {
        guard roundTrip > 0, let named = blackBox else { return nil }
        let blackBox = try await named.open(nil)
        // Empty documents cannot be embedded.
        let rows = documents.indices.filter { !documents[$0].textForEncoding.isEmpty }
        let texts = rows.map { documents[$0] }
        let vectors = try await blackBox.embed(
            texts.map { EmbeddingItem(id: $0.id, text: $0.textForEncoding) }, as: .document
        ).normalizedRows().matrix
        let queries = try await blackBox.embed(
            filtering.kept.map { EmbeddingItem(id: $0.id, text: $0.text) }, as: .query)
        var places = [Int](repeating: 0, count: documents.count)
        for (place, row) in rows.enumerated() { places[row] = place }
        try filtering.byRoundTrip(
            documents: vectors, queries: queries.normalizedRows().matrix, texts: texts, rowOfPassage: places,
            count: roundTrip)
        return named.name
    }

    private func withProgress<Result: Sendable>(
        _ title: String, _ total: Int, unit: String,
        _ body: @escaping @Sendable (@escaping @Sendable (Int) -> Void) async throws -> Result
    ) async throws -> Result {
        let progress = context.beginProgress(title, total, unit)
        let result = try await context.cancelling { try await body { progress.update(completed: $0) } }
        progress.finish()
        return result
    }
}
