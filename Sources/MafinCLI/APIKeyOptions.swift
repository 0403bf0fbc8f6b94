import ArgumentParser
import Foundation
import MafinCommandLine
import MafinProviders

/// Where the API key is. A flag never holds the key itself, because other users can see a process's arguments, and shells record them.
struct APIKeyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Environment variable that holds the API key; the key itself is never a flag. (default: the provider's usual one, such as OPENAI_API_KEY)",
            valueName: "name"))
    var apiKeyEnv: String?

    @Option(help: .expert("File whose only line is the API key, instead of a variable.", "path"), completion: .file())
    var apiKeyFile: String?

    func validate() throws {
        if apiKeyEnv != nil, apiKeyFile != nil {
            throw ValidationError("--api-key-env and --api-key-file cannot both be given.")
        }
        if let apiKeyEnv, !Self.isVariable(apiKeyEnv) {
            // This may be the key itself, so it must not be printed.
            throw ValidationError("--api-key-env takes the name of an environment variable, not the key.")
        }
    }

    /// The source that the flags name.
    var source: APIKeySource {
        APIKeySource(file: apiKeyFile.map { URL(fileURLWithPath: $0) }, variable: apiKeyEnv)
    }

    /// Whether a text can be the name of an environment variable.
    static func isVariable(_ text: String) -> Bool {
        !text.isEmpty && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    }
}
