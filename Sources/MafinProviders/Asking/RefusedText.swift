import MafinBlackBox

/// A text that got no vector, and the reason. The other texts of its call were answered.
public struct RefusedText: Sendable, Hashable {
    /// Why it has no vector.
    public enum Reason: Sendable, Hashable {
        /// It is longer than the model accepts.
        case tooLong
        /// The server refuses it for another reason.
        case refused
        /// The server's vector cannot be used (not finite, all zeros, empty).
        case unusableVector
    }

    /// Its position among the items of the call.
    public let position: Int
    /// Its id.
    public let id: String
    /// Why it has no vector.
    public let reason: Reason
    /// The vendor's message, or what is wrong with the vector.
    public let message: String

    /// The same for a call in which the text has another position.
    func at(_ position: Int) -> RefusedText {
        RefusedText(position: position, id: id, reason: reason, message: message)
    }

    /// One sentence for all of them, with their count, the first ids and the first message.
    static func description(endpoint: String, role: TextRole, texts: [RefusedText]) -> String {
        guard let first = texts.first else { return "\(endpoint) refuses no text" }
        let names = BlackBoxError.list(texts.prefix(5).map(\.id), of: texts.count)
        let subject = "\(texts.count) \(role.plural) (\(names)): \(first.message)"
        guard texts.allSatisfy({ $0.reason == .unusableVector }) else { return "\(endpoint) refuses \(subject)" }
        return texts.count == 1
            ? "\(endpoint): unusable vector for '\(first.id)': \(first.message)"
            : "\(endpoint): unusable vectors for \(subject)"
    }
}
