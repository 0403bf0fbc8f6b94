/// Where in an answer the vectors stand, compiled from paths such as `data[].embedding`.
///
/// A path is a list of member names and `[]` for "each element"; the empty path is the answer itself. An answer may be read with
/// several paths for the same thing, whichever it holds: `embeddings.float[]` and `embeddings.base64[]`.
struct AnswerShape: Sendable, Hashable {
    /// What stands at the end of a path.
    enum Item: Sendable, Hashable {
        /// One vector: an array of numbers or a base64 string.
        case vector
        /// The position of its text in the request.
        case index
        /// How many tokens the server has counted (and charges).
        case tokens
    }

    /// A place in an answer.
    struct Node: Sendable, Hashable {
        var members: [String: Int] = [:]
        var element: Int?
        var item: Item?
    }

    private(set) var nodes = [Node()]

    /// Shapes of all dialects that we know: any of them may come from a server whose profile is wrong or missing.
    static let knownVectors = [
        "data[].embedding", "embeddings[]", "embeddings[].values", "embeddings.float[]", "embeddings.base64[]", "[]",
        "[].embedding", "embedding", "embedding.values",
    ]
    static let knownIndices = ["data[].index", "[].index"]
    static let knownTokens = [
        "usage.total_tokens", "usage.prompt_tokens", "meta.billed_units.input_tokens", "prompt_eval_count",
        "usageMetadata.promptTokenCount",
    ]

    /// Why a path is none.
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
                    description: "'\(path)' is no path: write names and [] separated by dots, like data[].embedding")
            }
            if !name.isEmpty {
                node = child(of: node, at: \.members[String(name)])
            } else if depth == 0 {
                throw Fault(description: "'\(path)' holds an empty name")
            }
            for _ in 0..<depth { node = child(of: node, at: \.element) }
        }
        if let known = nodes[node].item, known != item {
            throw Fault(description: "'\(path)' cannot be two things at once")
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
