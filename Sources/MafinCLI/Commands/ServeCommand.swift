import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinPipeline
import MafinProviderWorkflows
import MafinServer

/// `mafin serve`: serves a trained artefact with the endpoints of other embedding APIs, and with a page that shows its effect.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract:
            "Serve an artefact over HTTP, compatible with OpenAI's, Cohere's and Voyage's clients, and search an index.",
        usage: "mafin serve <artefact> [--index <folder>] [<options>]",
        discussion: """
            POST /v1/embeddings and /v2/embed return the vectors of the artefact's dense sources, joined, equal to those of 'mafin embed'. A request says what its texts are by \
            'input_type' (query or document), or by the name of the model: NAME:query, NAME:document. With --index there are also POST \
            /search and POST /v1/context, which rank by all sources, and a page at /. GET /openapi.json describes everything.

            The black box is the artefact's own unless --black-box names another. Its API key comes from the provider's usual variable, such as \
            OPENAI_API_KEY, or the one that --api-key-env names.

            SIGTERM lets running requests finish and then ends the service. After SIGHUP, or a change of the artefact, the index, the certificate \
            or the file of keys (also behind a symbolic link), they are loaded again without losing a request. Logs are JSON lines on standard \
            error.

            More flags: mafin serve --help-hidden
            """)

    @Option(
        help: "Address to listen on. 0.0.0.0 means all addresses of the machine; without keys this needs --no-keys.")
    var host = "127.0.0.1"

    @Option(help: "Port to listen on. 0 lets the system choose one; the log names it.")
    var port = 8080

    @Option(help: .expert("Name of the model for clients. (default: the name of the artefact's folder)", "name"))
    var name: String?

    @Option(
        help: ArgumentHelp(
            "Index that 'mafin index' wrote, for /search, /v1/context and the page. It is memory-mapped, together with its copy of one byte for each number, which makes searches faster with the same results.",
            valueName: "folder"))
    var index: String?

    @Option(
        help: ArgumentHelp(
            "Search in these services instead of an index, separated by commas: each is a 'mafin serve' of the same artefact with the index of a part of the documents. The results are those of one index. Their key, if they need one, is read from \(RemoteShards.keyVariable).",
            valueName: "url,url", visibility: .hidden))
    var shardsOf: String?

    @Option(
        help: ArgumentHelp(
            "For a black box of stored answers (vectors:): the collection that maps the texts of requests to stored ids.",
            valueName: "path"))
    var data: String?

    // Versions before BM25 became a source of the artefact had this flag.
    @Flag(help: .private)
    var bm25 = false

    @Option(
        help: .expert(
            "What the texts of a request are if it does not say. Most clients embed more documents than queries.",
            "query|document"))
    var defaultInputType: TextRole = .document

    @Flag(
        help:
            "While the black box is unavailable, answer queries with the artefact's stand-in. Without one, with the sources that do not need the black box; in vectors its part is zeros. Such answers are flagged. Documents are still refused."
    )
    var degrade = false

    @Flag(
        help:
            "Never ask the black box, so that no query leaves the machine and no key is needed: the artefact's stand-in answers all queries. Documents cannot be embedded."
    )
    var offline = false

    @Option(
        help: .expert(
            "Let the stand-in answer searches that it is sure of, and ask the black box only for those whose first document has a probability below this. 0 asks for none, 1 for all. 'mafin inspect' shows what a value costs. Needs --index or --shards-of; with the latter also the shards need the flag, and this service decides for them. (default: all ask)",
            "0…1"))
    var askBelow: Double?

    @Option(
        help: .expert(
            "Room in the cache for the vectors of queries that clients send. The oldest are removed when it is full, and are paid for again if they are asked again. Vectors of documents, and of queries from training, are always kept. 0 means no limit. (default: 1GiB)",
            "size"), transform: { $0 == "0" ? MemorySize(bytes: 0) : try MemorySize(parsing: $0) })
    var cacheLimit = MemorySize(bytes: 1 << 30)

    @Flag(
        help: .expert(
            "Let every search look at all documents, although the index has a graph for approximate searches. It is then not read. A request asks for the same with \"exact\": true."
        ))
    var exact = false

    @OptionGroup var access: AccessOptions
    @OptionGroup var bounds: ServingBounds

    @Option(
        help: ArgumentHelp(
            "Folder for relevance marks made on the page; 'mafin feedback export' makes a collection of them.",
            valueName: "folder"))
    var feedback: String?

    @Option(
        help: .expert("Page that 'mafin compare' wrote (index.html in its folder). The page at / links to it.", "file"))
    var report: String?

    @OptionGroup var options: ArtefactOptions

    @OptionGroup(visibility: .hidden) var precision: PrecisionOptions
    @OptionGroup var computing: ComputingOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        try options.blackBox.refuseBatches(of: "serve")
        if !(0...65535).contains(port) { throw ValidationError("--port must lie between 0 and 65535, found \(port).") }
        if bm25 {
            throw ValidationError(
                "--bm25 is gone: BM25 is a source of the artefact, with a weight of its own. 'mafin train --compose', or 'mafin ship' after 'mafin compare', makes such an artefact."
            )
        }
        if feedback != nil, index == nil {
            throw ValidationError("--feedback needs --index: it marks the index's documents.")
        }
        if shardsOf != nil {
            for (flag, isGiven) in [("--index", index != nil), ("--feedback", feedback != nil), ("--exact", exact)]
            where isGiven {
                throw ValidationError("\(flag) cannot be used with --shards-of: the shards have the index.")
            }
            _ = try shards()
        }
        if exact, shardsOf == nil, index == nil {
            throw ValidationError("--exact needs --index: it decides about searches.")
        }
        try validateOffline()
        if let name, name.isEmpty || name.contains(":") || name.contains("/") {
            throw ValidationError("--name must be a word without ':' and '/', found '\(name)'.")
        }
    }

    private func validateOffline() throws {
        if let askBelow {
            guard (0...1).contains(askBelow) else {
                throw ValidationError("--ask-below must lie between 0 and 1, found \(askBelow).")
            }
            if index == nil, shardsOf == nil {
                throw ValidationError("--ask-below needs --index or --shards-of: it decides about searches.")
            }
        }
        guard offline else { return }
        for (flag, isGiven) in [
            ("--ask-below", askBelow != nil), ("--degrade", degrade), ("--black-box", options.blackBox.blackBox != nil),
            ("--data", data != nil),
        ] where isGiven {
            throw ValidationError("\(flag) is about asking the black box, and --offline never asks it: leave one out.")
        }
    }

    func run() async throws {
        try computing.apply()
        let keys = try access.keys()
        try access.requireKeys(keys, host: host)
        let workflow = try workflow()
        var service = try serviceOptions()
        // The price of the present artefact's black box. It stays until the next start.
        service.pricePerMillionTokens = try workflow.price()
        try await run(workflow, service, keys)
    }

    /// The workflow that opens the artefact and its black box.
    func workflow() throws -> ServingWorkflow {
        // The texts of each call are counted in the metrics. They are not announced in the log.
        var silent = shared
        silent.quiet = true
        var workflow = ServingWorkflow(
            artefact: options.artefact, source: { [options] in try options.blackBox.source(default: $0) },
            factory: try options.blackBox.factory(silent), context: shared.context)
        workflow.index = index.map { URL(fileURLWithPath: $0) }
        workflow.data = data.map { URL(fileURLWithPath: $0) }
        (workflow.degrades, workflow.isOffline) = (degrade, offline)
        workflow.precision = precision.precision
        workflow.maximumQueryBytes = cacheLimit.bytes > 0 ? cacheLimit.bytes : nil
        return workflow
    }

    private func run(_ workflow: ServingWorkflow, _ options: ServiceOptions, _ keys: KeyRing) async throws {
        let log = ServiceLog.standardError(errorsOnly: shared.quiet)
        StandardError.redirectLines { line in
            let level = ["error", "warning"].first { line.hasPrefix($0 + ": ") }
            log.note(level.map { String(line.dropFirst($0.count + 2)) } ?? line, level: level ?? "info")
        }
        let service = try await MafinService(
            options: options, keys: keys, log: log, load: { metrics in try await workflow.load(metrics) })
        var listening = MafinService.Listening(host: host, port: port)
        listening.certificate = access.tlsCertificate.map { URL(fileURLWithPath: $0) }
        listening.privateKey = access.tlsKey.map { URL(fileURLWithPath: $0) }
        listening.drainDelay = .seconds(bounds.drainDelay)
        listening.drainTimeout = .seconds(bounds.drainTimeout ?? bounds.deadline)
        listening.maximumConnections = bounds.maxConnections
        let scheme = access.tlsCertificate == nil ? "http" : "https"
        try await service.run(listening) { [host] port in
            let place = host.contains(":") ? "[\(host)]" : host
            log.record("listening", [("url", .text("\(scheme)://\(place):\(port)"))])
        }
    }

    private func shards() throws -> RemoteShards? {
        guard let shardsOf else { return nil }
        let addresses = shardsOf.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        for address in addresses {
            guard let parts = URLComponents(string: address), ["http", "https"].contains(parts.scheme ?? ""),
                parts.host != nil
            else {
                throw ValidationError("--shards-of takes addresses such as http://10.0.0.5:8080, found '\(address)'.")
            }
            // Other users of this machine can read the addresses.
            guard parts.user == nil, parts.password == nil, parts.query == nil else {
                throw ValidationError(
                    "--shards-of takes addresses without users, passwords and parameters; the shards' key is read from \(RemoteShards.keyVariable)."
                )
            }
        }
        if addresses.isEmpty { throw ValidationError("--shards-of names no service.") }
        return try RemoteShards(addresses, timeout: .seconds(bounds.deadline))
    }

    private func serviceOptions() throws -> ServiceOptions {
        var service = ServiceOptions()
        service.name = name
        service.defaultRole = defaultInputType
        (service.degrades, service.isOffline, service.askBelow) = (degrade, offline, askBelow)
        service.allowedOrigins = access.corsOrigin
        service.allowedHosts = access.allowedHosts(boundTo: host)
        service.feedbackFolder = feedback.map { URL(fileURLWithPath: $0) }
        service.report = report.map { URL(fileURLWithPath: $0) }
        service.classify = UpstreamFailure.init(of:)
        service.shards = try shards()
        service.isExact = exact
        service.watched = [options.folder.appendingPathComponent(Artefact.manifestName)]
        if let index {
            service.watched.append(URL(fileURLWithPath: index).appendingPathComponent(IndexManifest.fileName))
        }
        bounds.apply(to: &service)
        return service
    }
}

