import ArgumentParser
import MafinCommandLine
import MafinRetrieval
import MafinWorkflows

/// The language of the documents, for commands that find documents by their words or generate queries.
struct LanguageOptions: ParsableArguments {
    @Option(
        help: .expert(
            "Language of the documents: \(LanguageName.all). BM25 drops its stop words and reduces words to their stems, and generated queries are written in it. auto guesses it from the documents and says so.",
            "name"), transform: LanguageName.init(parsing:))
    var language = LanguageName(language: nil)

    /// The language; nil: it is guessed.
    var choice: Language? { language.language }
}

/// The value of `--language`: the name of a language, or its code.
struct LanguageName: Equatable, CustomStringConvertible {
    /// Nil: it is guessed.
    var language: Language?

    private static let guessed = "auto"

    /// All values.
    static let all = ([guessed] + Language.allCases.map(\.rawValue)).joined(separator: ", ")

    init(language: Language?) { self.language = language }

    @Sendable init(parsing text: String) throws {
        language = Language(named: text)
        if language == nil, text != Self.guessed {
            throw NameError("language", text, known: [Self.guessed] + Language.allCases.map(\.rawValue))
        }
    }

    var description: String { language?.rawValue ?? Self.guessed }
}
