import MafinPipeline

/// How many numbers a vector of an index may have.
package struct IndexSize: Sendable, Equatable {
    /// As given.
    package let dimensions: Int?
    /// The limit of a store.
    package let limit: IndexLimit?

    /// A size; nil if neither is given.
    /// - Parameter target: the short name of an `IndexLimit`.
    /// - Throws: ``NameError`` for an unknown target, ``WorkflowError/indexDimensions(reason:)`` for a number that is below 1 or
    ///   above the target's limit.
    package init?(dimensions: Int?, target: String?) throws {
        guard dimensions != nil || target != nil else { return nil }
        if let dimensions, dimensions < 1 {
            throw WorkflowError.indexDimensions(reason: "expected at least 1, found \(dimensions)")
        }
        self.dimensions = dimensions
        limit = try target.map { name in
            guard let limit = IndexLimit.of(name) else {
                throw NameError("index target", name, known: IndexLimit.known.map(\.target))
            }
            if let dimensions, dimensions > limit.dimension {
                throw WorkflowError.indexDimensions(
                    reason: "\(limit.name) takes \(limit.dimension) numbers at most, found \(dimensions)")
            }
            return limit
        }
    }

    /// Checks a given dimension before anything is trained.
    /// - Throws: ``WorkflowError/indexDimensions(reason:)``.
    func require(below joined: Int) throws {
        if let dimensions, dimensions >= joined {
            throw WorkflowError.indexDimensions(
                reason:
                    "joined vectors have \(joined) numbers at most: expected from 1 to \(joined - 1), found \(dimensions)"
            )
        }
    }

    /// The dimension to reduce joined vectors to; nil if they fit the target as they are.
    /// - Parameter joined: numbers of a joined vector.
    package func dimension(joined: Int) -> Int? {
        if let dimensions { return dimensions }
        return limit.flatMap { $0.dimension < joined ? $0.dimension : nil }
    }
}