/// Which clients may send requests, and how connections are encrypted.
struct AccessOptions: ParsableArguments {
    /// The variable that may hold keys in addition to the file.
    static let keysVariable = "MAFIN_SERVE_KEYS"

    @Option(
        help: ArgumentHelp(
            "File of keys that clients may send: one a line, optionally with a name before it. It is read again when it changes. Keys are also read from \(keysVariable), separated by commas. (default: no key is needed)",
            valueName: "file"), completion: .file())
    var keysFile: String?

    @Option(
        help: ArgumentHelp("Certificate chain in PEM format. The service then uses HTTPS.", valueName: "file"),
        completion: .file())
    var tlsCertificate: String?

    @Option(
        help: ArgumentHelp("Private key of the certificate, in PEM format.", valueName: "file"), completion: .file())
    var tlsKey: String?

    @Option(
        help: ArgumentHelp(
            "Origin from which web pages may send requests. May be given several times; '*' allows all. (default: none)",
            valueName: "origin"))
    var corsOrigin: [String] = []

    @Option(
        help: .expert(
            "Host name by which clients without a key may call the service, for instance behind a proxy. May be given several times. (default: localhost and its addresses)",
            "host"))
    var allowedHost: [String] = []

    @Flag(
        help: "Accept requests without a key. Needed if --host is reachable from other machines and there are no keys.")
    var noKeys = false

