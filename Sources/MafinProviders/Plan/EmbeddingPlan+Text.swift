import Foundation
import MafinBlackBox
import MafinPipeline

extension EmbeddingPlan {
    /// One line: what is cached, what would be sent, how long it would take and what it would cost.
    public var summary: String {
        let distinct = parts.reduce(0) { $0 + $1.distinct }
        guard toAsk > 0 else { return "\(model): all \(distinct) distinct texts are cached, nothing is sent" }
        var words = [
            "\(toAsk) of \(distinct) distinct texts to send", tokenText,
            "\(requests) request\(requests == 1 ? "" : "s")",
        ]
        if let minutes, minutes >= 0.5 { words.append("at least \(Self.time(minutes))") }
        if let cost { words.append("at most \(Money.text(cost))" + (basis == .exact ? "" : " (estimated)")) }
        return "\(model) at \(server): " + words.joined(separator: ", ")
    }

    /// The number of tokens, and whether it is exact.
    public var tokenText: String {
        let expected = expectedTokens.map { ", about \($0) by earlier counts" } ?? ""
        return basis == .exact ? "\(tokens) tokens" : "at most \(tokens) tokens (estimated)" + expected
    }

    /// The plan's facts by name, in the order in which they are shown.
    public var rows: [(name: String, value: String)] {
        var rows = parts.map { part in
            (
                name: part.role.plural,
                value: "\(part.texts) texts, \(part.distinct) distinct, \(part.cached) cached, \(part.toAsk) to send"
            )
        }
        let images = parts.reduce(0) { $0 + $1.images }
        if images > 0 {
            let tokens = parts.reduce(0) { $0 + $1.imageTokens }
            let cost =
                tellsImageTokens
                ? "\(tokens) of the tokens below"
                : "the profile does not say what an image costs, so that they count as nothing below ([images])"
            rows.append(("images", "\(images) of the items to send; \(cost)"))
        }
        rows += [
            ("server", server), ("tokens", tokenText), ("requests", "\(requests)"), ("time", timeText),
            ("price", priceText),
        ]
        if let batchDiscount, !isInBatches {
            let percent = "\(Int((batchDiscount * 100).rounded())) %"
            let saving = batchSaving.map { "saves \(Money.text($0)) (\(percent)); answers within a day" }
            rows.append(("batch API", saving ?? "\(percent) off"))
        }
        return rows + [("text limit", limitText), ("dimension", dimensionText)]
    }

    private var timeText: String {
        guard let minutes else {
            return "unknown: no rate of the account is known (--requests-per-minute, --tokens-per-minute)"
        }
        var bounds: [String] = []
        if let requestsPerMinute {
            bounds.append("\(requestsPerMinute) \(itemsAreRequests ? "texts" : "requests") a minute")
        }
        if let tokensPerMinute { bounds.append("\(tokensPerMinute) tokens a minute") }
        return "at least \(Self.time(minutes)) at \(bounds.joined(separator: " and "))"
    }

    private var priceText: String {
        guard let cost else { return "unknown: pass --price, the price of a million tokens" }
        let expected = expectedCost.map { ", about \(Money.text($0)) by earlier counts" } ?? ""
        let batch = isInBatches && batchDiscount != nil ? " through the batch API" : ""
        return (basis == .exact ? Money.text(cost) : "at most \(Money.text(cost)) (estimated)") + expected + batch
    }

    private var limitText: String {
        guard let textTokens else { return "unknown: texts that are too long are named when they are refused" }
        let (over, may) = (parts.flatMap(\.overLimit), parts.flatMap(\.mayBeOverLimit))
        var words = ["\(textTokens) tokens"]
        if over.isEmpty, may.isEmpty { words.append("all texts fit") }
        if !over.isEmpty {
            words.append("\(over.count) texts are longer: \(BlackBoxError.list(over.prefix(5), of: over.count))")
        }
        if !may.isEmpty {
            words.append("\(may.count) may be longer: \(BlackBoxError.list(may.prefix(5), of: may.count))")
        }
        return words.joined(separator: "; ")
    }

    private var dimensionText: String {
        guard let dimension else { return "unknown before the first answer" }
        guard let joinedDimension, let localDimension else { return "\(dimension)" }
        let small = indexesTooSmall
        let fits =
            small.isEmpty
            ? "fits all known indexes"
            : "too many for " + small.map { "\($0.name): \($0.dimension)" }.joined(separator: ", ")
                + " ('mafin reduce' makes vectors smaller)"
        return "\(dimension) + \(localDimension) local = \(joinedDimension); \(fits)"
    }

    /// A duration in minutes, as text for people.
    private static func time(_ minutes: Double) -> String {
        switch minutes {
        case ..<1: "1 minute"
        case ..<120: "\(Int(minutes.rounded(.up))) minutes"
        case ..<2880: String(format: "%.1f hours", minutes / 60)
        default: String(format: "%.1f days", minutes / 1440)
        }
    }
}
