extension Qrels {
    /// Divides the queries that have a relevant document by whether labels that were learned from name all their answers.
    ///
    /// A source that remembers documents helps only with the first kind. A document counts as named if it is relevant for
    /// some learned query.
    /// - Parameters:
    ///   - learned: the labels that were learned from or chosen on.
    ///   - identity: which documents have the same content. A copy of a named document is named too. `nil`: documents are
    ///     told apart by their identifiers alone.
    /// - Returns: ids of queries. `known`: each relevant document is named. `new`: at least one is not.
    /// - Complexity: linear in the number of labels.
    package func divided(
        byDocumentsOf learned: [Qrels], identity: ContentIdentity? = nil
    ) -> (known: Set<String>, new: Set<String>) {
        guard let identity else { return divided(byDocumentsOf: learned) { $0 } }
        return divided(byDocumentsOf: learned, key: identity.document)
    }

    private func divided<Key: Hashable>(
        byDocumentsOf learned: [Qrels], key: (String) -> Key
    ) -> (known: Set<String>, new: Set<String>) {
        var named = Set<Key>()
        for labels in learned {
            for query in labels.queryIds {
                named.formUnion(labels.relevantDocuments(of: query).map { key($0.document) })
            }
        }
        var (known, new): (Set<String>, Set<String>) = ([], [])
        for query in queryIds where hasRelevantDocument(query) {
            if relevantDocuments(of: query).allSatisfy({ named.contains(key($0.document)) }) {
                known.insert(query)
            } else {
                new.insert(query)
            }
        }
        return (known, new)
    }
}
