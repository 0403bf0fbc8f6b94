import Foundation
import MafinBlackBox
import MafinNumerics

/// Finds out the properties of a server by a few small requests.
///
/// It sends two short texts alone and together, one text that is far too long, and one request for shorter vectors: about ten requests. They
/// hold a few dozen tokens, and 140,000 more if the server accepts the long text. The limit on spending applies to all of them.
public struct ProviderProbe: Sendable {
    /// The properties of the server.
    public struct Report: Sendable, Codable, Hashable {
        /// What the server does with a text that is far too long.
        public enum Truncation: String, Sendable, Codable {
            /// The server refuses it.
            case refused
            /// The server answers, and its count of tokens shows that it has cut the text.
            case counted
            /// The server answers, and nothing shows whether it has cut the text.
            case unknown
        }

        /// The profile that the server understands.
        public var profile: String
        /// The name of the model.
        public var model: String
        /// The address of the requests.
        public var url: String
        /// Numbers in a vector.
        public var dimension: Int
        /// Length of the first vector.
        public var length: Double
        /// Whether vectors are of unit length.
        public var isUnitLength: Bool
        /// Encodings of the profile that the server supports, by their names in the profile.
        public var encodings: [String]
        /// The cosine of a text's vectors, sent alone and together with another: far from 1 if rows are mixed up.
        public var agreement: Double
        /// Whether it reports the number of tokens.
        public var countsTokens: Bool
        /// Whether shorter vectors can be requested; nil if it was not tried.
        public var canShorten: Bool?
        /// Whether shortened vectors have unit length; nil: there were none.
        public var isShortUnitLength: Bool?
        /// What the server does with texts that are too long.
        public var truncation: Truncation
        /// Maximum number of tokens of a text, as named or shown by the server.
        public var textTokens: Int?
        /// Maximum number of texts in a request, as named or shown by the server; only if limits were requested.
        public var items: Int?
        /// The number of requests sent.
        public var requests: Int
    }

    private let box: ProviderBlackBox

    private static let texts = ["the quick brown fox", "a stitch in time saves nine"]
    /// More than the context of any model, in words of one token.
    private static let longWords = 140_000
    private static let itemCounts = [33, 65, 97, 129, 257, 513, 1025, 2049]

    /// - Parameter box: the server, and the profile to compare it with.
    public init(_ box: ProviderBlackBox) { self.box = box }

    /// Sends the requests.
    /// - Parameter limits: whether to send growing batches too, to find how many texts a request may hold (a few thousand tokens).
    /// - Throws: ``ProviderError`` if the server does not answer as the profile says, or the limit on spending would be exceeded.
    public func run(limits: Bool = false) async throws -> Report {
        var asking = Questions(box: box)
        let first = try await asking.vectors([Self.texts[0]], encoding: 0)
        let dimension = first.rows.columns
        var report = Report(
            profile: box.profile.name, model: box.identity.model, url: box.url, dimension: dimension,
            length: Self.length(first.rows.row(0)), isUnitLength: Self.isUnit(first.rows.row(0)), encodings: [],
            agreement: 1, countsTokens: first.tokens != nil, truncation: .unknown, requests: 0)
        for (index, name) in box.profile.request.encodings.enumerated() where !name.isEmpty {
            let isBase64 = name.lowercased().contains("base64")
            if try await asking.gives(Self.texts[0], encoding: index, asBase64: isBase64, dimension: dimension) {
                report.encodings.append(name)
            }
        }
        let both = try await asking.vectors(Self.texts, encoding: asking.encoding)
        let second = try await asking.vectors([Self.texts[1]], encoding: asking.encoding)
        report.agreement = min(
            DriftCheck.cosine(first.rows.row(0), both.rows.row(0)),
            DriftCheck.cosine(second.rows.row(0), both.rows.row(1)))
        try await tryLongText(&asking, &report)
        try await tryShorterVectors(&asking, &report)
        if limits { try await tryManyTexts(&asking, &report) }
        report.requests = asking.requests
        return report
    }

