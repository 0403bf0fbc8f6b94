import MafinBlackBox

/// A text that has no vector, and why; the rest of its call was answered.
public struct RefusedText: Sendable, Hashable {
    /// What is wrong.
    public enum Reason: Sendable, Hashable {
        /// It is longer than the model takes.
        case tooLong
        /// The server refuses it for another reason.
        case refused
        /// The server answered with something that is no vector (not finite, all zeros, empty).
        case unusableVector
    }

    /// Its position among the items of the call.
    public let position: Int
    /// Its id.
    public let id: String
    /// What is wrong.
    public let reason: Reason
    /// The vendor's words, or what is wrong with the vector.
    public let message: String

    /// The same in a call where the text stands at another position.
    func at(_ position: Int) -> RefusedText {
        RefusedText(position: position, id: id, reason: reason, message: message)
    }

    /// One sentence for all of them: counts, the first ids, the first message.
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
