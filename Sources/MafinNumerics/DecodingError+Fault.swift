extension DecodingError {
    /// The path of the wrong field, from the outermost value inwards, and what is wrong with it. Swift itself prints a
    /// decoding error as a tree.
    package var fault: (field: String, reason: String) {
        func place(_ path: [any CodingKey]) -> String {
            path.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
        }
        return switch self {
        case .keyNotFound(let key, let context): (place(context.codingPath + [key]), "is missing")
        case .valueNotFound(let type, let context): (place(context.codingPath), "expected \(type), found null")
        case .typeMismatch(let type, let context): (place(context.codingPath), "expected \(type), found another type")
        case .dataCorrupted(let context): (place(context.codingPath), context.debugDescription)
        @unknown default: ("", "\(self)")
        }
    }

    /// The same in a sentence.
    package var sentence: String {
        let (field, reason) = fault
        if field.isEmpty { return reason }
        return reason == "is missing" ? "the field \"\(field)\" is missing" : "\(field): \(reason)"
    }
}
