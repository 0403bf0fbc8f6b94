import ArgumentParser
import Foundation
import MafinBlackBox
import MafinGeneration
import MafinNumerics
import MafinProviders
import MafinReport
import MafinRetrieval
import Synchronization

/// The course of one `mafin generate`.
struct GenerationSession {
    private let command: GenerateCommand
    private var shared: SharedOptions { command.shared }
    private var options: GenerationOptions { command.generation }

    init(_ command: GenerateCommand) {
        self.command = command
    }

    // MARK: - What is there

    /// A corpus, and what labels of its own stay.
    private struct Corpus {
        var documents: [Document]
        var own: (queries: [Query], qrels: [String: Qrels]) = ([], [:])
        /// The file that holds just the documents, where there is one.
        var file: URL?
    }

    private func readCorpus() throws -> Corpus {
        let url = URL(fileURLWithPath: command.data)
        guard try Self.isCorpusAlone(url) else {
            let collection = try RetrievalCollection(contentsOf: url)
            shared.warn(of: collection.warnings)
            var corpus = Corpus(
                documents: collection.documents, file: collection.format == .beir ? collection.sourceFiles.first : nil)
            if options.keepLabels {
                for split in ["dev", "test"] where collection.splits.contains(split) {
                    let qrels = try collection.qrels(split: split)
                    corpus.own.qrels[split] = qrels
                    corpus.own.queries += collection.queries(judgedIn: qrels)
                }
                guard !corpus.own.qrels.isEmpty else {
                    throw ValidationError("--keep-labels: \(command.data) has labels neither of dev nor of test.")
                }
            }
            return corpus
        }
        if options.keepLabels { throw ValidationError("--keep-labels: \(command.data) has no labels.") }
        // Checks what a collection's reader checks: ids used twice, empty texts.
        var texts = try CheckedTexts(documents: url)
        while try texts.next() != nil {}
        shared.warn(of: texts.warnings)
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
        guard let path = options.examples else { return [] }
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
        try PassageSelection(of: corpus.documents, maximum: options.passages, seed: command.seed)
    }

    private func prompts(_ selection: PassageSelection) throws -> LanguageQueries {
        LanguageQueries(
            for: selection,
            options: LanguageQueries.Options(
                perPassage: options.perPassage, mix: options.mix, examples: try readExamples(),
                temperature: options.temperature, seed: command.seed, maximumTokens: options.languageModel.maxTokens))
    }

    private func open(
        _ specification: LanguageModelOptions.Specification
    ) throws -> (model: ChatModel, cached: CachedLanguageModel) {
        try options.languageModel.open(
            specification, cache: try command.blackBox.openCache(shared, ProcessInfo.processInfo.environment),
            catalog: try command.blackBox.catalog(), asking: command.blackBox.asking, shared: shared)
    }

    // MARK: - Plan

    /// What would be asked; nothing is.
    func plan() async throws -> GenerationPlan {
        let corpus = try readCorpus()
        let selection = try select(corpus)
        guard let specification = options.languageModel.llm else {
            return GenerationPlan(documents: corpus.documents.count, passages: selection.rows.count)
        }
        let opened = try open(specification)
        return try await plan(
            prompts(selection).prompts, opened, documents: corpus.documents.count, passages: selection.rows.count)
    }

    private func plan(
        _ prompts: [LanguagePrompt], _ opened: (model: ChatModel, cached: CachedLanguageModel), documents: Int,
        passages: Int
    ) async throws -> GenerationPlan {
        GenerationPlan(
            documents: documents, passages: passages, model: opened.model, prompts: prompts.count,
            missing: try await opened.cached.missing(prompts), rates: options.languageModel)
    }

    // MARK: - Run

    /// Makes, filters, splits and writes.
    func run() async throws -> GenerationReport {
        let corpus = try readCorpus()
        let selection = try select(corpus)
        var generated: [GeneratedQuery] = []
        var replies: LanguageQueries.Replies?
        var models: [ChatModel] = []
        if let specification = options.languageModel.llm {
            let opened = try open(specification)
            models.append(opened.model)
            let asked = try prompts(selection)
            try await announce(asked.prompts, opened, corpus.documents.count, selection.rows.count)
            let written = try await withProgress("Queries", asked.prompts.count, unit: "passages") { progress in
                try await asked.ask(opened.cached, progress: progress)
            }
            generated = written.queries
            replies = written.replies
            if let refused = replies?.refused, refused > 0 {
                shared.warn(
                    "\(refused) passages were refused by \(specification), the first with: \(replies?.firstRefusal ?? "")"
                )
            }
        } else {
            generated = PseudoQueries(kinds: options.pieces.kinds, perPassage: options.perPassage, seed: command.seed)
                .queries(of: corpus.documents, rows: selection.rows)
        }
        var filtering = QueryFiltering(generated)
        filtering.byText(corpus.documents)
        filtering.byDuplicates(known: corpus.own.queries.map(\.text))
        let blackBox = try await roundTrip(&filtering, corpus.documents)
        var unreadGrades: Int?
        if let specification = options.languageModel.judge {
            let opened = try open(specification)
            models.append(opened.model)
            unreadGrades = try await judge(&filtering, selection, opened, corpus.documents.count)
        }
        let collection = try GeneratedCollection(
            filtering, documents: corpus.documents, grouping: options.group, shares: options.split, own: corpus.own,
            seed: command.seed)
        var report = GenerationReport(
            selection: selection, documents: corpus.documents.count, generated: generated, filtering: filtering,
            splits: collection.sizes,
            styles: options.withoutLlm ? options.pieces.defaultValueDescription : "\(options.mix)",
            perPassage: options.perPassage,
            seed: command.seed)
        report.model = options.languageModel.llm?.description
        report.judge = options.languageModel.judge?.description
        report.prompt = options.withoutLlm ? nil : GenerationReport.promptVersion
        report.blackBox = blackBox
        report.roundTrip = blackBox == nil ? nil : options.roundTrip
        report.examples = try readExamples().count
        report.replies = replies
        report.unreadGrades = unreadGrades
        if !models.isEmpty {
            // They share what is spent.
            report.requests = models.last?.spent.requests
            if options.languageModel.price != nil { report.cost = models.last?.spent.cost }
        }
        let folder = URL(fileURLWithPath: command.output)
        try FileManager.default.createDirectory(
            at: folder.deletingLastPathComponent(), withIntermediateDirectories: true)
        try collection.write(to: folder, rejected: filtering.rejected, report: report, corpus: corpus.file)
        return report
    }

