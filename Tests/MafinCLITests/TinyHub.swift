import Foundation
import MafinTestSupport

/// A model hub with one repository, `org/tiny`, that serves its files itself.
struct TinyHub {
    static let commit = "0123456789abcdef0123456789abcdef01234567"

    private let server: StubHTTPServer

    /// The settings of a tiny BERT. Its "weights" are a text with a known SHA-256.
    static let bert: [String: String] = [
        "config.json": """
        {"model_type": "bert", "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2, \
        "intermediate_size": 8, "vocab_size": 6, "max_position_embeddings": 16}
        """,
        "tokenizer_config.json": #"{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}"#,
        "vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n",
        "model.safetensors": "abc",
    ]

    /// SHA-256 of `abc` (FIPS 180-2, appendix B.1).
    static let weightsSHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    init(files: [String: String] = bert) throws {
        server = try StubHTTPServer { request in
            if request.target.hasPrefix("/api/models/org/tiny/revision/") {
                let names = files.keys.sorted().map { #"{"rfilename": "\#($0)"}"# }.joined(separator: ",")
                return .text(#"{"sha": "\#(Self.commit)", "siblings": [\#(names)]}"#)
            }
            let prefix = "/org/tiny/resolve/\(Self.commit)/"
            guard request.target.hasPrefix(prefix), let text = files[String(request.target.dropFirst(prefix.count))]
            else { return .text(#"{"error": "Repository not found"}"#, status: 404) }
            // The ETag of a file is neither of the hub's hashes, as on some mirrors.
            let name = request.target.dropFirst(prefix.count).replacing("/", with: "-")
            return .text(text, headers: ["ETag": "\"content-of-\(name)\"", "X-Repo-Commit": Self.commit])
        }
    }

    var url: String { server.url }
    var downloads: [String] { server.requests.filter { $0.method == "GET" }.map(\.target) }

    func stop() { server.stop() }
}