    private func tryLongText(_ asking: inout Questions, _ report: inout Report) async throws {
        let text = String(repeating: "word ", count: Self.longWords)
        // One attempt only, because a slow server may need very long for it.
        switch try await asking.ask([text], encoding: asking.encoding, attemptsToReach: 1) {
        case .answered(let vectors, _):
            guard let tokens = vectors.tokens, tokens < Self.longWords * 9 / 10 else { return }
            report.truncation = .counted
            report.textTokens = tokens
        case .complaint(let complaint, _):
            report.truncation = .refused
            // infinity: "String should have at most 122880 characters".
            let isInCharacters = complaint.message.lowercased().contains("character")
            if !isInCharacters, let named = complaint.namedLimit, (16...10_000_000).contains(named.allowed) {
                report.textTokens = named.allowed
            }
        default: return
        }
    }

    private func tryShorterVectors(_ asking: inout Questions, _ report: inout Report) async throws {
        guard box.profile.request.hasDimensions, box.identity.dimension == nil, report.dimension >= 4 else { return }
        let wanted = box.profile.vectors.dimensions.filter { $0 < report.dimension }.max() ?? report.dimension / 2
        switch try await asking.ask([Self.texts[0]], encoding: asking.encoding, dimensions: wanted) {
        case .answered(let vectors, _) where vectors.rows.rows == 1:
            report.canShorten = vectors.rows.columns == wanted
            if report.canShorten == true { report.isShortUnitLength = Self.isUnit(vectors.rows.row(0)) }
        case .complaint: report.canShorten = false
        default: return
        }
    }

    private func tryManyTexts(_ asking: inout Questions, _ report: inout Report) async throws {
        var taken = 2
        for count in Self.itemCounts {
            switch try await asking.ask((0..<count).map { "t\($0)" }, encoding: asking.encoding) {
            case .answered: taken = count
            case .complaint(let complaint, _):
                report.items =
                    complaint.namedLimit.flatMap { (taken..<count).contains($0.allowed) ? $0.allowed : nil } ?? taken
                return
            default: return
            }
        }
    }

    private static func length(_ vector: ArraySlice<Float>) -> Double {
        vector.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    }

    private static func isUnit(_ vector: ArraySlice<Float>) -> Bool { abs(length(vector) - 1) < 1e-3 }

    /// Sends single requests, and repeats them if the server asks for it.
    private struct Questions {
        let box: ProviderBlackBox
        var requests = 0
        /// The encoding that the server supports, as a position in the profile's list.
        var encoding = 0

        mutating func ask(
            _ texts: [String], encoding: Int, dimensions: Int? = nil, attemptsToReach attempts: Int = .max
        ) async throws -> Exchange.Outcome {
            var identity = box.identity
            if let dimensions { identity.dimension = dimensions }
            let form = box.exchange.form(for: .document, identity: identity, encoding: encoding)
            let cost = box.costs(of: texts, as: .document, in: form).reduce(into: (typical: 0, maximum: 0)) {
                ($0.typical, $0.maximum) = ($0.typical + $1.tokens, $0.maximum + $1.maximumTokens)
            }
            for attempt in 1... {
                let wait = try await box.reserve(tokens: cost.typical)
                if wait > .zero { try await box.time.sleep(until: box.time.now + wait) }
                let booking = try await box.book(cost.maximum)
                requests += 1
                let outcome = await box.exchange.ask(form, texts: texts, dimension: nil)
                try await box.settle(booking, actual: outcome.tokens(booked: booking.tokens))
                let pause: Duration
                switch outcome {
                case .cancelled: throw CancellationError()
                case .unreachable(let reason, _):
                    if attempt >= attempts { return outcome }
                    guard let delay = box.retry.delay(afterAttempt: attempt) else {
                        throw ProviderError.unavailable(endpoint: box.url, attempts: attempt, reason: reason)
                    }
                    pause = delay
                case .complaint(let complaint, _) where complaint.verdict(box.profile.errors) == .retry:
                    guard let delay = box.retry.delay(afterAttempt: attempt, asked: complaint.retryDelay) else {
                        return outcome
                    }
                    pause = delay
                default: return outcome
                }
                try await box.time.sleep(until: box.time.now + pause)
            }
            return .cancelled
        }

