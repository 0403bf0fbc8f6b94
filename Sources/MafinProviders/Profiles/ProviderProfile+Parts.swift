import MafinBlackBox

/// What is sent to a provider.
public struct RequestForm: Sendable, Hashable {
    /// JSON with variables; see ``RequestTemplate``.
    let template: RequestTemplate
    /// What `$encoding` may be, the first to be tried first; an empty text leaves the member out.
    public let encodings: [String]
    /// The provider's word for texts that search.
    public let queryType: String?
    /// The provider's word for texts that are searched for.
    public let documentType: String?
    /// Put before each query.
    public let queryPrefix: String
    /// Put before each document.
    public let documentPrefix: String

    /// OpenAI's body, which most servers understand.
    static let standardBody =
        #"{"input":"$texts","model":"$model","dimensions":"$dimensions","encoding_format":"$encoding"}"#

    init(_ table: inout ProfileTable) throws {
        let body = try table.text("body") ?? Self.standardBody
        do {
            template = try RequestTemplate(body)
        } catch let fault as RequestTemplate.Fault {
            throw table.fault("body", fault.description)
        }
        encodings = try table.texts("encodings") ?? []
        queryType = try table.text("query_type").flatMap { $0.isEmpty ? nil : $0 }
        documentType = try table.text("document_type").flatMap { $0.isEmpty ? nil : $0 }
        queryPrefix = try table.text("query_prefix") ?? ""
        documentPrefix = try table.text("document_prefix") ?? ""
        if (queryType == nil) != (documentType == nil) {
            throw table.fault("query_type", "query_type and document_type go together")
        }
        if queryType != nil, !template.variables.contains(.inputType) {
            throw table.fault("body", "$input_type is missing in it, though there are input types")
        }
        if !encodings.isEmpty, !template.variables.contains(.encoding) {
            throw table.fault("body", "$encoding is missing in it, though there are encodings")
        }
    }

    /// Whether a number of dimensions can be asked for.
    public var hasDimensions: Bool { template.variables.contains(.dimensions) }
}

/// Where in an answer things stand.
public struct AnswerForm: Sendable, Hashable {
    let shape: AnswerShape

    init(_ table: inout ProfileTable) throws {
        let vectors = try table.texts("vectors") ?? AnswerShape.knownVectors
        let indices = try table.texts("index") ?? AnswerShape.knownIndices
        let tokens = try table.texts("tokens") ?? AnswerShape.knownTokens
        do {
            shape = try AnswerShape(vectors: vectors, indices: indices, tokens: tokens)
        } catch let fault as AnswerShape.Fault {
            throw table.fault("vectors", fault.description)
        }
    }
}

extension ErrorWords {
    init(_ table: inout ProfileTable) throws {
        self.init()
        final = try table.texts("final") ?? []
        retry = try table.texts("retry") ?? []
        tooManyItems = try table.texts("too_many_items") ?? []
        tooManyTokens = try table.texts("too_many_tokens") ?? []
        tooLong = try table.texts("too_long") ?? []
        noEncoding = try table.texts("no_encoding") ?? []
    }
}

/// What one request, and one minute, may hold; nil: nothing is stated.
public struct ProviderLimits: Sendable, Hashable {
    /// Texts in a request.
    public let items: Int?
    /// Tokens of all texts of a request.
    public let tokens: Int?
    /// Tokens of one text.
    public let textTokens: Int?
    /// Bytes of a request's body.
    public let bodyBytes: Int?
    /// Requests a minute.
    public let requestsPerMinute: Int?
    /// Tokens a minute.
    public let tokensPerMinute: Int?
    /// Whether each text counts as one request a minute.
    public let itemsAreRequests: Bool

    init(_ table: inout ProfileTable) throws {
        items = try table.count("items")
        tokens = try table.count("tokens")
        textTokens = try table.count("text_tokens")
        bodyBytes = try table.count("body_bytes")
        requestsPerMinute = try table.count("requests_per_minute")
        tokensPerMinute = try table.count("tokens_per_minute")
        itemsAreRequests = try table.flag("items_are_requests") ?? false
    }
}

