import MafinNumerics

extension Qrels {
    /// Cuts the labels into parts, so that no two parts share a query or a relevant document of the same content.
    ///
    /// Queries that share their text or a relevant document, directly or through other queries, form a group. Groups
    /// are assigned in order of falling size; `seed` determines the order of groups of equal size. Each group goes to
    /// the part that lacks the most queries.
    /// - Parameters:
    ///   - shares: name and relative size of each part, for instance `[("train", 0.7), ("dev", 0.1), ("test", 0.2)]`.
    ///   - identity: which queries and documents have the same content.
    ///   - seed: equal seeds and labels give equal parts.
    /// - Returns: for each name the labels of its part. Queries keep their order.
    /// - Throws: ``RetrievalError/inseparableLabels(queries:largestComponent:parts:)`` if a part would stay empty.
    public func split(
        into shares: [(name: String, share: Double)], identity: ContentIdentity, seed: UInt64
    ) throws -> [String: Qrels] {
        precondition(!shares.isEmpty && shares.allSatisfy { $0.share > 0 }, "every part needs a share above 0")
        var groups = connectedQueries(identity)
        var generator = RandomGenerator(seed: seed)
        groups.shuffle(using: &generator)
        let total = shares.reduce(0) { $0 + $1.share }
        let targets = shares.map { $0.share / total * Double(queryIds.count) }
        var filled = [Double](repeating: 0, count: shares.count)
        var part: [String: Int] = [:]
        // Large groups come first, while there is room for them. The sort includes the shuffled position, because
        // `sort` is not guaranteed to be stable.
        let bySize = groups.enumerated().sorted { ($1.element.count, $0.offset) < ($0.element.count, $1.offset) }
        for (_, group) in bySize {
            let neediest = shares.indices.max { targets[$0] - filled[$0] < targets[$1] - filled[$1] } ?? 0
            filled[neediest] += Double(group.count)
            for query in group { part[query] = neediest }
        }
        guard filled.allSatisfy({ $0 > 0 }) else {
            throw RetrievalError.inseparableLabels(
                queries: queryIds.count, largestComponent: groups.map(\.count).max() ?? 0, parts: shares.map(\.name))
        }
        return Dictionary(
            uniqueKeysWithValues: shares.indices.map { index in
                (shares[index].name, filter { part[$0] == index })
            })
    }

    /// The groups of queries that share a text or relevant documents. Groups and their members are in the order of
    /// ``queryIds``.
    private func connectedQueries(_ identity: ContentIdentity) -> [[String]] {
        var parent = Array(queryIds.indices)
        func root(_ index: Int) -> Int {
            var index = index
            while parent[index] != index {
                parent[index] = parent[parent[index]]
                index = parent[index]
            }
            return index
        }
        func join(_ index: Int, _ other: Int) {
            // The earlier query stays the root, so that the result does not depend on the order of a dictionary.
            let (a, b) = (root(index), root(other))
            parent[max(a, b)] = min(a, b)
        }
        var firstOfText: [ContentIdentity.Key: Int] = [:]
        var firstOfDocument: [ContentIdentity.Key: Int] = [:]
        for (index, query) in queryIds.enumerated() {
            join(index, firstOfText[identity.query(query), default: index])
            firstOfText[identity.query(query)] = root(index)
            for (document, grade) in self[query] ?? [:] where grade > 0 {
                let key = identity.document(document)
                join(index, firstOfDocument[key, default: index])
                firstOfDocument[key] = root(index)
            }
        }
        var members: [Int: [String]] = [:]
        for (index, query) in queryIds.enumerated() { members[root(index), default: []].append(query) }
        return queryIds.indices.compactMap { members[$0] }
    }
}
