import Logging

/// Shows log messages as notes at the terminal, without time and level, with metadata in brackets.
struct NoteLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    /// Gets one line, without its newline.
    var write: @Sendable (String) -> Void = StandardError.writeLine

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let facts = metadata.merging(event.metadata ?? [:]) { _, new in new }
            .sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        write("\(event.message)" + (facts.isEmpty ? "" : " (\(facts.joined(separator: ", ")))"))
    }
}
