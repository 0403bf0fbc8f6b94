import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinProviderWorkflows
import MafinProviders

/// How an embedding API is asked, and for how much money. No flag here changes the vector of a text that fits the model.
struct AskingOptions: ParsableArguments {
    @Option(
        help: .expert(
            "Maximum number of texts in a request. More are faster; an interruption can lose one request.", "n"))
    var blackBoxBatch = BatchLimits().items

    @Option(help: .expert("Maximum number of requests at a time. Fewer are sent while the server is overloaded.", "n"))
    var concurrency = ProviderBlackBox.Options().maximumConcurrentRequests

    @Option(
        help: .expert(
            "Requests a minute that the account may send; all processes on this machine share the limit. (default: the one in the provider's profile, if any)",
            "n"))
    var requestsPerMinute: Int?

    @Option(
        help: .expert(
            "Tokens a minute that the account may send; all processes on this machine share the limit. (default: the one in the provider's profile, if any)",
            "n"))
    var tokensPerMinute: Int?

    @Option(
        help: ArgumentHelp(
            "Price of a million tokens on your account, in your currency. Needed for --max-cost. Prices change, so none is built in.",
            valueName: "amount"))
    var price: Double?

    @Option(
        help: ArgumentHelp(
            "Send nothing that could cost more than this, in the currency of --price. 5 holds for this command, 5/day for each day (UTC), earlier commands with the same --cache included. Costs are estimated from above; a request that gets no answer counts as paid.",
            valueName: "amount"))
    var maxCost: CostLimit?

    @Option(help: .expert("Send no more requests than this, failed ones included.", "n"))
    var maxRequests: Int?

    @Option(
        help: .expert(
            "What to do with texts that are longer than the model accepts. error: stop and name them; the others are embedded and cached. truncate: embed their beginning. split-mean: embed their pieces and take the mean. (default: error)",
            "error|truncate|split-mean"))
    var onOverflow: OverflowPolicy?

    @Option(
        help: .expert(
            "Folder of the model's tokenizer, if you have it. Tokens are then counted exactly instead of estimated.",
            "folder"), completion: .directory)
    var tokenizer: String?

    @Option(
        help: .expert(
            "Share of the cached texts to ask for again, 0 to 1, to check that the model still returns the same vectors. Costs money.",
            "share"))
    var driftCheck: Double?

    @Option(
        help: .expert(
            "Precision of new vectors in the cache. float16 takes half the space and keeps three digits.",
            "float32|float16"))
    var cachePrecision: VectorPrecision = .float32

    @Flag(
        help: .expert(
            "Use the provider's batch API, if it has one: cheaper, answered within a day. If interrupted, run the same command again."
        ))
    var batch = false

    @Flag(
        help: .expert(
            "With --batch: end with status \(CommandStatus.tryAgain.rawValue) when the batches are sent. The same command collects the answers later."
        ))
    var noWait = false

    @Option(
        name: .customLong("header"),
        help: .expert(
            "An additional header for the server, 'Name: value'. May be given several times. Other users of the machine can see flags: put secrets in a provider's file as ${VARIABLE}.",
            "header"))
    var headers: [String] = []

    @OptionGroup(visibility: .hidden) var server: ConnectionOptions

    @Option(
        help: .expert("Time limit for one request and its whole answer.", "duration"),
        transform: TimeLimit.init(parsing:))
    var requestTimeout = TimeLimit(.seconds(300))

    func validate() throws {
        try require(
            [
                "--black-box-batch": blackBoxBatch, "--concurrency": concurrency, "--max-requests": maxRequests,
                "--requests-per-minute": requestsPerMinute, "--tokens-per-minute": tokensPerMinute,
            ], atLeast: 1)
        if let price, !(price >= 0 && price.isFinite) { throw ValidationError("--price must be at least 0.") }
        if let driftCheck, !(0...1).contains(driftCheck) {
            throw ValidationError("--drift-check must be between 0 and 1, found \(driftCheck).")
        }
        if noWait, !batch { throw ValidationError("--no-wait goes with --batch.") }
        _ = try Self.fields(of: headers, flag: "--header")
    }

    /// Headers by name.
    static func fields(of headers: [String], flag: String) throws -> [String: String] {
        var fields: [String: String] = [:]
        for header in headers {
            guard let colon = header.firstIndex(of: ":"), colon > header.startIndex else {
                throw ValidationError("\(flag) takes 'Name: value'.")  // it may hold a secret: not shown
            }
            fields[String(header[..<colon])] = header[header.index(after: colon)...].trimmingCharacters(
                in: .whitespaces)
        }
        return fields
    }

    /// How servers are reached.
    var connection: ConnectionChoice { server.choice(timeout: requestTimeout.duration) }

    /// The settings that the flags give.
    func settings(key: APIKeySource) throws -> ProviderSettings {
        var settings = ProviderSettings()
        settings.key = key
        settings.cachePrecision = cachePrecision
        settings.textsPerRequest = blackBoxBatch
        settings.concurrency = concurrency
        (settings.requestsPerMinute, settings.tokensPerMinute) = (requestsPerMinute, tokensPerMinute)
        (settings.price, settings.maximumCost, settings.maximumRequests) = (price, maxCost, maxRequests)
        settings.tokenizer = tokenizer
        settings.driftCheck = driftCheck
        (settings.usesBatches, settings.waitsForBatches) = (batch, !noWait)
        settings.headers = try Self.fields(of: headers, flag: "--header")
        settings.connection = connection
        return settings
    }
}

/// How a server is reached.
struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Proxy to the server, http://host:port. (default: HTTPS_PROXY or HTTP_PROXY, unless NO_PROXY lists the host)",
            valueName: "url"))
    var proxy: String?

    @Option(
        name: .customLong("ca-file"),
        help: ArgumentHelp("PEM file of certificate authorities to trust besides the system's.", valueName: "file"),
        completion: .file())
    var certificateAuthorities: String?

    func choice(timeout: Duration = ConnectionChoice().timeout) -> ConnectionChoice {
        ConnectionChoice(
            proxy: proxy, certificateAuthorities: certificateAuthorities.map { URL(fileURLWithPath: $0) },
            timeout: timeout)
    }
}

extension CostLimit: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}
extension OverflowPolicy: ExpressibleByArgument {}
extension VectorPrecision: ExpressibleByArgument {}