    func validate() throws {
        if (tlsCertificate == nil) != (tlsKey == nil) {
            throw ValidationError("--tls-certificate and --tls-key go together.")
        }
        let withPort = allowedHost.first { name in
            name.contains { $0 == "/" || $0 == "[" }
                || name.split(separator: ":", omittingEmptySubsequences: false).count == 2
        }
        if let host = withPort {
            throw ValidationError("--allowed-host takes a name or an address without a port, found \(host).")
        }
        if noKeys, keysFile != nil { throw ValidationError("--no-keys does not go with --keys-file.") }
    }

    /// Stops a service that other machines can reach without keys, unless `--no-keys` allows it.
    func requireKeys(_ keys: KeyRing, host: String) throws {
        guard !keys.areRequired, !isOfThisMachine(host), !noKeys else { return }
        throw ValidationError(
            "--host \(host) can be reached from other machines, and there are no keys: give --keys-file or \(Self.keysVariable), or --no-keys."
        )
    }

    /// The host names that requests may use; nil for any. A web page in a browser on this machine could reach a service for this machine alone
    /// under a name that the page's author chose, so its names are limited. A service for other machines may have any name, unless names are given.
    func allowedHosts(boundTo host: String) -> Set<String>? {
        guard isOfThisMachine(host) || !allowedHost.isEmpty else { return nil }
        let names = [host] + allowedHost
        return Set(["localhost", "127.0.0.1", "[::1]"] + names.map { $0.contains(":") ? "[\($0)]" : $0 })
    }

    private func isOfThisMachine(_ host: String) -> Bool {
        let bytes = host.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        if bytes.count == 4, !bytes.contains(nil) { return bytes[0] == 127 }
        return host == "localhost" || host == "::1"
    }

