import CMafinKernels
import Foundation

/// How the token vectors of a text are combined into one vector.
public enum Pooling: String, Sendable, Codable {
    /// The first token's vector (`[CLS]`): bge, gte.
    case firstToken = "cls"
    /// The mean over all tokens: all-MiniLM, e5.
    case mean
    /// The last token's vector.
    case lastToken = "lasttoken"
    /// The largest number of each column over all tokens.
    case maximum = "max"

    /// Reads `modules.json` and `1_Pooling/config.json` of a sentence-transformers folder. The result is `mean` if the
    /// folder has no `modules.json`, as in sentence-transformers.
    /// - Throws: ``EncoderError`` for modules or pooling that this encoder does not support.
    public static func read(modelFolder: URL) throws -> Pooling {
        let modules = modelFolder.appendingPathComponent("modules.json")
        guard FileManager.default.fileExists(atPath: modules.path) else { return .mean }
        let list: [[String: Any]] = try JSONFile.read(modules, as: "JSON list of modules")
        var folder: String?
        for module in list {
            let type = module["type"] as? String ?? "none"
            switch type.split(separator: ".").last ?? "" {
            case "Transformer", "Normalize": break
            case "Pooling": folder = module["path"] as? String
            default:
                throw EncoderError.unsupported(
                    path: modules.path, what: "module", found: type, supported: "Transformer, Pooling, Normalize")
            }
        }
        guard let folder else {
            throw EncoderError.configuration(
                path: modules.path, key: "type", expected: "a Pooling module", found: "none")
        }
        return try read(JSONFile(modelFolder.appendingPathComponent(folder).appendingPathComponent("config.json")))
    }

    private static func read(_ json: JSONFile) throws -> Pooling {
        let prefix = "pooling_mode_"
        var modes = json.object.keys.filter { $0.hasPrefix(prefix) && json.flag($0) == true }
            .map { String($0.dropFirst(prefix.count)) }.sorted()
        // sentence-transformers 5.2 and later write one name instead of the flags.
        if let name = json.string("pooling_mode") { modes = [name] }
        switch modes {
        case ["cls_token"], ["cls"]: return .firstToken
        case ["mean_tokens"], ["mean"]: return .mean
        case ["lasttoken"]: return .lastToken
        case ["max_tokens"], ["max"]: return .maximum
        default:
            throw EncoderError.unsupported(
                path: json.path, what: "pooling", found: modes.joined(separator: " + "),
                supported: "mean, cls, lasttoken, max")
        }
    }

    /// The flags of `1_Pooling/config.json`.
    func configuration(dimension: Int) -> [String: Any] {
        [
            "word_embedding_dimension": dimension,
            "pooling_mode_cls_token": self == .firstToken,
            "pooling_mode_mean_tokens": self == .mean,
            "pooling_mode_max_tokens": self == .maximum,
            "pooling_mode_mean_sqrt_len_tokens": false,
            "pooling_mode_weightedmean_tokens": false,
            "pooling_mode_lasttoken": self == .lastToken,
            "include_prompt": true,
        ]
    }

    /// pooled = this pooling of the `length` rows of `tokens`, `(length, width)`.
    func forward(_ tokens: UnsafePointer<Float>, length: Int, width: Int, into pooled: UnsafeMutablePointer<Float>) {
        switch self {
        case .firstToken:
            pooled.update(from: tokens, count: width)
        case .mean:
            pooled.update(repeating: 0, count: width)
            for row in 0..<length { mafin_axpy(width, 1 / Float(length), tokens + row * width, pooled) }
        case .lastToken:
            pooled.update(from: tokens + (length - 1) * width, count: width)
        case .maximum:
            for column in 0..<width {
                pooled[column] = tokens[Self.largestRow(tokens, column, length, width) * width + column]
            }
        }
    }

    /// The first row with the largest number in a column.
    private static func largestRow(_ tokens: UnsafePointer<Float>, _ column: Int, _ length: Int, _ width: Int) -> Int {
        var best = 0
        for row in 1..<max(1, length) where tokens[row * width + column] > tokens[best * width + column] { best = row }
        return best
    }

    /// Computes the gradient of the `length` rows of `tokens`, `(length, width)`, from the gradient of the pooled
    /// vector. Only the largest numbers read `tokens`.
    func backward(
        _ gradient: UnsafePointer<Float>, tokens: UnsafePointer<Float>, length: Int, width: Int,
        into rows: UnsafeMutablePointer<Float>
    ) {
        rows.update(repeating: 0, count: length * width)
        switch self {
        case .firstToken:
            rows.update(from: gradient, count: width)
        case .mean:
            for row in 0..<length { mafin_axpy(width, 1 / Float(length), gradient, rows + row * width) }
        case .lastToken:
            (rows + (length - 1) * width).update(from: gradient, count: width)
        case .maximum:
            for column in 0..<width {
                rows[Self.largestRow(tokens, column, length, width) * width + column] = gradient[column]
            }
        }
    }
}
