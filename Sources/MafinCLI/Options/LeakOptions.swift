import ArgumentParser
import MafinPipeline
import MafinRetrieval

/// What to do about queries that are learned from and measured, too.
struct LeakOptions: ParsableArguments {
    @Flag(
        help:
            "Keep queries in train and dev whose text a query of the measured split has too, and measure an artefact that knows them. The figures then count memory; the output says so."
    )
    var allowLeak = false

    /// Says what the splits leave out, or with `--allow-leak` keep.
    /// - Throws: `RetrievalError` for labels that cannot be read.
    func announce(_ splits: JudgedSplits, _ shared: SharedOptions) throws {
        let leaks = try splits.leaks()
        guard let first = leaks.first else { return }
        let which =
            "\(leaks.count) \(leaks.count == 1 ? "query" : "queries") of train and dev with the text of a query of \(splits.measured), for "
            + "instance \"\(first.id)\" (\(Self.short(first.text)))"
        if allowLeak {
            shared.warn("learning from \(which): figures on \(splits.measured) count memory")
        } else {
            shared.note("left out: \(which); --allow-leak keeps them")
        }
    }

    /// A split for an artefact to be measured on. Says what the artefact knows of it where that is allowed.
    /// - Throws: ``LeakRefusal`` where the artefact knows some of it and `--allow-leak` was not given; `RetrievalError`, `ArtefactError`.
    func measured(
        _ name: String, of collection: RetrievalCollection, for artefact: Artefact, _ shared: SharedOptions
    ) throws -> MeasuredSplit {
        do {
            let split = try MeasuredSplit(name, of: collection, for: artefact, allowsLeaks: allowLeak)
            if !split.known.isEmpty {
                shared.warn(
                    "the artefact learned from or was chosen on \(split.known.count) of the \(split.queries.count) queries of \(name): "
                        + "the figures count memory")
            }
            return split
        } catch let error as RetrievalError {
            guard case .knownQueries = error else { throw error }
            throw LeakRefusal(reason: "\(error)")
        }
    }

    static func short(_ text: String) -> String { text.count > 60 ? text.prefix(59) + "…" : text }
}

/// An artefact is to be measured on queries that it knows.
struct LeakRefusal: CommandStatusProviding, CustomStringConvertible {
    var reason: String

    var commandStatus: CommandStatus { .data }
    var description: String {
        "\(reason). Train anew on this collection, which leaves such queries out of train and dev; or measure all the same with --allow-leak"
    }
}
