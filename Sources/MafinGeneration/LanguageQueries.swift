import MafinRetrieval

/// Queries that a language model writes for passages.
public struct LanguageQueries: Sendable {
    /// How queries are asked for.
    public struct Options: Sendable {
        /// The language of the queries. For English and `Language.other` the model is asked for that of each passage.
        public var language: Language
        /// Queries for one passage.
        public var perPassage: Int
        /// The styles of the queries.
        public var mix: StyleMix
        /// Real queries, each with a passage that answers it if one is known.
        public var examples: [(query: String, passage: String?)]
        /// The sampling temperature; nil: the server's default.
        public var temperature: Double?
        /// Part of every prompt, so that another seed gives other queries.
        public var seed: UInt64
        /// Maximum number of tokens of a reply; nil: what the queries need.
        public var maximumTokens: Int?

        /// By default three queries per passage (more repeat each other), at a temperature that varies them.
        public init(
            language: Language = .other, perPassage: Int = 3, mix: StyleMix = .standard,
            examples: [(query: String, passage: String?)] = [],
            temperature: Double? = 0.7, seed: UInt64 = 1, maximumTokens: Int? = nil
        ) {
            precondition(perPassage >= 1, "at least one query")
            self.language = language
            self.perPassage = perPassage
            self.mix = mix
            self.examples = examples
            self.temperature = temperature
            self.seed = seed
            self.maximumTokens = maximumTokens
        }
    }

    /// Counts of the replies.
    public struct Replies: Sendable, Codable, Hashable {
        /// Prompts, one per passage.
        public var prompts = 0
        /// Replies without a query.
        public var withoutQuery = 0
        /// Prompts that the server refused.
        public var refused = 0
        /// The server's words for the first refusal.
        public var firstRefusal: String?
        /// Replies that were cut off at the limit on their length. Their complete queries are used.
        public var cutOff = 0
        /// Tokens of prompts as the server counted them, those of cached replies included.
        public var inputTokens = 0
        /// Tokens of replies as the server counted them, those of cached replies included.
        public var outputTokens = 0
    }

    private let selection: PassageSelection
    private let options: Options
    /// One for each passage of the selection.
    public let prompts: [LanguagePrompt]

    /// The prompts for some passages; nothing is asked yet.
    public init(for selection: PassageSelection, options: Options = Options()) {
        self.selection = selection
        self.options = options
        let template = QueryPrompt(options: options)
        prompts = selection.passages.enumerated().map { template.prompt(for: $1, index: $0) }
    }

    /// Asks a model and reads its replies.
    /// - Parameter progress: told how many passages have a reply.
    /// - Throws: what the model throws.
    public func ask(
        _ model: some LanguageModel, progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws -> (queries: [GeneratedQuery], replies: Replies) {
        var facts = Replies(prompts: prompts.count)
        var queries: [GeneratedQuery] = []
        for (index, reply) in try await model.replies(to: prompts, progress: progress).enumerated() {
            guard let reply else { continue }
            facts.inputTokens += reply.inputTokens ?? 0
            facts.outputTokens += reply.outputTokens ?? 0
            if reply.isCutOff { facts.cutOff += 1 }
            if let refusal = reply.refusal {
                facts.refused += 1
                facts.firstRefusal = facts.firstRefusal ?? refusal
                continue
            }
            let row = selection.passages[index].row
            let styles = options.mix.styles(forPassage: index, count: options.perPassage)
            let found = ReplyReading.queries(in: reply.text).prefix(options.perPassage)
            if found.isEmpty { facts.withoutQuery += 1 }
            for (number, query) in found.enumerated() {
                queries.append(
                    GeneratedQuery(
                        id: "g\(row + 1)-\(number + 1)", text: query.text.oneLine, passage: row,
                        origin: .init(query.style ?? styles[number])))
            }
        }
        return (queries, facts)
    }
}

/// A language model that grades queries, passage by passage.
public struct QueryJudge: Sendable {
    private let queries: [GeneratedQuery]
    private let groups: [Range<Int>]
    /// One for each passage that has queries.
    public let prompts: [LanguagePrompt]

    /// The prompts for the queries that are left. The queries of a passage must be next to each other.
    /// - Parameter maximumTokens: maximum of a reply; nil: what the grades need.
    public init(_ filtering: QueryFiltering, of selection: PassageSelection, seed: UInt64, maximumTokens: Int? = nil) {
        queries = filtering.kept
        let passages = Dictionary(uniqueKeysWithValues: selection.passages.map { ($0.row, $0) })
        var groups: [Range<Int>] = []
        var start = 0
        while start < queries.count {
            var end = start + 1
            while end < queries.count, queries[end].passage == queries[start].passage { end += 1 }
            groups.append(start..<end)
            start = end
        }
        self.groups = groups
        let queries = queries
        let template = JudgePrompt(seed: seed, maximumTokens: maximumTokens)
        prompts = groups.compactMap { group in
            passages[queries[group.lowerBound].passage].map {
                template.prompt(for: $0, queries: queries[group].map(\.text))
            }
        }
        precondition(prompts.count == groups.count, "queries of passages that were not chosen")
    }

    /// Asks for grades and rejects queries below 2 of 3. A passage whose grades cannot be read keeps its queries.
    /// - Returns: the number of passages whose grades could not be read.
    public func apply(
        to filtering: inout QueryFiltering, _ model: some LanguageModel,
        progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws -> Int {
        precondition(filtering.kept == queries, "the queries have changed since the prompts were made")
        var (grades, unread) = (Array(repeating: Int.max, count: queries.count), 0)
        for (group, reply) in zip(groups, try await model.replies(to: prompts, progress: progress)) {
            guard let reply else { continue }
            if let found = ReplyReading.grades(in: reply.text), found.count == group.count {
                grades.replaceSubrange(group, with: found)
            } else {
                unread += 1
            }
        }
        filtering.byGrades(grades)
        return unread
    }
}
