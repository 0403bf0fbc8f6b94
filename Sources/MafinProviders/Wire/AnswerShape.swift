/// Where an answer holds its vectors, compiled from paths such as `data[].embedding`.
///
/// A path is a list of member names and `[]` for "each element"; the empty path is the answer itself. There may be
/// several paths for the same item, for example `embeddings.float[]` and `embeddings.base64[]`; those that the answer contains are read.
struct AnswerShape: Sendable, Hashable {
    /// What a path leads to.
    enum Item: Sendable, Hashable {
        /// One vector: an array of numbers or a base64 string.
        case vector
        /// The position of its text in the request.
        case index
        /// The number of tokens that the server has counted (and charges).
        case tokens
    }

    /// A place in an answer.
    struct Node: Sendable, Hashable {
        var members: [String: Int] = [:]
        var element: Int?
        var item: Item?
    }

    private(set) var nodes = [Node()]

    /// Paths of all known dialects, for profiles that name none.
    static let knownVectors = [
        "data[].embedding", "embeddings[]", "embeddings[].values", "embeddings.float[]", "embeddings.base64[]", "[]",
        "[].embedding", "embedding", "embedding.values",
    ]
    static let knownIndices = ["data[].index", "[].index"]
    static let knownTokens = [
        "usage.total_tokens", "usage.prompt_tokens", "meta.billed_units.input_tokens", "prompt_eval_count",
        "usageMetadata.promptTokenCount",
    ]

    /// Why a path is invalid.
    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    /// - Throws: ``Fault``
    init(vectors: [String], indices: [String], tokens: [String]) throws {
        for (paths, item) in [(vectors, Item.vector), (indices, .index), (tokens, .tokens)] {
            for path in paths { try add(path, item) }
        }
    }

    private mutating func add(_ path: String, _ item: Item) throws {
        var node = 0
        for component in path.split(separator: ".", omittingEmptySubsequences: false) where !path.isEmpty {
            var name = component
            var depth = 0
            while name.hasSuffix("[]") {
                name = name.dropLast(2)
                depth += 1
            }
            guard !name.contains("["), !name.contains("]") else {
                throw Fault(
                    description: "'\(path)' is not a path: write names and [] separated by dots, like data[].embedding")
            }
            if !name.isEmpty {
                node = child(of: node, at: \.members[String(name)])
            } else if depth == 0 {
                throw Fault(description: "'\(path)' contains an empty name")
            }
            for _ in 0..<depth { node = child(of: node, at: \.element) }
        }
        if let known = nodes[node].item, known != item {
            throw Fault(description: "'\(path)' is given for two different items")
        }
        nodes[node].item = item
    }

    private mutating func child(of node: Int, at link: WritableKeyPath<Node, Int?>) -> Int {
        if let known = nodes[node][keyPath: link] { return known }
        nodes.append(Node())
        nodes[node][keyPath: link] = nodes.count - 1
        return nodes.count - 1
    }
}