/// What a provider's vectors are like.
public struct VectorFacts: Sendable, Hashable {
    /// Whether vectors come with length 1.
    public enum UnitLength: String, Sendable, CaseIterable {
        /// All of them.
        case always
        /// Only those of the native dimension: shortened ones do not.
        case native
        /// None.
        case never
        /// Nobody knows.
        case unknown
    }

    /// Numbers in a vector when no dimension is asked for.
    public let nativeDimension: Int?
    /// Dimensions that may be asked for; empty: any, or unknown.
    public let dimensions: [Int]
    /// Whether vectors come with length 1, according to the vendor. They are scaled to it in any case.
    public let unitLength: UnitLength

    init(_ table: inout ProfileTable) throws {
        nativeDimension = try table.count("native_dimension")
        dimensions = try table.counts("dimensions") ?? []
        unitLength = try table.choice("unit_length", UnitLength.self) ?? .unknown
    }
}

/// How tokens are counted before anything is asked.
public struct TokenFacts: Sendable, Hashable {
    /// Bytes of UTF-8 that a token holds on average over a text, roughly: what estimates divide by.
    public let bytesPerToken: Double
    /// Folder of a tokenizer that counts as the provider does, if there is one.
    public let tokenizer: String?

    init(_ table: inout ProfileTable) throws {
        bytesPerToken = try table.number("bytes_per_token") ?? TokenEstimate.standardBytesPerToken
        tokenizer = try table.text("tokenizer")
        guard bytesPerToken >= 0.25 else { throw table.fault("bytes_per_token", "at least 0.25 expected") }
    }
}

/// What a provider costs. Prices change and differ between accounts, so none comes with the library.
public struct PriceFacts: Sendable, Hashable {
    /// In the user's currency.
    public let perMillionTokens: Double?
    /// What the batch API takes off: 0.5 is half price.
    public let batchDiscount: Double?

    init(_ table: inout ProfileTable) throws {
        perMillionTokens = try table.number("per_million_tokens")
        batchDiscount = try table.number("batch_discount")
        if let batchDiscount, batchDiscount > 1 { throw table.fault("batch_discount", "at most 1 expected") }
    }
}

/// An API for large jobs: requests are sent together, and answered within a day.
public struct BatchForm: Sendable, Hashable {
    /// The families of batch APIs.
    public enum Shape: String, Sendable, CaseIterable {
        /// OpenAI's: a file of requests is uploaded, a batch is begun over it, files of answers are downloaded.
        case files
        /// Anthropic's message batches: requests go up with the batch, and it carries nothing else of ours.
        case messages
    }

    /// Which family.
    public let shape: Shape
    /// After the base address: where files go; empty in a shape without files.
    public let filesPath: String
    /// After the base address: where batches are made and asked for.
    public let batchesPath: String
    /// What stands as `url` in each line and as `endpoint` of the batch.
    public let requestPath: String
    /// Texts of all lines together.
    public let items: Int
    /// Lines of a file.
    public let lines: Int
    /// Bytes of a file.
    public let bytes: Int
    /// Time that the vendor may take.
    public let window: String

    /// nil where the table is absent, or names neither a `files_path` nor a shape without files.
    init?(_ table: inout ProfileTable) throws {
        shape = try table.choice("shape", Shape.self) ?? .files
        filesPath = try table.text("files_path") ?? ""
        guard shape != .files || !filesPath.isEmpty else {
            table.ignoreRest()
            return nil
        }
        batchesPath = try table.text("batches_path") ?? "/batches"
        requestPath = try table.text("request_path") ?? "/v1/embeddings"
        items = try table.count("items") ?? 50_000
        lines = try table.count("lines") ?? 50_000
        bytes = try table.count("bytes") ?? 200_000_000
        window = try table.text("window") ?? "24h"
    }
}
