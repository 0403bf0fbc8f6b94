import ArgumentParser
import Foundation
import MafinBlackBox
import MafinProviders

/// How an embedding API is asked, and for how much money. None of it changes the vector of a text that fits the model.
struct AskingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Texts in one request at most. More are faster; one request is what an interruption can lose.",
            valueName: "n"))
    var blackBoxBatch = BatchLimits().items

    @Option(
        help: ArgumentHelp(
            "Requests in flight at a time, at most; fewer while the server is overloaded.", valueName: "n"))
    var concurrency = ProviderBlackBox.Options().maximumConcurrentRequests

    @Option(
        help: ArgumentHelp(
            "Requests a minute that the account may send, all processes on this machine together. (default: the provider's, where it states one)",
            valueName: "n"))
    var requestsPerMinute: Int?

    @Option(help: ArgumentHelp("The same for tokens.", valueName: "n"))
    var tokensPerMinute: Int?

    @Option(
        help: ArgumentHelp(
            "What a million tokens cost on your account. Needed for --max-cost; prices change, so none is built in.",
            valueName: "amount"))
    var price: Double?

    @Option(
        help: ArgumentHelp(
            "Nothing is sent that could cost more than this in all, in the currency of --price.", valueName: "amount"))
    var maxCost: Double?

    @Option(help: ArgumentHelp("No more requests than this are sent in all, failing ones included.", valueName: "n"))
    var maxRequests: Int?

    @Option(
        help: ArgumentHelp(
            "What becomes of texts that are longer than the model takes. error: they are named, the others are embedded. truncate: their beginning stands for them. split-mean: the mean of their pieces does.",
            valueName: "error|truncate|split-mean"))
    var onOverflow: OverflowPolicy?

    @Option(
        help: ArgumentHelp(
            "Folder of the model's tokenizer, if you have it: tokens are then counted exactly and not estimated.",
            valueName: "folder"),
        completion: .directory)
    var tokenizer: String?

    @Option(
        help: ArgumentHelp(
            "Share of the cached texts to ask again, 0 to 1, to see whether the model still gives the same vectors. It is paid for.",
            valueName: "share"))
    var driftCheck: Double?

    @Option(
        help: ArgumentHelp(
            "How new vectors are kept in the cache. float16 takes half the room and three digits.",
            valueName: "float32|float16"))
    var cachePrecision: VectorPrecision = .float32

    @Flag(
        help:
            "Ask through the provider's batch API, where it has one: cheaper, answered within a day. An interrupted command goes on where it was."
    )
    var batch = false

    @Flag(help: "With --batch: end once the batches are sent; the same command collects the answers later.")
    var noWait = false

    @Option(
        name: .customLong("header"),
        help: ArgumentHelp(
            "A further header for the server, 'Name: value'; may be repeated. Flags are seen by others on the machine: secrets belong into a provider's file as ${VARIABLE}.",
            valueName: "header"))
    var headers: [String] = []

    @Option(
        help: ArgumentHelp(
            "Proxy to the server, http://host:port. (default: HTTPS_PROXY or HTTP_PROXY, unless NO_PROXY lists the host)",
            valueName: "url"))
    var proxy: String?

    @Option(
        name: .customLong("ca-file"),
        help: ArgumentHelp(
            "PEM file of certificate authorities to trust besides the system's.", valueName: "file"),
        completion: .file())
    var certificateAuthorities: String?

    @Option(help: ArgumentHelp("Time for one request and its whole answer.", valueName: "duration"))
    var requestTimeout = TimeLimit(.seconds(300))

    func validate() throws {
        for (flag, value) in [
            ("--black-box-batch", blackBoxBatch), ("--concurrency", concurrency),
            ("--requests-per-minute", requestsPerMinute ?? 1), ("--tokens-per-minute", tokensPerMinute ?? 1),
            ("--max-requests", maxRequests ?? 1),
        ] where value < 1 {
            throw ValidationError("\(flag) must be at least 1, found \(value).")
        }
        for (flag, value) in [("--price", price), ("--max-cost", maxCost)] {
            if let value, !(value >= 0 && value.isFinite) { throw ValidationError("\(flag) must be at least 0.") }
        }
        if let driftCheck, !(0...1).contains(driftCheck) {
            throw ValidationError("--drift-check must be between 0 and 1, found \(driftCheck).")
        }
        if noWait, !batch { throw ValidationError("--no-wait goes with --batch.") }
        _ = try headerFields()
    }

    /// The headers by name.
    func headerFields() throws -> [String: String] {
        var fields: [String: String] = [:]
        for header in headers {
            guard let colon = header.firstIndex(of: ":"), colon > header.startIndex else {
                throw ValidationError("--header takes 'Name: value'.")  // it may hold a secret: not shown
            }
            fields[String(header[..<colon])] = header[header.index(after: colon)...].trimmingCharacters(
                in: .whitespaces)
        }
        return fields
    }

    /// How servers at an address are reached.
    func connection(to url: String, environment: [String: String]) -> ConnectionSettings {
        ConnectionSettings(
            proxy: proxy ?? ConnectionSettings.proxy(for: url, environment: environment),
            certificateAuthorities: certificateAuthorities.map { URL(fileURLWithPath: $0) },
            timeout: requestTimeout.duration)
    }

    /// What may be spent; the price is the flag's, else the profile's.
    /// - Throws: `ValidationError` where a cost is bounded and no price is known.
    func spending(_ profile: ProviderProfile) throws -> SpendingLimit {
        let price = price ?? profile.price.perMillionTokens
        if maxCost != nil, price == nil {
            throw ValidationError("--max-cost needs --price, what a million tokens cost.")
        }
        return SpendingLimit(requests: maxRequests, cost: maxCost, pricePerMillionTokens: price)
    }
}

extension OverflowPolicy: ExpressibleByArgument {}
extension VectorPrecision: ExpressibleByArgument {}
