import MafinComparison

/// The best system on dev that asks the black box for nothing: what is lost, what is saved, and what asking for some queries
/// brings.
public struct OfflineFacts: Sendable, Equatable, Codable {
    /// ``SystemFacts/name``.
    public var system: String
    /// All of it in a few sentences.
    public var reason: String
    /// The system against the black box, with its uncorrected p.
    public var againstBlackBox: ComparisonVerdict.Test
    /// The system against the chosen one.
    public var againstChosen: ComparisonVerdict.Test?
    /// The gain over the black box on queries about known documents; `nil` if there are too few.
    public var known: ComparisonVerdict.Gain?
    /// The gain over the black box on queries about new documents; `nil` if there are too few.
    public var new: ComparisonVerdict.Gain?
    /// What a query needs.
    public var query: ComparisonVerdict.QueryCost
    /// The sum that the artefact of the chosen system holds, with its own figures: those that `mafin evaluate REPORT/artefact`
    /// gives under the name `mafin-offline`. `nil` if it holds none.
    public var shipped: ChosenFacts?
    /// The median of the milliseconds of a whole query, from its text to its ranking, on the machine that measured.
    public var milliseconds: Double?
    /// Tokens of a query, the mean by the local encoder's tokenizer. The API's own may count others.
    public var tokensPerQuery: Double?
    /// What a thousand queries would cost, in the currency of the given price; `nil` if no price was given.
    public var savedPerThousandQueries: Double?
    /// The metric by the share of queries that are asked.
    public var curve: AskingCurve?
}