        /// - Throws: ``ProviderError`` for anything but vectors.
        mutating func vectors(_ texts: [String], encoding: Int) async throws -> EmbeddingAnswer.Vectors {
            let isLast = encoding + 1 >= box.profile.request.encodings.count
            switch try await ask(texts, encoding: encoding) {
            case .answered(let vectors, _):
                if let fault = vectors.faults.first {
                    throw ProviderError.badVector(endpoint: box.url, id: texts[fault.item], reason: fault.reason)
                }
                self.encoding = encoding
                return vectors
            case .noVectors where !isLast: return try await vectors(texts, encoding: encoding + 1)
            case .complaint(let complaint, _):
                if complaint.verdict(box.profile.errors) == .noEncoding, !isLast {
                    return try await vectors(texts, encoding: encoding + 1)
                }
                throw ProviderError.refused(endpoint: box.url, status: complaint.status, message: complaint.message)
            case .unusable(let reason, _): throw ProviderError.badAnswer(endpoint: box.url, reason: reason)
            case .noVectors: throw ProviderError.badAnswer(endpoint: box.url, reason: "no vectors in it")
            case .unreachable(let reason, _):
                throw ProviderError.unavailable(endpoint: box.url, attempts: 1, reason: reason)
            case .cancelled: throw CancellationError()
            }
        }

        /// Whether the server answers in an encoding. Some accept `base64` but send numbers.
        mutating func gives(_ text: String, encoding: Int, asBase64: Bool, dimension: Int) async throws -> Bool {
            guard case .answered(let vectors, _) = try await ask([text], encoding: encoding) else { return false }
            return vectors.faults.isEmpty && vectors.rows.columns == dimension && (vectors.isBase64 || !asBase64)
        }
    }
}

extension ProviderProbe.Report {
    /// A profile with the properties of the server, which extends the one that was compared.
    /// - Parameters:
    ///   - name: the name of the new profile.
    ///   - baseURL: the address of the server.
    ///   - date: the date of the probe.
    public func toml(name: String, baseURL: String?, date: Date = Date()) -> String {
        let unit: VectorFacts.UnitLength =
            !isUnitLength ? .never : isShortUnitLength == false ? .native : .always
        var definition: [String: ProfileValue] = ["name": .text(name)]
        if name != profile { definition["extends"] = .text(profile) }
        definition["title"] = .text("\(model) at \(baseURL ?? url), as probed")
        if let baseURL { definition["endpoint"] = .table(["base_url": .text(baseURL), "key_required": .flag(false)]) }
        if !encodings.isEmpty { definition["request"] = .table(["encodings": .list(encodings.map(ProfileValue.text))]) }
        var limits: [String: ProfileValue] = [:]
        limits["text_tokens"] = textTokens.map(ProfileValue.integer)
        limits["items"] = items.map(ProfileValue.integer)
        if !limits.isEmpty { definition["limits"] = .table(limits) }
        definition["vectors"] = .table(["native_dimension": .integer(dimension), "unit_length": .text(unit.rawValue)])
        let day = date.formatted(.iso8601.year().month().day())
        var comments = [
            "# Learned by mafin provider probe on \(day) from \(requests) requests to \(url), model \(model)."
        ]
        switch truncation {
        case .refused: comments.append("# A text that is too long is refused.")
        case .counted:
            comments.append("# A text that is too long is cut without an error; only the count of tokens shows it.")
        case .unknown: comments.append("# What the server does with a text of 140,000 words is not known.")
        }
        if canShorten == false { comments.append("# Shorter vectors cannot be requested.") }
        return comments.joined(separator: "\n") + "\n" + ProfileValue.toml(definition)
    }
}