    func keys(environment: [String: String] = ProcessInfo.processInfo.environment) throws -> KeyRing {
        try KeyRing(keys: environment[Self.keysVariable], file: keysFile.map { URL(fileURLWithPath: $0) })
    }
}

/// The limits for clients.
struct ServingBounds: ParsableArguments {
    @Option(
        help: .expert(
            "Tokens that the local encoder computes at a time. More are slightly faster overall, but a query waits longer for the batch before it. (default: 512 a thread)",
            "n"))
    var batchTokens: Int?

    @Option(
        help: .expert(
            "Tokens that may wait for the local encoder. Beyond that, requests get 429 with Retry-After. Also the limit of one request.",
            "n"))
    var queueTokens = ServiceOptions().queueTokens

    @Option(help: .expert("Maximum number of texts in a request.", "n"))
    var maxInputs = ServiceOptions().maximumInputs

    @Option(help: .expert("Maximum number of bytes in a request's body; above it the answer is 413.", "n"))
    var maxBody = ServiceOptions().maximumBodyBytes

    @Option(help: .expert("Maximum number of requests at a time; above it the answer is 429.", "n"))
    var maxConcurrentRequests = ServiceOptions().maximumRequests

    @Option(help: .expert("Maximum number of connections at a time; further ones wait.", "n"))
    var maxConnections = 4096

    @Option(
        help: .expert(
            "Seconds that a request may take, from the first byte of its body to the last of its answer; then the answer is 504.",
            "s"))
    var deadline = 60.0

    @Option(help: .expert("Seconds after which a client that reads nothing of its answer is disconnected.", "s"))
    var writeTimeout = 10.0

    @Option(
        help: .expert(
            "Seconds of work that may wait before a search; above that the answer is 429 with Retry-After.", "s"))
    var searchWait = 10.0

    @Option(
        help: .expert(
            "Maximum number of bytes in the bodies of all running requests together; above it the answer is 503.", "n"))
    var maxBodies = ServiceOptions().bodyBytes

    @Option(
        help: .expert(
            "Maximum number of bytes in all answers that clients have not read yet; above it the answer is 503.", "n"))
    var maxAnswers = ServiceOptions().responseBytes

    @Option(
        help: .expert(
            "Seconds that the black box may take; then the answer is 503, or with --degrade that of the stand-in or the local encoder.",
            "s"))
    var blackBoxDeadline = 10.0

    @Option(
        help: .expert(
            "Calls to the black box at a time. Texts that arrive meanwhile are sent together in the next call.", "n"))
    var blackBoxCalls = ServiceOptions().upstreamCalls

    @Option(help: .expert("Seconds after SIGTERM during which /readyz says no and requests are still accepted.", "s"))
    var drainDelay = 0.0

    @Option(help: .expert("Seconds that running requests then have to finish. (default: --deadline)", "s"))
    var drainTimeout: Double?

    func validate() throws {
        try require(
            [
                "--batch-tokens": batchTokens, "--queue-tokens": queueTokens, "--max-inputs": maxInputs,
                "--max-body": maxBody, "--max-concurrent-requests": maxConcurrentRequests,
                "--max-connections": maxConnections, "--black-box-calls": blackBoxCalls, "--max-bodies": maxBodies,
                "--max-answers": maxAnswers,
            ], atLeast: 1)
        for (flag, value) in [
            ("--deadline", deadline), ("--black-box-deadline", blackBoxDeadline), ("--write-timeout", writeTimeout),
            ("--search-wait", searchWait),
        ] where !(value > 0) {
            throw ValidationError("\(flag) must be above 0, found \(value).")
        }
        for (flag, value) in [("--drain-delay", drainDelay), ("--drain-timeout", drainTimeout ?? 0)] where !(value >= 0)
        {
            throw ValidationError("\(flag) must be at least 0, found \(value).")
        }
    }

    func apply(to service: inout ServiceOptions) {
        if let batchTokens { service.batchTokens = batchTokens }
        service.queueTokens = queueTokens
        service.maximumInputs = maxInputs
        service.maximumBodyBytes = maxBody
        service.maximumRequests = maxConcurrentRequests
        service.bodyBytes = maxBodies
        service.responseBytes = maxAnswers
        service.deadline = .seconds(deadline)
        service.writeTimeout = .seconds(writeTimeout)
        service.longestSearchWait = .seconds(searchWait)
        service.upstreamTimeout = .seconds(blackBoxDeadline)
        service.upstreamCalls = blackBoxCalls
    }
}
