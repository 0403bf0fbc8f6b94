import MafinBlackBox

/// The form of a request.
public struct RequestForm: Sendable, Hashable {
    /// JSON with variables; see ``RequestTemplate``.
    let template: RequestTemplate
    /// The same for images; nil: the provider reads none.
    let imageTemplate: RequestTemplate?
    /// The same for images with texts; nil: it reads none together.
    let imageTextTemplate: RequestTemplate?
    /// Values of `$encoding`, in the order in which they are tried; an empty text leaves the member out.
    public let encodings: [String]
    /// The provider's name for queries.
    public let queryType: String?
    /// The provider's name for documents.
    public let documentType: String?
    /// Put before each query.
    public let queryPrefix: String
    /// Put before each document.
    public let documentPrefix: String

    /// OpenAI's body, which most servers accept.
    static let standardBody =
        #"{"input":"$texts","model":"$model","dimensions":"$dimensions","encoding_format":"$encoding"}"#

    init(_ table: inout ProfileTable) throws {
        let body = try table.text("body") ?? Self.standardBody
        let (imageBody, imageTextBody) = (try table.text("image_body") ?? "", try table.text("image_text_body") ?? "")
        func template(_ key: String, _ json: String, _ content: RequestTemplate.Content) throws -> RequestTemplate {
            do {
                return try RequestTemplate(json, holding: content)
            } catch let fault as RequestTemplate.Fault {
                throw table.fault(key, fault.description)
            }
        }
        self.template = try template("body", body, .text)
        imageTemplate = imageBody.isEmpty ? nil : try template("image_body", imageBody, .image)
        imageTextTemplate =
            imageTextBody.isEmpty ? nil : try template("image_text_body", imageTextBody, .imageWithText)
        encodings = try table.texts("encodings") ?? []
        queryType = try table.text("query_type").flatMap { $0.isEmpty ? nil : $0 }
        documentType = try table.text("document_type").flatMap { $0.isEmpty ? nil : $0 }
        queryPrefix = try table.text("query_prefix") ?? ""
        documentPrefix = try table.text("document_prefix") ?? ""
        if (queryType == nil) != (documentType == nil) {
            throw table.fault("query_type", "query_type and document_type must be given together")
        }
        if queryType != nil, !self.template.variables.contains(.inputType) {
            throw table.fault("body", "it must contain $input_type, because there are input types")
        }
        if !encodings.isEmpty, !self.template.variables.contains(.encoding) {
            throw table.fault("body", "it must contain $encoding, because there are encodings")
        }
    }

    /// Whether a number of dimensions can be requested.
    public var hasDimensions: Bool { template.variables.contains(.dimensions) }
}

/// The form of an answer.
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

/// Limits of one request, and of one minute; nil: none is stated.
public struct ProviderLimits: Sendable, Hashable {
    /// Texts in a request.
    public let items: Int?
    /// Tokens of all texts of a request.
    public let tokens: Int?
    /// Tokens of one text.
    public let textTokens: Int?
    /// Bytes of a request's body.
    public let bodyBytes: Int?
    /// Requests per minute.
    public let requestsPerMinute: Int?
    /// Tokens per minute.
    public let tokensPerMinute: Int?
    /// Whether each text counts as one request in the rate.
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

/// The properties of a provider's vectors.
public struct VectorFacts: Sendable, Hashable {
    /// Whether received vectors have length 1.
    public enum UnitLength: String, Sendable, CaseIterable {
        /// All have it.
        case always
        /// Only those of the native dimension have it; shortened ones do not.
        case native
        /// None has it.
        case never
        /// It is not known.
        case unknown
    }

    /// Numbers in a vector if no dimension is requested.
    public let nativeDimension: Int?
    /// Dimensions that can be requested; empty: any, or unknown.
    public let dimensions: [Int]
    /// Whether received vectors have length 1, according to the vendor. They are scaled to it in any case.
    public let unitLength: UnitLength

    init(_ table: inout ProfileTable) throws {
        nativeDimension = try table.count("native_dimension")
        dimensions = try table.counts("dimensions") ?? []
        unitLength = try table.choice("unit_length", UnitLength.self) ?? .unknown
    }
}

/// How tokens are counted before texts are sent.
public struct TokenFacts: Sendable, Hashable {
    /// Approximate mean of UTF-8 bytes per token, by which estimates divide.
    public let bytesPerToken: Double
    /// Folder of a tokenizer with the same counts as the provider's, if there is one.
    public let tokenizer: String?

    init(_ table: inout ProfileTable) throws {
        bytesPerToken = try table.number("bytes_per_token") ?? TokenEstimate.standardBytesPerToken
        tokenizer = try table.text("tokenizer")
        guard bytesPerToken >= 0.25 else { throw table.fault("bytes_per_token", "expected at least 0.25") }
    }
}

/// A provider's price. Prices change and differ between accounts, so the library contains none.
public struct PriceFacts: Sendable, Hashable {
    /// The price of a million tokens, in the user's currency.
    public let perMillionTokens: Double?
    /// The price of one image, for vendors that do not count an image's tokens; nil: images cost their tokens.
    public let perImage: Double?
    /// The discount of the batch API: 0.5 is half price.
    public let batchDiscount: Double?

    init(_ table: inout ProfileTable) throws {
        perMillionTokens = try table.number("per_million_tokens")
        perImage = try table.number("per_image")
        batchDiscount = try table.number("batch_discount")
        if let batchDiscount, batchDiscount > 1 { throw table.fault("batch_discount", "expected at most 1") }
    }
}

/// An API for large jobs: requests are sent together and answered within a day.
public struct BatchForm: Sendable, Hashable {
    /// The families of batch APIs.
    public enum Shape: String, Sendable, CaseIterable {
        /// OpenAI's: a file of requests is uploaded, a batch is begun for it, and files of answers are downloaded.
        case files
        /// Anthropic's message batches: requests are sent with the batch, which can carry no metadata.
        case messages
    }

    /// The family of the API.
    public let shape: Shape
    /// The path of files after the base address; empty in a shape without files.
    public let filesPath: String
    /// The path of batches after the base address.
    public let batchesPath: String
    /// The `url` of each line and the `endpoint` of the batch.
    public let requestPath: String
    /// Maximum number of texts in all lines together.
    public let items: Int
    /// Maximum number of lines of a file.
    public let lines: Int
    /// Maximum number of bytes of a file.
    public let bytes: Int
    /// The time that the vendor may take, in its own format.
    public let window: String

    /// nil if the table is absent, or names neither a `files_path` nor a shape without files.
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
