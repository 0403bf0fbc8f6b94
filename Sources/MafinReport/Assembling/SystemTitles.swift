import Foundation
import MafinComparison
import MafinMethod
import MafinPipeline

enum SystemTitles {
    private static let titles: [String: (title: String, summary: String)] = [
        "tf-idf": ("TF-IDF", "cosine, stop words and stems"),
        "bm25": ("BM25", "stop words and stems"),
        "bm25-tuned": ("BM25, tuned", "k1 and b chosen on dev"),
        "black-box": ("Black box", "its vectors alone"),
        "local": ("Local encoder", "as released"),
        "concatenation": ("Concatenation", "untrained, λ = ½"),
        "concatenation-calibrated": ("Concatenation, calibrated", "untrained, λ fitted on dev"),
        "black-box+bm25-rrf": ("Black box + BM25 by ranks", "reciprocal rank fusion"),
        "black-box+bm25-convex": ("Black box + BM25, convex", "scores normalised per query, weight chosen on dev"),
        "black-box+bm25": ("Black box + BM25", "a sum, weights by likelihood"),
        "nudge-n": ("NUDGE-N", "answer vectors moved toward their queries, on the unit sphere"),
        "nudge-m": ("NUDGE-M", "answer vectors moved toward their queries, all by one distance"),
        "query-memory": ("Query memory", "answers of similar training queries"),
        "composition-stepwise": (
            "Composition, step by step", "a sum without encoder, weights chosen on dev one by one"
        ),
        "composition-without-encoder": (
            "Composition, no encoder", "a sum of all but a trained encoder, weights by likelihood"
        ),
        "linear-adapter": ("Linear adapter", "a map of query vectors"),
        "two-layer-adapter": ("Two-layer adapter", "a two-layer network over query vectors"),
        "linear-adapter-both": ("Linear adapter, both sides", "one map of query and document vectors"),
        "tuned-alone": ("Local encoder, tuned alone", "trained without the black box"),
        "tuned-alone-concatenated": (
            "Tuned alone, then concatenated", "trained without the black box, then joined, λ = ½"
        ),
        "tuned-alone-mixed": ("Tuned alone, then mixed", "trained without the black box, then joined"),
        "paper-mafin": ("Mafin, as published", "trained beside the black box, λ = ½"),
        "lambda-mafin": ("λ-Mafin", "λ learned in training, refitted on dev"),
        "norm-mafin": ("λ-Mafin, norm", "the vector’s length is its weight"),
        "hybrid-mafin": ("Mafin, hybrid loss", "listwise and contrastive"),
        "mafin": ("Mafin", "trained beside the black box, calibrated"),
        "stand-in": ("Stand-in", "the API is not asked: a local encoder estimates its query vectors"),
        "mafin-offline": ("Mafin without the API", "the stand-in and the local encoder"),
        OfflineSums.compositionName: (
            "Composition without the API", "a sum of all that needs no call, weights by likelihood"
        ),
        ComparedSystem.composition: (
            "Composition", "a sum of all, the trained encoder included, weights by likelihood"
        ),
    ]

    private static let suffixes: [String: (title: String, summary: String)] = [
        "bm25": ("+ BM25", "a sum, weights by likelihood"),
        "query-memory": ("+ query memory", "answers of similar training queries"),
    ]

    /// The name for people; the name itself for a system that is not known.
    static func title(_ name: String) -> String { entry(name)?.title ?? name }

    /// Its description, with what was chosen for it on dev.
    static func summary(_ name: String, choices: [String: ManifestValue]) -> String? {
        [entry(name)?.summary, text(of: choices)].compactMap(\.self).filter { !$0.isEmpty }.joined(separator: "; ")
    }

    private static func entry(_ name: String) -> (title: String, summary: String)? {
        if let found = titles[name] { return found }
        guard let plus = name.firstIndex(of: "+"), let base = titles[String(name[..<plus])],
            let suffix = suffixes[String(name[name.index(after: plus)...])]
        else { return nil }
        return ("\(base.title) \(suffix.title)", suffix.summary)
    }

    private static let words: [(key: String, text: String)] = [
        ("lambda", "λ"), ("k1", "k1"), ("b", "b"), ("weight", "weight of BM25"), ("gamma", "γ"), ("bandwidth", "τ"),
        ("learningRate", "learning rate"), ("strength", "strength"), ("steps", "step"),
    ]

    private static func text(of choices: [String: ManifestValue]) -> String {
        if case .record(let weights)? = choices["weights"] {
            return weights.compactMap { name, weight in weight.number.map { (SourceName(rawValue: name), $0) } }
                .sorted { (place(of: $0.0), $0.0.rawValue) < (place(of: $1.0), $1.0.rawValue) }
                .map { "\($0.title) × \(Number.weight($1))" }.joined(separator: ", ")
        }
        // The weight of a query memory has no meaning without its scale.
        let isMemory = choices["bandwidth"] != nil
        return words.compactMap { key, text in
            guard let value = choices[key]?.number, !(isMemory && key == "weight") else { return nil }
            return "\(text) \(number(value))"
        }.joined(separator: ", ")
    }

    /// Black box, local encoder and BM25 come first, and all other sources after them.
    private static func place(of source: SourceName) -> Int {
        let first: [SourceName] = [.blackBox, .local, .bm25]
        return first.firstIndex(of: source) ?? first.count
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e6 ? "\(Int(value))" : String(format: "%.3g", value)
    }
}
