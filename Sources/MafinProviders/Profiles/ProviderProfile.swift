import Foundation
import MafinBlackBox

/// Describes a provider's embedding API: address, request, answer, limits. One client serves all providers; only the profile differs.
///
/// Profiles are TOML, also those that come with the library (``ProfileCatalog``). A user's file can change single keys of one, or describe
/// another server. What a vendor does not state is left out.
/// ```toml
/// name = "house"
/// extends = "openai"
/// [endpoint]
/// base_url = "https://embeddings.example.org/v1"
/// key_variables = ["HOUSE_KEY"]
/// [limits]
/// items = 64
/// ```
public struct ProviderProfile: Sendable, Hashable {
    /// The name before the colon in `--black-box NAME:MODEL`.
    public let name: String
    /// A title of one line, for people.
    public let title: String
    /// The address of requests.
    public let endpoint: Endpoint
    /// The form of requests.
    public let request: RequestForm
    /// The form of answers.
    public let answer: AnswerForm
    /// Error messages of the vendor that are not among the common ones.
    public let errors: ErrorWords
    /// Limits of one request, and of one minute.
    public let limits: ProviderLimits
    /// The properties of the vectors.
    public let vectors: VectorFacts
    /// How tokens are counted before texts are sent.
    public let tokens: TokenFacts
    /// What an image costs, and how large it may be.
    public let images: ImageFacts
    /// The price.
    public let price: PriceFacts
    /// The batch API; nil: there is none.
    public let batch: BatchForm?
    /// The chat API; nil: there is none.
    public let chat: ChatForm?
    /// Whether it has an embedding API.
    public let embeds: Bool
    /// The file that it was read from, for error messages.
    let source: String
    /// All its values, merged.
    let definition: [String: ProfileValue]

    /// Reads a profile that extends nothing.
    /// - Parameter source: file or name, for error messages.
    /// - Throws: ``ProviderError/badProfile(source:place:reason:)``
    public init(toml: String, source: String) throws {
        try self.init(definition: try ProfileValue.table(toml: toml, source: source), source: source)
    }

    init(definition: [String: ProfileValue], source: String) throws {
        var table = ProfileTable(definition, source: source)
        guard let name = try table.text("name") else { throw table.fault("name", "it is missing") }
        guard BlackBoxSpecification.isProviderName(name) else {
            throw table.fault("name", "expected lower-case letters, digits and hyphens, found '\(name)'")
        }
        self.name = name
        title = try table.text("title") ?? name
        endpoint = try table.table("endpoint") { try Endpoint(&$0) }
        request = try table.table("request") { try RequestForm(&$0) }
        answer = try table.table("answer") { try AnswerForm(&$0) }
        errors = try table.table("errors") { try ErrorWords(&$0) }
        limits = try table.table("limits") { try ProviderLimits(&$0) }
        vectors = try table.table("vectors") { try VectorFacts(&$0) }
        tokens = try table.table("tokens") { try TokenFacts(&$0) }
        images = try table.table("images") { try ImageFacts(&$0) }
        price = try table.table("price") { try PriceFacts(&$0) }
        batch = try table.table("batch") { try BatchForm(&$0) }
        chat = try table.table("chat") { try ChatForm(&$0) }
        embeds = try table.flag("embeds") ?? true
        let models = try table.rawTables("model")
        try table.finish()
        self.source = source
        self.definition = definition
        for model in models {
            guard case .text? = model["match"] else {
                throw ProviderError.badProfile(source: source, place: "model.match", reason: "it is missing")
            }
        }
    }

    /// The profile for one model: the `[[model]]` tables that match it are applied in order.
    /// - Throws: ``ProviderError/badProfile(source:place:reason:)``
    public func adapted(to model: String) throws -> ProviderProfile {
        guard case .list(let overrides)? = definition["model"] else { return self }
        var merged = definition
        merged["model"] = nil
        var isChanged = false
        for case .table(var override) in overrides {
            guard case .text(let pattern)? = override.removeValue(forKey: "match"), Self.matches(model, pattern) else {
                continue
            }
            merged = ProfileValue.merging(merged, with: override)
            isChanged = true
        }
        return isChanged ? try ProviderProfile(definition: merged, source: source) : self
    }

    /// The profile with single keys changed.
    /// - Throws: ``ProviderError/badProfile(source:place:reason:)``
    public func overriding(toml: String, source: String) throws -> ProviderProfile {
        try ProviderProfile(
            definition: Self.merging(definition, with: try ProfileValue.table(toml: toml, source: source)),
            source: source)
    }

    /// Merges two profiles. The `[[model]]` tables of both apply, those of the upper one last.
    static func merging(
        _ lower: [String: ProfileValue], with upper: [String: ProfileValue]
    ) -> [String: ProfileValue] {
        var merged = ProfileValue.merging(lower, with: upper)
        if case .list(let old)? = lower["model"], case .list(let new)? = upper["model"] {
            merged["model"] = .list(old + new)
        }
        return merged
    }

    /// The profile as TOML, merged, without comments.
    public var toml: String { ProfileValue.toml(definition) }

    /// Whether a model's name matches a pattern in which `*` stands for anything. Case is ignored.
    static func matches(_ model: String, _ pattern: String) -> Bool {
        let parts = pattern.lowercased().split(separator: "*", omittingEmptySubsequences: false)
        var rest = model.lowercased()[...]
        guard let first = parts.first, let last = parts.last, rest.hasPrefix(first) else { return false }
        guard parts.count > 1 else { return rest == first }
        rest = rest.dropFirst(first.count)
        for part in parts.dropFirst().dropLast() {
            guard let range = rest.range(of: part) else {
                if part.isEmpty { continue }
                return false
            }
            rest = rest[range.upperBound...]
        }
        return rest.hasSuffix(last)
    }
}
