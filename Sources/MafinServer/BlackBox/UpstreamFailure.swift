import HTTPTypes
import MafinBlackBox

/// Why the black box did not answer.
package struct UpstreamFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of failure, by who can mend them.
    package enum Kind: Sendable, Equatable {
        /// It does not answer, or asks to come back later.
        case unavailable
        /// It refuses a text.
        case textRefused
        /// It has stored vectors only, and none for this text.
        case unknownText
        /// It refuses the service: a key, a model or an address is wrong.
        case refused
        /// The service may spend nothing more on it.
        case overBudget
    }

    /// The kind of failure.
    package var kind: Kind
    /// What happened, in the black box's words. For the log only: it may name addresses that clients should not see.
    package var detail: String
    /// Seconds until it is worth asking again, if that is known.
    package var retryAfter: Int?

    package init(_ kind: Kind, _ detail: String, retryAfter: Int? = nil) {
        (self.kind, self.detail, self.retryAfter) = (kind, detail, retryAfter)
    }

    /// The detail.
    package var description: String { detail }

    /// Whether one text is at fault, so that other texts may still be answered.
    var isOfText: Bool { kind == .textRefused || kind == .unknownText }

    /// One sentence for clients.
    var sentence: String {
        switch kind {
        case .unavailable: "the black box does not answer at the moment"
        case .textRefused: "the black box refuses a text of this request"
        case .unknownText:
            "the black box is a file of stored answers and does not hold this text; only texts of its collection can be embedded"
        case .refused: "the black box refuses the service's requests; the service's log says why"
        case .overBudget:
            "the service has reached its budget for the black box; only texts that it remembers can be embedded"
        }
    }

    /// The answer to a request that needed the black box.
    /// - Parameter note: a further sentence, or none.
    func serviceError(note: String = "") -> ServiceError {
        var error =
            switch kind {
            case .textRefused, .unknownText:
                ServiceError(
                    .unprocessableContent, .invalidRequest, sentence + note, parameter: "input",
                    code: "black_box_refused")
            case .refused: ServiceError(.badGateway, .upstream, sentence + note, code: "black_box_misconfigured")
            case .overBudget: ServiceError(.serviceUnavailable, .upstream, sentence + note, code: "budget_reached")
            case .unavailable:
                ServiceError(
                    .serviceUnavailable, .upstream, sentence + note, code: "black_box_unavailable",
                    retryAfter: retryAfter ?? 5)
            }
        error.detail = detail
        return error
    }
}

extension KnownTexts {
    /// A service's black box of stored vectors. It refuses all texts and images other than these.
    package init(_ base: any BlackBox, queries: [EmbeddingItem], documents: [EmbeddingItem]) {
        let unknown = UpstreamFailure(.unknownText, "the file of stored answers does not hold this text or image")
        self.init(base, queries: queries, documents: documents, refusal: unknown)
    }
}