    /// Says what will be asked, and stops where it could cost more than is allowed.
    private func announce(
        _ prompts: [LanguagePrompt], _ opened: (model: ChatModel, cached: CachedLanguageModel), _ documents: Int,
        _ passages: Int
    ) async throws {
        let plan = try await plan(prompts, opened, documents: documents, passages: passages)
        shared.note(plan.summary)
        if let objection = plan.objection(options.languageModel, spent: opened.model.spent) {
            throw ProviderError.overBudget(endpoint: opened.model.url, reason: objection)
        }
    }

    private func judge(
        _ filtering: inout QueryFiltering, _ selection: PassageSelection,
        _ opened: (model: ChatModel, cached: CachedLanguageModel),
        _ documents: Int
    ) async throws -> Int {
        let judge = QueryJudge(
            filtering, of: selection, seed: command.seed, maximumTokens: options.languageModel.maxTokens)
        try await announce(judge.prompts, opened, documents, judge.prompts.count)
        let before = filtering
        let (after, unread) = try await withProgress("Judging", judge.prompts.count, unit: "passages") { progress in
            var filtering = before
            let unread = try await judge.apply(to: &filtering, opened.cached, progress: progress)
            return (filtering, unread)
        }
        filtering = after
        if unread > 0 { shared.warn("the grades of \(unread) passages could not be read; their queries are kept") }
        return unread
    }

    /// The black box's name where the test was made.
    private func roundTrip(_ filtering: inout QueryFiltering, _ documents: [Document]) async throws -> String? {
        guard options.roundTrip > 0, let specification = command.blackBox.blackBox else { return nil }
        let blackBox = try await command.blackBox.make(shared: shared)
        // Empty documents can be nobody's answer.
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
            count: options.roundTrip)
        return specification.description
    }

    private func withProgress<Result: Sendable>(
        _ title: String, _ total: Int, unit: String,
        _ body: @escaping @Sendable (@escaping @Sendable (Int) -> Void) async throws -> Result
    ) async throws -> Result {
        let bar = shared.progressBar(title, total: total, unit: unit)
        let result = try await Interruption.cancelling { try await body { bar.update(completed: $0) } }
        bar.finish()
        return result
    }

    // MARK: - Words

    /// What came of it, for people.
    static func table(_ report: GenerationReport) -> Table {
        func list(_ counts: [String: Int]) -> String {
            counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }.joined(
                separator: ", ")
        }
        func sum(_ counts: [String: Int]) -> Int { counts.values.reduce(0, +) }
        var table = Table(columns: [.init("generation"), .init("")])
        table.append(["queries by", report.model ?? "pieces of the passages (\(report.styles))"])
        var passages = "\(report.passages) of \(report.documents) documents"
        if report.tooShort > 0 { passages += ", \(report.tooShort) too short" }
        if report.repeated > 0 { passages += ", \(report.repeated) repeated" }
        table.append(["passages", passages])
        table.append(["made", "\(sum(report.generated)): \(list(report.generated))"])
        for (reason, count) in report.rejected.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
            table.append(["rejected: \(reason)", "\(count)"])
        }
        table.append(["kept", "\(sum(report.kept)): \(list(report.kept))"])
        for name in ["train", "dev", "test"] {
            guard let size = report.splits[name] else { continue }
            table.append([name, "\(size.queries) queries, \(size.passages) passages"])
        }
        if let replies = report.replies {
            table.append(["tokens", "\(replies.inputTokens) in, \(replies.outputTokens) out, cached replies included"])
        }
        if let requests = report.requests {
            table.append([
                "asked now", "\(requests) requests" + (report.cost.map { String(format: ", %.4f paid", $0) } ?? ""),
            ])
        }
        return table
    }
}
